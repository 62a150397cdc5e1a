"""Periods: what a page looks at, the stretch before it, and the buckets it is cut into.

People choose calendar days of their own zone; everything stored is an instant in UTC. Ranges are half-open. Days are
the zone's own: 23 or 25 hours long where clocks change, beginning at any quarter hour of UTC. `day_start()` is the one
place where a calendar day becomes an instant.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from meter.errors import Invalid
from models.queries.scope import Bucket

DAYS = {"7d": 7, "30d": 30, "90d": 90}
PRESETS = ("24h", *DAYS, "month")
DEFAULT_PRESET = "30d"
FIRST_DAY = date(2000, 1, 1)
LAST_DAY = date(2099, 12, 31)
MOST_DAYS = 3_660  # ten years
HOUR = timedelta(hours=1)
# The longest period, in days, that is cut into hours, days and weeks; beyond come months.
MOST_DAYS_BY_HOUR, MOST_DAYS_BY_DAY, MOST_DAYS_BY_WEEK = 2, 92, 371
_ISO_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


@dataclass(frozen=True)
class Period(Bucket):
    """A stretch of time as somebody chose it.

    preset: one of PRESETS, '' for own dates. first_on, last_on: calendar days of `zone`, both inside.
    now_at: the moment of asking; `until_at` is where the elapsed part ends. grain: hour, day, week or month.
    """

    preset: str
    zone: ZoneInfo
    first_on: date
    last_on: date
    now_at: datetime

    @property
    def day_count(self) -> int:
        return (self.last_on - self.first_on).days + 1

    @property
    def is_rolling(self) -> bool:
        """The last 24 hours: the only period that is not made of whole days."""
        return self.preset == "24h"

    @property
    def is_month(self) -> bool:
        """Exactly one calendar month; its neighbours are months too, however long."""
        is_whole = self.first_on.day == 1 and self.last_on == _month_end(self.first_on)
        return is_whole and self.preset in ("", "month")

    @property
    def is_running(self) -> bool:
        """Begun and not over."""
        return self.start_at <= self.now_at < self.end_at

    @property
    def until_at(self) -> datetime:
        return self.now_at if self.is_running else self.end_at

    @property
    def grain(self) -> str:
        if self.is_rolling or self.day_count <= MOST_DAYS_BY_HOUR:
            return "hour"
        if self.day_count <= MOST_DAYS_BY_DAY:
            return "day"
        return "week" if self.day_count <= MOST_DAYS_BY_WEEK else "month"

    @property
    def params(self) -> dict[str, str]:
        """The query parameters that name this period."""
        if self.preset:
            return {"period": self.preset}
        return {"from": self.first_on.isoformat(), "to": self.last_on.isoformat()}


def read_zone(name: str) -> ZoneInfo:
    """The time zone of an IANA name. Invalid for anything else."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # unknown; a path or a NUL byte; a folder
        raise Invalid("There is no such time zone.", field="timezone") from None


def day_start(on: date, zone: ZoneInfo) -> datetime:
    """The instant a calendar day begins in a zone.

    Where midnight comes twice, the first; where it is skipped, the moment of the change: reading the missing hour with
    the offset from before, as fold=0 does, lands exactly there.
    """
    return datetime.combine(on, time(), zone).astimezone(UTC)


def read_period(preset: str, from_text: str, to_text: str, zone: ZoneInfo, now_at: datetime) -> Period:
    """The period that the query parameters name; '' = not given, nothing given = the last 30 days.

    `to` is inside and defaults to today. Invalid names the parameter: unknown preset, malformed or absurd dates,
    more than ten years, a preset together with dates.
    """
    if not (from_text or to_text):
        return _preset(preset or DEFAULT_PRESET, zone, now_at)
    if preset:
        raise Invalid("Give a period or dates, not both.", field="period")
    if not from_text:
        raise Invalid("from is missing.", field="from")
    first_on = read_day(from_text, "from")
    last_on = read_day(to_text, "to") if to_text else now_at.astimezone(zone).date()
    if last_on < first_on:
        raise Invalid("to is before from.", field="to")
    if (last_on - first_on).days >= MOST_DAYS:
        raise Invalid(f"That is more than {MOST_DAYS:,} days.", field="from")
    return _own_dates(first_on, last_on, zone, now_at)


def before(period: Period) -> Bucket:
    """The equally long stretch before; of a running period only as much as has elapsed."""
    start_at = _earlier(period, period.start_at)
    end_at = _earlier(period, period.now_at) if period.is_running else period.start_at
    return Bucket(start_at, min(max(start_at, end_at), period.start_at))


def step(period: Period, direction: int) -> Period | None:
    """The neighbour of the same length, direction -1 or 1; None where it would begin in the future or before 2000.

    The rolling 24 hours step to the whole day before. Who steps back to today gets the preset again.
    """
    if period.is_rolling:
        today = period.now_at.astimezone(period.zone).date()
        first_on = last_on = today + timedelta(days=direction)
    elif period.is_month:
        first_on = _month_shift(period.first_on, direction)
        last_on = _month_end(first_on)
    else:
        shift = timedelta(days=direction * period.day_count)
        first_on, last_on = period.first_on + shift, period.last_on + shift
    if first_on < FIRST_DAY or last_on > LAST_DAY or day_start(first_on, period.zone) > period.now_at:
        return None
    return _own_dates(first_on, last_on, period.zone, period.now_at)


def buckets(period: Period) -> tuple[Bucket, ...]:
    """The period cut at every full hour, day, Monday or month of its zone; without a gap, none of them empty."""
    edges = _hours(period) if period.grain == "hour" else _days(period)
    inner = sorted({at for at in edges if period.start_at < at < period.end_at})
    starts = [period.start_at, *inner]
    return tuple(Bucket(start, end) for start, end in zip(starts, [*inner, period.end_at], strict=True))


def buckets_before(period: Period) -> tuple[Bucket, ...]:
    """The buckets of `before()`, each the counterpart of the bucket at the same place in `buckets()`.

    Together they are exactly that stretch. There are fewer where only a part has elapsed or the month before is
    shorter; one may be empty where the clocks changed.
    """
    end_at = before(period).end_at
    shifted = (Bucket(_earlier(period, one.start_at), _earlier(period, one.end_at)) for one in buckets(period))
    kept = [Bucket(one.start_at, min(one.end_at, end_at)) for one in shifted if one.start_at < end_at]
    if kept and kept[-1].end_at < end_at:  # the month before is longer: its last days belong to the last bucket
        kept[-1] = Bucket(kept[-1].start_at, end_at)
    return tuple(kept)


def _preset(preset: str, zone: ZoneInfo, now_at: datetime) -> Period:
    today = now_at.astimezone(zone).date()
    if preset == "24h":
        end_at = _hour_start(now_at, zone) + HOUR
        start_at = end_at - 24 * HOUR
        return Period(start_at, end_at, preset, zone, start_at.astimezone(zone).date(), today, now_at)
    if preset == "month":
        first_on = today.replace(day=1)
        return _whole_days(preset, first_on, _month_end(first_on), zone, now_at)
    if preset not in DAYS:
        raise Invalid(f"period is one of {', '.join(PRESETS)}.", field="period")
    return _whole_days(preset, today - timedelta(days=DAYS[preset] - 1), today, zone, now_at)


def _own_dates(first_on: date, last_on: date, zone: ZoneInfo, now_at: datetime) -> Period:
    """Dates that a preset stands for today become that preset."""
    for preset in ("month", *DAYS):
        same = _preset(preset, zone, now_at)
        if (same.first_on, same.last_on) == (first_on, last_on):
            return same
    return _whole_days("", first_on, last_on, zone, now_at)


def _whole_days(preset: str, first_on: date, last_on: date, zone: ZoneInfo, now_at: datetime) -> Period:
    end_at = day_start(last_on + timedelta(days=1), zone)
    return Period(day_start(first_on, zone), end_at, preset, zone, first_on, last_on, now_at)


def read_day(text: str, field: str) -> date:
    """A day such as 2026-11-20. Invalid naming the field on anything else, and on absurd years."""
    try:
        on = date.fromisoformat(text) if _ISO_DAY.fullmatch(text) else None
    except ValueError:
        on = None
    if on is None:
        raise Invalid(f"{field} is not a day like 2026-11-20.", field=field)
    if not FIRST_DAY <= on <= LAST_DAY:
        raise Invalid(f"{field} is outside {FIRST_DAY.year} to {LAST_DAY.year}.", field=field)
    return on


def _earlier(period: Period, at: datetime) -> datetime:
    """The instant's counterpart in the stretch before: same clock, so many days (or one month) earlier."""
    if period.is_rolling:
        return at - 24 * HOUR
    local = at.astimezone(period.zone)
    if period.is_month:
        on, days_over = _month_before(local.date(), period.first_on)
        clock = time() if days_over else local.timetz()
        return datetime.combine(on, clock, period.zone).astimezone(UTC)
    return (local - timedelta(days=period.day_count)).astimezone(UTC)


def _month_before(on: date, first_on: date) -> tuple[date, bool]:
    """The same day of the month before, and whether that month is too short for it (then: the day after its end)."""
    first_before = _month_shift(first_on, -1)
    shifted = first_before + (on - first_on)
    return (first_on, True) if shifted >= first_on else (shifted, False)


def _month_shift(first_on: date, months: int) -> date:
    index = first_on.year * 12 + first_on.month - 1 + months
    return date(index // 12, index % 12 + 1, 1)


def _month_end(first_on: date) -> date:
    return _month_shift(first_on, 1) - timedelta(days=1)


def _hour_start(at: datetime, zone: ZoneInfo) -> datetime:
    """The full hour of the zone's clock at or before an instant, but never before the hour's own change of clocks."""
    local = at.astimezone(zone)
    return at - timedelta(minutes=local.minute, seconds=local.second, microseconds=local.microsecond)


def _hours(period: Period) -> Iterator[datetime]:
    """Every full hour of the zone's clock, also past a change of clocks by half an hour."""
    at = period.start_at
    while at < period.end_at:
        yield at
        at = _hour_start(at, period.zone) + HOUR


def _days(period: Period) -> Iterator[datetime]:
    """Every midnight of the zone, or only those of Mondays or of firsts of the month, by the grain."""
    on = period.first_on
    while on <= period.last_on:
        if period.grain == "day" or (on.weekday() == 0 if period.grain == "week" else on.day == 1):
            yield day_start(on, period.zone)
        on += timedelta(days=1)
