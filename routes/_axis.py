"""The time axis of a chart: names of the buckets, which of them get a tick, and where now is."""

from collections.abc import Sequence
from datetime import datetime

from meter.periods import Period
from models.queries.scope import Bucket
from routes import _format
from routes._figures import Axis

DAYS_BY_WEEKDAY, DAYS_WITH_EACH_A_TICK = 8, 14
MONTHS_WITH_EACH_A_TICK = 24


def axis_of(period: Period, parts: Sequence[Bucket]) -> Axis:
    """The axis of the period's buckets."""
    running = next((n for n, one in enumerate(parts) if one.start_at <= period.now_at < one.end_at), None)
    return Axis(
        grain=period.grain,
        names=tuple(_format.bucket(one, period.grain, period.zone) for one in parts),
        ticks=_ticks(period, [one.start_at.astimezone(period.zone) for one in parts]),
        elapsed=sum(one.start_at <= period.now_at for one in parts),
        running=running,
        until=_until(period),
    )


def _until(period: Period) -> str:
    what = {"hour": "this hour", "day": "today", "week": "this week", "month": "this month"}[period.grain]
    return f"{what}, until {_format.clock(period.now_at, period.zone)}"


def _ticks(period: Period, starts: Sequence[datetime]) -> tuple[tuple[int, str], ...]:
    choose = {"hour": _hour_ticks, "day": _day_ticks, "week": _week_ticks, "month": _month_ticks}
    return tuple(choose[period.grain](starts))


def _hour_ticks(starts: Sequence[datetime]) -> list[tuple[int, str]]:
    """Every third hour, every sixth of two days; midnight shows the day."""
    every = 3 if len(starts) <= 25 else 6
    chosen = [(n, at) for n, at in enumerate(starts) if at.hour % every == 0 and at.minute == 0 and not at.fold]
    return [(n, f"{at:%H:%M}" if at.hour else _format.day(at.date())) for n, at in chosen]


def _day_ticks(starts: Sequence[datetime]) -> list[tuple[int, str]]:
    """Weekday and day up to eight days, each day up to two weeks, then Mondays."""
    if len(starts) <= DAYS_BY_WEEKDAY:
        return [(n, _format.weekday_day(at.date())) for n, at in enumerate(starts)]
    is_each = len(starts) <= DAYS_WITH_EACH_A_TICK
    return [(n, _format.day(at.date())) for n, at in enumerate(starts) if is_each or at.weekday() == 0]


def _week_ticks(starts: Sequence[datetime]) -> list[tuple[int, str]]:
    """The first week that begins in a month; January shows the year."""
    firsts = [(n, at) for n, at in enumerate(starts) if (at.month != starts[n - 1].month if n else at.day <= 7)]
    return [(n, _format.MONTHS[at.month - 1] if at.month > 1 else f"Jan {at.year}") for n, at in firsts]


def _month_ticks(starts: Sequence[datetime]) -> list[tuple[int, str]]:
    """Every month up to two years, then only Januaries."""
    if len(starts) > MONTHS_WITH_EACH_A_TICK:
        return [(n, str(at.year)) for n, at in enumerate(starts) if at.month == 1]
    return [(n, _format.month(at.date())) for n, at in enumerate(starts)]
