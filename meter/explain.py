"""Why a call costs what it costs: every kind of token times its price, and where the price comes from."""

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from meter.pricing import ALWAYS_MS, HOURS, TOKEN_PRICES, Rate, cost_nanousd, variant_of


@dataclass(frozen=True, slots=True)
class CostLine:
    """One kind ('input', ..., 'cache_write_1h', 'web_search'): count times price, both amounts exact.

    `unit_usd` is dollars per million tokens, or per search.
    """

    kind: str
    count: int
    unit_usd: Decimal
    cost_usd: Decimal


@dataclass(frozen=True, slots=True)
class Explanation:
    """A call's cost, taken apart.

    lines: the kinds that occurred; their cost_usd add up to the exact cost, which rounds (half to even, nano-dollars)
    to `cost_nanousd`, the stored figure. None of the rate's facts are set where `rate` is None: the call is unpriced.
    asked_variant / asked_geo: how the call says it was served; `variant` / `geo`: what the rate is for. They differ
    where the model has no price of its own for it and the plainer one was used.
    valid_from_at None: since ever; valid_to_at None: still. prompt_above_tokens 0: the base tier.
    """

    model_name: str
    priced_as: str
    is_priced: bool
    lines: tuple[CostLine, ...]
    cost_nanousd: int
    prompt_tokens: int
    asked_variant: str
    asked_geo: str
    variant: str = ""
    geo: str = ""
    provider: str = ""
    prompt_above_tokens: int = 0
    valid_from_at: datetime | None = None
    valid_to_at: datetime | None = None
    source: str = ""
    checked_on: str = ""
    is_override: bool = False

    @property
    def exact_usd(self) -> Decimal:
        """The cost before rounding to nano-dollars."""
        return sum((line.cost_usd for line in self.lines), Decimal(0))

    @property
    def is_fallback(self) -> bool:
        """Whether the call asked for a way of serving that this model has no price for."""
        variant = "" if self.variant.startswith(HOURS) else self.variant
        return self.is_priced and (self.asked_variant, self.asked_geo) != (variant, self.geo)


def explain(
    rate: Rate | None,
    model_name: str,
    speed: str,
    service_tier: str,
    inference_geo: str,
    input_tokens: int,
    output_tokens: int,
    cache_read_tokens: int,
    cache_write_5m_tokens: int,
    cache_write_1h_tokens: int,
    web_searches: int,
) -> Explanation:
    """The cost of a call at the rate that its stored rate id names, or None for an unpriced call."""
    priced_as, variant, geo = variant_of(model_name, speed, service_tier, inference_geo)
    tokens = (input_tokens, output_tokens, cache_read_tokens, cache_write_5m_tokens, cache_write_1h_tokens)
    prompt_tokens = sum(tokens) - output_tokens
    if rate is None:
        return Explanation(model_name, priced_as, False, (), 0, prompt_tokens, variant, geo)
    return Explanation(
        model_name=model_name,
        priced_as=rate.llm_model,
        is_priced=True,
        lines=_lines(rate, tokens, web_searches),
        cost_nanousd=cost_nanousd(rate, *tokens, web_searches),
        prompt_tokens=prompt_tokens,
        asked_variant=variant,
        asked_geo=geo,
        variant=rate.variant,
        geo=rate.geo,
        provider=rate.provider,
        prompt_above_tokens=rate.prompt_above_tokens,
        valid_from_at=None if rate.valid_from_ms == ALWAYS_MS else _at(rate.valid_from_ms),
        valid_to_at=None if rate.valid_to_ms is None else _at(rate.valid_to_ms),
        source=rate.source,
        checked_on=rate.checked_on,
        is_override=bool(rate.is_override),
    )


def _lines(rate: Rate, tokens: tuple[int, ...], web_searches: int) -> tuple[CostLine, ...]:
    lines = []
    for name, count in zip(TOKEN_PRICES, tokens, strict=True):
        if count:
            pico = getattr(rate, name)
            kind = name.removesuffix("_pico")
            lines.append(CostLine(kind, count, Decimal(pico).scaleb(-6), Decimal(pico * count).scaleb(-12)))
    if web_searches:
        nano = rate.web_search_nano
        search_usd = Decimal(nano).scaleb(-9)
        lines.append(CostLine("web_search", web_searches, search_usd, Decimal(nano * web_searches).scaleb(-9)))
    return tuple(lines)


def _at(epoch_ms: int) -> datetime:
    return datetime.fromtimestamp(epoch_ms // 1000, UTC)
