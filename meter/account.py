"""Deleting somebody: everything of them, in every table, in one transaction. What stays is a number in the audit log.

A table with `owner_id` or `person_id` is covered by having that column; `ELSEWHERE` says where else a person stands,
`NOBODYS` which tables hold nothing personal. A test compares the three with the schema.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, Row, Table, delete, func, or_, select, update
from sqlalchemy.exc import DBAPIError

from meter import audit
from meter.audit import Actor
from meter.emails import folded_email
from meter.errors import Conflict, Forbidden, Invalid, NotFound
from meter.shared_rows import drop_unused_names, shared_sums, take_out
from models.db import give_back_space, is_deadlock, reading, store_of, writing
from models.measures import EVERYBODY
from models.people import Person
from models.tables import metadata

TRIES = 3
NOBODYS = frozenset(
    (
        *("alembic_version", "installation", "setup_value", "lease", "sync_run"),
        *("llm_model", "tool", "rate", "model_alias", "price_list_version"),
        *("audit", "audit_private", "audit_head", "rate_limit", "rate_limit_try"),
    )
)
FIRST = ("allowed_email",)  # whoever signs in holds their rule of the whitelist, and then the person

_person = Person.__table__  # type: ignore[attr-defined]


@dataclass(frozen=True)
class Deleted:
    """How many rows of a person there are, or were: by table, without the tables that have none."""

    counts: Mapping[str, int]

    def of(self, table: str) -> int:
        """The rows of one table; 0 also for one that is not there."""
        return self.counts.get(table, 0)


def preview_deletion(db: Connection, person_id: int) -> Deleted:
    """What `delete_account()` would delete now. Raises NotFound when there is no such person."""
    person = _find(db, person_id)
    counts = {
        table.name: db.execute(select(func.count()).select_from(table).where(condition)).scalar_one()
        for table, condition in _theirs(person)
    }
    return Deleted({name: count for name, count in counts.items() if count})


def check_confirmation(email: str, typed: str, is_fresh: bool) -> None:
    """Raise Forbidden unless somebody means it: signed in just now, or typed their own address."""
    try:
        is_meant = is_fresh or folded_email(typed) == email
    except Invalid:
        is_meant = False
    if not is_meant:
        raise Forbidden("Type your own e-mail address to confirm, or sign in again first.", field="confirm")


def check_deletion(db: Connection, person_id: int, successor: str = "") -> None:
    """Raise what `delete_account()` would raise.

    NotFound when there is no such person. The last admin cannot go while anybody else is here: Conflict, unless
    `successor` is the e-mail of somebody who may come in (else Invalid) and becomes admin. Whoever is alone may always
    go; the claim stays closed then, and `agentmeter user add EMAIL --admin` makes the next owner.
    """
    person = _find(db, person_id)
    if successor:
        _find_successor(db, person_id, successor)
        return
    others = select(_person.c.id).where(_person.c.id != person_id)
    admins = others.where(_person.c.role == "admin", _person.c.disabled_at.is_(None))
    if person.role != "admin" or person.disabled_at is not None or db.execute(admins).first():
        return
    if db.execute(others).first():
        raise Conflict("The last admin cannot go without naming a successor.", field="successor")


def delete_account(engine: Engine, person_id: int, actor: Actor, successor: str = "") -> Deleted:
    """Delete a person and everything of theirs; how many rows that were.

    One transaction: everything goes or nothing. Their sessions and tokens work no more once it is committed, and what
    still tries to write for them is refused. Sums over everybody lose exactly theirs. Raises as `check_deletion()`.
    """
    with reading(engine) as db:
        check_deletion(db, person_id, successor)  # before anything is locked; again when it is
    for tries_left in reversed(range(TRIES)):
        try:
            with writing(engine) as db:
                deleted = _delete(db, person_id, actor, successor)
            break
        except DBAPIError as error:
            if not tries_left or not is_deadlock(error):
                raise
    give_back_space(engine)
    return deleted


def _delete(db: Connection, person_id: int, actor: Actor, successor: str) -> Deleted:
    """The transaction. Locks are taken in the order in which writers of calls, and whoever signs in, take them."""
    store = store_of(db)
    store.lock_deletions()
    store.lock_owner(person_id)
    person = _find(db, person_id)
    theirs = _theirs(person)
    counts: dict[str, int] = {}
    shared = shared_sums(db)
    for table, condition in theirs:
        if table.name in FIRST or ("owner_id" in table.c and table not in shared):
            counts[table.name] = db.execute(delete(table).where(condition)).rowcount
    db.execute(select(_person.c.id).order_by(_person.c.id).with_for_update(key_share=True)).all()
    check_deletion(db, person_id, successor)
    store.lock_every_owner()
    counts |= {table.name: take_out(db, table, person_id) for table in shared}
    drop_unused_names(store)
    store.run("update sync_run set errors = '[]'")  # paths of files; whose they were is not known
    store.run("update change_count set changes = changes + 1 where owner_id = ?", (EVERYBODY,))
    for table, condition in theirs:
        if table.name not in counts:
            counts[table.name] = db.execute(delete(table).where(condition)).rowcount
    if successor:
        _promote(db, _find_successor(db, person_id, successor), actor)
    action = "account.delete" if actor.person_id == person_id else "person.delete"
    meta = {"calls": counts["call"], "rows": sum(counts.values())}
    audit.forget(db, action, actor=actor, person_id=person_id, email=person.email, meta=meta)
    return Deleted({name: count for name, count in counts.items() if count})


def _promote(db: Connection, successor: Row[Any], actor: Actor) -> None:
    if successor.role != "admin":
        db.execute(update(_person).where(_person.c.id == successor.id).values(role="admin"))
        meta = {"role": "admin", "before": successor.role}
        audit.record(db, "role.change", actor=actor, target=successor.email, meta=meta)


def _find_successor(db: Connection, person_id: int, email: str) -> Row[Any]:
    is_them = (_person.c.email == folded_email(email, "successor"), _person.c.id != person_id)
    found = db.execute(select(_person).where(*is_them, _person.c.disabled_at.is_(None))).first()
    if found is None:
        raise Invalid("The successor is somebody else who may come in here.", field="successor")
    return found


def _find(db: Connection, person_id: int) -> Row[Any]:
    person = db.execute(select(_person).where(_person.c.id == person_id)).first()
    if person is None:
        raise NotFound("There is no such person here.")
    return person


def _theirs(person: Row[Any]) -> list[tuple[Table, Any]]:
    """Every table with rows of a person, and which those are; a table stands before the ones it points at."""
    found = []
    for table in reversed(metadata.sorted_tables):
        conditions = [table.c[column] == person.id for column in ("owner_id", "person_id") if column in table.c]
        if table.name in ELSEWHERE:
            conditions.append(ELSEWHERE[table.name](table, person))
        if conditions:
            found.append((table, or_(*conditions)))
    return found


def _of_their_sessions(table: Table, person: Row[Any]) -> Any:
    sessions = metadata.tables["browser_session"]
    return table.c.session_id.in_(select(sessions.c.id).where(sessions.c.person_id == person.id))


def _of_their_letters(table: Table, person: Row[Any]) -> Any:
    """Letters to them, and those to others that speak of them."""
    return or_(table.c.address == person.email, table.c.facts.contains(json.dumps(person.email)[1:-1], autoescape=True))


ELSEWHERE: dict[str, Any] = {
    "person": lambda table, person: table.c.id == person.id,
    "login_link": lambda table, person: table.c.email == person.email,
    "refresh_family": _of_their_sessions,
    "mail": _of_their_letters,
    "allowed_email": lambda table, person: table.c.rule == person.email,
}
