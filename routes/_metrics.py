"""The five figures of a stretch of time: what each is made of, how it is written, and which way is worse."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from models.queries.usage import SeriesPoint, Totals, Usage
from routes import _format
from routes._format import MISSING, Change

_Write = Callable[[float], str]
_SHORT: dict[str, _Write] = {
    "money": _format.usd_short,
    "tokens": _format.short,
    "count": _format.count,
    "share": _format.pct,
}
_FULL: dict[str, _Write] = {**_SHORT, "money": _format.usd, "tokens": _format.count}
SHARE_NOISE = 0.005  # a share that moved by less than half a point is neither better nor worse


@dataclass(frozen=True)
class Metric:
    """One figure: the sum of `amount`, divided by the sum of `per` where there is one.

    amount, per: a field of Usage, or 'sessions'. kind: money, tokens, count or share. worse: the direction (1 up,
    -1 down) that is bad news, 0 where neither is. by: 'per' in a chart's title, or 'by' where buckets do not add up.
    unit: what a bare number counts, when a sentence needs to say so.
    """

    key: str
    label: str
    amount: str
    per: str
    kind: str
    worse: int
    by: str
    unit: str = ""

    @property
    def is_share(self) -> bool:
        return self.kind == "share"

    @property
    def can_be_split(self) -> bool:
        """Whether the parts of models, people or projects add up to the whole."""
        return self.amount != "sessions" and not self.per

    def title(self, grain: str) -> str:
        return f"{self.label} {self.by} {grain}"

    def text(self, value: float | None) -> str:
        """Short, for a tile or a legend."""
        if value is None:
            return MISSING
        return _SHORT[self.kind](value)

    def full(self, value: float | None) -> str:
        """In full, for tooltips and tables."""
        if value is None:
            return MISSING
        return _FULL[self.kind](value)

    def said(self, value: float | None) -> str:
        """In full with its unit, for a sentence."""
        return _format.plural(int(value), self.unit) if self.unit and value is not None else self.full(value)

    def column(self, values: Sequence[float | None]) -> list[str]:
        """A column of a table, in one precision; a zero is '0'."""
        if self.kind != "money":
            return [self.full(value) for value in values]
        places = _format.usd_places([value for value in values if value])
        return [MISSING if value is None else _format.usd(value, places) if value else "0" for value in values]


METRICS = {
    one.key: one
    for one in (
        Metric("cost", "Cost", "cost_nanousd", "", "money", 1, "per"),
        Metric("io_tokens", "Input + output tokens", "io_tokens", "", "tokens", 0, "per", "token"),
        Metric("sessions", "Sessions", "sessions", "", "count", 0, "per", "session"),
        Metric("cache_hit", "Cache hit", "cache_read_tokens", "prompt_tokens", "share", -1, "by"),
        Metric("cost_per_session", "Cost per session", "cost_nanousd", "sessions", "money", 1, "by"),
    )
}


def total_of(metric: Metric, totals: Totals) -> float | None:
    """The figure of a whole stretch; None where it would be divided by zero."""
    return _ratio(
        _amount(metric.amount, totals.usage, totals.sessions),
        _amount(metric.per, totals.usage, totals.sessions) if metric.per else None,
    )


def values_of(
    metric: Metric, points: Sequence[SeriesPoint], sessions: Sequence[int], bucket_count: int
) -> tuple[float | None, ...]:
    """The figure of every bucket, whatever the points are split by."""
    amounts = _per_bucket(metric.amount, points, sessions, bucket_count)
    if not metric.per:
        return tuple(amounts)
    pers = _per_bucket(metric.per, points, sessions, bucket_count)
    return tuple(_ratio(amount, per) for amount, per in zip(amounts, pers, strict=True))


def change(metric: Metric, now: Totals, was: Totals, now_range: str, was_range: str) -> Change:
    """How the figure moved, whether that is good or bad, and both figures with their ranges in words."""
    current, former = total_of(metric, now), total_of(metric, was)
    text, direction = _format.change_text(current, former, in_points=metric.is_share)
    tone = {metric.worse: "bad", -metric.worse: "good"}.get(direction, "") if metric.worse and direction else ""
    if metric.is_share and abs((current or 0) - (former or 0)) < SHARE_NOISE:
        tone = ""
    return Change(text, tone, f"{metric.full(current)}, {now_range}; {metric.full(former)}, {was_range}")


def _per_bucket(name: str, points: Sequence[SeriesPoint], sessions: Sequence[int], bucket_count: int) -> list[int]:
    if name == "sessions":
        return [*sessions]
    sums = [0] * bucket_count
    for point in points:
        sums[point.bucket] += getattr(point.usage, name)
    return sums


def _amount(name: str, usage: Usage, sessions: int) -> int:
    return sessions if name == "sessions" else getattr(usage, name)


def _ratio(amount: int, per: int | None) -> float | None:
    if per is None:
        return amount
    return amount / per if per else None
