"""The sums of calls: how a change of calls changes them, and how they are checked against the calls.

`Changes` collects what a batch adds and takes away, by quarter of an hour and every dimension; `apply` turns that into
one statement per table. All tables are listed once, in `ROLLUPS`.
"""

from collections import Counter
from collections.abc import Iterator
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
    def columns(self) -> tuple[str, ...]:
        return tuple(name for name, _ in self.key)


_HOUR, _DAY = ("hour", "quarter / 4"), ("day", "quarter / 96")
_MONTH, _MODEL = ("month", "month"), ("llm_model_id", "llm_model_id")
_MACHINE, _PROJECT = ("machine_id", "machine_id"), ("project_id", "project_id")
_SESSION = ("agent_session_id", "agent_session_id")
ROLLUPS = (
    Rollup("usage_quarter", (("quarter", "quarter"), _SESSION, _MACHINE, _PROJECT, _MODEL)),
    Rollup("place_hour", (_PROJECT, _HOUR, _MACHINE, _MODEL)),
    Rollup("place_day", (_PROJECT, _DAY, _MACHINE, _MODEL)),
    Rollup("machine_day", (_MACHINE, _DAY)),
    Rollup("machine_month", (_MACHINE, _MONTH)),
    Rollup("project_day", (_PROJECT, _DAY)),
    Rollup("project_month", (_PROJECT, _MONTH)),
    Rollup("usage_hour", (_HOUR, _MODEL), everybody=True),
    Rollup("usage_day", (_DAY, _MODEL), everybody=True),
    Rollup("usage_month", (_MONTH, _MODEL), everybody=True),
)


@dataclass(frozen=True)
class Tally:
    """One table of a single count: its key after `owner_id`, what is counted, and whether everybody is, too."""

    table: str
    key: tuple[str, ...]
    counted: str
    everybody: bool = False


# Active sessions are counted in the database, tool uses here: they live as text in the call.
ACTIVE = Tally("session_active", ("hour", "previous_hour"), "sessions", everybody=True)
PROJECT_ACTIVE = Tally("project_active", ("project_id", "hour", "previous_hour"), "sessions")
TOOL_HOUR = Tally("tool_hour", ("hour", "project_id", "tool_id"), "uses")
TOOL_DAY = Tally("tool_day", ("day", "tool_id"), "uses", everybody=True)
PROJECT_TOOL_DAY = Tally("project_tool_day", ("project_id", "day", "tool_id"), "uses")
TALLIES = (ACTIVE, PROJECT_ACTIVE, TOOL_HOUR, TOOL_DAY, PROJECT_TOOL_DAY)
_CHANGE_COLUMNS = tuple(
    (name, "bigint")
    for name in ("quarter", "month", "agent_session_id", "machine_id", "project_id", "llm_model_id", *SUMS)
)


class Changes:
    """What a batch does to the sums of one owner. Counts may be negative: a call that moved leaves its old place."""

    def __init__(self) -> None:
        self.usage: dict[tuple[int, int, int, int, int], list[int]] = {}
        self.tools: Counter[tuple[int, ...]] = Counter()  # hour, project, tool -> uses
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
    counts: dict[Tally, Counter[tuple[int, ...]]] = {ACTIVE: Counter(), PROJECT_ACTIVE: Counter()}
    for tally, count in counts.items():
        count.subtract(_active(store, tally, owner_id, known))
    for rollup in ROLLUPS:
        _add_staged(store, rollup, owner_id)
    for tally, count in counts.items():
        count.update(_active(store, tally, owner_id, changes.sessions))
    counts |= _tool_counts(changes.tools)
    for tally, count in counts.items():
        _add_counts(store, tally, owner_id, count)
    for rollup in ROLLUPS:
        if rollup.everybody:
            _add_staged(store, rollup, EVERYBODY)
    for tally, count in counts.items():
        if tally.everybody:
            _add_counts(store, tally, EVERYBODY, count)


def _add_staged(store: Store, rollup: Rollup, owner_id: int) -> None:
    """Fold the staged change into one table."""
    places = ", ".join(str(number) for number in range(2, 2 + len(rollup.key)))
    keys, names = ", ".join(sql for _, sql in rollup.key), ", ".join(rollup.columns)
    store.run(
        f"insert into {rollup.table} (owner_id, {names}, {', '.join(SUMS)})"
        f" select cast(? as bigint), {keys}, {', '.join(f'sum({name})' for name in SUMS)}"
        f" from usage_change group by {places} order by {places}"
        f" on conflict (owner_id, {names}) do update set "
        + ", ".join(f"{name} = {rollup.table}.{name} + excluded.{name}" for name in SUMS),
        (owner_id,),
    )


def _add_counts(store: Store, tally: Tally, owner_id: int, counts: Counter[tuple[int, ...]]) -> None:
    """Fold changes of counts into their table."""
    key, count = ", ".join(("owner_id", *tally.key)), tally.counted
    store.run_many(
        f"insert into {tally.table} ({key}, {count}) values ({'?, ' * (len(tally.key) + 1)}?)"
        f" on conflict ({key}) do update set {count} = {tally.table}.{count} + excluded.{count}",
        [(owner_id, *places, step) for places, step in sorted(counts.items()) if step],
    )


def _tool_counts(hours: Counter[tuple[int, ...]]) -> dict[Tally, Counter[tuple[int, ...]]]:
    """What uses by (hour, project, tool) make in every table of tools."""
    days: Counter[tuple[int, ...]] = Counter()
    projects: Counter[tuple[int, ...]] = Counter()
    for (hour, project_id, tool_id), uses in hours.items():
        days[hour // 24, tool_id] += uses
        projects[project_id, hour // 24, tool_id] += uses
    return {TOOL_HOUR: hours, TOOL_DAY: days, PROJECT_TOOL_DAY: projects}


def _active(store: Store, tally: Tally, owner_id: int, sessions: list[int]) -> dict[tuple[int, ...], int]:
    """The counts of a table of active sessions that are due to these, as the quarters stand now."""
    if not sessions:
        return {}
    sql = _steps_sql(tally, f"{_QUARTER_HOURS} and owner_id = ? and agent_session_id in {{keys}}")
    rows = store.rows_by_key(sql, (owner_id,), sessions)
    return {row[1:-1]: row[-1] for row in rows}


_QUARTER_HOURS = (
    "select distinct owner_id, agent_session_id, project_id, quarter / 4 as hour from usage_quarter where calls > 0"
)
_CALL_HOURS = (
    "select distinct owner_id, agent_session_id, project_id, at_ms / 3600000 as hour from call where is_superseded = 0"
)


def _steps_sql(tally: Tally, hours: str, owner: str = "owner_id") -> str:
    """Rows of a table of active sessions out of (owner, session, project, hour): each hour and the one before, or 0."""
    within = ", ".join(("owner_id", "agent_session_id", *(name for name in tally.key if name == "project_id")))
    distinct = f"select distinct {within}, hour from ({hours}) as hours"
    lag = f"coalesce(lag(hour) over (partition by {within} order by hour), 0) as previous_hour"
    steps = f"select {within}, hour, {lag} from ({distinct}) as activity"
    places = ", ".join(str(number) for number in range(1, len(tally.key) + 2))
    return f"select {owner}, {', '.join(tally.key)}, count(*) from ({steps}) as steps group by {places}"


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
    finest, *others = ROLLUPS
    found = list(_compare_rollup(store, finest, _calls_sql(store)))
    yield from found
    # as long as the finest sums are right the others may be counted from them: much fewer rows than calls
    rows, hours = (_calls_sql(store), _CALL_HOURS) if found else (_quarters_sql(store), _QUARTER_HOURS)
    for rollup in others:
        yield from _compare_rollup(store, rollup, rows)
    for tally in (ACTIVE, PROJECT_ACTIVE):
        columns = ", ".join(("owner_id", *tally.key, tally.counted))
        stored = f"select {columns} from {tally.table} where {tally.counted} <> 0"
        yield from _compare(store, tally.table, len(tally.key) + 1, stored, _active_sql(tally, hours))
    yield from _compare(store, "agent_session", 2, *_session_sql())
    yield from _compare_tools(store)


def _compare_rollup(store: Store, rollup: Rollup, rows: str) -> Iterator[Difference]:
    stored = f"select {', '.join(('owner_id', *rollup.columns, *SUMS))} from {rollup.table} where {_ANY_SUM}"
    yield from _compare(store, rollup.table, len(rollup.key) + 1, stored, _summed_sql(rollup, rows))


def _active_sql(tally: Tally, hours: str) -> str:
    """The rows of a table of active sessions, everybody's with them."""
    counted = _steps_sql(tally, hours)
    return f"{counted} union all {_steps_sql(tally, hours, str(EVERYBODY))}" if tally.everybody else counted


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
    for tally, counted in _count_tools(store).items():
        rows = store.rows(f"select owner_id, {', '.join(tally.key)}, uses from {tally.table} where uses <> 0")
        stored = {tuple(row[:-1]): row[-1] for row in rows}
        for key in sorted(stored.keys() | counted.keys()):
            if stored.get(key, 0) != counted.get(key, 0):
                yield Difference(tally.table, key, (stored.get(key, 0),), (counted.get(key, 0),))


def _count_tools(store: Store) -> dict[Tally, Counter[tuple[int, ...]]]:
    """(owner, key of the table) -> uses, for every table of tools, counted from the calls."""
    ids = dict(store.rows("select name, id from tool"))
    owners: dict[int, Counter[tuple[int, ...]]] = {}
    for owner_id, project_id, at_ms, tools in store.each(
        "select owner_id, project_id, at_ms, tools from call where is_superseded = 0 and tools <> ''"
    ):
        hours = owners.setdefault(owner_id, Counter())
        for use in tools.split("\n"):
            hours[at_ms // 3_600_000, project_id, ids.get(use.partition(" ")[2], LOST_TOOL)] += 1
    found: dict[Tally, Counter[tuple[int, ...]]] = {
        tally: Counter() for tally in (TOOL_HOUR, TOOL_DAY, PROJECT_TOOL_DAY)
    }
    for owner_id, hours in owners.items():
        for tally, counts in _tool_counts(hours).items():
            for key, uses in counts.items():
                for whose in (owner_id, EVERYBODY) if tally.everybody else (owner_id,):
                    found[tally][whose, *key] += uses
    return found


def checked_count(store: Store) -> int:
    """How many rollup rows `differences` looks at."""
    tables = ["agent_session", *(rollup.table for rollup in ROLLUPS), *(tally.table for tally in TALLIES)]
    return sum(store.rows(f"select count(*) from {table}")[0][0] for table in tables)


def rebuild(store: Store) -> None:
    """Empty every rollup and sum the calls again; afterwards there are no `differences`. Some seconds a million calls.

    One transaction that no other writer can enter; readers see the sums of before until it ends.
    """
    with store.writing():
        store.lock_every_owner()
        for table in (*(rollup.table for rollup in ROLLUPS), *(tally.table for tally in TALLIES)):
            store.run(f"delete from {table}")
        rows = _calls_sql(store)
        for rollup in ROLLUPS:
            _refill(store, rollup.table, (*rollup.columns, *SUMS), _summed_sql(rollup, rows))
            rows = _quarters_sql(store)  # the first has every dimension; the others are sums of its much fewer rows
        for tally in (ACTIVE, PROJECT_ACTIVE):
            _refill(store, tally.table, (*tally.key, tally.counted), _active_sql(tally, _QUARTER_HOURS))
        for tally, uses in _count_tools(store).items():
            columns = ("owner_id", *tally.key, tally.counted)
            counted = [(*key, count) for key, count in sorted(uses.items())]
            store.upsert(tally.table, [(name, "bigint") for name in columns], ", ".join(columns[:-1]), counted)
        _resum_sessions(store)
        store.run("update change_count set changes = changes + 1")


def _refill(store: Store, table: str, columns: tuple[str, ...], rows: str) -> None:
    store.run(f"insert into {table} (owner_id, {', '.join(columns)}) {rows}")


def _quarters_sql(store: Store) -> str:
    """The quarters with the columns of a staged change."""
    month = store.month_of(f"(quarter * {QUARTER_MS})")
    dimensions = "agent_session_id, machine_id, project_id, llm_model_id"
    sums = ", ".join(SUMS)
    return f"select owner_id, quarter, {month} as month, {dimensions}, {sums} from usage_quarter where {_ANY_SUM}"


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
