"""Moving windows are exact, whoever counts: one process in memory, several in the database or in Redis."""

import os
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from limits import parse
from limits.storage import storage_from_string
from limits.strategies import MovingWindowRateLimiter
from sqlalchemy import text

from meter import limits
from meter.errors import TooMany
from meter.settings import load
from models.db import make_counting_engine, writing

REDIS = os.environ.get("AGENTMETER_TEST_REDIS", "redis://127.0.0.1:6379/0")


@pytest.fixture
def counting(database):
    engine = make_counting_engine(database)
    yield engine
    engine.dispose()


@pytest.fixture
def storage(counting):
    return limits.SqlStorage(wrap_exceptions=True, engine=counting)


@pytest.fixture
def limiter(storage):
    return MovingWindowRateLimiter(storage)


def pass_time(engine, seconds):
    """As if all tries had been so much earlier."""
    with writing(engine) as db:
        for table in ("rate_limit", "rate_limit_try"):
            db.execute(text(f"update {table} set expires_at = expires_at - :ms"), {"ms": int(seconds * 1000)})


def rows(engine, table):
    with engine.connect() as db:
        return db.execute(text(f"select count(*) from {table}")).scalar()


def test_of_many_tries_at_once_exactly_as_many_as_allowed_get_through(limiter):
    limit = parse("25/minute")
    with ThreadPoolExecutor(12) as pool:
        assert list(pool.map(lambda _: limiter.hit(limit, "ada"), range(120))).count(True) == 25


def test_several_processes_count_together(database, limiter):
    other = make_counting_engine(database)
    second = MovingWindowRateLimiter(limits.SqlStorage(engine=other))
    allowed = [one.hit(parse("5/minute"), "ada") for _ in range(5) for one in (limiter, second)]
    other.dispose()
    assert allowed == [True] * 5 + [False] * 5


def test_the_window_moves_with_every_try(limiter, counting):
    limit = parse("3/minute")
    for _ in range(3):
        assert limiter.hit(limit, "ada")
        pass_time(counting, 15)
    assert not limiter.hit(limit, "ada")  # tries of 45, 30 and 15 seconds ago
    pass_time(counting, 15)
    assert [limiter.hit(limit, "ada") for _ in range(2)] == [True, False]
    pass_time(counting, 15)
    assert [limiter.hit(limit, "ada") for _ in range(2)] == [True, False]


def test_a_refused_try_does_not_count(limiter, counting):
    limit = parse("1/minute")
    assert limiter.hit(limit, "ada")
    pass_time(counting, 30)
    assert not any(limiter.hit(limit, "ada") for _ in range(5))
    pass_time(counting, 30)
    assert limiter.hit(limit, "ada")


def test_everybody_has_a_window_of_their_own(limiter):
    limit = parse("1/minute")
    assert [limiter.hit(limit, who) for who in ("ada", "ben", "ada", "ben")] == [True, True, False, False]
    assert limiter.hit(parse("1/hour"), "ada")


def test_several_places_are_taken_together_or_not_at_all(limiter):
    limit = parse("5/minute")
    assert limiter.hit(limit, "ada", cost=3)
    assert not limiter.hit(limit, "ada", cost=3)
    assert limiter.hit(limit, "ada", cost=2)
    assert not limiter.test(limit, "ada")


def test_it_says_when_there_is_room_again(limiter, counting):
    limit = parse("2/minute")
    assert limiter.get_window_stats(limit, "ada").remaining == 2
    limits.spend(limiter, [(limit, "ada"), (limit, "ada")])
    pass_time(counting, 20)
    for ask in (limits.spend, limits.check):
        with pytest.raises(TooMany) as caught:
            ask(limiter, [(limit, "ada")])
        assert 38 <= caught.value.retry_after_seconds <= 41
    limits.check(limiter, [(limit, "ben")])
    assert limiter.get_window_stats(limit, "ben").remaining == 2


def test_what_no_window_holds_any_more_is_cleared_away(limiter, storage, counting, monkeypatch):
    limiter.hit(parse("5/minute"), "ada")
    limiter.hit(parse("5/hour"), "ada")
    pass_time(counting, 120)
    monkeypatch.setattr(limits, "SWEEP_SECONDS", 0)
    limiter.hit(parse("5/minute"), "ben")
    assert (rows(counting, "rate_limit"), rows(counting, "rate_limit_try")) == (2, 2)
    assert storage.reset() == 2
    assert rows(counting, "rate_limit") == 0


def test_one_window_can_be_cleared(limiter):
    limit = parse("1/minute")
    limiter.hit(limit, "ada")
    limiter.hit(limit, "ben")
    limiter.clear(limit, "ada")
    assert [limiter.hit(limit, who) for who in ("ada", "ben")] == [True, False]


def test_without_its_table_nobody_gets_through(limiter, storage, counting):
    assert storage.check()
    with writing(counting) as db:
        db.execute(text("alter table rate_limit_try rename to gone"))
    with pytest.raises(limits.CountsUnavailable):
        limiter.hit(parse("5/minute"), "ada")
    with writing(counting) as db:
        db.execute(text("alter table rate_limit rename to gone_too"))
    assert not storage.check()


def test_no_count_waits_for_ever_when_the_clock_of_this_process_is_wrong(limiter, monkeypatch):
    monkeypatch.setattr(time, "time", lambda: 0.0)
    with pytest.raises(TooMany) as caught:
        limits.spend(limiter, [(parse("1/minute"), "ada")] * 2)
    assert caught.value.retry_after_seconds == 60


@pytest.mark.parametrize(
    ("changes", "address"),
    [
        ({}, "memory://"),
        ({"AGENTMETER_WORKERS": "4"}, "agentmeter://"),
        ({"AGENTMETER_DATABASE_URL": "postgresql://db.example/meter"}, "agentmeter://"),
        ({"AGENTMETER_WORKERS": "4", "AGENTMETER_REDIS_URL": REDIS}, REDIS),
    ],
)
def test_where_tries_are_counted(counting, tmp_path, changes, address):
    settings = load({"AGENTMETER_HOME": str(tmp_path), **changes})
    uri, options = limits.storage_for(settings, counting)
    assert uri == address
    if uri != "memory://":
        assert storage_from_string(uri, **options).wrap_exceptions


@pytest.mark.parametrize(
    ("ip", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", "unknown"),
        ("not an address", "unknown"),
    ],
)
def test_who_is_counted_as_one_sender(ip, network):
    assert limits.network_of(ip) == network


def test_dots_and_tags_name_no_other_mailbox():
    mark = limits.mailbox_mark("ada.lovelace@example.com")
    assert mark == limits.mailbox_mark("a.d.alovelace+tag@example.com")
    assert mark != limits.mailbox_mark("adalovelace@example.org")
    assert "ada" not in mark
