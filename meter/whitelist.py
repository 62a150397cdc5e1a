"""The whitelist: which addresses may come in. Its rules stand in AGENTMETER_ALLOWED_EMAILS and in the database.

Whoever no rule lets in any more is shut out in the same transaction: sessions, login links, API tokens.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Engine, delete, or_, select

from meter import api_tokens
from meter.audit import SYSTEM, Actor, record
from meter.email_rules import keep_rule, rules_for
from meter.emails import checked_rule
from meter.errors import Conflict, NotFound
from meter.mail import take_back
from models.db import reading, writing
from models.people import AllowedEmail, BrowserSession, LoginLink, Person

_allowed = AllowedEmail.__table__  # type: ignore[attr-defined]
_person = Person.__table__  # type: ignore[attr-defined]
_session = BrowserSession.__table__  # type: ignore[attr-defined]
_link = LoginLink.__table__  # type: ignore[attr-defined]


@dataclass(frozen=True)
class StoredRule:
    """A rule in the database: an address or an @domain."""

    rule: str
    added_at: datetime


@dataclass(frozen=True)
class ShutOut:
    """What somebody lost when no rule let them in any more, over all people concerned."""

    people: int = 0
    sessions: int = 0
    links: int = 0
    tokens: int = 0


def rules(db: Connection) -> tuple[StoredRule, ...]:
    """The stored rules: domains first, then addresses, each by name."""
    order = (_allowed.c.rule.not_like("@%"), _allowed.c.rule)
    return tuple(StoredRule(row.rule, row.added_at) for row in db.execute(select(_allowed).order_by(*order)))


def add(engine: Engine, rule: str, actor: Actor) -> str:
    """Add an address or an @domain; the rule as it is stored.

    Raises Invalid on what is neither, Conflict when it is there already.
    """
    rule = checked_rule(rule)
    with writing(engine) as db:
        if not keep_rule(db, rule):
            raise Conflict(f"{rule} is on the whitelist already.", field="rule")
        record(db, "whitelist.add", actor=actor, target=rule)
    return rule


def remove(engine: Engine, rule: str, fixed: Sequence[str], actor: Actor) -> ShutOut:
    """Take a stored rule away and shut out whoever neither another one nor the settings (`fixed`) let in.

    It is in force with their next request, in every process. Raises NotFound when there is no such rule, Conflict when
    no admin could come in any more.
    """
    with writing(engine) as db:
        if not db.execute(delete(_allowed).where(_allowed.c.rule == rule)).rowcount:
            raise NotFound("There is no such rule.")
        _keep_an_admin(db, fixed)
        lost = _shut_out(db, fixed)
        meta = {"sessions": lost.sessions, "count": lost.people}
        record(db, "whitelist.remove", actor=actor, target=rule, meta=meta)
    return lost


def enforce(engine: Engine, fixed: Sequence[str]) -> ShutOut:
    """Shut out whoever no rule lets in, as after a change of the settings; to be called at every start."""
    with reading(engine) as db:
        if not any(_unlisted(db, fixed)):
            return ShutOut()
    with writing(engine) as db:
        lost = _shut_out(db, fixed)
        if lost.sessions or lost.links or lost.tokens:
            counts = {"sessions": lost.sessions, "count": lost.people}
            record(db, "whitelist.remove", actor=SYSTEM, meta={"reason": "the settings changed", **counts})
    return lost


def _keep_an_admin(db: Connection, fixed: Sequence[str]) -> None:
    admins = select(_person.c.email).where(_person.c.role == "admin", _person.c.disabled_at.is_(None))
    emails = db.execute(admins).scalars().all()
    if emails and not _listed(db, emails, fixed):
        raise Conflict("No admin could come in any more: add another rule first.", field="rule")


def _shut_out(db: Connection, fixed: Sequence[str]) -> ShutOut:
    """End everything of the people, and of the links under way, that no rule matches."""
    ids, strangers = _unlisted(db, fixed)
    emails = db.execute(select(_person.c.email).where(_person.c.id.in_(ids))).scalars().all()
    take_back(db, [*emails, *strangers])
    theirs = or_(_link.c.person_id.in_(ids), _link.c.email.in_(strangers))
    used = db.execute(delete(_link).where(theirs).returning(_link.c.used_at)).scalars().all()
    sessions = db.execute(delete(_session).where(_session.c.person_id.in_(ids))).rowcount
    return ShutOut(len(ids), sessions, used.count(None), api_tokens.revoke_all(db, ids))


def _unlisted(db: Connection, fixed: Sequence[str]) -> tuple[list[int], list[str]]:
    """Ids of the people, and addresses that have asked for a link, that no rule matches."""
    people = db.execute(select(_person.c.id, _person.c.email)).all()
    asked = db.execute(select(_link.c.email).where(_link.c.made_by == "mail").distinct()).scalars().all()
    listed = _listed(db, [*(person.email for person in people), *asked], fixed)
    return [one.id for one in people if one.email not in listed], [email for email in asked if email not in listed]


def _listed(db: Connection, emails: Sequence[str], fixed: Sequence[str]) -> set[str]:
    """Those of the addresses that a rule lets in."""
    known = {*fixed, *db.execute(select(_allowed.c.rule)).scalars()}
    return {email for email in emails if not known.isdisjoint(rules_for(email))}
