"""The questions of the overview, put to a year of calls (bench/year.py): by the program, and the slow plain way."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from bench import year
from meter.periods import Period, before, buckets, read_period
from models.bulk import Store
from models.queries import usage
from models.queries.scope import Bucket, Filters, Scope
from models.queries.tools import ToolUse, by_tool
from models.queries.usage import HourCost, SeriesPoint, Share, Totals, Usage
from models.types import from_ms, to_ms

ZONES = ("UTC", "Europe/Berlin")
PERIODS = ("30d", "90d", "all time")
UNFILTERED, ONE_USER, ONE_PROJECT = "unfiltered", "one user", "one project"
GROUPS = (UNFILTERED, ONE_USER, ONE_PROJECT)
BUSIEST = 1  # the person of a third of all calls
BUSIEST_PROJECT = 10  # of that person, an eighth of all calls
SERIES, SHARES = "series by ", "by "
QUERIES = (
    "totals",
    "totals before",
    "series by llm_model",
    "series by person",
    "series by project",
    "sessions series",
    "by llm_model",
    "by project",
    "by machine",
    "by person",
    "by tool",
    "by hour",
)
_ASK_SHARES: dict[str, Callable[..., Any]] = {
    "llm_model": usage.by_model,
    "project": usage.by_project,
    "machine": usage.by_machine,
    "person": usage.by_person,
}


@dataclass(frozen=True)
class Question:
    """One of QUERIES with its arguments. `group`: what the page is narrowed to; `period` says which, for people.

    `earlier`: the stretch before, as long as what has passed of the period; it ends in the middle of everything.
    """

    group: str
    query: str
    period: str
    scope: Scope
    filters: Filters
    buckets: tuple[Bucket, ...]
    earlier: Bucket

    def ask(self, db: Connection) -> Any:
        """The program's answer."""
        where = (db, self.scope, self.filters)
        if self.query.startswith(SERIES):
            return usage.series(*where, self.buckets, self.query.removeprefix(SERIES))
        if self.query == "totals":
            return usage.totals(*where)
        if self.query == "totals before":
            return usage.totals(db, self.scope, self.filters_before)
        if self.query == "sessions series":
            return usage.sessions_series(*where, self.buckets)
        if self.query == "by tool":
            return by_tool(*where)
        if self.query == "by hour":
            return usage.by_hour(*where, 3600)
        return _ASK_SHARES[self.query.removeprefix(SHARES)](*where)

    @property
    def filters_before(self) -> Filters:
        return replace(self.filters, start_at=self.earlier.start_at, end_at=self.earlier.end_at)


def questions() -> Iterator[Question]:
    """Everything the overview asks: for every period and zone; of everybody, of one user and of one project."""
    project = year.project_path(BUSIEST, BUSIEST_PROJECT)
    for zone in ZONES:
        for name in PERIODS:
            chosen = _period(name, zone)
            parts = tuple(Bucket(one.start_at, one.end_at) for one in buckets(chosen))
            filters = Filters(chosen.start_at, chosen.end_at)
            for query in QUERIES:
                asked = Question(UNFILTERED, query, f"{name}, {zone}", Scope(None), filters, parts, before(chosen))
                yield asked
                yield replace(asked, group=ONE_USER, scope=Scope(BUSIEST))
                yield replace(asked, group=ONE_PROJECT, filters=replace(filters, project=project))


def edge_questions() -> Iterator[Question]:
    """The same for ranges that end in the middle of everything, and for every filter there is."""
    first, last = from_ms(to_ms(year.END_AT) - 40 * year.DAY_MS - 4_000_123), from_ms(to_ms(year.END_AT) - 3_600_321)
    middle = from_ms((to_ms(first) + to_ms(last)) // 2)
    ragged = (Bucket(first, middle), Bucket(middle, last))
    kolkata = _period("30d", "Asia/Kolkata")
    quarters = tuple(Bucket(one.start_at, one.end_at) for one in buckets(kolkata))
    for name, parts in (("ragged", ragged), ("30d, Asia/Kolkata", quarters)):
        whole = Filters(parts[0].start_at, parts[-1].end_at)
        narrowed = (
            whole,
            replace(whole, machine=year.machine_name(2)),
            replace(whole, llm_model=year.MODELS[-1][0]),
            replace(whole, project=year.project_path(1, 10), machine=year.machine_name(1), llm_model=year.MODELS[1][0]),
        )
        for filters in narrowed:
            for scope in (Scope(None), Scope(2)):
                for query in QUERIES:
                    if query != "by hour":  # its edges are whole hours by contract
                        yield Question("edges", query, name, scope, filters, parts, parts[0])


def _period(name: str, zone: str) -> Period:
    """One of PERIODS as somebody in that zone would choose it at the end of the year."""
    if name == "all time":
        return read_period("", "2025-07-02", "", ZoneInfo(zone), year.END_AT)
    return read_period(name, "", "", ZoneInfo(zone), year.END_AT)


@dataclass(frozen=True)
class _Call:
    owner_id: int
    at_ms: int
    session: tuple[int, int]
    names: dict[str, tuple[str, str, str]]  # dimension -> key, label, family
    sums: tuple[int, ...]
    tools: str


class PlainAnswers:
    """Answers every question by looking at every call, in memory: for small databases only."""

    def __init__(self, store: Store) -> None:
        rows = store.rows(
            "select c.owner_id, c.at_ms, c.agent_session_id, l.name, l.family, p.path, p.label, m.name, o.name, 1,"
            " c.input_tokens, c.output_tokens, c.cache_read_tokens, c.cache_write_5m_tokens, c.cache_write_1h_tokens,"
            " c.web_searches, c.cost_nanousd, case when c.rate_id is null then 1 else 0 end, c.tools from call c"
            " join llm_model l on l.id = c.llm_model_id join person o on o.id = c.owner_id"
            " join project p on p.owner_id = c.owner_id and p.id = c.project_id"
            " join machine m on m.owner_id = c.owner_id and m.id = c.machine_id where c.is_superseded = 0"
        )
        self._calls = [_call(row) for row in rows]

    def __call__(self, asked: Question) -> Any:
        """What the program must answer."""
        calls = self._narrowed(asked, asked.filters.start_at, asked.filters.end_at)
        if asked.query.startswith(SERIES):
            return self._series(asked, asked.query.removeprefix(SERIES))
        if asked.query in ("totals", "totals before"):
            if asked.query == "totals before":
                calls = self._narrowed(asked, asked.earlier.start_at, asked.earlier.end_at)
            return Totals(_usage(calls), len({call.session for call in calls}))
        if asked.query == "sessions series":
            parts = (self._narrowed(asked, part.start_at, part.end_at) for part in asked.buckets)
            return tuple(len({call.session for call in part}) for part in parts)
        if asked.query == "by tool":
            uses = Counter(use.partition(" ")[2] for call in calls if call.tools for use in call.tools.split("\n"))
            return tuple(
                ToolUse(name, count) for name, count in sorted(uses.items(), key=lambda item: (-item[1], item[0]))
            )
        if asked.query == "by hour":
            hours = sorted(_grouped(calls, lambda call: call.at_ms // year.HOUR_MS).items())
            return tuple(HourCost(from_ms(hour * year.HOUR_MS), _usage(some).cost_nanousd) for hour, some in hours)
        shares = _grouped(calls, lambda call: call.names[asked.query.removeprefix(SHARES)])
        found = [Share(*name, _usage(some)) for name, some in shares.items()]
        return tuple(sorted(found, key=lambda share: (-share.usage.cost_nanousd, -share.usage.calls, share.key)))

    def _series(self, asked: Question, by: str) -> tuple[SeriesPoint, ...]:
        points = []
        for place, part in enumerate(asked.buckets):
            calls = self._narrowed(asked, part.start_at, part.end_at)
            for name, some in sorted(_grouped(calls, lambda call: call.names[by]).items()):
                points.append(SeriesPoint(place, *name, _usage(some)))
        return tuple(points)

    def _narrowed(self, asked: Question, start_at: Any, end_at: Any) -> list[_Call]:
        first_ms, end_ms, filters = to_ms(start_at), to_ms(end_at), asked.filters
        wanted = {"machine": filters.machine, "project": filters.project, "llm_model": filters.llm_model}
        return [
            call
            for call in self._calls
            if first_ms <= call.at_ms < end_ms
            and asked.scope.owner_id in (None, call.owner_id)
            and all(name in (None, call.names[kind][0]) for kind, name in wanted.items())
        ]


def _call(row: tuple[Any, ...]) -> _Call:
    owner_id, at_ms, session_id, llm_model, family, path, label, machine, person = row[:9]
    names = {
        "llm_model": (llm_model, llm_model, family),
        "project": (path, label, ""),
        "machine": (machine, machine, ""),
        "person": (str(owner_id), person, ""),
    }
    return _Call(owner_id, at_ms, (owner_id, session_id), names, tuple(map(int, row[9:18])), row[18])


def _grouped(calls: Iterable[_Call], key: Callable[[_Call], Any]) -> dict[Any, list[_Call]]:
    groups: dict[Any, list[_Call]] = {}
    for call in calls:
        groups.setdefault(key(call), []).append(call)
    return groups


def _usage(calls: Iterable[_Call]) -> Usage:
    return Usage(*(sum(column) for column in zip((0,) * 9, *(call.sums for call in calls), strict=True)))
