"""The one machine behind every sum: which table answers for which part of a range, put together as one statement."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, TextClause, text

from models.db import bucket_pairs, bucket_rows
from models.measures import EVERYBODY, SUMS
from models.queries.ranges import pieces
from models.queries.scope import Bucket, Filters, Scope

# What can be asked per: the columns that tell one from another, and the table that has them at each level.
_FINE = {"quarter": "usage_quarter", "ms": "call"}
_NARROW = {"month": "usage_month", "day": "usage_day", "hour": "usage_hour", **_FINE}
DIMENSIONS: dict[str, tuple[tuple[str, ...], dict[str, str]]] = {
    "nothing": ((), _NARROW),
    "llm_model": (("llm_model_id",), _NARROW),
    "person": (("owner_id",), _NARROW),
    "machine": (("owner_id", "machine_id"), {"month": "machine_month", "day": "machine_day", **_FINE}),
    "project": (("owner_id", "project_id"), {"month": "project_month", "day": "project_day", **_FINE}),
    "project_and_model": (("owner_id", "project_id", "llm_model_id"), _FINE),
    "session_and_model": (("owner_id", "agent_session_id", "llm_model_id"), _FINE),
}
_UNPRICED = "case when t.rate_id is null and t.client_cost_nanousd is null then 1 else 0 end"


def sums(db: Connection, scope: Scope, filters: Filters, buckets: Sequence[Bucket], per: str) -> list[tuple[Any, ...]]:
    """Rows (bucket index, columns of the dimension ..., the nine sums) where there was a call; exact at any edge.

    `filters` narrows by machine, project and model; its range is not looked at, the buckets are.
    """
    tables = _tables(per, filters)
    parts = pieces(buckets, tables)
    if not parts:
        return []
    statement = _statement(
        bucket_rows(db),
        per,
        tuple(parts),
        scope.owner_id is None,
        filters.llm_model is not None,
        filters.machine is not None,
        filters.project is not None,
    )
    values = {f"{level}_buckets": bucket_pairs(part) for level, part in parts.items()}
    rows = db.execute(statement, {**values, **narrowing(scope, filters)})
    return [tuple(row) for row in rows]


def narrowing(scope: Scope, filters: Filters) -> dict[str, Any]:
    """The parameters that the conditions of `joins` name."""
    values: dict[str, Any] = {"owner": EVERYBODY if scope.owner_id is None else scope.owner_id}
    for name in ("llm_model", "machine", "project"):
        if (value := getattr(filters, name)) is not None:
            values[name] = value
    return values


def _tables(per: str, filters: Filters) -> dict[str, str]:
    """The tables that can answer: filters on what a rollup does not have leave only the fine ones."""
    tables = DIMENSIONS[per][1]
    filtered = filters.machine is not None or filters.project is not None
    if filtered or (filters.llm_model is not None and per in ("machine", "project")):
        return _FINE
    return tables


@lru_cache(maxsize=256)
def _statement(
    rows_sql: str, per: str, levels: tuple[str, ...], everybody: bool, model: bool, machine: bool, project: bool
) -> TextClause:
    columns, tables = DIMENSIONS[per]
    if machine or project or (model and per in ("machine", "project")):
        tables = _FINE
    parts = [_part(rows_sql, columns, level, tables[level], everybody, model, machine, project) for level in levels]
    names = ", ".join(("bucket", *columns))
    totals = ", ".join(f"cast(sum({name}) as bigint) as {name}" for name in SUMS)
    return text(
        f"select {names}, {totals} from ({' union all '.join(parts)}) as parts group by {names} having sum(calls) <> 0"
    )


def _part(
    rows_sql: str,
    columns: tuple[str, ...],
    level: str,
    table: str,
    everybody: bool,
    model: bool,
    machine: bool,
    project: bool,
) -> str:
    """The sums of one level: its ranges joined to the owners in question joined to its table."""
    shared = table in ("usage_month", "usage_day", "usage_hour") and "owner_id" not in columns
    source, condition = joins(everybody and not shared, model, machine, project)
    column = "at_ms" if level == "ms" else level
    measured = [f"sum(t.{name})" for name in SUMS]
    if level == "ms":
        measured[0], measured[-1] = "count(*)", f"sum({_UNPRICED})"
        condition += " and t.is_superseded = 0"
    chosen = ", ".join(["b.bucket", *(f"t.{name}" for name in columns)])
    named = ", ".join(f"{sql} as {name}" for sql, name in zip(measured, SUMS, strict=True))
    ranges = rows_sql.replace(":buckets", f":{level}_buckets")
    return (
        f"select {chosen}, {named} from {ranges} b cross join {source}{table} t"
        f" where {condition} and t.{column} >= b.start_at and t.{column} < b.end_at group by {chosen}"
    )


def joins(everybody: bool, model: bool, machine: bool, project: bool) -> tuple[str, str]:
    """Tables to join before `t`, and the condition on `t`, so that its index by owner and filter is used."""
    source, owner, conditions = "", ":owner", []
    if project:
        source += "project p cross join "
        conditions.append("p.path = :project and t.project_id = p.id")
        conditions.append("t.owner_id = p.owner_id" if everybody else "p.owner_id = :owner")
    if machine:
        source += "machine m cross join "
        conditions.append("m.name = :machine and t.machine_id = m.id")
        conditions.append("t.owner_id = m.owner_id" if everybody else "m.owner_id = :owner")
    if everybody and not source:
        source = "person o cross join "
        conditions.append("t.owner_id = o.id")
    if not everybody:
        conditions.append(f"t.owner_id = {owner}")
    if model:
        conditions.append("t.llm_model_id = (select id from llm_model where name = :llm_model)")
    return source, " and ".join(conditions)
