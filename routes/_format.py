"""How figures and dates are written for people. Numbers become text here and nowhere else.

A zero is a zero, a missing figure is a dash. Short forms stand in tiles and on axes, full ones in tables and tooltips.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from zoneinfo import ZoneInfo

from meter.money import NANO
from models.queries.scope import Bucket

MISSING = "–"
CENT_NANOUSD = NANO // 100
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
LONG_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
# (from where on, size, letter): a bound is where the size below would round to four digits.
_SHORT = ((999.95e9, 1e12, "T"), (999.95e6, 1e9, "B"), (999.95e3, 1e6, "M"), (999.5, 1e3, "k"))


def usd(nanousd: float, places: int | None = None) -> str:
    """'$314.44', '$1,204.00'; four places under a cent, '<$0.0001' below; `places` fixes them for a column."""
    if places is None:
        places = usd_places([nanousd])
    if 0 < nanousd < CENT_NANOUSD / 200:
        return "<$0.0001"
    return f"${nanousd / NANO:,.{places}f}"


def usd_places(amounts: Sequence[float]) -> int:
    """The places of a column: two, or four where any amount in it is more than zero and under a cent."""
    return 4 if any(0 < one < CENT_NANOUSD for one in amounts) else 2


def usd_short(nanousd: float) -> str:
    """For tiles: to the cent up to $10,000, to the dollar up to a million, then '$1.2M'."""
    if nanousd < 10_000 * NANO:
        return usd(nanousd)
    if round(nanousd / NANO) < 1_000_000:
        return f"${nanousd / NANO:,.0f}"
    return "$" + short(nanousd / NANO)


def count(number: float) -> str:
    """'3,684'."""
    return f"{number:,.0f}"


def short(number: float) -> str:
    """'518', '3.7k', '184.0M'; never '1000.0k'."""
    for least, size, letter in _SHORT:
        if number >= least:
            return f"{number / size:.1f}{letter}"
    return f"{number:.0f}"


def pct(share: float | None) -> str:
    """'94.6%' of a share 0..1; a dash where there is none."""
    return MISSING if share is None else f"{100 * share:.1f}%"


def pct_short(share: float) -> str:
    """'88%'; '<1%' rather than a zero that is none."""
    return "<1%" if 0 < share < 0.005 else f"{100 * share:.0f}%"


def plural(number: int, one: str, many: str = "") -> str:
    """'1 session', '373 sessions'."""
    return f"{count(number)} {one if number == 1 else many or one + 's'}"


@dataclass(frozen=True)
class Change:
    """A figure against the stretch before: the pill's text, its tone (good, bad or ''), and all of it in words."""

    text: str
    tone: str
    said: str


def change_text(now: float | None, was: float | None, *, in_points: bool) -> tuple[str, int]:
    """'↑ 7.7%' and its direction -1, 0 or 1. Shares differ in points. One decimal below ten, none above.

    'new' after nothing, a dash where there is nothing on either side, '0%' where the difference rounds away.
    """
    if not was:
        return ("new", 0) if now else (MISSING, 0)
    if now is None:
        return MISSING, 0
    amount = 100 * (now - was) if in_points else 100 * (now - was) / was
    size = f"{abs(amount):.1f}" if abs(amount) < 9.95 else f"{abs(amount):,.0f}"
    unit = " pt" if in_points else "%"
    if float(size.replace(",", "")) == 0:
        return f"0{unit}", 0
    return (f"↑ {size}{unit}", 1) if amount > 0 else (f"↓ {size}{unit}", -1)


def day(on: date) -> str:
    """'22 Oct'."""
    return f"{on.day} {MONTHS[on.month - 1]}"


def day_year(on: date) -> str:
    """'20 Nov 2026'."""
    return f"{day(on)} {on.year}"


def weekday_day(on: date) -> str:
    """'Mon 26 Oct'."""
    return f"{WEEKDAYS[on.weekday()]} {day(on)}"


def month(on: date) -> str:
    """'Nov 2026'."""
    return f"{MONTHS[on.month - 1]} {on.year}"


def clock(at: datetime, zone: ZoneInfo) -> str:
    """'14:05' in the zone."""
    return f"{at.astimezone(zone):%H:%M}"


def moment(at: datetime, zone: ZoneInfo) -> str:
    """'31 Jul 2026, 18:22' in the zone."""
    return f"{day_year(at.astimezone(zone).date())}, {clock(at, zone)}"


@dataclass(frozen=True)
class When:
    """A moment as pages show it: `text` is a day, or an age ('2 min ago') that the page keeps true; `full` is exact."""

    iso: str
    text: str
    full: str
    is_age: bool


def when(at: datetime, now_at: datetime, zone: ZoneInfo) -> When:
    """An age within two days, then '16 Nov', with the year where it is another one; a day too for what is to come."""
    seconds = (now_at - at).total_seconds()
    is_age = -60 < seconds < 48 * 3600  # clocks of two hosts differ a little
    on = at.astimezone(zone).date()
    is_this_year = on.year == now_at.astimezone(zone).year
    text = ago(seconds) if is_age else day(on) if is_this_year else day_year(on)
    return When(at.isoformat(timespec="seconds"), text, moment(at, zone), is_age)


def when_exactly(at: datetime, now_at: datetime, zone: ZoneInfo) -> When:
    """'20 Nov, 14:05', with the year where it is another one; the seconds stand in the tooltip."""
    on = at.astimezone(zone).date()
    is_this_year = on.year == now_at.astimezone(zone).year
    text = f"{day(on) if is_this_year else day_year(on)}, {clock(at, zone)}"
    return When(at.isoformat(timespec="seconds"), text, f"{moment(at, zone)}:{at.astimezone(zone):%S}", False)


def ago(seconds: float) -> str:
    """'just now', '2 min ago', '47 h ago'; page.js says the same."""
    if seconds < 60:
        return "just now"
    return f"{int(seconds // 60)} min ago" if seconds < 3600 else f"{int(seconds // 3600)} h ago"


def days(first_on: date, last_on: date) -> tuple[str, str]:
    """A range of days as its two ends: ('22 Oct', '20 Nov 2026'), ('1', '7 Aug 2026'); a single day has no second."""
    if first_on == last_on:
        return day_year(first_on), ""
    if first_on.year != last_on.year:
        return day_year(first_on), day_year(last_on)
    return str(first_on.day) if first_on.month == last_on.month else day(first_on), day_year(last_on)


def stretch(part: Bucket, zone: ZoneInfo) -> str:
    """'22 Sep – 21 Oct', '9 – 15 Feb', or with the clock where it ends within a day: '22 Sep – 21 Oct, 14:05'."""
    start, end = part.start_at.astimezone(zone), part.end_at.astimezone(zone)
    if start.time() == end.time() == time() and start.date() < end.date():
        first_on, last_on = start.date(), date.fromordinal(end.toordinal() - 1)
        if first_on == last_on:
            return day(first_on)
        is_one_month = (first_on.year, first_on.month) == (last_on.year, last_on.month)
        return f"{first_on.day if is_one_month else day(first_on)} – {day(last_on)}"
    first = day(start.date()) if start.time() == time() else f"{day(start.date())}, {start:%H:%M}"
    return f"{first} – {day(end.date())}, {end:%H:%M}"


def bucket(part: Bucket, grain: str, zone: ZoneInfo) -> str:
    """The name of a bucket: 'Fri 20 Nov, 14:00', 'Mon 26 Oct', '9 – 15 Feb', 'Nov 2026'.

    The hour that comes twice when clocks go back says '(again)' the second time: names in a chart are unique.
    """
    start = part.start_at.astimezone(zone)
    if grain == "hour":
        return f"{weekday_day(start.date())}, {start:%H:%M}{' (again)' if start.fold else ''}"
    if grain == "day":
        return weekday_day(start.date())
    if grain == "month":
        return month(start.date())
    return stretch(part, zone)


def tail(path: str, longest: int = 32) -> str:
    """The end of a long path: '…/api/server'."""
    if len(path) <= longest:
        return path
    kept = path[-(longest - 1) :]
    cut = kept.find("/")
    return "…" + (kept[cut:] if 0 <= cut < len(kept) - 1 else kept)


def plotly_text(text: str) -> str:
    """Text for a figure: Plotly reads a little HTML in its labels, so what looks like it is escaped."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
