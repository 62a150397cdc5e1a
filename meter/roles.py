"""What admins may do to people: invite them, change their role, disable and enable them.

All of it is in force with the next request, since every request asks the database who is calling. At least one admin
who may come in stays.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, Row, delete, select, update

from meter.audit import Actor, record
from meter.emails import folded_email
from meter.errors import Conflict, Invalid, NotFound
from meter.mail import queue
from meter.people import ROLES, Account, account_of, add_person
from models.db import reading, writing
from models.people import BrowserSession, LoginLink, Person

INVITATION = "invitation"  # the kind of the letter
INVITATION_LIFE = timedelta(days=2)  # how long it is tried to send it

_person = Person.__table__  # type: ignore[attr-defined]
_session = BrowserSession.__table__  # type: ignore[attr-defined]
_link = LoginLink.__table__  # type: ignore[attr-defined]


def invite_person(
    engine: Engine,
    email: str,
    role: str = "member",
    *,
    actor: Actor,
    name: str = "",
    timezone: str = "UTC",
    sends_mail: bool = False,
) -> Account:
    """Add somebody who may then sign in by asking for a link; sends_mail: a letter tells them where.

    Raises Invalid on a bad field, Conflict when they are here already.
    """
    added = add_person(engine, email, role, name, timezone, actor=actor)
    if sends_mail:
        with writing(engine) as db:
            queue(db, INVITATION, added.email, {"invited_by": actor.label}, datetime.now(UTC) + INVITATION_LIFE)
    return added


def set_role(engine: Engine, person_id: int, role: str, *, actor: Actor) -> Account:
    """Make somebody an admin or a member; nothing happens when they are that already.

    Raises Invalid on another role, NotFound when there is no such person, Conflict when no admin would be left.
    """
    if role not in ROLES:
        raise Invalid(f"role is one of {', '.join(ROLES)}", field="role")
    with _changing(engine, person_id) as (db, person):
        if person.role != role:
            db.execute(update(_person).where(_person.c.id == person_id).values(role=role))
            _keep_an_admin(db)
            meta = {"role": role, "before": person.role}
            record(db, "role.change", actor=actor, target=person.email, meta=meta)
        return _account(db, person_id)


def disable_person(engine: Engine, person_id: int, *, actor: Actor) -> Account:
    """Shut somebody out: sessions and login links end, tokens are refused until they are enabled. Once more is fine.

    Raises NotFound when there is no such person, Conflict when no admin would be left.
    """
    with _changing(engine, person_id) as (db, person):
        if person.disabled_at is None:
            db.execute(update(_person).where(_person.c.id == person_id).values(disabled_at=datetime.now(UTC)))
            _keep_an_admin(db)
            db.execute(delete(_link).where(_link.c.person_id == person_id))
            ended = db.execute(delete(_session).where(_session.c.person_id == person_id)).rowcount
            record(db, "person.disable", actor=actor, target=person.email, meta={"sessions": ended})
        return _account(db, person_id)


def enable_person(engine: Engine, person_id: int, *, actor: Actor) -> Account:
    """Let somebody in again: their tokens work again, they sign in anew. NotFound when there is no such person."""
    with _changing(engine, person_id) as (db, person):
        if person.disabled_at is not None:
            db.execute(update(_person).where(_person.c.id == person_id).values(disabled_at=None))
            record(db, "person.enable", actor=actor, target=person.email)
        return _account(db, person_id)


def person_id_of(engine: Engine, email: str) -> int:
    """The id of the person with that address, also of one who is shut out. NotFound when there is none."""
    with reading(engine) as db:
        found: int | None = db.execute(select(_person.c.id).where(_person.c.email == folded_email(email))).scalar()
    if found is None:
        raise NotFound("Nobody here has that address.", field="email")
    return found


@contextmanager
def _changing(engine: Engine, person_id: int) -> Iterator[tuple[Connection, Row[Any]]]:
    """A transaction in which nobody else changes people, and the person as they are before."""
    with writing(engine) as db:
        db.execute(select(_person.c.id).order_by(_person.c.id).with_for_update(key_share=True)).all()
        person = db.execute(select(_person).where(_person.c.id == person_id)).first()
        if person is None:
            raise NotFound("There is no such person here.")
        yield db, person


def _account(db: Connection, person_id: int) -> Account:
    return account_of(db.execute(select(_person).where(_person.c.id == person_id)).one())


def _keep_an_admin(db: Connection) -> None:
    admins = select(_person.c.id).where(_person.c.role == "admin", _person.c.disabled_at.is_(None)).limit(1)
    if db.execute(admins).first() is None:
        raise Conflict("Somebody has to be the admin: make somebody else one first.")
