"""Questions behind the reports: the same as counting call by call, whoever asks and wherever the range is cut."""

import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from meter.logs.drafts import CallDraft
from meter.price_list import read_snapshot
from meter.pricing import PriceBook
from models.bulk import open_store
from models.db import make_engine, reading, writing
from models.people import Person
from models.queries.reports import (
    Row,
    active_days,
    added,
    owner_by_email,
    per_bucket,
    per_model,
    per_project,
    per_session,
    windows,
)
from models.queries.scope import Bucket, Filters, Scope
from models.queries.usage import Usage
from models.types import from_ms, to_ms
from stored import calls, differences, kept_database, write
from transcripts import message_id

PEOPLE = {1: "ada@example.com", 2: "ben@example.com"}
FOLDERS = ("/home/x/shop", "/home/x/infra", "D:\\shop")
MODELS = ("claude-opus-4-6", "claude-haiku-4-5-20251001", "claude-opus-9")
FIRST = datetime(2026, 3, 1, tzinfo=UTC)
FIVE_HOURS_MS, HOUR_MS = 5 * 3_600_000, 3_600_000
SUMS = tuple(Usage.__dataclass_fields__)
RANGES = (
    Filters(FIRST - timedelta(days=9), FIRST + timedelta(days=99)),
    Filters(FIRST + timedelta(days=3), FIRST + timedelta(days=4)),
    Filters(FIRST + timedelta(days=2, hours=7, minutes=45), FIRST + timedelta(days=8, hours=1, milliseconds=1)),
    Filters(FIRST, FIRST),
)
SCOPES = (Scope(None), Scope(1), Scope(2), Scope(99))


@dataclass
class World:
    """A database, and every counted call in it as a plain dictionary."""

    engine: object
    calls: list


def some_calls(rng, number):
    """Calls in bursts, on and around full hours; sessions and folders are shared by both people."""
    starts = [rng.randrange(12 * 24 * 4) * 900_000 for _ in range(12)]
    for place in range(number):
        ms = rng.choice(starts) + rng.choice(
            (0, -1, 1, HOUR_MS, FIVE_HOURS_MS, FIVE_HOURS_MS - 1, rng.randrange(HOUR_MS))
        )
        folder = rng.choice(FOLDERS)
        counts = tuple(rng.choice((0, 1, 50, 7000)) for _ in range(7))
        yield CallDraft(
            message_id(place), to_ms(FIRST) + ms, f"s{rng.randrange(9)}", "box", folder.replace("/", "-"), folder,
            rng.choice(MODELS), counts,
        )  # fmt: skip


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def world(request, tmp_path_factory):
    """Two people who share sessions and folders; some calls are seen twice, at other times and places."""
    prices, rng = read_snapshot(), random.Random(5)
    book = PriceBook(prices.rates, prices.aliases)
    with kept_database(request, request.param, tmp_path_factory.mktemp("reports")) as url:
        engine = make_engine(url)
        with writing(engine) as db:
            for id_, email in PEOPLE.items():
                row = {"id": id_, "email": email, "name": "", "role": "member", "timezone": "Asia/Kolkata"}
                db.execute(Person.__table__.insert().values(**row, theme="system", created_at=FIRST))
        store = open_store(url)
        for owner in PEOPLE:
            write(store, book, *some_calls(rng, 90), owner=owner)
            write(store, book, *some_calls(rng, 30), owner=owner)
        assert differences(store) == []
        paths = dict(store.rows("select distinct project_key, path from project"))
        found = [{**row, "owner": owner} for owner in PEOPLE for row in calls(store, owner)]
        store.close()
        for row in found:
            row.update(project=paths[row["project_id"]], unpriced_calls=int(row["rate_id"] is None), calls=1)
        yield World(engine, found)
        engine.dispose()


@pytest.fixture
def db(world):
    with reading(world.engine) as db:
        yield db


def within(world, scope, part):
    """The calls that count for a question, one by one."""
    start_ms, end_ms = to_ms(part.start_at), to_ms(part.end_at)
    mine = [row for row in world.calls if scope.owner_id in (None, row["owner"])]
    return [row for row in mine if start_ms <= row["at_ms"] < end_ms]


def usage(rows):
    return Usage(*(sum(row[name] for row in rows) for name in SUMS))


def counted(rows, column):
    """{key: (usage, {model: usage})} by a column of the calls."""
    found = {}
    for key in {row[column] for row in rows}:
        mine = [row for row in rows if row[column] == key]
        models = {row["llm_model_id"] for row in mine}
        found[key] = usage(mine), {name: usage([row for row in mine if row["llm_model_id"] == name]) for name in models}
    return found


def told(rows):
    """The same of a report's rows."""
    assert len({row.key for row in rows}) == len(rows)
    return {row.key: (row.usage, {part.llm_model: part.usage for part in row.by_model}) for row in rows}


@pytest.mark.parametrize(
    ("ask", "column"),
    [(per_session, "agent_session_id"), (per_project, "project"), (per_model, "llm_model_id")],
)
def test_rows_are_their_calls_added_up(world, db, ask, column):
    for scope in SCOPES:
        for filters in RANGES:
            assert told(ask(db, scope, filters)) == counted(within(world, scope, filters), column)


def test_a_filter_narrows_the_rows(world, db):
    filters = Filters(RANGES[0].start_at, RANGES[0].end_at, machine="box", project=FOLDERS[0], llm_model=MODELS[0])
    mine = [row for row in world.calls if row["project"] == FOLDERS[0] and row["llm_model_id"] == MODELS[0]]
    assert told(per_session(db, Scope(None), filters)) == counted(mine, "agent_session_id")
    assert told(per_project(db, Scope(None), filters)) == counted(mine, "project")
    assert windows(db, Scope(None), filters) == windows(db, Scope(None), RANGES[0])


def test_buckets_without_calls_have_no_row(world, db):
    days = [Bucket(FIRST + timedelta(days=day), FIRST + timedelta(days=day + 1)) for day in range(-3, 20)]
    names = [f"{day.start_at:%m-%d}" for day in days]
    rows = per_bucket(db, Scope(1), RANGES[0], days, names)
    expected = {name: usage(within(world, Scope(1), day)) for name, day in zip(names, days, strict=True)}
    assert {row.key: row.usage for row in rows} == {name: sums for name, sums in expected.items() if sums.calls}
    assert [row.key for row in rows] == [name for name in names if expected[name].calls]
    assert per_bucket(db, Scope(1), RANGES[0], (), ()) == ()


def test_rows_stand_in_the_order_that_is_promised(world, db):
    for ask in (per_project, per_model):
        order = [(-row.usage.cost_nanousd, -row.usage.calls, row.key) for row in ask(db, Scope(None), RANGES[0])]
        assert order == sorted(order)
    sessions = per_session(db, Scope(None), RANGES[0])
    began = {
        row.key: min(one["at_ms"] for one in world.calls if one["agent_session_id"] == row.key) for row in sessions
    }
    assert [row.key for row in sessions] == sorted(began, key=lambda key: (began[key], key))


def test_days_with_calls_are_known(world, db):
    for scope in SCOPES:
        for filters in RANGES[:2]:
            days = {from_ms(row["at_ms"]).date() for row in within(world, scope, filters)}
            assert active_days(db, scope, filters) == tuple(sorted(days))


def windows_of(times_ms):
    """Five-hour windows as the rule says it: from the full hour of a call on; a call behind it begins the next."""
    starts = []
    for ms in sorted(times_ms):
        if not starts or ms >= starts[-1] + FIVE_HOURS_MS:
            starts.append(ms // HOUR_MS * HOUR_MS)
    return [(from_ms(start), from_ms(start + FIVE_HOURS_MS)) for start in starts]


def test_windows_are_those_of_the_calls_one_by_one(world, db):
    for scope in SCOPES:
        mine = [row["at_ms"] for row in within(world, scope, RANGES[0])]
        assert [(one.start_at, one.end_at) for one in windows(db, scope, RANGES[0])] == windows_of(mine)


def test_where_windows_begin_does_not_depend_on_where_the_range_does(world, db):
    for filters in RANGES[1:]:
        every = windows(db, Scope(1), RANGES[0])
        assert windows(db, Scope(1), filters) == tuple(one for one in every if one.start_at < filters.end_at)


def test_a_gap_of_five_hours_always_begins_a_window(world, db):
    times = sorted(row["at_ms"] for row in world.calls)
    starts = {to_ms(one.start_at) for one in windows(db, Scope(None), RANGES[0])}
    behind_gaps = [at for before, at in pairwise(times) if at - before >= FIVE_HOURS_MS]
    assert behind_gaps
    assert all(at // HOUR_MS * HOUR_MS in starts for at in behind_gaps)


def test_a_sum_of_rows_has_every_model_once(world, db):
    whole = added(per_session(db, Scope(None), RANGES[0]), "all")
    assert whole.usage == usage(world.calls)
    assert {part.llm_model: part.usage for part in whole.by_model} == {
        name: sums for name, (sums, _) in counted(world.calls, "llm_model_id").items()
    }
    assert added(()) == Row("", Usage(), ())


def test_an_owner_is_found_by_the_address(db):
    ben = owner_by_email(db, "ben@example.com")
    assert (ben.scope, ben.label, ben.timezone) == (Scope(2), "ben@example.com", "Asia/Kolkata")
    assert owner_by_email(db, "eve@example.com") is None
