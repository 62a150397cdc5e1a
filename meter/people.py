"""The people of an installation: who they are to the rest of the program, and how they are added."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Engine, Row, func, insert, select, union_all
from sqlalchemy.exc import IntegrityError

from meter.audit import CLI, Actor, record
from meter.email_rules import keep_rule
from meter.emails import folded_email
from meter.errors import Conflict, Invalid, NotFound
from meter.ownership import close_claim
from meter.profile import checked_name, checked_zone
from models.audit import AuditRow
from models.db import writing
from models.people import Person

ROLES = ("member", "admin")

_person = Person.__table__  # type: ignore[attr-defined]
_audit = AuditRow.__table__  # type: ignore[attr-defined]


@dataclass(frozen=True)
class Account:
    """A person as the rest of the program sees one; `role` is member or admin, `theme` one of meter.profile.THEMES."""

    id: int
    email: str
    name: str
    role: str
    timezone: str
    theme: str
    has_shortcuts: bool = True

    @property
    def is_admin(self) -> bool:
        return self.role == "admin"


def account_of(row: Row[Any]) -> Account:
    """The account of a row that holds all columns of `person`."""
    return Account(row.id, row.email, row.name, row.role, row.timezone, row.theme, row.shortcuts_off_at is None)


def account(db: Connection, person_id: int) -> Account:
    """The account of a person. NotFound when there is none or they may not come in."""
    row = db.execute(select(_person).where(_person.c.id == person_id, _person.c.disabled_at.is_(None))).first()
    if row is None:
        raise NotFound("There is no such person here.")
    return account_of(row)


def add_person(
    engine: Engine,
    email: str,
    role: str = "member",
    name: str = "",
    timezone: str = "UTC",
    actor: Actor = CLI,
) -> Account:
    """Add somebody, and their address to the whitelist. The first admin added this way closes the claim.

    Raises Invalid on a bad field, Conflict when the address is taken.
    """
    if role not in ROLES:
        raise Invalid("role is member or admin", field="role")
    values = checked_profile(email, name, timezone)
    with writing(engine) as db:
        added = account(db, insert_person(db, values, role))
        keep_rule(db, added.email)
        meta: dict[str, str | bool] = {"role": role}
        if role == "admin" and close_claim(db):
            meta["closes_claim"] = True
        record(db, "person.add", actor=actor, target=added.email, meta=meta)
    return added


def checked_profile(email: str, name: str, timezone: str) -> dict[str, str]:
    """The checked fields people type about themselves; an empty name becomes the part of the address before the @.

    Raises Invalid naming the field.
    """
    email = folded_email(email)
    name = checked_name(name if name.strip() else email.partition("@")[0])
    return {"email": email, "name": name, "timezone": checked_zone(timezone)}


def insert_person(db: Connection, values: dict[str, str], role: str) -> int:
    """The id of the new row. Ids count up from 1: they lead every key, so they should be small. The number of somebody
    who was deleted is not given again: the audit log still speaks of them by it.

    Raises Conflict when the address is taken. Who adds somebody locks the first person, so that two do not draw the
    same number; while there is no first person yet, the later one draws again.
    """
    first_person = select(_person.c.id).order_by(_person.c.id).limit(1).with_for_update(key_share=True)
    numbers = union_all(*(select(func.max(column)) for column in (_person.c.id, _audit.c.actor_id, _audit.c.target_id)))
    next_id = select(func.coalesce(func.max(numbers.subquery().c[0]), 0) + 1).scalar_subquery()
    row = {"id": next_id, "role": role, "theme": "system", "created_at": datetime.now(UTC), **values}
    taken = select(_person.c.id).where(_person.c.email == values["email"])
    for _ in range(20):
        db.execute(first_person)
        try:
            with db.begin_nested():
                new_id: int = db.execute(insert(_person).values(row).returning(_person.c.id)).scalar_one()
                return new_id
        except IntegrityError:
            if db.execute(taken).first():
                raise Conflict(f"{values['email']} is there already.", field="email") from None
    raise Conflict("Too many people are being added at once; try again.")
