"""Who is signed in: browsers by a cookie, programs by a bearer secret. Each is a row that can be ended at once.

The secret is 192 random bits or more and is stored as SHA-256 only. A session ends by logout, after 7 days without a
visit, and 30 days after it was opened.
"""

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, Engine, bindparam, delete, insert, or_, select, update

from meter.audit import Actor, record
from meter.errors import NotFound, NotSignedIn
from meter.keys import hash_of
from meter.people import Account, account, account_of
from models.db import writing, writing_at_once
from models.people import BrowserSession, LoginLink, Person

SESSION_IDLE = timedelta(days=7)
SESSION_LIFE = timedelta(days=30)
SEEN_EVERY = timedelta(minutes=1)  # last_seen_at is written at most this often
AGENT_LENGTH = 300
BROWSER, BEARER = "browser", "bearer"
BEARER_PREFIX = "sb_"  # what a program sends begins with it, so that it is told from other credentials

_person = Person.__table__  # type: ignore[attr-defined]
_session = BrowserSession.__table__  # type: ignore[attr-defined]
_link = LoginLink.__table__  # type: ignore[attr-defined]


@dataclass(frozen=True)
class Browser:
    """Where a request comes from, for the list of sessions people see."""

    user_agent: str = ""
    ip: str = ""


@dataclass(frozen=True)
class NewSession:
    """A session just opened; `secret` belongs into the cookie, or to the program, and exists here only.

    refresh: the first refresh cookie, of a session opened by a login link.
    """

    account: Account
    secret: str
    expires_at: datetime
    refresh: str = ""

    @property
    def session_id(self) -> str:
        return hash_of(self.secret)


@dataclass(frozen=True)
class SignedIn:
    """The session a request came with; `signed_in_at` is when it was opened."""

    account: Account
    session_id: str
    last_seen_at: datetime
    signed_in_at: datetime


@dataclass(frozen=True)
class OpenSession:
    """A session as its owner sees it in the list; `kind` is browser or bearer."""

    id: str
    kind: str
    user_agent: str
    ip: str
    signed_in_at: datetime
    last_seen_at: datetime
    expires_at: datetime


def open_session(engine: Engine, person_id: int, browser: Browser, kind: str = BROWSER) -> NewSession:
    """Sign a person in without a link. NotFound when there is no such person or they may not come in."""
    with writing(engine) as db:
        return insert_session(db, account(db, person_id), browser, kind)


def insert_session(db: Connection, account: Account, browser: Browser, kind: str = BROWSER) -> NewSession:
    """Open a session inside a transaction; the person's sessions that have ended by themselves are cleared away."""
    now = _now()
    prefix = BEARER_PREFIX if kind == BEARER else ""
    new = NewSession(account, prefix + secrets.token_urlsafe(32), now + SESSION_LIFE)
    times = {"created_at": now, "last_seen_at": now, "expires_at": new.expires_at}
    agent = printable(browser.user_agent)
    row = {"id": new.session_id, "person_id": account.id, "user_agent": agent, "ip": browser.ip[:AGENT_LENGTH]}
    ended = or_(_session.c.expires_at <= now, _session.c.last_seen_at <= now - SESSION_IDLE)
    db.execute(delete(_session).where(_session.c.person_id == account.id, ended))
    db.execute(insert(_session).values(kind=kind, **row, **times))
    return new


_FIND_SESSION = (
    select(
        _person,
        _session.c.id.label("session_id"),
        _session.c.last_seen_at,
        _session.c.created_at.label("signed_in_at"),
    )
    .join(_session, _session.c.person_id == _person.c.id)
    .where(
        _session.c.id == bindparam("session_id"),
        _session.c.expires_at > bindparam("now"),
        _session.c.last_seen_at > bindparam("idle_since"),
        _person.c.disabled_at.is_(None),
    )
)


def find_session(db: Connection, secret: str) -> SignedIn:
    """The session of a cookie, or of a bearer secret with its `sb_`.

    NotSignedIn when it is unknown, ended, idle for 7 days or 30 days old. The two kinds never pass for each other: a
    cookie is signed besides, and a bearer secret is stored with its prefix.
    """
    return find_session_by_id(db, hash_of(secret))


def find_session_by_id(db: Connection, session_id: str) -> SignedIn:
    """`find_session()` for a credential that names its session, such as an access token."""
    now = _now()
    given = {"session_id": session_id, "now": now, "idle_since": now - SESSION_IDLE}
    row = db.execute(_FIND_SESSION, given).first()
    if row is None:
        raise NotSignedIn("Sign in first.")
    return SignedIn(account_of(row), row.session_id, row.last_seen_at, row.signed_in_at)


def is_worth_noting(signed_in: SignedIn) -> bool:
    """Whether the session's last visit was noted longer than a minute ago."""
    return _now() - signed_in.last_seen_at >= SEEN_EVERY


def mark_seen(engine: Engine, signed_in: SignedIn) -> None:
    """Note that a session is in use now. Raises OperationalError rather than wait for another writer."""
    with writing_at_once(engine) as db:
        db.execute(update(_session).where(_session.c.id == signed_in.session_id).values(last_seen_at=_now()))


def sessions_of(db: Connection, person_id: int) -> tuple[OpenSession, ...]:
    """The sessions of a person that are open now, the one seen last first."""
    now = _now()
    is_open = (_session.c.expires_at > now, _session.c.last_seen_at > now - SESSION_IDLE)
    question = select(_session).where(_session.c.person_id == person_id, *is_open)
    rows = db.execute(question.order_by(_session.c.last_seen_at.desc(), _session.c.id))
    return tuple(
        OpenSession(row.id, row.kind, row.user_agent, row.ip, row.created_at, row.last_seen_at, row.expires_at)
        for row in rows
    )


def end_session(engine: Engine, session_id: str, actor: Actor | None = None) -> None:
    """Log out: the row goes, and with it every copy of the cookie. Ending what has ended is fine."""
    with writing(engine) as db:
        if db.execute(delete(_session).where(_session.c.id == session_id)).rowcount and actor:
            record(db, "logout", actor=actor, target=actor.label)


def revoke_session(engine: Engine, person_id: int, session_id: str, actor: Actor) -> None:
    """End one session of a person from their list. NotFound when it is not theirs or has ended."""
    with writing(engine) as db:
        theirs = (_session.c.id == session_id, _session.c.person_id == person_id)
        if not db.execute(delete(_session).where(*theirs)).rowcount:
            raise NotFound("There is no such session.")
        record(db, "session.revoke", actor=actor, target=_email(db, person_id), meta={"sessions": 1})


def end_all_sessions(engine: Engine, person_id: int, actor: Actor) -> int:
    """Sign a person out everywhere and void the login links that are under way; how many sessions ended."""
    with writing(engine) as db:
        next_epoch = update(_person).where(_person.c.id == person_id).values(session_epoch=_person.c.session_epoch + 1)
        if not db.execute(next_epoch).rowcount:
            raise NotFound("There is no such person here.")
        db.execute(delete(_link).where(_link.c.person_id == person_id))
        ended: int = db.execute(delete(_session).where(_session.c.person_id == person_id)).rowcount
        record(db, "session.revoke", actor=actor, target=_email(db, person_id), meta={"sessions": ended})
    return ended


def printable(text: str) -> str:
    """A text of a stranger as it is kept: control characters become spaces, 300 characters at most."""
    return "".join(letter if letter.isprintable() else " " for letter in text)[:AGENT_LENGTH]


def _email(db: Connection, person_id: int) -> str:
    return str(db.execute(select(_person.c.email).where(_person.c.id == person_id)).scalar_one())


def _now() -> datetime:
    return datetime.now(UTC)
