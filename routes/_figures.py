"""Figures as plain data: a chart as a Plotly dict with colour roles instead of colours, and sparklines as SVG paths.

static/js/charts.js puts in the colours and the rest of the theme. What the numbers are is decided elsewhere.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import floor, log10

from meter.money import NANO
from models.queries.usage import SeriesPoint
from routes import _format
from routes._metrics import Metric

# Colour follows identity: a family keeps its role whatever else is in the picture.
FAMILIES = {
    "opus": ("series-1", "Opus"),
    "sonnet": ("series-2", "Sonnet"),
    "haiku": ("series-3", "Haiku"),
    "gpt": ("series-4", "GPT"),
    "gemini": ("series-5", "Gemini"),
    "mistral": ("series-6", "Mistral"),
    "fable": ("series-6", "Fable"),
    "mythos": ("series-6", "Mythos"),
}
ROLES = ("series-1", "series-2", "series-3", "series-4", "series-5", "series-6")
OTHER = ("other", "Other")
ORDER = {role: place for place, role in enumerate((*ROLES, "accent", "other"))}
MOST_SERIES = 6
MOST_STEPS = 5
STEP_UNITS = ((1e9, "B"), (1e6, "M"), (1e3, "k"))
SPARK_HEIGHT, SPARK_INSET = 28, 1.5


@dataclass(frozen=True)
class Series:
    """One colour of a chart: a figure for every bucket (None = nothing there) and for the whole period."""

    role: str
    label: str
    values: tuple[float | None, ...]
    total: float | None


@dataclass(frozen=True)
class Axis:
    """The buckets of a chart.

    names: one for each bucket, unique. ticks: (bucket, text). elapsed: how many have begun. running: the bucket that
    now is in, if any; until: what the legend says of it.
    """

    grain: str
    names: tuple[str, ...]
    ticks: tuple[tuple[int, str], ...]
    elapsed: int
    running: int | None
    until: str


@dataclass(frozen=True)
class Compared:
    """The stretch before, drawn over the chart."""

    label: str
    values: tuple[float | None, ...]
    total: float | None


@dataclass(frozen=True)
class LegendItem:
    """A line of the legend; `trace` is the place in the figure's data that its button switches, None = no button."""

    role: str
    label: str
    total: str
    trace: int | None


@dataclass(frozen=True)
class Chart:
    """A figure with all that stands around it. rows: one per bucket that has begun, first cell its name."""

    title: str
    caption: str
    figure: dict[str, object]
    legend: tuple[LegendItem, ...]
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Spark:
    """A sparkline in a box of `width` x 28: the line, and for amounts the area down to zero."""

    width: int
    path: str
    area: str


def role_of(family: str) -> str:
    """The colour role of a model family."""
    return FAMILIES.get(family, OTHER)[0]


def families(points: Sequence[SeriesPoint], amount: str, bucket_count: int) -> tuple[Series, ...]:
    """The points summed by model family. Where more than six would stand, the five dearest and Other."""
    cost = _cost_by(points, "family")
    held: dict[str, str] = {}  # role -> family: of those that share a role, the first that is there has it
    for family, (role, _) in FAMILIES.items():
        if family in cost:
            held.setdefault(role, family)
    shown = set(held.values())
    if len(shown | cost.keys()) > MOST_SERIES:
        shown = set(sorted(shown, key=lambda family: -cost[family])[: MOST_SERIES - 1])
    return _sum_up(points, {family: FAMILIES[family] for family in shown}, "family", amount, bucket_count)


def ranked(points: Sequence[SeriesPoint], amount: str, bucket_count: int) -> tuple[Series, ...]:
    """The points by person or project: the five dearest of the whole period, and the rest as Other."""
    cost = _cost_by(points, "key")
    labels = {point.key: point.label for point in points}
    dearest = sorted(cost, key=lambda key: (-cost[key], key))[: MOST_SERIES - 1]
    identities = {key: (role, _format.tail(labels[key], 24)) for role, key in zip(ROLES, dearest, strict=False)}
    return _sum_up(points, identities, "key", amount, bucket_count)


def _cost_by(points: Sequence[SeriesPoint], name: str) -> dict[str, int]:
    costs: dict[str, int] = {}
    for point in points:
        key = getattr(point, name)
        costs[key] = costs.get(key, 0) + point.usage.cost_nanousd
    return costs


def _sum_up(
    points: Sequence[SeriesPoint], identities: dict[str, tuple[str, str]], name: str, amount: str, bucket_count: int
) -> tuple[Series, ...]:
    """One series for each (role, label), in the order of the roles; what adds up to nothing is left out."""
    sums: dict[tuple[str, str], list[int]] = {}
    for point in points:
        identity = identities.get(getattr(point, name), OTHER)
        values = sums.setdefault(identity, [0] * bucket_count)
        values[point.bucket] += getattr(point.usage, amount)
    found = (Series(role, label, tuple(values), sum(values)) for (role, label), values in sums.items())
    return tuple(sorted((one for one in found if one.total), key=lambda one: ORDER[one.role]))


def chart(metric: Metric, series: Sequence[Series], axis: Axis, compared: Compared | None, note: str = "") -> Chart:
    """The main chart: stacked bars, a line for shares; `note` is added to the caption."""
    sums = _sums(series, len(axis.names))
    highest = max((_drawn(metric, one) or 0 for one in (*sums, *(compared.values if compared else ()))), default=0)
    data = [(_line if metric.is_share else _bars)(metric, one) for one in series]
    if compared:
        data.append(_step_line(metric, compared))
    return Chart(
        title=metric.title(axis.grain),
        caption=_caption(metric, series, sums, axis) + note,
        figure={"data": data, "layout": _layout(metric, sums, axis, *y_axis(metric, highest))},
        legend=_legend(metric, series, axis, compared),
        columns=(axis.grain.capitalize(), *(one.label for one in series), *(["Total"] if len(series) > 1 else [])),
        rows=_rows(metric, series, sums, axis),
    )


def y_axis(metric: Metric, highest: float) -> tuple[float, tuple[float, ...], tuple[str, ...]]:
    """Top of the axis, its steps and their texts: at most five steps of 1, 2, 2.5 or 5, the top above `highest`.

    Amounts of money in dollars, as they are drawn.
    """
    if metric.is_share:
        return 1.0, (0, 0.25, 0.5, 0.75, 1), ("0%", "25%", "50%", "75%", "100%")
    is_money = metric.kind == "money"
    step = _nice_step(highest, whole=not is_money)
    values = tuple(step * place for place in range(int(highest / step) + 2))
    return values[-1], values, tuple("$" * is_money + text for text in _step_texts(values))


def _nice_step(highest: float, *, whole: bool) -> float:
    """The smallest step of 1, 2, 2.5 or 5 times a power of ten of which five reach above `highest`."""
    if highest <= 0:
        return 1
    power = 10.0 ** (floor(log10(highest)) - 1)
    for factor in (1, 2, 2.5, 5, 10, 20, 25, 50):
        step = factor * power
        if highest / step < MOST_STEPS and (not whole or step == int(step)):
            return step
    return 100 * power if not whole else 1


def _step_texts(values: Sequence[float]) -> list[str]:
    """'0', '2.5', '5' as '0.0', '2.5', '5.0'; '20M' and '500k' from ten thousand on."""
    size, letter = next(((size, letter) for size, letter in STEP_UNITS if values[-1] >= 10 * size), (1, ""))
    scaled = [value / size for value in values]
    places = next((n for n in range(6) if all(abs(one * 10**n - round(one * 10**n)) < 1e-6 for one in scaled)), 6)
    places = 2 if places == 1 and not letter else places
    return [f"{one:,.{places}f}{letter if one else ''}" for one in scaled]


def _drawn(metric: Metric, value: float | None) -> float | None:
    """A figure as it is drawn: dollars to a hundredth of a cent, shares to a hundredth of a percent."""
    if value is None or metric.kind not in ("money", "share"):
        return value
    return round(value / NANO if metric.kind == "money" else value, 4)


def _bars(metric: Metric, one: Series) -> dict[str, object]:
    """Bars of one colour, parted by a pixel of surface; nothing is drawn for a zero."""
    return {
        "type": "bar",
        "name": _format.plotly_text(one.label),
        "y": [_drawn(metric, value) or None for value in one.values],
        "marker": {"color": one.role, "line": {"color": "surface", "width": 1}},
    }


def _line(metric: Metric, one: Series) -> dict[str, object]:
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "name": _format.plotly_text(one.label),
        "y": [_drawn(metric, value) for value in one.values],
        "line": {"color": one.role, "width": 2},
        "marker": {"color": one.role, "size": 4},
    }


def _step_line(metric: Metric, compared: Compared) -> dict[str, object]:
    return {
        "type": "scatter",
        "mode": "lines",
        "name": _format.plotly_text(compared.label),
        "y": [_drawn(metric, value if metric.is_share else value or 0) for value in compared.values],
        "line": {"color": "text", "width": 1.5, "dash": "dot", "shape": "linear" if metric.is_share else "hvh"},
    }


def _layout(
    metric: Metric, sums: Sequence[float], axis: Axis, top: float, values: Sequence[float], texts: Sequence[str]
) -> dict[str, object]:
    """What belongs to these figures; the look is added by charts.js, which also reads `meta`.

    meta: names of the buckets, the running one (drawn hatched, or null), and the d3 format of a figure.
    """
    places, ticks = zip(*axis.ticks, strict=True) if axis.ticks else ((), ())
    formats = {"money": f"$,.{_format.usd_places(sums)}f", "share": ".1%"}
    return {
        "barmode": "stack",
        "margin": {"t": 10, "r": 2, "b": 24, "l": max(36, 9 + 7 * max(len(text) for text in texts))},
        "xaxis": {"tickvals": list(places), "ticktext": list(ticks), "range": [-0.5, len(axis.names) - 0.5]},
        "yaxis": {"tickvals": list(values), "ticktext": list(texts), "range": [0, top * 1.01]},
        "meta": {"names": list(axis.names), "running": axis.running, "format": formats.get(metric.kind, ",.0f")},
    }


def _legend(metric: Metric, series: Sequence[Series], axis: Axis, compared: Compared | None) -> tuple[LegendItem, ...]:
    items = [LegendItem(one.role, one.label, metric.text(one.total), place) for place, one in enumerate(series)]
    if compared:
        items.append(LegendItem("dotted", compared.label, metric.text(compared.total), None))
    if axis.running is not None and not metric.is_share:
        items.append(LegendItem("hatched", axis.until, "", None))
    return tuple(items)


def _caption(metric: Metric, series: Sequence[Series], sums: Sequence[float], axis: Axis) -> str:
    """'Highest: Mon 26 Oct, $25.60, 88% Opus.'"""
    if not any(sums):
        return f"No {metric.label[0].lower()}{metric.label[1:]} in this period."
    place = max(range(len(sums)), key=lambda n: sums[n])
    said = f"Highest: {axis.names[place]}, {metric.said(sums[place])}"
    if metric.is_share:
        known = [n for n, value in enumerate(series[0].values) if value is not None]
        lowest = min(known, key=lambda n: sums[n])
        return f"{said}; lowest: {axis.names[lowest]}, {metric.said(sums[lowest])}."
    if len(series) > 1:
        most = max(series, key=lambda one: one.values[place] or 0)
        said += f", {_format.pct_short((most.values[place] or 0) / sums[place])} {most.label}"
    return said + "."


def _sums(series: Sequence[Series], bucket_count: int) -> list[float]:
    return [sum(one.values[place] or 0 for one in series) for place in range(bucket_count)]


def _rows(metric: Metric, series: Sequence[Series], sums: Sequence[float], axis: Axis) -> tuple[tuple[str, ...], ...]:
    """The chart as a table: a row for every bucket that has begun, every column in one precision."""
    columns: list[Sequence[float | None]] = [one.values for one in series]
    if len(series) > 1:
        columns.append(sums)
    written = [metric.column(column[: axis.elapsed]) for column in columns]
    return tuple(zip(axis.names, *written, strict=False))


def spark(values: Sequence[float | None], *, from_zero: bool) -> Spark | None:
    """A sparkline: amounts from zero with an area, shares as a bare line between their least and most."""
    known = [(place, value or 0) for place, value in enumerate(values) if value is not None or from_zero]
    if len(known) < 2:
        return None
    most = max(value for _, value in known)
    least = 0 if from_zero else min(value for _, value in known)
    scale = (SPARK_HEIGHT - 2 * SPARK_INSET) / (most - least) if most > least else 0
    points = [(place, round(10 * (SPARK_HEIGHT - SPARK_INSET - (value - least) * scale))) for place, value in known]
    steps = " ".join(f"{x - x0} {(y - y0) / 10:g}" for (x0, y0), (x, y) in pairwise(points))
    path = f"M{points[0][0]} {points[0][1] / 10:g}l{steps}"
    return Spark(len(values) - 1, path, f"{path}V{SPARK_HEIGHT}H{points[0][0]}Z" if from_zero else "")
