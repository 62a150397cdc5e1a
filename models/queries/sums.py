"""The one machine behind every sum: which table answers for which part of a range, put together as one statement."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, cast

from sqlalchemy import Connection, TextClause, text

from models.db import Ranges, bucket_pairs, ranges_of
from models.measures import EVERYBODY, SUMS
from models.queries.ranges import pieces
from models.queries.scope import Bucket, Filters, Scope

# What can be asked per: the columns that tell one from another, and the table that has them at each level.
_FINE = {"quarter": "usage_quarter", "ms": "call"}
_NARROW = {"month": "usage_month", "day": "usage_day", "hour": "usage_hour", **_FINE}
_PLACE = {"day": "place_day", "hour": "place_hour", **_FINE}
DIMENSIONS: dict[str, tuple[tuple[str, ...], dict[str, str]]] = {
    "nothing": ((), _NARROW),
    "llm_model": (("llm_model_id",), _NARROW),
    "person": (("owner_id",), _NARROW),
    "machine": (("owner_id", "machine_id"), {"month": "machine_month", "day": "machine_day", **_FINE}),
    "project": (("owner_id", "project_id"), {**_PLACE, "month": "project_month", "day": "project_day"}),
    "project_and_model": (("owner_id", "project_id", "llm_model_id"), _PLACE),
    "session_and_model": (("owner_id", "agent_session_id", "llm_model_id"), _FINE),
}
# Tables whose key goes on after the owner with a machine or a project: reached through those.
_BY_MACHINE = ("machine_month", "machine_day")
_BY_PROJECT = ("project_month", "project_day", "place_day", "place_hour", "project_active", "project_tool_day")
_FOR_EVERYBODY = ("usage_month", "usage_day", "usage_hour", "session_active", "tool_day")  # rows of owner EVERYBODY
# Who is behind the columns of a dimension: table, condition, and what stands for key, label and family.
_BY_ID = "n.owner_id = s.owner_id and n.id = s."
NAMES = {
    "llm_model": ("llm_model", "n.id = s.llm_model_id", "n.name", "n.name", "n.family"),
    "person": (
        "person",
        "n.id = s.owner_id",
        "cast(n.id as text)",
        "case when n.name <> '' then n.name else n.email end",
        "''",
    ),
    "machine": ("machine", f"{_BY_ID}machine_id", "n.name", "n.name", "''"),
    "project": ("project", f"{_BY_ID}project_id", "n.path", "n.label", "''"),
}
_UNPRICED = "case when t.rate_id is null and t.client_cost_nanousd is null then 1 else 0 end"


@dataclass(frozen=True)
class Narrowed:
    """Which conditions a question has; their values are the parameters of `narrowing`."""

    everybody: bool
    llm_model: bool = False
    machine: bool = False
    project: bool = False

    @classmethod
    def by(cls, scope: Scope, filters: Filters) -> "Narrowed":
        return cls(
            scope.owner_id is None,
            filters.llm_model is not None,
            filters.machine is not None,
            filters.project is not None,
        )


def sums(db: Connection, scope: Scope, filters: Filters, buckets: Sequence[Bucket], per: str) -> list[tuple[Any, ...]]:
    """Rows (bucket index, columns of the dimension ..., the nine sums) where there was a call; exact at any edge.

    `filters` narrows by machine, project and model; its range is not looked at, the buckets are.
    """
    return _answer(db, scope, filters, buckets, per, _statement)


def named_sums(
    db: Connection, scope: Scope, filters: Filters, buckets: Sequence[Bucket], per: str
) -> list[tuple[Any, ...]]:
    """The same with names: rows (bucket index, key, label, family, the nine sums); two rows may share a key."""
    return _answer(db, scope, filters, buckets, per, _named_statement)


def _answer(
    db: Connection,
    scope: Scope,
    filters: Filters,
    buckets: Sequence[Bucket],
    per: str,
    make: Callable[[Ranges, str, tuple[str, ...], Narrowed, bool], TextClause],
) -> list[tuple[Any, ...]]:
    narrowed = Narrowed.by(scope, filters)
    parts = pieces(buckets, _tables(per, narrowed))
    if not parts:
        return []
    statement = make(ranges_of(db), per, tuple(parts), narrowed, len(buckets) == 1)
    values = {f"{level}_buckets": bucket_pairs(part) for level, part in parts.items()}
    rows = db.execute(statement, {**values, **narrowing(scope, filters)}).all()
    return cast(list[tuple[Any, ...]], rows)  # rows of SQLAlchemy are tuples; copying them would take as long as asking


def narrowing(scope: Scope, filters: Filters) -> dict[str, Any]:
    """The parameters that the conditions of `joins` name."""
    values: dict[str, Any] = {"owner": EVERYBODY if scope.owner_id is None else scope.owner_id}
    for name in ("llm_model", "machine", "project"):
        if (value := getattr(filters, name)) is not None:
            values[name] = value
    return values


def _tables(per: str, narrowed: Narrowed) -> dict[str, str]:
    """The tables that can answer: filters on what a narrow one does not have leave the wider ones."""
    tables = DIMENSIONS[per][1]
    if narrowed.machine or narrowed.project or (narrowed.llm_model and per in ("machine", "project")):
        return tables if tables is _FINE else _PLACE
    return tables


@lru_cache(maxsize=256)
def _statement(ranges: Ranges, per: str, levels: tuple[str, ...], narrowed: Narrowed, is_one: bool) -> TextClause:
    return text(_sums_sql(ranges, per, levels, narrowed, is_one))


@lru_cache(maxsize=256)
def _named_statement(ranges: Ranges, per: str, levels: tuple[str, ...], narrowed: Narrowed, is_one: bool) -> TextClause:
    table, condition, key, label, family = NAMES[per]
    return text(
        f"select s.bucket, {key}, {label}, {family}, {', '.join(f's.{name}' for name in SUMS)}"
        f" from ({_sums_sql(ranges, per, levels, narrowed, is_one)}) as s cross join {table} n where {condition}"
    )


def _sums_sql(ranges: Ranges, per: str, levels: tuple[str, ...], narrowed: Narrowed, is_one: bool) -> str:
    """The sums out of some levels; `is_one`: for a single bucket, by which nothing needs to be grouped."""
    columns, tables = DIMENSIONS[per][0], _tables(per, narrowed)
    parts = [_part(ranges, columns, level, tables[level], per, narrowed, is_one) for level in levels]
    names = ", ".join(("bucket", *columns))
    totals = ", ".join(f"cast(sum({name}) as bigint) as {name}" for name in SUMS)
    return (
        f"select {names}, {totals} from ({' union all '.join(parts)}) as parts group by {names} having sum(calls) <> 0"
    )


def _part(
    ranges: Ranges, columns: tuple[str, ...], level: str, table: str, per: str, narrowed: Narrowed, is_one: bool
) -> str:
    """The sums of one level: the owners (machines, projects) in question, the ranges, and last its table.

    Grouped by the columns of what is joined first: SQLite then need not sort the rows.
    """
    reached = reach(table, narrowed, per_person=per == "person")
    column = "at_ms" if level == "ms" else level
    condition = f"{reached.about_table} and t.{column} >= b.start_at and t.{column} < b.end_at"
    measured = [f"sum(t.{name})" for name in SUMS]
    if level == "ms":
        measured[0], measured[-1] = "count(*)", f"sum({_UNPRICED})"
        condition += " and t.is_superseded = 0"
    grouped = [reached.columns.get(name, f"t.{name}") for name in columns]
    chosen = ["0 as bucket" if is_one else "b.bucket"]
    chosen += [f"{sql} as {name}" for sql, name in zip((*grouped, *measured), (*columns, *SUMS), strict=True)]
    groups = ", ".join(grouped if is_one else ["b.bucket", *grouped])
    joined = ranges.join(f"{level}_buckets", reached.source, reached.about_source, table, condition)
    return f"select {', '.join(chosen)}{joined}" + (f" group by {groups}" if groups else "")


@dataclass(frozen=True)
class Reach:
    """How rows of a table `t` are found: what is joined before it, the conditions on that and on `t`.

    `columns`: which columns of `t` stand in what was joined before. So joined, `t` is read by its key: owner, then
    machine or project, then time.
    """

    source: str
    about_source: str
    about_table: str
    columns: Mapping[str, str]

    @property
    def condition(self) -> str:
        return f"{self.about_source or '1 = 1'} and {self.about_table}"


def reach(table: str, narrowed: Narrowed, *, per_person: bool = False) -> Reach:
    """How to find the rows of a table that a question is about; the parameters are those of `narrowing`."""
    joined: list[str] = []
    before: list[str] = []
    conditions: list[str] = []
    columns: dict[str, str] = {}
    if narrowed.machine or table in _BY_MACHINE:
        joined.append("machine m")
        conditions.append("t.machine_id = m.id")
        columns |= {"owner_id": "m.owner_id", "machine_id": "m.id"}
    if narrowed.machine:
        before.append("m.name = :machine")
    if narrowed.project or table in _BY_PROJECT:
        if joined:
            before.append("p.owner_id = m.owner_id")
        joined.append("project p")
        conditions.append("t.project_id = p.id")
        columns |= {"owner_id": "p.owner_id", "project_id": "p.id"}
    if narrowed.project:
        before.append("p.path = :project")
    if not narrowed.everybody:
        before += [f"{columns['owner_id']} = :owner"] if joined else []
        conditions.append("t.owner_id = :owner")
    elif joined:
        conditions.append(f"t.owner_id = {columns['owner_id']}")
    elif table in _FOR_EVERYBODY and not per_person:
        conditions.append("t.owner_id = :owner")
    else:
        joined.append("person o")
        conditions.append("t.owner_id = o.id")
        columns["owner_id"] = "o.id"
    if narrowed.llm_model:
        conditions.append("t.llm_model_id = (select id from llm_model where name = :llm_model)")
    source = "".join(f"{name} cross join " for name in joined)
    return Reach(source, " and ".join(before), " and ".join(conditions), columns)
