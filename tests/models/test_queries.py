"""Questions about usage, at any edge of time, in any zone, narrowed in any way: the same as counting call by call."""

import random
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from meter.ingest import OTLP
from meter.logs.drafts import CallDraft
from meter.price_list import read_snapshot
from meter.pricing import PriceBook
from models.bulk import open_store
from models.db import make_engine, reading, writing
from models.people import Person
from models.queries.choices import choices
from models.queries.scope import Bucket, Filters, Scope
from models.queries.tools import by_tool
from models.queries.usage import (
    Usage,
    by_hour,
    by_machine,
    by_model,
    by_person,
    by_project,
    data_version,
    newest_call_at,
    series,
    sessions_series,
    totals,
    unpriced,
)
from models.types import from_ms, to_ms
from stored import calls, differences, kept_database, write
from transcripts import message_id

ZONES = ("UTC", "Europe/Berlin", "America/Los_Angeles", "Asia/Kolkata", "Asia/Kathmandu")
PEOPLE = {1: "Ada", 2: "Ben", 3: "Cyd"}
MACHINES = ("laptop", "desk", "ci")
FOLDERS = ("/home/x/shop", "/home/x/infra", "/srv/shop")
MODELS = ("claude-opus-4-6", "claude-haiku-4-5-20251001", "claude-opus-9")
SUMS = tuple(Usage.__dataclass_fields__)
# Clocks change in Los Angeles on 8 March and 1 November, in Berlin on 29 March and 25 October.
DAYS = [
    datetime(2026, *day, tzinfo=UTC) for day in ((3, 8), (3, 9), (3, 29), (3, 30), (6, 15), (10, 25), (10, 26), (11, 1))
]
FIRST, LAST = datetime(2026, 2, 27, tzinfo=UTC), datetime(2026, 11, 4, tzinfo=UTC)


def some_moment(rng):
    """A time that likes borders: of quarters, hours and days of any zone, and the millisecond before."""
    at = rng.choice(DAYS) + timedelta(hours=rng.randrange(-12, 36), minutes=rng.choice((0, 0, 15, 30, 45)))
    return at + timedelta(milliseconds=rng.choice((0, 0, -1, 1, rng.randrange(3_600_000))))


def some_calls(rng, number):
    return [
        CallDraft(
            message_id(place),
            to_ms(some_moment(rng)),
            f"s{rng.randrange(30)}",
            rng.choice(MACHINES),
            (folder := rng.choice(FOLDERS)).replace("/", "-"),
            folder,
            rng.choice(MODELS),
            tuple(rng.choice((0, 1, 50, 7000)) for _ in range(7)),
            tools={f"t{use}": rng.choice(("Bash", "Read", "mcp__x__y")) for use in range(rng.randrange(4))},
        )
        for place in range(number)
    ]


@dataclass
class World:
    """A database, and every counted call in it as a plain dictionary."""

    engine: object
    calls: list


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def world(request, tmp_path_factory):
    """Three people with overlapping machines, projects and sessions; some of it superseded, moved or unpriced."""
    prices, rng = read_snapshot(), random.Random(20)
    book = PriceBook(prices.rates, prices.aliases)
    with kept_database(request, request.param, tmp_path_factory.mktemp("world")) as url:
        engine = make_engine(url)
        with writing(engine) as db:
            for id_, name in PEOPLE.items():
                row = {"id": id_, "email": f"{name}@example.com".lower(), "name": name, "role": "member"}
                db.execute(Person.__table__.insert().values(**row, timezone="UTC", theme="system", created_at=FIRST))
        store = open_store(url)
        for owner in PEOPLE:
            drafts = some_calls(rng, 150)
            write(store, book, *some_calls(rng, 20), owner=owner)  # the same messages: later ones move
            write(store, book, *drafts[:60], owner=owner)
            write(store, book, *drafts[40:], owner=owner)
            write(store, book, *some_calls(random.Random(owner), 1), owner=owner, source=OTLP)
        assert differences(store) == []
        found = [{**row, "owner": owner} for owner in PEOPLE for row in calls(store, owner)]
        paths = dict(store.rows("select distinct project_key, path from project"))
        store.close()
        for row in found:
            row.update(machine=row["machine_id"], project=paths[row["project_id"]], llm_model=row["llm_model_id"])
            row.update(session=(row["owner"], row["agent_session_id"]))
        yield World(engine, [row for row in found if not row["is_superseded"]])
        engine.dispose()


def some_question(rng, zone):
    """Scope, filters and buckets: days, hours or odd stretches of a zone, with edges anywhere."""
    zone = ZoneInfo(zone)
    first = (rng.choice(DAYS) - timedelta(days=rng.randrange(3))).replace(tzinfo=zone)
    step = rng.choice(
        (timedelta(days=1), timedelta(hours=1), timedelta(days=7), timedelta(days=40), timedelta(minutes=7))
    )
    steps = rng.randrange(1, 9)
    if step < timedelta(days=1):  # hours pass the same everywhere
        first = first.astimezone(UTC) + timedelta(hours=rng.randrange(48))
    edges = [(first + step * number).astimezone(UTC) for number in range(steps + 1)]
    if rng.random() < 0.5:
        edges[-1] = min(edges[-1], edges[-2] + timedelta(milliseconds=rng.randrange(1, 90_000_000)))
    if rng.random() < 0.3:
        edges[0] += timedelta(milliseconds=rng.randrange(1, int((edges[1] - edges[0]).total_seconds() * 1000)))
    narrow = {
        name: rng.choice(values)
        for name, values in (("machine", MACHINES), ("project", FOLDERS), ("llm_model", (*MODELS, "unknown")))
        if rng.random() < 0.3
    }
    buckets = [Bucket(start, end) for start, end in pairwise(edges)]
    return Scope(rng.choice((None, 1, 2, 3))), Filters(edges[0], edges[-1], **narrow), buckets


def within(world, scope, filters, bucket=None):
    """The calls that count for a question, one by one."""
    start_ms, end_ms = (to_ms(at) for at in ((bucket or filters).start_at, (bucket or filters).end_at))
    return [
        row
        for row in world.calls
        if start_ms <= row["at_ms"] < end_ms
        and scope.owner_id in (None, row["owner"])
        and all(getattr(filters, name) in (None, row[name]) for name in ("machine", "project", "llm_model"))
    ]


def added(rows):
    rows = [{**row, "calls": 1, "unpriced_calls": int(row["rate_id"] is None)} for row in rows]
    return Usage(*(sum(row[name] for row in rows) for name in SUMS))


def parts(rows, column):
    """Sums by a column."""
    return {str(key): added([row for row in rows if row[column] == key]) for key in {row[column] for row in rows}}


def questions(zone, number=12):
    rng = random.Random(zone)
    return [some_question(rng, zone) for _ in range(number)]


@pytest.mark.parametrize("zone", ZONES)
def test_totals_are_the_calls_added_up(world, zone):
    with reading(world.engine) as db:
        for scope, filters, _ in questions(zone, 40):
            rows, found = within(world, scope, filters), totals(db, scope, filters)
            assert found.usage == added(rows)
            assert found.sessions == len({row["session"] for row in rows})


@pytest.mark.parametrize("zone", ZONES)
def test_series_are_the_calls_of_each_bucket_added_up(world, zone):
    columns = {"llm_model": "llm_model", "person": "owner", "project": "project"}
    with reading(world.engine) as db:
        for scope, filters, buckets in questions(zone):
            inside = [within(world, scope, filters, bucket) for bucket in buckets]
            for by, column in columns.items():
                found = {(point.bucket, point.key): point.usage for point in series(db, scope, filters, buckets, by)}
                assert found == {
                    (n, key): sums for n, rows in enumerate(inside) for key, sums in parts(rows, column).items()
                }


@pytest.mark.parametrize("zone", ZONES)
def test_sessions_are_counted_once_in_each_bucket(world, zone):
    with reading(world.engine) as db:
        for scope, filters, buckets in questions(zone, 40):
            expected = tuple(
                len({row["session"] for row in within(world, scope, filters, bucket)}) for bucket in buckets
            )
            assert sessions_series(db, scope, filters, buckets) == expected


@pytest.mark.parametrize("zone", ZONES)
def test_shares_are_the_calls_of_each_part_most_cost_first(world, zone):
    asked = ((by_model, "llm_model"), (by_project, "project"), (by_machine, "machine"), (by_person, "owner"))
    with reading(world.engine) as db:
        for scope, filters, _ in questions(zone):
            rows = within(world, scope, filters)
            for ask, column in asked:
                shares = ask(db, scope, filters)
                assert {share.key: share.usage for share in shares} == parts(rows, column)
                ranks = [(-share.usage.cost_nanousd, -share.usage.calls, share.key) for share in shares]
                assert ranks == sorted(ranks)
            unknown = {key for key, sums in parts(rows, "llm_model").items() if sums.unpriced_calls}
            assert {share.key for share in unpriced(db, scope, filters)} == unknown


@pytest.mark.parametrize("zone", ZONES)
def test_tool_uses_are_those_of_the_calls(world, zone):
    with reading(world.engine) as db:
        for scope, filters, _ in questions(zone, 25):
            texts = [row["tools"] for row in within(world, scope, filters) if row["tools"]]
            uses = Counter(use.split(" ", 1)[1] for text in texts for use in text.split("\n"))
            found = by_tool(db, scope, filters)
            assert {tool.name: tool.uses for tool in found} == uses
            assert list(found) == sorted(found, key=lambda tool: (-tool.uses, tool.name))


@pytest.mark.parametrize("zone", ZONES)
def test_cost_by_hour_is_exact_on_the_zones_own_hours(world, zone):
    grain = 900 if zone in ("Asia/Kolkata", "Asia/Kathmandu") else 3600
    with reading(world.engine) as db:
        for scope, filters, _ in questions(zone, 25):
            start, end = (
                datetime.combine(at, datetime.min.time(), ZoneInfo(zone)) for at in (filters.start_at, filters.end_at)
            )
            whole = Filters(start, end + timedelta(days=1), filters.machine, filters.project, filters.llm_model)
            expected = Counter()
            for row in within(world, scope, whole):
                expected[from_ms(row["at_ms"] // (grain * 1000) * grain * 1000)] += row["cost_nanousd"]
            found = by_hour(db, scope, whole, grain)
            assert {hour.start_at: hour.cost_nanousd for hour in found if hour.cost_nanousd} == +expected
            assert list(found) == sorted(found, key=lambda hour: hour.start_at)


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/Los_Angeles"])
def test_days_with_a_missing_or_a_double_hour_hold_every_call_once(world, zone):
    zone = ZoneInfo(zone)
    midnights = [datetime(2026, 2, 27, tzinfo=zone) + timedelta(days=number) for number in range(250)]
    buckets = [Bucket(start.astimezone(UTC), end.astimezone(UTC)) for start, end in pairwise(midnights)]
    assert {bucket.end_at - bucket.start_at for bucket in buckets} == {timedelta(hours=hours) for hours in (23, 24, 25)}
    with reading(world.engine) as db:
        points = series(db, Scope(None), Filters(FIRST, LAST), buckets, "person")
    assert sum(point.usage.calls for point in points) == len(world.calls)
    days = Counter(from_ms(row["at_ms"]).astimezone(zone).date() for row in world.calls)
    assert (
        Counter({midnights[n].date(): sum(p.usage.calls for p in points if p.bucket == n) for n in range(249)}) == +days
    )


def test_an_empty_stretch_of_time_has_nothing(world):
    nothing = Filters(FIRST - timedelta(days=2), FIRST - timedelta(days=1))
    backwards = Filters(LAST, FIRST)
    with reading(world.engine) as db:
        for filters in (nothing, backwards, Filters(FIRST, FIRST)):
            assert totals(db, Scope(None), filters).usage == Usage()
            assert totals(db, Scope(1), filters).sessions == 0
            assert by_model(db, Scope(None), filters) == by_tool(db, Scope(1), filters) == ()
        assert series(db, Scope(None), nothing, [], "llm_model") == sessions_series(db, Scope(None), nothing, []) == ()


def test_the_newest_call_is_found(world):
    with reading(world.engine) as db:
        for owner in (None, 1, 2, 3):
            mine = [row["at_ms"] for row in world.calls if owner in (None, row["owner"])]
            assert newest_call_at(db, Scope(owner)) == from_ms(max(mine))
            before = from_ms(sorted(mine)[50])
            assert newest_call_at(db, Scope(owner), before) == from_ms(max(ms for ms in mine if ms < sorted(mine)[50]))
            assert newest_call_at(db, Scope(owner), FIRST) is None
        assert newest_call_at(db, Scope(99)) is None


def test_the_filter_bar_offers_what_is_in_scope_each_once(world):
    with reading(world.engine) as db:
        everything, ada = choices(db, Scope(None)), choices(db, Scope(1))
    assert everything.people == ((1, "Ada"), (2, "Ben"), (3, "Cyd"))
    assert ada.people == ((1, "Ada"),)
    for offered in (everything, ada):
        assert offered.machines == tuple(sorted(MACHINES))
        assert sorted(path for path, _ in offered.projects) == sorted(FOLDERS)
        assert offered.llm_models == tuple(sorted(MODELS))


def test_a_project_of_two_people_is_offered_and_counted_once(database, engine):
    """Each person's projects are labelled so that they can be told apart: the same path may have two labels."""
    store = open_store(database)
    with writing(engine) as db:
        for id_, name in ((1, "Ada"), (2, "Ben")):
            row = {"id": id_, "email": name, "name": name, "role": "member", "timezone": "UTC", "theme": "system"}
            db.execute(Person.__table__.insert().values(**row, created_at=FIRST))
    for owner, folders in ((1, ("/a/shop", "/b/shop")), (2, ("/a/shop",))):
        for folder in folders:
            place = (folder.replace("/", "-"), folder, "claude-opus-9")
            write(
                store,
                PriceBook(()),
                CallDraft(message_id(folder), to_ms(DAYS[0]), "s", "m", *place, (1,) * 7),
                owner=owner,
            )
    store.close()
    with reading(engine) as db:
        assert [path for path, _ in choices(db, Scope(None)).projects] == ["/a/shop", "/b/shop"]
        shares = by_project(db, Scope(None), Filters(FIRST, LAST))
    assert {(share.key, share.label, share.usage.calls) for share in shares} == {
        ("/a/shop", "a/shop", 2),
        ("/b/shop", "b/shop", 1),
    }


def test_a_stranger_sees_nothing(world):
    everything = Filters(FIRST, LAST)
    with reading(world.engine) as db:
        assert totals(db, Scope(99), everything).usage == Usage()
        assert by_project(db, Scope(99), everything) == by_tool(db, Scope(99), everything) == ()
        assert choices(db, Scope(99)).machines == choices(db, Scope(99)).llm_models == ()
        assert data_version(db, Scope(99)) == 0


@pytest.mark.parametrize("table", [by_model, by_project, by_machine, by_person])
def test_shares_of_a_whole_add_up_to_the_total(world, table):
    with reading(world.engine) as db:
        for owner in (None, 1):
            shares, whole = (
                table(db, Scope(owner), Filters(FIRST, LAST)),
                totals(db, Scope(owner), Filters(FIRST, LAST)),
            )
            assert Usage(*(sum(getattr(share.usage, name) for share in shares) for name in SUMS)) == whole.usage
