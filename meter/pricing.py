"""What a call costs: the rate of its model, at its time, for its prompt size and way of serving.

Standard library only and quick to import: `agentmeter sync` prices every call it reads. docs/counting.md says the
same in plain words.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from meter.model_names import (
    SYNTHETIC,
    family_of,
    is_bedrock_regional,
    normalise,
    provider_of,
    says_fast,
    spellings,
)
from meter.money import PICO_PER_NANO, divide_half_even

__all__ = (
    "SYNTHETIC", "PriceBook", "Rate", "cost_nanousd", "family_of", "normalise", "provider_of", "variant_of",
    "weighted_tokens",
)  # fmt: skip

MINUTES_A_DAY = 1440
MS_PER_MINUTE = 60_000
ALWAYS_MS = 0  # no call is older than 1970
BASE_TIER = -1  # every prompt is longer than this, the empty one too
UNPRICED = (0, None)
HOURS = "utc"  # how a variant begins that holds for some hours of the UTC day
TOKEN_PRICES = ("input_pico", "output_pico", "cache_read_pico", "cache_write_5m_pico", "cache_write_1h_pico")
VARIANT_OF_TIER = {"batch": "batch", "priority": "priority", "flex": "flex", "fast": "fast"}


class Rate(NamedTuple):
    """One row of the price list, in the column order of the table `rate`.

    llm_model: as `normalise` gives it; a host's own price is under 'host/name'. variant: '' | 'fast' | 'batch' |
    'priority' | 'flex' | 'utc01:00-04:00' (some hours of the UTC day, half-open). geo: '' | 'us' | 'regional'.
    valid_from_ms..valid_to_ms: epoch ms, half-open, None = still valid. prompt_above_tokens: the row holds for prompts
    strictly longer, 0 = from the start. *_pico: pico-dollars per token. web_search_nano: nano-dollars a search.
    An override (1) is an administrator's price and wins over the list.
    """

    id: int
    llm_model: str
    provider: str
    variant: str
    geo: str
    valid_from_ms: int
    valid_to_ms: int | None
    prompt_above_tokens: int
    input_pico: int
    output_pico: int
    cache_read_pico: int
    cache_write_5m_pico: int
    cache_write_1h_pico: int
    web_search_nano: int
    source: str
    checked_on: str
    is_override: int = 0


# One tier as the hot path wants it: longer than, rate id, the five token prices, the search price.
Tier = tuple[int, int, int, int, int, int, int, int]
Timeline = tuple[tuple[int, tuple[Tier, ...]], ...]  # ((since ms, tiers), ...), newest first
Key = tuple[str, str, str, str]  # model name as written, speed, service tier, inference geo


def variant_of(model_name: str, speed: str, service_tier: str, inference_geo: str) -> tuple[str, str, str]:
    """(normalised name, variant, geo): the key under which rates of a call are looked for.

    Fast wins over a service tier: the dearer of two contradicting marks. 'standard', 'default', unknown marks: ''.
    """
    fast = speed == "fast" or says_fast(model_name)
    variant = "fast" if fast else VARIANT_OF_TIER.get(service_tier, "")
    geo = "us" if inference_geo == "us" else "regional" if is_bedrock_regional(model_name) else ""
    return normalise(model_name), variant, geo


def cost_nanousd(
    rate: Rate,
    input_tokens: int,
    output_tokens: int,
    cache_read_tokens: int,
    cache_write_5m_tokens: int,
    cache_write_1h_tokens: int,
    web_searches: int,
) -> int:
    """What these counts cost at this rate, in nano-dollars; one rounding (half to even) for the whole call."""
    pico = (
        rate.input_pico * input_tokens
        + rate.output_pico * output_tokens
        + rate.cache_read_pico * cache_read_tokens
        + rate.cache_write_5m_pico * cache_write_5m_tokens
        + rate.cache_write_1h_pico * cache_write_1h_tokens
    )
    return divide_half_even(pico, PICO_PER_NANO) + rate.web_search_nano * web_searches


def weighted_tokens(input_tokens: int, cache_write_tokens: int, cache_read_tokens: int, output_tokens: int) -> int:
    """round(input + 1.25 cache writes + 0.1 cache reads + 5 output), half to even: the usage hub's `tokensWeighted`."""
    return divide_half_even(
        20 * input_tokens + 25 * cache_write_tokens + 2 * cache_read_tokens + 100 * output_tokens, 20
    )


class PriceBook:
    """Prices calls. Made from rates, or from a function that gives the rates of one name when it is first met.

    `load(name)` returns the rows of that name, or of the model it is an alias of, or nothing. `aliases` is for rates
    given directly. A book never looks again: make a new one after prices change.
    """

    __slots__ = ("_daily", "_load", "_rates", "_timelines")

    def __init__(
        self, rates: Iterable[Rate] | Callable[[str], Iterable[Rate]], aliases: Mapping[str, str] | None = None
    ) -> None:
        self._load = rates if callable(rates) else _by_name(rates, aliases or {})
        self._timelines: dict[Key, Timeline] = {}
        self._daily: dict[Key, tuple[Timeline, list[tuple[int, int, Timeline]]]] = {}
        self._rates: dict[int, Rate] = {}

    def cost_nanousd(
        self,
        model_name: str,
        speed: str,
        service_tier: str,
        inference_geo: str,
        at_ms: int,
        input_tokens: int,
        output_tokens: int,
        cache_read_tokens: int,
        cache_write_5m_tokens: int,
        cache_write_1h_tokens: int,
        web_searches: int,
    ) -> tuple[int, int | None]:
        """(nano-dollars, id of the rate used); (0, None) without a rate, never a neighbour's. Counts are >= 0."""
        key = (model_name, speed, service_tier, inference_geo)
        prompt_tokens = input_tokens + cache_read_tokens + cache_write_5m_tokens + cache_write_1h_tokens
        for since_ms, tiers in self._timelines.get(key) or self._timeline(key, at_ms):  # newest first
            if at_ms < since_ms:
                continue
            for above_tokens, rate_id, in_pico, out_pico, read_pico, write_5m_pico, write_1h_pico, search_nano in tiers:
                if prompt_tokens <= above_tokens:
                    continue
                # divide_half_even(pico, 1000), written out: this line runs once for every call of an import
                nano, rest = divmod(
                    in_pico * input_tokens
                    + out_pico * output_tokens
                    + read_pico * cache_read_tokens
                    + write_5m_pico * cache_write_5m_tokens
                    + write_1h_pico * cache_write_1h_tokens,
                    1000,
                )
                if rest >= 500 and (rest > 500 or nano & 1):
                    nano += 1
                return nano + search_nano * web_searches, rate_id
            break
        return UNPRICED

    def rate_for(
        self,
        model_name: str,
        at_ms: int,
        prompt_tokens: int,
        speed: str = "",
        service_tier: str = "",
        inference_geo: str = "",
    ) -> Rate | None:
        """The rate of a call, None where the list has none. prompt_tokens: input + cache read + cache writes."""
        key = (model_name, speed, service_tier, inference_geo)
        timeline = self._timelines.get(key) or self._timeline(key, at_ms)
        tiers = next((tiers for since_ms, tiers in timeline if at_ms >= since_ms), ())
        return next((self._rates[tier[1]] for tier in tiers if prompt_tokens > tier[0]), None)

    def priced_as(self, model_name: str) -> str:
        """The name under which rates of this model are, or belong if there are none: where an override has to go."""
        return next((rate.llm_model for rate in self._rates_of(model_name)), normalise(model_name))

    def _timeline(self, key: Key, at_ms: int) -> Timeline:
        """The timeline of a key. Kept for the hot path, unless the price hangs on the hour of the day."""
        if key not in self._daily:
            rates = self._rates_of(key[0])
            _, variant, geo = variant_of(*key)
            plain = _timeline(rates, variant, geo)
            hours = {rate.variant for rate in rates if rate.variant.startswith(HOURS)}
            if not hours or (variant and any(rate.variant == variant for rate in rates)):
                self._timelines[key] = plain
                return plain
            self._daily[key] = plain, [(*_minutes(name), _timeline(rates, name, geo)) for name in sorted(hours)]
        plain, by_hours = self._daily[key]
        minute = at_ms // MS_PER_MINUTE % MINUTES_A_DAY
        return next((timeline for start, end, timeline in by_hours if (minute - start) % MINUTES_A_DAY < end), plain)

    def _rates_of(self, model_name: str) -> tuple[Rate, ...]:
        if model_name == SYNTHETIC:
            return ()
        rates = next((found for name in spellings(model_name) if (found := tuple(self._load(name)))), ())
        self._rates.update((rate.id, rate) for rate in rates)
        return rates


def _by_name(rates: Iterable[Rate], aliases: Mapping[str, str]) -> Callable[[str], Iterable[Rate]]:
    named: dict[str, list[Rate]] = {}
    for rate in rates:
        named.setdefault(rate.llm_model, []).append(rate)
    return lambda name: named.get(name) or named.get(aliases.get(name, "")) or ()


def _minutes(hours: str) -> tuple[int, int]:
    """(start, length) in minutes of 'utc22:30-01:00'."""
    start, end = (int(clock[:2]) * 60 + int(clock[3:]) for clock in hours.removeprefix(HOURS).split("-"))
    return start, (end - start) % MINUTES_A_DAY


def _timeline(rates: tuple[Rate, ...], variant: str, geo: str) -> Timeline:
    """What holds when, back to ALWAYS_MS; tiers () where no rate holds.

    Where a model has no price of its own for a variant or geography at some time, the plainer one holds.
    """
    keys = dict.fromkeys(((variant, geo), (variant, ""), ("", geo), ("", "")))
    pools = [[rate for rate in rates if (rate.variant, rate.geo) == key] for key in keys]
    moments = {ALWAYS_MS}
    for rate in rates:
        moments.update((rate.valid_from_ms, rate.valid_to_ms if rate.valid_to_ms is not None else rate.valid_from_ms))
    segments: list[tuple[int, tuple[Tier, ...]]] = []
    for since_ms in sorted(moments):
        tiers = next((tiers for pool in pools if (tiers := _tiers(pool, since_ms))), ())
        if not segments or segments[-1][1] != tiers:
            segments.append((since_ms, tiers))
    return tuple(reversed(segments))


def _tiers(rates: list[Rate], at_ms: int) -> tuple[Tier, ...]:
    """The rates that hold at a moment as bare tuples, the longest prompt first. An override replaces all tiers."""
    valid = [rate for rate in rates if rate.valid_from_ms <= at_ms and _ends_after(rate, at_ms)]
    valid = [rate for rate in valid if rate.is_override] or valid
    newest = {}
    for rate in sorted(valid, key=lambda rate: (rate.valid_from_ms, rate.id)):
        newest[rate.prompt_above_tokens] = rate
    return tuple(
        (
            above_tokens or BASE_TIER,
            rate.id,
            rate.input_pico,
            rate.output_pico,
            rate.cache_read_pico,
            rate.cache_write_5m_pico,
            rate.cache_write_1h_pico,
            rate.web_search_nano,
        )
        for above_tokens, rate in sorted(newest.items(), reverse=True)
    )


def _ends_after(rate: Rate, at_ms: int) -> bool:
    return rate.valid_to_ms is None or rate.valid_to_ms > at_ms
