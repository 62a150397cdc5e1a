"""The questions of the overview over a year of calls: how long their SQL takes, how that grows, and are they right?"""

import statistics
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, event

from bench import places, year
from bench.asking import GROUPS, QUERIES, UNFILTERED, PlainAnswers, Question, edge_questions, questions
from bench.measure import Table, say
from meter import rollups
from models.bulk import open_store
from models.db import make_engine, reading, upgrade

SMALL, MILLION, LARGE = 30_000, 1_000_000, 10_000_000
GOAL_MS = {"sqlite": 5, "postgresql": 10}  # unfiltered
FILTERED_GOAL_MS = 10
GROWTH_GOAL = 1.5
RUNS, SECONDS_MAX = 15, 1.0  # of one question

Times = dict[tuple[str, str, str], float]  # group, query, period -> milliseconds of SQL


def tables(calls: int, scratch: Path) -> Iterator[Table]:
    """The tables of this group: exactness of small databases, then times at a million calls and at `calls`."""
    exact = Table(f"Answers against counting {SMALL:,} calls one by one")
    kinds = ("sqlite", "postgresql") if places.has_postgres(exact) else ("sqlite",)
    for kind in kinds:
        with _year(kind, SMALL, scratch) as engine:
            _compare(exact, kind, engine)
    yield exact
    for kind in kinds:
        with _year(kind, min(MILLION, calls), scratch) as engine:
            at_million = _times(engine)
        yield _speed(kind, min(MILLION, calls), at_million)
        if calls > MILLION:
            with _year(kind, calls, scratch) as engine:
                at_many = _times(engine)
            yield _speed(kind, calls, at_many)
            yield _growth(kind, calls, at_million, at_many)


@contextmanager
def _year(kind: str, calls: int, scratch: Path) -> Iterator[Engine]:
    """A database with that many calls; gone afterwards."""
    name = f"bench_year_{uuid.uuid4().hex[:10]}"
    say(f"filling {kind} with {calls:,} calls")
    if kind == "sqlite":
        url = f"sqlite:///{scratch / name}.db"
    else:
        places.on_server(f"create database {name}")
        url = places.POSTGRES.rpartition("/")[0] + f"/{name}"
    engine = make_engine(url)
    try:
        upgrade(engine)
        store = open_store(url)
        year.fill(store, calls)
        store.close()
        yield engine
    finally:
        engine.dispose()
        if kind == "sqlite":
            for path in scratch.glob(f"{name}.db*"):
                path.unlink()
        else:
            places.on_server(f"drop database {name} with (force)")


def _compare(table: Table, kind: str, engine: Engine) -> None:
    """Every answer against the plain one, and the rebuilt sums against the calls."""
    store = open_store(engine.url.render_as_string(hide_password=False))
    plain, asked, wrong = PlainAnswers(store), [*questions(), *edge_questions()], 0
    with reading(engine) as db:
        for question in asked:
            if question.ask(db) != plain(question):
                wrong += 1
                say(f"  WRONG on {kind}: {question.group}, {question.query}, {question.period}")
    table.check(f"{kind}: answers", wrong, f"{len(asked)} questions")
    with store.reading():
        table.check(f"{kind}: sums after a rebuild", len(list(rollups.differences(store))))
    store.close()


def _times(engine: Engine) -> Times:
    """Median time of the SQL of every question."""
    found: Times = {}
    with reading(engine) as db:
        for question in questions():
            found[question.group, question.query, question.period] = _sql_ms(db, question)
    return found


def _sql_ms(db: Connection, question: Question) -> float:
    """Milliseconds that the driver takes for the statements of a question, rows fetched."""
    statements: list[tuple[str, Any]] = []

    def note(_db: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if not statement.startswith("begin"):
            statements.append((statement, parameters))

    event.listen(db, "before_cursor_execute", note)
    try:
        question.ask(db)
    finally:
        event.remove(db, "before_cursor_execute", note)
    driver: Any = db.connection.driver_connection
    times: list[float] = []
    while len(times) < RUNS and sum(times) < SECONDS_MAX:
        started = time.perf_counter()
        for statement, parameters in statements:
            driver.execute(statement, parameters).fetchall()
        times.append(time.perf_counter() - started)
    return statistics.median(times) * 1e3


def _speed(kind: str, calls: int, times: Times) -> Table:
    """One line a query: its slowest period."""
    table = Table(f"SQL of the overview, {calls:,} calls, {kind}")
    for group in GROUPS:
        goal = GOAL_MS[kind] if group == UNFILTERED else FILTERED_GOAL_MS
        for query in QUERIES:
            of_query = {period: ms for (g, q, period), ms in times.items() if (g, q) == (group, query)}
            slowest = max(of_query, key=lambda period: of_query[period])
            within = sum(ms <= goal for ms in of_query.values())
            median = statistics.median(of_query.values())
            note = f"{slowest}; {within} of {len(of_query)} periods within, median {median:.1f} ms"
            table.add(f"{group}: {query}", of_query[slowest], goal, "ms", note)
    return table


def _growth(kind: str, calls: int, before: Times, after: Times) -> Table:
    """How much longer the same takes with more calls; all periods of a query together."""
    table = Table(f"Growth from {MILLION:,} to {calls:,} calls, {kind}")
    for query in QUERIES:
        old, new = (
            sum(ms for (group, name, _), ms in times.items() if (group, name) == (UNFILTERED, query))
            for times in (before, after)
        )
        table.add(f"unfiltered: {query}", new / old, GROWTH_GOAL, note=f"{old:.1f} ms to {new:.1f} ms over all periods")
    return table
