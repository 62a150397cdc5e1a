"""Flattens the genai-prices package into rate rows: one row per model, variant, period and prompt tier.

A name without a host is priced as genai-prices itself resolves it; every other price is under 'host/name'. Prices that
no agent log can be held against are left out: audio, images, pages, hours, a fee per request.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

from genai_prices import data, types
from genai_prices.data_snapshot import DataSnapshot

from meter.model_names import ROUTES, is_claude, provider_of, spellings
from meter.pricing import HOURS, TOKEN_PRICES, Rate

CHECKED_ON = "2026-11-20"
VARIANTS = {
    "batch": {"processing": "batch"},
    "fast": {"speed": "fast"},
    "flex": {"service_tier": "flex"},
    "priority": {"service_tier": "priority"},
}
FAST_TIER = {"service_tier": "fast"}  # OpenAI calls it a service tier
Price = Decimal | types.TieredPrices | None
DAY_ZERO = date(1970, 1, 1)
BEDROCK = "aws"
SELLERS = {"zhipuai": ("zhipuai", "zai")}  # makers that sell their models under two names
GOOGLE_REVISIONS = ("-preview", "-latest", "-001", "-002", "-003")  # the package matches these by their beginning


def package_rates(source: str) -> tuple[list[Rate], dict[str, str]]:
    """(rates, aliases) of the whole package; ids are 0, `source` is written into every row."""
    snapshot = DataSnapshot(providers=data.providers, from_auto_update=False)
    rates: list[Rate] = []
    names: dict[str, str] = {}  # every name that finds a row -> the row's llm_model
    for provider in data.providers:
        for model in provider.models:
            key = _key(snapshot, provider, model)
            if key in names or (is_claude(model.id) and provider.id != "anthropic"):
                continue
            rows = [row._replace(source=source, checked_on=CHECKED_ON) for row in model_rates(provider.id, key, model)]
            if rows:
                rates += rows
                names[key] = key
                for alias in _aliases(snapshot, provider, model, key):
                    names.setdefault(alias, key)
    rates += [row._replace(source=source, checked_on=CHECKED_ON) for row in _bedrock_regional(rates)]
    own = {rate.llm_model for rate in rates}
    return rates, {alias: key for alias, key in names.items() if alias not in own}


def model_rates(provider_id: str, key: str, model: types.ModelInfo) -> Iterator[Rate]:
    """All rows of one model under the name `key`; none if it is not priced by tokens."""
    if not _has_token_prices(model):
        return
    conditions = _conditions(model)
    all_day = [price for price in conditions if not isinstance(price.constraint, types.TimeOfDateConstraint)]
    plain = replace(model, prices=all_day)
    blank = _blank(provider_id, key)
    yield from _periods(blank, plain, None)
    for variant, context in VARIANTS.items():
        yield from _periods(blank._replace(variant=variant), plain, context)
    if not any(offered.when == VARIANTS["fast"] for offered in model.price_variants or ()):
        yield from _periods(blank._replace(variant="fast"), plain, FAST_TIER)
    for price in conditions:
        if isinstance(price.constraint, types.TimeOfDateConstraint):
            hours = replace(model, prices=[types.ConditionalPrice(prices=price.prices)])
            yield from _periods(blank._replace(variant=_hours(price.constraint)), hours, None)


def _blank(provider_id: str, key: str) -> Rate:
    return Rate(0, key, provider_id, "", "", 0, None, 0, 0, 0, 0, 0, 0, 0, "", "")


def _has_token_prices(model: types.ModelInfo) -> bool:
    if model.id.endswith(":free"):
        return True
    prices = [price.prices for price in _conditions(model)]
    return any(each.input_mtok is not None or each.output_mtok is not None for each in prices)


def _conditions(model: types.ModelInfo) -> list[types.ConditionalPrice]:
    return model.prices if isinstance(model.prices, list) else [types.ConditionalPrice(prices=model.prices)]


def _periods(blank: Rate, model: types.ModelInfo, context: dict[str, str] | None) -> Iterator[Rate]:
    """The rows of one variant: a row per period with other prices than the period before, and per tier."""
    starts = sorted({DAY_ZERO, *_start_dates(model)})
    periods: list[tuple[date, list[Rate]]] = []
    for start in starts:
        at = datetime(start.year, start.month, start.day, tzinfo=UTC)
        offered = context is None or _is_offered(model, context, at)
        tiers = list(_tiers(blank, model.get_prices(at, context))) if offered else []
        if not periods or periods[-1][1] != tiers:
            periods.append((start, tiers))
    ends = [start for start, _ in periods[1:]] + [None]
    for (start, tiers), end in zip(periods, ends, strict=True):
        for tier in tiers:
            yield tier._replace(valid_from_ms=epoch_ms(start), valid_to_ms=epoch_ms(end) if end else None)


def epoch_ms(day: date) -> int:
    """The first millisecond of a UTC day."""
    return (day - DAY_ZERO) // timedelta(milliseconds=1)


def _start_dates(model: types.ModelInfo) -> Iterator[date]:
    for constraint in [price.constraint for price in _conditions(model)] + [
        offered.constraint for offered in model.price_variants or ()
    ]:
        if isinstance(constraint, types.StartDateConstraint):
            yield constraint.start_date


def _is_offered(model: types.ModelInfo, context: dict[str, str], at: datetime) -> bool:
    return any(
        offered.when == context and (offered.constraint is None or offered.constraint.active(at))
        for offered in model.price_variants or ()
    )


def _tiers(blank: Rate, prices: types.ModelPrice) -> Iterator[Rate]:
    """A row from the start and one per prompt size where any price changes.

    Cached tokens without a price of their own cost what input costs, one-hour writes what other writes cost.
    """
    read = _first(prices.cache_read_mtok, prices.input_mtok)
    write = _first(prices.cache_write_mtok, prices.input_mtok)
    write_1h = _first(prices.cache_write_1h_mtok, write)
    kinds = (prices.input_mtok, prices.output_mtok, read, write, write_1h)
    steps = {tier.start for kind in kinds if isinstance(kind, types.TieredPrices) for tier in kind.tiers}
    search_nano = _pico(prices.web_searches_kcount, 0)  # $ per thousand -> nano-dollars each: the same factor
    for above_tokens in (0, *sorted(steps)):
        picos: dict[str, Any] = dict(zip(TOKEN_PRICES, (_pico(kind, above_tokens) for kind in kinds), strict=True))
        yield blank._replace(prompt_above_tokens=above_tokens, web_search_nano=search_nano, **picos)


def _first(price: Price, instead: Price) -> Price:
    return price if price is not None else instead


def _pico(price: Price, above_tokens: int) -> int:
    """Pico-dollars per token of prompts just longer than `above_tokens`; 0 for no price."""
    if price is None:
        return 0
    if isinstance(price, Decimal):
        return int((price * 1_000_000).to_integral_value(ROUND_HALF_EVEN))
    reached = [tier.price for tier in price.tiers if above_tokens and tier.start <= above_tokens]
    return _pico(reached[-1] if reached else price.base, above_tokens)


def _hours(constraint: types.TimeOfDateConstraint) -> str:
    start, end = (_utc(constraint.start_time), _utc(constraint.end_time))
    return f"{HOURS}{start:%H:%M}-{end:%H:%M}"


def _utc(clock: time) -> time:
    return datetime.combine(DAY_ZERO, clock).astimezone(UTC).time() if clock.tzinfo else clock


def _key(snapshot: DataSnapshot, provider: types.Provider, model: types.ModelInfo) -> str:
    """The name a model's rows are under: its own where that alone finds it, else 'host/name'."""
    name = model.id.lower()
    found = _find(snapshot, name)
    if found is model or (found is None and provider.id in SELLERS.get(maker := provider_of(name), (maker,))):
        return spellings(name)[-1] if is_claude(name) else name
    return f"{provider.id}/{name}"


def _find(snapshot: DataSnapshot, name: str) -> types.ModelInfo | None:
    """The model that the package itself finds for a name without a host."""
    try:
        return snapshot.find_provider_model(name, None, None, None)[1]
    except LookupError:
        return None


def _aliases(snapshot: DataSnapshot, provider: types.Provider, model: types.ModelInfo, key: str) -> Iterator[str]:
    """Other exact names of a model. Claude's are made regular by `normalise` instead."""
    if provider.id == "anthropic":
        return
    bare = key == model.id.lower()
    if bare and provider.id not in ROUTES:
        yield f"{provider.id}/{key}"
    revisions = [model.id + suffix for suffix in GOOGLE_REVISIONS] if provider.id == "google" else []
    for name in (*_exact_names(model.match), *revisions):
        name = name.lower().rstrip("-")
        if bare and _find(snapshot, name) is model:
            yield name
        elif not bare and provider.find_model(name) is model:
            yield f"{provider.id}/{name}"


def _exact_names(clause: types.MatchLogic) -> Iterable[str]:
    """The whole names in a match clause; beginnings count as whole names too, patterns do not."""
    match clause:
        case types.ClauseEquals(equals=name) | types.ClauseStartsWith(starts_with=name):
            return [name]
        case types.ClauseOr(or_=clauses):
            return [name for each in clauses for name in _exact_names(each)]
        case types.ClauseContains(contains=name) | types.ClauseEndsWith(ends_with=name):
            return [name]
    return []


def _bedrock_regional(rates: list[Rate]) -> Iterator[Rate]:
    """Bedrock's prices for one region or group of regions where they differ from Anthropic's own: geo 'regional'."""
    anthropic = {rate.llm_model: rate for rate in rates if rate.provider == "anthropic" and not rate.variant}
    (bedrock,) = (provider for provider in data.providers if provider.id == BEDROCK)
    for model in bedrock.models:
        if not model.id.startswith("regional.anthropic."):
            continue
        key = spellings(model.id)[-1]
        own = list(model_rates(BEDROCK, key, model))
        if key in anthropic and own[0].input_pico != anthropic[key].input_pico:
            search_nano = anthropic[key].web_search_nano
            yield from (row._replace(geo="regional", web_search_nano=search_nano) for row in own)
