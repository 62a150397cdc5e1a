"""The audit log: who did what, when. It can only be added to, and a change made behind its back shows.

Every row carries the hash of the row before it. What names a person (label, address, e-mail, free text) is sealed: the
row holds only its salted hash, the words stand apart and are forgotten when the person is deleted. So a deletion
leaves nobody's name behind and the chain whole.
"""

import json
import re
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Row, and_, insert, or_, select, text, update

from meter.audit_chain import AuditCheck as AuditCheck
from meter.audit_chain import canonical, hash_of_row, rows_with_words, seal_of
from meter.audit_chain import verify as verify
from models.audit import AuditHead, AuditPrivate, AuditRow
from models.people import Person

ACTIONS = frozenset(
    (
        *("login.link", "login.ok", "login.denied", "logout", "session.revoke", "session.refresh_reuse"),
        *("token.create", "token.revoke", "apple.link"),
        *("person.add", "person.disable", "person.enable", "person.delete", "role.change"),
        *("whitelist.add", "whitelist.remove", "origin.add", "origin.remove"),
        *("claim", "setup.complete", "setup.reset", "key.rotate"),
        *("export", "price.override", "account.delete"),
    )
)
# What is done to the installation rather than to oneself: its target outlives the admin who did it.
SHARED_ACTIONS = frozenset(
    name for name in ACTIONS if name.startswith(("whitelist.", "origin.", "setup.", "price.", "key.", "claim"))
)
# Facts of `meta` that name nobody and stay when a person is forgotten; every other key is sealed with the target.
PLAIN_FACTS = frozenset(
    (
        *("scope", "scopes", "role", "before", "after", "kind", "reason", "scenario", "infra", "via", "sessions"),
        *("count", "calls", "rows", "erased", "expires_at", "successor_id", "model", "format", "closes_claim"),
    )
)
TEXT_LENGTH = 300
# Credentials as they look in the open. None belongs here; should one come all the same, it is not kept.
_SECRET = re.compile(
    r"\b(?:am|we|sb)_\w{16,}|\bclaim-[\w-]{16,}|\beyJ[\w-]+\.[\w-]+\.[\w-]+"
    r"|[\w-]{8,}\.[\w-]{6}\.[\w-]{27,}|(?<![\w-])[\w-]{43}(?![\w-])"
)

_row = AuditRow.__table__  # type: ignore[attr-defined]
_private = AuditPrivate.__table__  # type: ignore[attr-defined]
_head = AuditHead.__table__  # type: ignore[attr-defined]
_person = Person.__table__  # type: ignore[attr-defined]


@dataclass(frozen=True)
class Actor:
    """Who did it: a person, by themselves or by one of their tokens, or a part of the program.

    label: the person's e-mail, else cli, system or anonymous. ip: where the request came from, '' without one.
    """

    person_id: int | None
    token_id: str | None
    label: str
    ip: str


CLI = Actor(None, None, "cli", "")
SYSTEM = Actor(None, None, "system", "")


@dataclass(frozen=True)
class AuditFilters:
    """Which rows are wanted. action: a name, or what stands before its dot for all of them: `token`.

    person_id: done by or to this person. start_at, until: a half-open range of time. before_id, after_id: only rows
    older or newer than this one, for turning pages; with after_id they are the ones next to it.
    """

    action: str = ""
    person_id: int | None = None
    start_at: datetime | None = None
    until: datetime | None = None
    before_id: int | None = None
    after_id: int | None = None


@dataclass(frozen=True)
class AuditEntry:
    """One act as people see it. Who was deleted since is called `deleted person 7`, and their words are gone."""

    id: int
    at: datetime
    action: str
    user: str
    user_id: int | None
    token_id: str | None
    target: str
    target_id: int | None
    ip: str
    meta: dict[str, str | int | bool | None]


def record(
    db: Connection,
    action: str,
    *,
    actor: Actor,
    target: str = "",
    meta: Mapping[str, str | int | bool | None] | None = None,
) -> None:
    """Add one row, inside the transaction of the act: both are there or neither.

    Call it last: until the transaction ends nobody else can add a row. target: the e-mail of the person it was done
    to, or the id or name of the thing. meta: further facts; those not in PLAIN_FACTS are forgotten together with the
    person. Never pass a secret. Raises ValueError for an action that is not in ACTIONS.
    """
    append(db, action, actor=actor, target=target, target_id=_person_named(db, target), meta=meta)


def append(
    db: Connection,
    action: str,
    *,
    actor: Actor,
    target: str,
    target_id: int | None,
    meta: Mapping[str, str | int | bool | None] | None = None,
) -> int:
    """`record()` for whoever knows the person it was done to by id; the number of the new row."""
    if action not in ACTIONS:
        raise ValueError(f"no such action: {action}")
    entries, previous_hash = _lock_head(db)
    facts = {name: visible(value) if isinstance(value, str) else value for name, value in (meta or {}).items()}
    named = {"label": visible(actor.label), "ip": visible(actor.ip)}
    words = {"target": visible(target), **{name: facts.pop(name) for name in sorted(facts.keys() - PLAIN_FACTS)}}
    row = {
        "id": entries + 1,
        "at": datetime.now(UTC),
        "action": action,
        "actor_id": actor.person_id,
        "token_id": visible(actor.token_id or ""),
        "target_id": target_id,
        "meta": canonical(facts),
        "actor_seal": _seal_away(db, entries + 1, "actor", actor.person_id or target_id, named),
        "target_seal": _seal_away(db, entries + 1, "target", _concerned(action, actor, target_id), words),
        "previous_hash": previous_hash,
    }
    row["hash"] = hash_of_row(row)
    db.execute(insert(_row).values(row))
    db.execute(update(_head).where(_head.c.id == 1).values(entries=row["id"], hash=row["hash"]))
    return entries + 1


def entries(
    db: Connection, since: datetime | None = None, limit: int = 100, filters: AuditFilters | None = None
) -> tuple[AuditEntry, ...]:
    """At most `limit` acts, oldest first: from `since` on, or the newest ones when it is None.

    For admins only: the log is of the whole installation.
    """
    filters = filters or AuditFilters()
    question = rows_with_words().where(*_conditions(since, filters))
    if since is not None or filters.after_id is not None:
        return tuple(map(_entry_of, db.execute(question.order_by(_row.c.id).limit(limit))))
    newest = db.execute(question.order_by(_row.c.id.desc()).limit(limit)).all()
    return tuple(map(_entry_of, reversed(newest)))


def visible(text: str) -> str:
    """A text as the log keeps it: control and direction characters spelled out, no credential, 300 characters."""
    if not text.isprintable():
        text = "".join(letter if letter.isprintable() else _spelled(letter) for letter in text)
    return _SECRET.sub("[secret]", text)[:TEXT_LENGTH]


def _spelled(letter: str) -> str:
    return letter.encode("unicode_escape").decode()


def _person_named(db: Connection, target: str) -> int | None:
    if "@" not in target:
        return None
    found: int | None = db.execute(select(_person.c.id).where(_person.c.email == target)).scalar()
    return found


def _lock_head(db: Connection) -> tuple[int, str]:
    """How many rows there are and the last one's hash. Held until the transaction ends."""
    head = select(_head.c.entries, _head.c.hash).where(_head.c.id == 1).with_for_update()
    found = db.execute(head).first()
    if found is None:
        db.execute(text("insert into audit_head (id, entries, hash) values (1, 0, '') on conflict (id) do nothing"))
        found = db.execute(head).one()
    return found.entries, found.hash


def _concerned(action: str, actor: Actor, target_id: int | None) -> int | None:
    """The person whose deletion takes the words about the target along; None keeps them."""
    return target_id if target_id or action in SHARED_ACTIONS else actor.person_id


def _seal_away(db: Connection, audit_id: int, part: str, about_id: int | None, words: Mapping[str, object]) -> str:
    """Keep words apart from the row; their seal, or '' when there are none."""
    if not any(value != "" for value in words.values()):
        return ""
    salt, content = secrets.token_hex(16), canonical(words)
    row = {"audit_id": audit_id, "part": part, "about_id": about_id, "salt": salt, "content": content}
    db.execute(insert(_private).values(erased_by=None, **row))
    return seal_of(salt, content)


def forget(
    db: Connection,
    action: str,
    *,
    actor: Actor,
    person_id: int,
    email: str,
    meta: Mapping[str, str | int | bool | None] | None = None,
) -> None:
    """`record()` of somebody's deletion: takes their words out of every earlier row and says of how many.

    What stays of them is the number of the person. `email` also finds the rows from before they were a person here.
    """
    entries, _ = _lock_head(db)
    mentions = _private.c.content.contains(json.dumps(email), autoescape=True)
    mentioning = select(_private.c.audit_id).where(mentions)
    theirs = or_(
        _private.c.about_id == person_id,
        mentions,
        and_(_private.c.about_id.is_(None), _private.c.audit_id.in_(mentioning)),
    )
    blank = update(_private).where(_private.c.erased_by.is_(None), theirs)
    erased = db.execute(blank.values(salt="", content="", erased_by=entries + 1)).rowcount
    is_self = actor.person_id == person_id
    nameless = replace(actor, label="", ip="") if is_self else actor
    append(db, action, actor=nameless, target="", target_id=person_id, meta={**(meta or {}), "erased": erased})


def _conditions(since: datetime | None, filters: AuditFilters) -> Iterator[Any]:
    if since is not None:
        yield _row.c.at >= since
    if filters.until is not None:
        yield _row.c.at < filters.until
    if filters.start_at is not None:
        yield _row.c.at >= filters.start_at
    if filters.after_id is not None:
        yield _row.c.id > filters.after_id
    if filters.before_id is not None:
        yield _row.c.id < filters.before_id
    if filters.person_id is not None:
        yield or_(_row.c.actor_id == filters.person_id, _row.c.target_id == filters.person_id)
    if filters.action:
        group = _row.c.action.startswith(filters.action + ".", autoescape=True)
        yield or_(_row.c.action == filters.action, group)


def _entry_of(row: Row[Any]) -> AuditEntry:
    who: dict[str, str] = json.loads(row.actor_content or "{}")
    words: dict[str, Any] = json.loads(row.target_content or "{}")
    target = words.pop("target", "")
    return AuditEntry(
        id=row.id,
        at=row.at,
        action=row.action,
        user=who.get("label", "") or _pseudonym(row.actor_id) or "unknown",
        user_id=row.actor_id,
        token_id=row.token_id or None,
        target=target or _pseudonym(row.target_id) or ("forgotten" if row.target_erased_by else ""),
        target_id=row.target_id,
        ip=who.get("ip", ""),
        meta={**json.loads(row.meta), **words},
    )


def _pseudonym(person_id: int | None) -> str:
    return f"deleted person {person_id}" if person_id is not None else ""
