"""The sums of calls: how a change of calls changes them, and how they are checked against the calls.

`Changes` collects what a batch adds and takes away, by quarter of an hour and every dimension; `apply` turns that into
one statement per table. All tables are listed once, in `ROLLUPS`.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from models.bulk import Store
from models.measures import EVERYBODY, SUMS

LOST_TOOL = 0  # id of a tool of which the name is gone
QUARTER_MS = 900_000


@dataclass(frozen=True)
class Rollup:
    """One table of sums: its key after `owner_id`, each as (column, SQL over a staged change), and who is summed."""

    table: str
    key: tuple[tuple[str, str], ...]
    everybody: bool = False

    @property
    def columns(self) -> str:
        return ", ".join(name for name, _ in self.key)


_HOUR, _DAY = ("hour", "quarter / 4"), ("day", "quarter / 96")
_MONTH, _MODEL = ("month", "month"), ("llm_model_id", "llm_model_id")
_MACHINE, _PROJECT = ("machine_id", "machine_id"), ("project_id", "project_id")
_SESSION = ("agent_session_id", "agent_session_id")
ROLLUPS = (
    Rollup("usage_quarter", (("quarter", "quarter"), _SESSION, _MACHINE, _PROJECT, _MODEL)),
    Rollup("machine_day", (_DAY, _MACHINE)),
    Rollup("machine_month", (_MONTH, _MACHINE)),
    Rollup("project_day", (_DAY, _PROJECT)),
    Rollup("project_month", (_MONTH, _PROJECT)),
    Rollup("usage_hour", (_HOUR, _MODEL), everybody=True),
    Rollup("usage_day", (_DAY, _MODEL), everybody=True),
    Rollup("usage_month", (_MONTH, _MODEL), everybody=True),
)
_CHANGE_COLUMNS = tuple(
    (name, "bigint")
    for name in ("quarter", "month", "agent_session_id", "machine_id", "project_id", "llm_model_id", *SUMS)
)


class Changes:
    """What a batch does to the sums of one owner. Counts may be negative: a call that moved leaves its old place."""

    def __init__(self) -> None:
        self.usage: dict[tuple[int, int, int, int, int], list[int]] = {}
        self.tools: Counter[tuple[int, int]] = Counter()
        self.shrunk_sessions: set[int] = set()

    def add(self, at_ms: int, dimensions: tuple[int, int, int, int], sums: tuple[int, ...]) -> None:
        """Add the sums of one call; `dimensions` are session, machine, project, model."""
        key = (at_ms // QUARTER_MS, *dimensions)
        row = self.usage.get(key)
        if row is None:
            self.usage[key] = list(sums)
            return
        row[0] += sums[0]
        row[1] += sums[1]
        row[2] += sums[2]
        row[3] += sums[3]
        row[4] += sums[4]
        row[5] += sums[5]
        row[6] += sums[6]
        row[7] += sums[7]
        row[8] += sums[8]

    def take(self, at_ms: int, dimensions: tuple[int, int, int, int], sums: tuple[int, ...]) -> None:
        """Take away the sums of one call."""
        self.add(at_ms, dimensions, tuple(-value for value in sums))
        self.shrunk_sessions.add(dimensions[0])

    @property
    def sessions(self) -> list[int]:
        return sorted({key[1] for key in self.usage})


def apply(store: Store, owner_id: int, changes: Changes, new_sessions: set[int]) -> None:
    """Change every rollup of the owner, in the transaction that changed the calls.

    What all owners share comes last and in key order: on PostgreSQL those rows are locked until the commit.
    """
    staged = [
        (quarter, month_number(quarter // 96), *dimensions, *sums)
        for (quarter, *dimensions), sums in changes.usage.items()
        if any(sums)
    ]
    if not staged and not any(changes.tools.values()):
        return
    store.stage("usage_change", _CHANGE_COLUMNS, staged)
    known = [session for session in changes.sessions if session not in new_sessions]
    active: Counter[tuple[int, int]] = Counter()
    active.subtract(_active(store, owner_id, known))
    for rollup in ROLLUPS:
        _add_staged(store, rollup, owner_id)
    active.update(_active(store, owner_id, changes.sessions))
    active_rows = [(*key, count) for key, count in sorted(active.items()) if count]
    tool_rows = [(*key, count) for key, count in sorted(changes.tools.items()) if count]
    _add_rows(store, owner_id, active_rows, tool_rows)
    for rollup in ROLLUPS:
        if rollup.everybody:
            _add_staged(store, rollup, EVERYBODY)
    _add_rows(store, EVERYBODY, active_rows, tool_rows)


def _add_staged(store: Store, rollup: Rollup, owner_id: int) -> None:
    """Fold the staged change into one table."""
    places = ", ".join(str(number) for number in range(2, 2 + len(rollup.key)))
    keys = ", ".join(sql for _, sql in rollup.key)
    store.run(
        f"insert into {rollup.table} (owner_id, {rollup.columns}, {', '.join(SUMS)})"
        f" select cast(? as bigint), {keys}, {', '.join(f'sum({name})' for name in SUMS)}"
        f" from usage_change group by {places} order by {places}"
        f" on conflict (owner_id, {rollup.columns}) do update set "
        + ", ".join(f"{name} = {rollup.table}.{name} + excluded.{name}" for name in SUMS),
        (owner_id,),
    )


def _add_rows(store: Store, owner_id: int, active: Sequence[tuple[int, ...]], tools: Sequence[tuple[int, ...]]) -> None:
    """Fold session activity (hour, previous hour, sessions) and tool uses (hour, tool, uses) into their tables."""
    days: Counter[tuple[int, int]] = Counter()
    for hour, tool_id, uses in tools:
        days[hour // 24, tool_id] += uses
    for table, key, value, rows in (
        ("session_active", "hour, previous_hour", "sessions", active),
        ("tool_hour", "hour, tool_id", "uses", tools),
        ("tool_day", "day, tool_id", "uses", [(*place, uses) for place, uses in sorted(days.items())]),
    ):
        store.run_many(
            f"insert into {table} (owner_id, {key}, {value}) values (?, ?, ?, ?)"
            f" on conflict (owner_id, {key}) do update set {value} = {table}.{value} + excluded.{value}",
            [(owner_id, *row) for row in rows],
        )


def _active(store: Store, owner_id: int, sessions: list[int]) -> dict[tuple[int, int], int]:
    """(hour, previous active hour or 0) -> how many of these sessions, as the quarters stand now."""
    if not sessions:
        return {}
    rows = store.rows_by_key(
        "select hour, previous_hour, count(*) from (select hour, coalesce(lag(hour) over"
        " (partition by agent_session_id order by hour), 0) as previous_hour from"
        " (select distinct agent_session_id, quarter / 4 as hour from usage_quarter"
        " where owner_id = ? and calls > 0 and agent_session_id in {keys}) as hours) as steps group by 1, 2",
        (owner_id,),
        sessions,
    )
    return {(hour, previous): count for hour, previous, count in rows}


@lru_cache(maxsize=1024)
def month_number(day: int) -> int:
    """Months since year 0 of a day number: year * 12 + month - 1."""
    on = datetime.fromtimestamp(day * 86_400, UTC)
    return on.year * 12 + on.month - 1


@dataclass(frozen=True)
class Difference:
    """A rollup row that does not equal what the calls sum to; an absent row is None."""

    table: str
    key: tuple[Any, ...]
    stored: tuple[int | None, ...] | None
    counted: tuple[int | None, ...] | None


def differences(store: Store) -> Iterator[Difference]:
    """Recompute every rollup from the calls and compare; nothing is changed."""
    for rollup in ROLLUPS:
        yield from _compare(store, rollup.table, len(rollup.key) + 1, *_usage_sql(store, rollup))
    yield from _compare(store, "session_active", 3, *_active_sql())
    yield from _compare(store, "agent_session", 2, *_session_sql())
    yield from _compare_tools(store)


def _usage_sql(store: Store, rollup: Rollup) -> tuple[str, str]:
    """Queries of the stored rows of a table and of the same rows counted from the calls."""
    sums = ", ".join(SUMS)
    stored = f"select owner_id, {rollup.columns}, {sums} from {rollup.table} where {_ANY_SUM}"
    return stored, _summed_sql(rollup, _calls_sql(store))


def _summed_sql(rollup: Rollup, rows: str) -> str:
    """The rows of a rollup, summed from a query with the columns of a staged change."""
    keys = ", ".join(f"{sql} as {name}" for name, sql in rollup.key)
    count = ", ".join(f"cast(sum({name}) as bigint)" for name in SUMS)
    places = ", ".join(str(number) for number in range(1, 2 + len(rollup.key)))
    summed = f"select owner_id, {keys}, {count} from ({rows}) as counted group by {places}"
    if rollup.everybody:
        summed += f" union all select {EVERYBODY}, {keys}, {count} from ({rows}) as counted group by {places}"
    return summed


def _calls_sql(store: Store) -> str:
    """Counted calls with the columns of a staged change."""
    return (
        f"select owner_id, at_ms / {QUARTER_MS} as quarter, {store.month_of('at_ms')} as month, agent_session_id,"
        " machine_id, project_id, llm_model_id, 1 as calls, input_tokens, output_tokens, cache_read_tokens,"
        " cache_write_5m_tokens, cache_write_1h_tokens, web_searches, cost_nanousd,"
        f" {UNPRICED_SQL} as unpriced_calls from call where is_superseded = 0"
    )


_ANY_SUM = " or ".join(f"{name} <> 0" for name in SUMS)  # what left a place leaves a row of zeros, which says nothing
_ANY_SESSION_SUM = f"({_ANY_SUM} or first_ms is not null or last_ms is not null)"
UNPRICED_SQL = "case when rate_id is null and client_cost_nanousd is null then 1 else 0 end"


_CALL_HOURS = "select distinct owner_id, agent_session_id, at_ms / 3600000 as hour from call where is_superseded = 0"
_QUARTER_HOURS = "select distinct owner_id, agent_session_id, quarter / 4 as hour from usage_quarter where calls > 0"


def _active_sql(hours: str = _CALL_HOURS) -> tuple[str, str]:
    stored = "select owner_id, hour, previous_hour, sessions from session_active where sessions <> 0"
    steps = (
        "(select owner_id, hour, coalesce(lag(hour) over (partition by owner_id, agent_session_id order by hour), 0)"
        f" as previous_hour from ({hours}) as hours) as steps"
    )
    counted = f"select owner_id, hour, previous_hour, count(*) from {steps} group by 1, 2, 3"
    return stored, f"{counted} union all select {EVERYBODY}, hour, previous_hour, count(*) from {steps} group by 2, 3"


def _session_sql() -> tuple[str, str]:
    sums = ", ".join(SUMS)
    stored = f"select owner_id, id, first_ms, last_ms, {sums} from agent_session where {_ANY_SESSION_SUM}"
    count = ", ".join(f"cast(sum({name}) as bigint)" for name in SUMS[1:-1])
    counted = (
        f"select owner_id, agent_session_id, min(at_ms), max(at_ms), count(*), {count}, sum({UNPRICED_SQL})"
        " from call where is_superseded = 0 group by 1, 2"
    )
    return stored, counted


def _compare(store: Store, table: str, key_length: int, stored: str, counted: str) -> Iterator[Difference]:
    """The rows that only one of two queries has, paired by key."""
    sides: tuple[dict[Any, Any], dict[Any, Any]] = ({}, {})
    for side, mine, other in ((0, stored, counted), (1, counted, stored)):
        for row in store.rows(f"select * from ({mine}) as mine except select * from ({other}) as other"):
            values = tuple(None if value is None else int(value) for value in row[key_length:])
            sides[side][tuple(row[:key_length])] = values
    for key in sorted(sides[0].keys() | sides[1].keys()):
        yield Difference(table, key, sides[0].get(key), sides[1].get(key))


def _compare_tools(store: Store) -> Iterator[Difference]:
    """Tool uses live as text in the call, so they are counted here."""
    for (table, bucket), counted in _count_tools(store).items():
        rows = store.rows(f"select owner_id, {bucket}, tool_id, uses from {table} where uses <> 0")
        stored = {tuple(row[:3]): row[3] for row in rows}
        for key in sorted(stored.keys() | counted.keys()):
            if stored.get(key, 0) != counted.get(key, 0):
                yield Difference(table, key, (stored.get(key, 0),), (counted.get(key, 0),))


def _count_tools(store: Store) -> dict[tuple[str, str], Counter[tuple[int, int, int]]]:
    """(table, its bucket) -> (owner, bucket, tool) -> uses, counted from the calls."""
    ids = dict(store.rows("select name, id from tool"))
    hours: Counter[tuple[int, int, int]] = Counter()
    for owner_id, at_ms, tools in store.each(
        "select owner_id, at_ms, tools from call where is_superseded = 0 and tools <> ''"
    ):
        for use in tools.split("\n"):
            hours[owner_id, at_ms // 3_600_000, ids.get(use.partition(" ")[2], LOST_TOOL)] += 1
    for (_, hour, tool_id), uses in list(hours.items()):
        hours[EVERYBODY, hour, tool_id] += uses
    days: Counter[tuple[int, int, int]] = Counter()
    for (owner_id, hour, tool_id), uses in hours.items():
        days[owner_id, hour // 24, tool_id] += uses
    return {("tool_hour", "hour"): hours, ("tool_day", "day"): days}


def checked_count(store: Store) -> int:
    """How many rollup rows `differences` looks at."""
    tables = [rollup.table for rollup in ROLLUPS] + ["session_active", "agent_session", "tool_hour", "tool_day"]
    return sum(store.rows(f"select count(*) from {table}")[0][0] for table in tables)


def rebuild(store: Store) -> None:
    """Empty every rollup and sum the calls again; afterwards there are no `differences`. Some seconds a million calls.

    One transaction that no other writer can enter; readers see the sums of before until it ends.
    """
    with store.writing():
        store.lock_every_owner()
        for table in (*(rollup.table for rollup in ROLLUPS), "session_active", "tool_hour", "tool_day"):
            store.run(f"delete from {table}")
        finest, *others = ROLLUPS  # what has every dimension; the others are sums of its much fewer rows
        _refill(store, finest.table, finest.columns, SUMS, _summed_sql(finest, _calls_sql(store)))
        for rollup in others:
            _refill(store, rollup.table, rollup.columns, SUMS, _summed_sql(rollup, _quarters_sql(store)))
        _refill(store, "session_active", "hour, previous_hour", ("sessions",), _active_sql(_QUARTER_HOURS)[1])
        for (table, bucket), uses in _count_tools(store).items():
            columns = tuple((name, "bigint") for name in ("owner_id", bucket, "tool_id", "uses"))
            store.upsert(
                table, columns, f"owner_id, {bucket}, tool_id", [(*key, count) for key, count in sorted(uses.items())]
            )
        _resum_sessions(store)
        store.run("update change_count set changes = changes + 1")


def _refill(store: Store, table: str, columns: str, sums: tuple[str, ...], rows: str) -> None:
    store.run(f"insert into {table} (owner_id, {columns}, {', '.join(sums)}) {rows}")


def _quarters_sql(store: Store) -> str:
    """The quarters with the columns of a staged change."""
    month = store.month_of(f"(quarter * {QUARTER_MS})")
    dimensions = "agent_session_id, machine_id, project_id, llm_model_id"
    return f"select owner_id, quarter, {month} as month, {dimensions}, {', '.join(SUMS)} from usage_quarter"


def _resum_sessions(store: Store) -> None:
    """Sums, first and last call of every session."""
    zeros = ", ".join(f"{name} = 0" for name in SUMS)
    store.run(f"update agent_session set first_ms = null, last_ms = null, {zeros} where {_ANY_SESSION_SUM}")
    columns = ("owner_id", "id", "first_ms", "last_ms", *SUMS)
    store.stage("session_sum", [(name, "bigint") for name in columns], ())
    store.run(f"insert into session_sum ({', '.join(columns)}) {_session_sql()[1]}")
    store.run(
        "update agent_session set " + ", ".join(f"{name} = d.{name}" for name in columns[2:]) + " from session_sum d"
        " where agent_session.owner_id = d.owner_id and agent_session.id = d.id"
    )
