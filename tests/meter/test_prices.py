"""The price list in the database: filled, renewed, overridden; and pricing everything anew."""

import threading

import pytest

from meter.price_list import PriceList, read_snapshot
from meter.prices import fill, price_book, reprice, stored_version
from meter.pricing import PriceBook, Rate
from models.bulk import open_store
from models.db import make_engine, writing
from models.people import Person
from models.types import from_ms
from stored import a_call, calls, content, differences, usage_of, write
from transcripts import NOON_MS

LIST = read_snapshot()
OPUS = "claude-opus-4-6"
UNKNOWN = "qwen4-coder-next"
ARGUMENTS = ("", "", "", NOON_MS, 1000, 100, 10, 5, 5, 1)


def some_rates(*names):
    """A small list in place of the real one: a dollar a million tokens for the first model, two for the second, ..."""
    rates = [
        Rate(0, name, "made", "", "", 0, None, 0, *([(place + 1) * 1_000_000] * 5), 0, "made 1", "2026-11-01")
        for place, name in enumerate(names)
    ]
    return PriceList(
        LIST.version, tuple(rate._replace(id=place) for place, rate in enumerate(rates, start=1)), {"alias": "a"}
    )


def rows(store, what="id, llm_model, input_pico, is_current"):
    return store.rows(f"select {what} from rate order by id")


def refill(store, prices):
    with store.writing():
        fill(store, prices)


def override(store, id_, llm_model, pico, **changes):
    """A price that an admin says."""
    rate = Rate(id_, llm_model, "", "", "", 0, None, 0, *[pico] * 5, 0, "ada", "2026-11-20", 1)._replace(**changes)
    with store.writing():
        store.run(f"insert into rate values ({', '.join('?' * 18)})", (*rate, 1))


@pytest.fixture
def ada(database):
    """The owner of the calls that are priced anew."""
    engine = make_engine(database)
    row = {"email": "ada@example.com", "name": "Ada", "role": "admin", "timezone": "UTC", "theme": "system"}
    with writing(engine) as db:
        db.execute(Person.__table__.insert(), [{"id": 1, **row, "created_at": from_ms(NOON_MS)}])
    engine.dispose()


def test_the_first_book_fills_the_list_and_prices_like_it(store):
    book, plain = price_book(store), PriceBook(LIST.rates, LIST.aliases)
    assert stored_version(store) == LIST.version
    assert store.rows("select count(*) from rate where is_current = 1") == [(len(LIST.rates),)]
    for name in (
        OPUS,
        "claude-haiku-5-5",
        "claude-opus-5-5[1m]",
        "us.anthropic.claude-opus-4-6-v1:0",
        UNKNOWN,
        "gpt-5",
    ):
        mine, theirs = book.cost_nanousd(name, *ARGUMENTS), plain.cost_nanousd(name, *ARGUMENTS)
        assert mine == theirs
        assert book.cost_nanousd(name, "fast", *ARGUMENTS[1:]) == plain.cost_nanousd(name, "fast", *ARGUMENTS[1:])
    for name in list(LIST.aliases)[::40]:
        assert book.cost_nanousd(name, *ARGUMENTS) == plain.cost_nanousd(name, *ARGUMENTS)


def test_a_second_book_leaves_the_list_alone(store):
    price_book(store)
    before = rows(store, "*")
    price_book(store)
    assert rows(store, "*") == before


def test_processes_that_start_together_fill_the_list_once(database, store):
    def start():
        own = open_store(database)
        price_book(own)
        own.close()

    threads = [threading.Thread(target=start) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.rows("select count(*), count(distinct llm_model) from rate") == [
        (len(LIST.rates), len({rate.llm_model for rate in LIST.rates}))
    ]


def test_a_renewed_list_keeps_the_rows_of_prices_that_stayed(store):
    old = some_rates("a", "b", "c")
    refill(store, old)
    dearer = [rate._replace(input_pico=9_000_000) if rate.llm_model == "b" else rate for rate in old.rates[:2]]
    new = PriceList("two", tuple(dearer), {"other": "b"})
    refill(store, new)
    refill(store, new)
    assert rows(store) == [
        (1, "a", 1_000_000, 1),
        (2, "b", 2_000_000, 0),
        (3, "c", 3_000_000, 0),
        (4, "b", 9_000_000, 1),
    ]
    assert store.rows("select name, llm_model from model_alias") == [("other", "b")]
    assert stored_version(store) == "two"


def test_a_price_that_came_back_gets_its_old_row(store):
    refill(store, some_rates("a", "b"))
    refill(store, some_rates("a"))
    refill(store, some_rates("a", "b"))
    assert [row[::3] for row in rows(store)] == [(1, 1), (2, 1)]


def test_a_price_that_a_newer_list_confirms_keeps_its_row_and_says_who_confirmed_it(store):
    """The version of the list stands in the source of every rate: else each new version would replace them all."""
    old = some_rates("a", "b")
    refill(store, old)
    told = {"source": "made 2", "checked_on": "2026-12-01"}
    refill(store, old._replace(version="two", rates=tuple(rate._replace(**told) for rate in old.rates)))
    assert rows(store, "id, source, checked_on, is_current") == [
        (1, "made 2", "2026-12-01", 1),
        (2, "made 2", "2026-12-01", 1),
    ]


def test_an_admins_price_wins_and_outlives_every_list(store):
    refill(store, some_rates("a", "b"))
    override(store, 77, "a", 5_000_000)
    for _ in range(2):
        refill(store, some_rates("a", "b", "c"))
        assert price_book(store).cost_nanousd("a", *ARGUMENTS)[1] == 77
        assert price_book(store).cost_nanousd("b", *ARGUMENTS)[1] == 2
    assert rows(store, "id")[-1] == (78,)


def test_an_admins_alias_comes_before_the_name_and_the_lists_alias_after_it(store):
    refill(store, some_rates("a", "b"))
    with store.writing():
        store.run("insert into model_alias (name, llm_model, is_override) values ('b', 'a', 1), ('mine', 'b', 1)")
    refill(store, some_rates("a", "b"))
    ids = {name: price_book(store).cost_nanousd(name, *ARGUMENTS)[1] for name in ("a", "alias", "b", "mine", "other")}
    assert ids == {"a": 1, "alias": 1, "b": 1, "mine": 2, "other": None}


def test_pricing_anew_changes_nothing_where_prices_did_not_change(store, ada):
    write(store, price_book(store), a_call(counts=(1000, 50)), a_call("b", 5, llm_model=UNKNOWN))
    before = content(store), content(store, 0), store.rows("select * from change_count")
    done = reprice(store)
    assert (done.calls, done.changed, done.before_nanousd) == (2, 0, done.after_nanousd)
    assert (content(store), content(store, 0), store.rows("select * from change_count")) == before


def test_pricing_anew_prices_what_was_unpriced_and_the_sums_follow(store, ada):
    book = price_book(store)
    write(store, book, a_call(counts=(1000, 50)), a_call("b", 5, llm_model=UNKNOWN, counts=(2000, 10)))
    write(store, book, a_call("c", 9, llm_model=UNKNOWN, counts=(10, 10), client_cost_nanousd=5))
    assert (usage_of(store)["unpriced_calls"], usage_of(store)["cost_nanousd"]) == (1, 6_250_000 + 5)
    override(store, 9001, UNKNOWN, 3_000_000)
    done = reprice(store)
    after = 6_250_000 + 3000 * 2010 + 3000 * 20
    assert (done.calls, done.changed, done.before_nanousd, done.after_nanousd) == (3, 2, 6_250_005, after)
    assert (usage_of(store)["unpriced_calls"], usage_of(store)["cost_nanousd"]) == (0, after)
    assert {row["rate_id"] for row in calls(store) if row["llm_model_id"] == UNKNOWN} == {9001}
    assert differences(store) == []


def test_pricing_anew_without_a_price_any_more_leaves_the_call_unpriced(store, ada):
    override(store, 9001, UNKNOWN, 3_000_000)
    write(store, price_book(store), a_call(llm_model=UNKNOWN))
    assert usage_of(store)["cost_nanousd"] == 3000 * 103
    with store.writing():
        store.run("update rate set is_current = 0 where id = 9001")
    reprice(store)
    assert (usage_of(store)["cost_nanousd"], usage_of(store)["unpriced_calls"]) == (0, 1)
    assert differences(store) == []


def test_pricing_anew_goes_through_all_calls_in_steps_and_leaves_superseded_ones_uncounted(store, ada, monkeypatch):
    monkeypatch.setattr("meter.prices.CALLS_PER_COMMIT", 4)
    book = price_book(store)
    write(store, book, *(a_call(number, number * 700_000, llm_model=UNKNOWN) for number in range(8)))
    write(store, book, a_call("whole", 1, llm_model=UNKNOWN, counts=(9_000_000,)), source=5)
    override(store, 9001, UNKNOWN, 1_000_000)
    done = reprice(store)
    assert (done.calls, done.changed) == (9, 9)
    assert usage_of(store)["cost_nanousd"] == 8 * 103_000
    assert differences(store) == []
    assert reprice(store).changed == 0
