"""The price list in the database: filled once per version, read model by model; and pricing everything anew."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from meter import rollups
from meter.call_rows import CALL_COLUMNS, UNPRICED
from meter.ingest import note_change
from meter.price_list import PriceList, current_version, price_list
from meter.pricing import PriceBook, Rate
from meter.rollups import Changes
from models.bulk import Store
from models.measures import EVERYBODY

_COLUMNS = Rate._fields  # the columns of the table `rate`, in its order
_PRICED_FROM = Rate._fields.index("llm_model")
_PRICED_TO = Rate._fields.index("source")  # who says so and since when are no part of a price
CALLS_PER_COMMIT = 20_000


def price_book(store: Store) -> PriceBook:
    """A book over the stored rates, filled from the price list first when that is newer. Not inside a transaction."""
    if stored_version(store) != current_version():
        with store.writing():
            fill(store, price_list())
    return PriceBook(lambda name: _rates(store, name))


def stored_version(store: Store) -> str | None:
    """The version of the price list in the database, None before the first."""
    rows = store.rows("select version from price_list_version where id = 1")
    return rows[0][0] if rows else None


def fill(store: Store, prices: PriceList) -> None:
    """Put a price list in place of the one before. Prices that stay the same keep their row; overrides are untouched.

    Inside a writing transaction.
    """
    columns = ", ".join(_COLUMNS)
    known = {
        row[_PRICED_FROM:_PRICED_TO]: Rate(*row)
        for row in store.rows(f"select {columns} from rate where is_override = 0")
    }
    next_id = store.rows("select coalesce(max(id), 0) + 1 from rate")[0][0]
    kept: list[int] = []
    confirmed: list[tuple[str, str, int]] = []
    fresh: list[tuple[Any, ...]] = []
    for rate in prices.rates:
        same = known.get(tuple(rate[_PRICED_FROM:_PRICED_TO]))
        if same is None:
            fresh.append((next_id + len(fresh), *rate[1:], 1))
            continue
        kept.append(same.id)
        if (same.source, same.checked_on) != (rate.source, rate.checked_on):
            confirmed.append((rate.source, rate.checked_on, same.id))
    store.run("update rate set is_current = 0 where is_override = 0")
    store.run_by_key("update rate set is_current = 1 where is_override = ? and id in {keys}", (0,), kept)
    store.run_many("update rate set source = ?, checked_on = ? where id = ?", confirmed)
    spec = [(name, "text" if name in _TEXTS else "bigint") for name in (*_COLUMNS, "is_current")]
    store.upsert("rate", spec, "id", fresh)
    store.run("delete from model_alias where is_override = 0")
    store.run_many(
        "insert into model_alias (name, llm_model, is_override) values (?, ?, 0) on conflict do nothing",
        prices.aliases.items(),
    )
    store.run(
        "insert into price_list_version (id, version) values (1, ?)"
        " on conflict (id) do update set version = excluded.version",
        (prices.version,),
    )


_TEXTS = frozenset(("llm_model", "provider", "variant", "geo", "source", "checked_on"))


def _rates(store: Store, name: str) -> Iterable[Rate]:
    """The rates that hold for a name, or for what it is an alias of; an admin's alias comes before the name itself."""
    alias = store.rows("select llm_model, is_override from model_alias where name = ?", (name,))
    asked = [alias[0][0], name] if alias and alias[0][1] else [name, *(row[0] for row in alias)]
    for candidate in asked:
        columns = ", ".join(_COLUMNS)
        rows = store.rows(
            f"select {columns} from rate where llm_model = ? and is_current = 1 order by id", (candidate,)
        )
        if rows:
            return [Rate(*row) for row in rows]
    return ()


@dataclass(frozen=True)
class Repriced:
    """What pricing everything anew did."""

    calls: int
    changed: int
    before_nanousd: int
    after_nanousd: int


def reprice(store: Store) -> Repriced:
    """Price every stored call with today's rates; sums follow in the same transactions."""
    book = price_book(store)
    total = Repriced(0, 0, 0, 0)
    for (owner_id,) in store.rows("select id from person order by id"):
        after = ""
        while True:
            with store.writing(owner_id):
                part, after = _reprice_part(store, owner_id, book, after)
            total = Repriced(
                total.calls + part.calls,
                total.changed + part.changed,
                total.before_nanousd + part.before_nanousd,
                total.after_nanousd + part.after_nanousd,
            )
            if not after:
                break
    return total


def _reprice_part(store: Store, owner_id: int, book: PriceBook, after: str) -> tuple[Repriced, str]:
    """The next calls of an owner by key; the key to go on after, empty at the end."""
    columns = ", ".join(f"c.{name}" for name, _ in CALL_COLUMNS)
    rows = store.rows(
        f"select {columns}, l.name from call c join llm_model l on l.id = c.llm_model_id"
        " where c.owner_id = ? and c.call_key > ? order by c.call_key limit ?",
        (owner_id, after, CALLS_PER_COMMIT),
    )
    changes, changed, before, behind = Changes(), [], 0, 0
    for *call, name in rows:
        facts = dict(zip(_NAMES, call, strict=True))
        cost, rate_id = book.cost_nanousd(
            name, facts["speed"], facts["service_tier"], facts["inference_geo"], facts["at_ms"], *call[7:13]
        )
        unpriced = 0
        if rate_id is None:
            cost, unpriced = UNPRICED if facts["client_cost_nanousd"] is None else (facts["client_cost_nanousd"], 0)
        before, behind = before + facts["cost_nanousd"], behind + cost
        if (cost, rate_id) == (facts["cost_nanousd"], facts["rate_id"]):
            continue
        changed.append((cost, rate_id, owner_id, facts["call_key"]))
        if not facts["is_superseded"]:
            was_unpriced = facts["rate_id"] is None and facts["client_cost_nanousd"] is None
            step = (0, 0, 0, 0, 0, 0, 0, cost - facts["cost_nanousd"], unpriced - was_unpriced)
            changes.add(facts["at_ms"], tuple(call[3:7]), step)
    if changed:
        store.run_many("update call set cost_nanousd = ?, rate_id = ? where owner_id = ? and call_key = ?", changed)
        rollups.apply(store, owner_id, changes, set())
        _reprice_sessions(store, owner_id, changes)
        for whose in (owner_id, EVERYBODY):
            note_change(store, whose)
    last = rows[-1][1] if len(rows) == CALLS_PER_COMMIT else ""
    return Repriced(len(rows), len(changed), before, behind), last


def _reprice_sessions(store: Store, owner_id: int, changes: Changes) -> None:
    steps: dict[int, list[int]] = {}
    for (_, session_id, *_), sums in changes.usage.items():
        step = steps.setdefault(session_id, [0, 0])
        step[0] += sums[7]
        step[1] += sums[8]
    store.run_many(
        "update agent_session set cost_nanousd = cost_nanousd + ?, unpriced_calls = unpriced_calls + ?"
        " where owner_id = ? and id = ?",
        [(*step, owner_id, session_id) for session_id, step in sorted(steps.items())],
    )


_NAMES = tuple(name for name, _ in CALL_COLUMNS)
