"""Cost by weekday and hour of the viewer's clock: seven rows of 24 cells in five steps, and a sum per weekday."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from zoneinfo import ZoneInfo

from models.queries.usage import HourCost
from routes import _format
from routes._format import LONG_WEEKDAYS, WEEKDAYS

STEPS = 5
CURVE = 0.6  # below 1: small amounts are told apart, too


@dataclass(frozen=True)
class Cell:
    """One hour of one weekday: step 0 (nothing) to 5 (the most), and what the tooltip says."""

    step: int
    said: str


@dataclass(frozen=True)
class Day:
    """A weekday with its 24 cells and its sum."""

    name: str
    cells: tuple[Cell, ...]
    total: str


@dataclass(frozen=True)
class Heat:
    """The map with its caption and the two ends of its scale. hours: the texts over every third column."""

    hours: tuple[str, ...]
    days: tuple[Day, ...]
    caption: str
    least: str
    most: str


def heat_map(hours: Sequence[HourCost], zone: ZoneInfo) -> Heat:
    """The map of hourly (or quarter-hourly) costs; where the clock goes back an hour, two fall into one cell."""
    cost = [[0] * 24 for _ in WEEKDAYS]
    for one in hours:
        local = one.start_at.astimezone(zone)
        cost[local.weekday()][local.hour] += one.cost_nanousd
    most = max(map(max, cost))
    places = _format.usd_places([sum(row) for row in cost])
    return Heat(
        hours=tuple(f"{hour:02d}" for hour in range(0, 24, 3)),
        days=tuple(
            Day(
                name,
                tuple(Cell(_step(value, most), _said(name, hour, value)) for hour, value in enumerate(row)),
                _format.usd(sum(row), places),
            )
            for name, row in zip(WEEKDAYS, cost, strict=True)
        ),
        caption=_caption(cost, most),
        least="$0",
        most=_format.usd(most),
    )


def _step(value: int, most: int) -> int:
    return ceil(STEPS * (value / most) ** CURVE) if value > 0 else 0


def _said(weekday: str, hour: int, value: int) -> str:
    return f"{weekday} {hour:02d}:00, {_format.usd(value) if value else '$0'}"


def _caption(cost: Sequence[Sequence[int]], most: int) -> str:
    if most <= 0:
        return "No cost in this period."
    weekday, hour = next((d, h) for d, row in enumerate(cost) for h, value in enumerate(row) if value == most)
    until = f"{(hour + 1) % 24:02d}:00"
    return f"Busiest: {LONG_WEEKDAYS[weekday]}, {hour:02d}:00–{until}, {_format.usd(most)} over the period."
