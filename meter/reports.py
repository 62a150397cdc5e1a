"""Reports: what may be asked of the command line, whose rows it means, and which stretches of time make a row."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from meter.emails import folded_email
from meter.errors import Invalid
from meter.periods import FIRST_DAY, LAST_DAY, day_start
from models.queries.reports import (
    WINDOW,
    Owner,
    Row,
    active_days,
    added,
    owner_by_email,
    per_bucket,
    per_model,
    per_project,
    per_session,
    windows,
)
from models.queries.scope import Bucket, Filters, Scope

DAY = timedelta(days=1)


@dataclass(frozen=True)
class Asked:
    """A report somebody wants: a kind of KINDS, whose rows, the zone of days, first and last day (None: any)."""

    kind: str
    owner: Owner
    zone: ZoneInfo
    since_on: date | None = None
    until_on: date | None = None


@dataclass(frozen=True)
class Report:
    """Rows and their sum. `running` is the key of the five-hour window that runs now, '' where there is none."""

    rows: tuple[Row, ...]
    total: Row
    running: str = ""


def whose(db: Connection, email: str | None, configured: str, timezone: str) -> Owner:
    """The person asked for by --user, else the one of AGENTMETER_OWNER, else everybody, with days of `timezone`.

    Raises Invalid, naming where the address came from, when nobody has it.
    """
    wanted, field = (configured, "AGENTMETER_OWNER") if email is None else (email, "--user")
    if email is None and not configured:
        return Owner(Scope(None), "everybody", timezone)
    try:
        found = owner_by_email(db, folded_email(wanted, field))
    except Invalid as error:
        raise Invalid(f"{field}: {error.message}", field=field) from None
    if found is None:
        raise Invalid(f"{field}: nobody here has the address {wanted}", field=field)
    return found


def make_report(db: Connection, asked: Asked, now_at: datetime) -> Report:
    """Ask. A row counts the calls from `since_on` to the end of `until_on` only, wherever its stretch begins and ends.

    So all kinds have the same sum for the same question. Raises Invalid when the range ends before it begins.
    """
    if asked.since_on and asked.until_on and asked.until_on < asked.since_on:
        raise Invalid("--until is before --since.", field="--until")
    filters = Filters(
        day_start(asked.since_on or FIRST_DAY, asked.zone), day_start((asked.until_on or LAST_DAY) + DAY, asked.zone)
    )
    rows = KINDS[asked.kind](db, asked, filters)
    running = _running(rows, now_at) if asked.kind == "blocks" else ""
    return Report(rows, added(rows), running)


def block_start(key: str) -> datetime:
    """When the window of a row of `blocks` began."""
    return datetime.fromisoformat(key)


def block_end(key: str) -> datetime:
    """When it is over."""
    return block_start(key) + WINDOW


def _running(rows: tuple[Row, ...], now_at: datetime) -> str:
    keys = (row.key for row in reversed(rows))
    return next((key for key in keys if block_start(key) <= now_at < block_end(key)), "")


def _calendar(
    first_of: Callable[[date], date], behind: Callable[[date], date], name: Callable[[date], str]
) -> Callable[[Connection, Asked, Filters], tuple[Row, ...]]:
    """Rows by days, weeks or months of the zone: `first_of` and `behind` give the first day and the one after."""

    def rows(db: Connection, asked: Asked, filters: Filters) -> tuple[Row, ...]:
        days = active_days(db, asked.owner.scope, filters)
        firsts = sorted({first_of(on) for day in days for on in _touched(day, asked.zone)})
        stretches = {name(on): Bucket(day_start(on, asked.zone), day_start(behind(on), asked.zone)) for on in firsts}
        return _within(db, asked.owner.scope, filters, stretches)

    return rows


def _touched(utc_day: date, zone: ZoneInfo) -> list[date]:
    """The days of the zone that a day of UTC lies in: two, or one."""
    start_at = datetime(utc_day.year, utc_day.month, utc_day.day, tzinfo=UTC)
    first, last = (at.astimezone(zone).toordinal() for at in (start_at, start_at + DAY - timedelta.resolution))
    return [date.fromordinal(number) for number in range(first, last + 1)]


def _blocks(db: Connection, asked: Asked, filters: Filters) -> tuple[Row, ...]:
    found = windows(db, asked.owner.scope, filters)
    return _within(db, asked.owner.scope, filters, {f"{one.start_at:%Y-%m-%dT%H:%M:%SZ}": one for one in found})


def _within(db: Connection, scope: Scope, filters: Filters, stretches: dict[str, Bucket]) -> tuple[Row, ...]:
    """A row for each stretch with calls in the range, of these calls only."""
    cut = {
        key: Bucket(max(one.start_at, filters.start_at), min(one.end_at, filters.end_at))
        for key, one in stretches.items()
        if one.start_at < filters.end_at and one.end_at > filters.start_at
    }
    return per_bucket(db, scope, filters, tuple(cut.values()), tuple(cut))


def _monday(on: date) -> date:
    return on - timedelta(days=on.weekday())


def _month_behind(on: date) -> date:
    return (on + timedelta(days=31)).replace(day=1)


KINDS: dict[str, Callable[[Connection, Asked, Filters], tuple[Row, ...]]] = {
    "daily": _calendar(lambda on: on, lambda on: on + DAY, date.isoformat),
    "weekly": _calendar(_monday, lambda on: on + 7 * DAY, date.isoformat),
    "monthly": _calendar(lambda on: on.replace(day=1), _month_behind, lambda on: f"{on:%Y-%m}"),
    "session": lambda db, asked, filters: per_session(db, asked.owner.scope, filters),
    "blocks": _blocks,
    "models": lambda db, asked, filters: per_model(db, asked.owner.scope, filters),
    "projects": lambda db, asked, filters: per_project(db, asked.owner.scope, filters),
}
