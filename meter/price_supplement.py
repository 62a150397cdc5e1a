"""What the genai-prices package lacks for Anthropic's models, each with its source. Raise SUPPLEMENT_REVISION in
meter/price_list.py when anything here changes.
"""

from collections.abc import Iterator

from meter.money import NANO
from meter.price_flatten import CHECKED_ON
from meter.pricing import TOKEN_PRICES, Rate

WEB_SEARCH_NANO = NANO // 100  # $10 per thousand searches, on every model; no discount applies to it
WITHOUT_BATCH = ("claude-2", "claude-v1")  # gone before batches came

LITELLM = "LiteLLM 1.109.1"
BATCH = "genai-prices: batches cost half, here at any date"
GEO_US = "LiteLLM 1.109.1: US-only inference costs 1.1 times"
FAST_4_6 = "Claude Code 2.1.328: fast costs 6 times"
FAST_4_7 = "ccusage: fast costs 6 times"

# $ per million tokens: input, output, cache read, 5-minute write, 1-hour write
MYTHOS = {"claude-mythos-5": (10, 50, 1, 12.5, 20), "claude-mythos-5-1": (10, 50, 0.25, 12.5, 20)}
SIX_TIMES_FAST = {"claude-opus-4-6": FAST_4_6, "claude-opus-4-7": FAST_4_7}
ALIASES = {"claude-2-1": "claude-2", "claude-v2": "claude-2"}


def supplemented(rates: list[Rate], aliases: dict[str, str]) -> tuple[list[Rate], dict[str, str]]:
    """The package's rates and aliases with everything here added; a row the package has is never replaced."""
    rates = [rate._replace(web_search_nano=WEB_SEARCH_NANO) if rate.provider == "anthropic" else rate for rate in rates]
    known = {rate.llm_model for rate in rates}
    rates += [rate for rate in _mythos() if rate.llm_model not in known]
    rates += [*_batch(rates), *_fast(rates)]
    rates += list(_geo_us(rates))
    return rates, aliases | ALIASES


def _mythos() -> Iterator[Rate]:
    for llm_model, usd_per_million in MYTHOS.items():
        picos = (round(price * 1_000_000) for price in usd_per_million)
        yield Rate._make(
            (0, llm_model, "anthropic", "", "", 0, None, 0, *picos, WEB_SEARCH_NANO, LITELLM, CHECKED_ON, 0)
        )


def _batch(rates: list[Rate]) -> Iterator[Rate]:
    """Half of the standard price, until the package has a batch price of its own."""
    listed_from = {
        rate.llm_model: rate.valid_from_ms
        for rate in sorted(rates, reverse=True, key=lambda rate: rate.valid_from_ms)
        if rate.variant == "batch"
    }
    for rate in _standard(rates):
        until_ms = listed_from.get(rate.llm_model)
        if rate.llm_model in WITHOUT_BATCH or (until_ms is not None and rate.valid_from_ms >= until_ms):
            continue
        ends = [end_ms for end_ms in (rate.valid_to_ms, until_ms) if end_ms is not None]
        yield _times(rate, 1, 2)._replace(variant="batch", valid_to_ms=min(ends, default=None), source=BATCH)


def _fast(rates: list[Rate]) -> Iterator[Rate]:
    """Fast mode of models that had it before the package listed it; the long-prompt tier is raised with the rest."""
    listed = {rate.llm_model for rate in rates if rate.variant == "fast"}
    for rate in _standard(rates):
        if rate.llm_model in SIX_TIMES_FAST and rate.llm_model not in listed:
            yield _times(rate, 6, 1)._replace(variant="fast", source=SIX_TIMES_FAST[rate.llm_model])


def _geo_us(rates: list[Rate]) -> Iterator[Rate]:
    for rate in rates:
        if rate.provider == "anthropic" and not rate.geo:
            said_elsewhere = rate.source in (FAST_4_6, FAST_4_7)
            source = f"{rate.source}; {GEO_US}" if said_elsewhere else GEO_US
            yield _times(rate, 11, 10)._replace(geo="us", source=source)


def _standard(rates: list[Rate]) -> list[Rate]:
    return [rate for rate in rates if rate.provider == "anthropic" and not rate.variant and not rate.geo]


def _times(rate: Rate, numerator: int, denominator: int) -> Rate:
    """The rate with its token prices multiplied; searches cost what they cost."""
    changed = {}
    for name in TOKEN_PRICES:
        changed[name], rest = divmod(getattr(rate, name) * numerator, denominator)
        if rest:
            raise ValueError(f"{rate.llm_model}: {name} times {numerator}/{denominator} is no whole pico-dollar")
    return rate._replace(**changed, checked_on=CHECKED_ON)
