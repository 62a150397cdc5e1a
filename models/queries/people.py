"""The people of the installation."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text

from models.queries.scope import Scope
from models.types import from_ms


@dataclass(frozen=True)
class PersonSeen:
    """Somebody who may come in, or could. `machines` are how many theirs are.

    `last_seen_at` is the last visit by a session that is still open; `last_heard_at` the last counted call.
    """

    id: int
    email: str
    name: str
    role: str
    machines: int
    created_at: datetime
    disabled_at: datetime | None
    last_seen_at: datetime | None
    last_heard_at: datetime | None


_PEOPLE = """
select p.id, p.email, p.name, p.role, p.created_at, p.disabled_at,
       (select count(*) from machine m where m.owner_id = p.id) as machines,
       (select max(b.last_seen_at) from browser_session b where b.person_id = p.id) as seen_ms,
       (select max(s.last_ms) from agent_session s where s.owner_id = p.id) as heard_ms
from person p {where} order by p.disabled_at is not null, lower(p.name), p.id limit :most offset :skipped
"""
_COUNT = "select count(*), coalesce(sum(case when role = 'admin' then 1 else 0 end), 0) from person p {where}"
EVERYBODY = 1_000_000


def people(db: Connection, scope: Scope, most: int = EVERYBODY, skipped: int = 0) -> tuple[PersonSeen, ...]:
    """The people in scope by name, disabled ones last; at most so many, behind the first `skipped`."""
    where, given = _who(scope)
    given |= {"most": most, "skipped": skipped}
    return tuple(
        PersonSeen(
            id=row.id,
            email=row.email,
            name=row.name,
            role=row.role,
            machines=row.machines,
            created_at=from_ms(row.created_at),
            disabled_at=_moment(row.disabled_at),
            last_seen_at=_moment(row.seen_ms),
            last_heard_at=_moment(row.heard_ms),
        )
        for row in db.execute(text(_PEOPLE.format(where=where)), given)
    )


def count_people(db: Connection, scope: Scope) -> tuple[int, int]:
    """How many people are in scope, and how many of them are admins."""
    where, given = _who(scope)
    count, admins = db.execute(text(_COUNT.format(where=where)), given).one()
    return int(count), int(admins)


def has_several_people(db: Connection) -> bool:
    """Whether anybody else is here."""
    return len(db.execute(text("select 1 from person limit 2")).all()) > 1


def _who(scope: Scope) -> tuple[str, dict[str, int]]:
    return ("", {}) if scope.owner_id is None else ("where p.id = :owner", {"owner": scope.owner_id})


def _moment(ms: int | None) -> datetime | None:
    return None if ms is None else from_ms(ms)
