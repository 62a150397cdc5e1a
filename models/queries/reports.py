"""Reports: what was used per stretch of time, session, project or model, each with its models; five-hour windows."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import reduce
from operator import add, attrgetter
from typing import Any

from sqlalchemy import Connection, text

from models.measures import EVERYBODY, SUMS
from models.queries.ranges import DAY_MS, HOUR_MS
from models.queries.scope import Bucket, Filters, Scope
from models.queries.sums import sums
from models.queries.usage import Usage
from models.types import from_ms, to_ms

WINDOW_HOURS = 5
WINDOW = timedelta(hours=WINDOW_HOURS)
_EPOCH = date(1970, 1, 1)
_NOTHING: Sequence[int] = (0,) * len(SUMS)
_sums_of = attrgetter(*SUMS)


@dataclass(frozen=True, slots=True)
class ModelUse:
    """What one model did within a row."""

    llm_model: str
    usage: Usage


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a report: its sums, and the same by model, most cost first; these add up to it."""

    key: str
    usage: Usage
    by_model: tuple[ModelUse, ...]


@dataclass(frozen=True)
class Owner:
    """Whose rows a report counts, what they are called, and the zone of their days (an IANA name)."""

    scope: Scope
    label: str
    timezone: str


def owner_by_email(db: Connection, email: str) -> Owner | None:
    """Who has this address (written as it is stored); None: nobody."""
    row = db.execute(text("select id, timezone from person where email = :email"), {"email": email}).first()
    return Owner(Scope(row[0]), email, row[1]) if row else None


def per_bucket(
    db: Connection, scope: Scope, filters: Filters, buckets: Sequence[Bucket], keys: Sequence[str]
) -> tuple[Row, ...]:
    """A row for every bucket with calls, in their order; `keys` names the buckets, each another."""
    found = sums(db, scope, filters, buckets, "llm_model")
    rows = _rows(db, ((keys[bucket], model_id, values) for bucket, model_id, *values in found))
    return tuple(rows[key] for key in keys if key in rows)


def per_model(db: Connection, scope: Scope, filters: Filters) -> tuple[Row, ...]:
    """A row for every model, most cost first; its only model is itself."""
    whole = per_bucket(db, scope, filters, (Bucket(filters.start_at, filters.end_at),), ("",))
    return tuple(Row(part.llm_model, part.usage, (part,)) for row in whole for part in row.by_model)


def per_project(db: Connection, scope: Scope, filters: Filters) -> tuple[Row, ...]:
    """A row for every project path, most cost first; people who share a path share the row."""
    found = _whole(db, scope, filters, "project_and_model")
    paths: dict[tuple[int, int], str] = {}
    for owner_id, id_, path in db.execute(text("select owner_id, id, path from project")):
        paths[owner_id, id_] = path
    rows = _rows(db, ((paths[owner_id, id_], model_id, values) for _, owner_id, id_, model_id, *values in found))
    return tuple(sorted(rows.values(), key=lambda row: _most_first(row.usage, row.key)))


def per_session(db: Connection, scope: Scope, filters: Filters) -> tuple[Row, ...]:
    """A row for every session with calls in the range, by the agent's id of it, in the order they began."""
    found = _whole(db, scope, filters, "session_and_model")
    named = db.execute(
        text(
            "select owner_id, id, session_key, first_ms from agent_session where last_ms >= :start and first_ms < :end"
        ),
        {"start": to_ms(filters.start_at), "end": to_ms(filters.end_at)},
    )
    keys: dict[tuple[int, int], str] = {}
    began_ms: dict[str, int] = {}
    for owner_id, id_, key, first_ms in named:
        keys[owner_id, id_] = key
        began_ms[key] = min(first_ms, began_ms.get(key, first_ms))
    rows = _rows(db, ((keys[owner_id, id_], model_id, values) for _, owner_id, id_, model_id, *values in found))
    return tuple(sorted(rows.values(), key=lambda row: (began_ms[row.key], row.key)))


def added(rows: Iterable[Row], key: str = "") -> Row:
    """Rows added up to one."""
    return _row(key, _by_name((part.llm_model, _sums_of(part.usage)) for row in rows for part in row.by_model))


def active_days(db: Connection, scope: Scope, filters: Filters) -> tuple[date, ...]:
    """The days of UTC in the filters' range in which there was a call, in order. Only the range narrows."""
    return tuple(_EPOCH + timedelta(days=day) for day in _active(db, scope, filters, "day", DAY_MS))


def windows(db: Connection, scope: Scope, filters: Filters) -> tuple[Bucket, ...]:
    """The five-hour windows that begin before the end of the filters' range, from the very first call on.

    A window begins with the full hour of UTC of a call; the first call behind it begins the next. Windows begin and
    end at full hours, so the hours with calls are enough to know them. They are those of all calls in scope,
    whatever the filters narrow.
    """
    found: list[Bucket] = []
    behind = 0
    for hour in _active(db, scope, Filters(from_ms(0), filters.end_at), "hour", HOUR_MS):
        if hour >= behind:
            behind = hour + WINDOW_HOURS
            found.append(Bucket(from_ms(hour * HOUR_MS), from_ms(behind * HOUR_MS)))
    return tuple(found)


def _active(db: Connection, scope: Scope, filters: Filters, unit: str, unit_ms: int) -> list[int]:
    """The hours or days with calls that the range touches, counted from the epoch, in order."""
    sql = (
        f"select distinct {unit} from usage_{unit} where owner_id = :owner and {unit} >= :first and {unit} < :behind"
        f" and calls > 0 order by {unit}"
    )
    values = {
        "owner": EVERYBODY if scope.owner_id is None else scope.owner_id,
        "first": to_ms(filters.start_at) // unit_ms,
        "behind": -(-to_ms(filters.end_at) // unit_ms),
    }
    return list(db.execute(text(sql), values).scalars())


def _whole(db: Connection, scope: Scope, filters: Filters, per: str) -> list[tuple[Any, ...]]:
    return sums(db, scope, filters, (Bucket(filters.start_at, filters.end_at),), per)


def _rows(db: Connection, parts: Iterable[tuple[str, int, Sequence[int]]]) -> dict[str, Row]:
    """Rows by key out of parts (key, model's id, the nine sums); parts of the same key and model are added."""
    names = {row.id: row.name for row in db.execute(text("select id, name from llm_model"))}
    found: dict[str, list[tuple[str, Sequence[int]]]] = {}
    for key, model_id, values in parts:
        found.setdefault(key, []).append((names[model_id], values))
    return {key: _row(key, _by_name(named)) for key, named in found.items()}


def _by_name(parts: Iterable[tuple[str, Sequence[int]]]) -> dict[str, Sequence[int]]:
    found: dict[str, Sequence[int]] = {}
    for name, values in parts:
        found[name] = _plus(found[name], values) if name in found else values
    return found


def _row(key: str, by_model: dict[str, Sequence[int]]) -> Row:
    parts = [ModelUse(llm_model, Usage(*values)) for llm_model, values in by_model.items()]
    parts.sort(key=lambda part: _most_first(part.usage, part.llm_model))
    return Row(key, Usage(*reduce(_plus, by_model.values(), _NOTHING)), tuple(parts))


def _plus(one: Sequence[int], other: Sequence[int]) -> Sequence[int]:
    return tuple(map(add, one, other))


def _most_first(usage: Usage, name: str) -> tuple[int, int, str]:
    return -usage.cost_nanousd, -usage.calls, name
