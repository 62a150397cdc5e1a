"""Who comes in: the claim of a new installation, people, login links, browser sessions.

Secrets are 192 random bits or more and are stored as SHA-256 only; whoever reads the database cannot come in with it.
Whatever may be done once is claimed by one conditional UPDATE, so of many racers exactly one gets it.
"""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, Row, bindparam, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from meter.emails import folded_email
from meter.errors import Conflict, Forbidden, Invalid, NotFound, NotSignedIn
from meter.settings import zone_name
from models.db import writing
from models.people import BrowserSession, Installation, LoginLink, Person

LINK_LIFE = timedelta(minutes=10)
SESSION_IDLE = timedelta(days=7)
SESSION_LIFE = timedelta(days=30)
SEEN_EVERY = timedelta(minutes=1)  # last_seen_at is written at most this often
LOGIN = "login"  # the purpose of a link that opens a browser session
THEMES = ("system", "light", "dark")
NAME_LENGTH = 100
AGENT_LENGTH = 300

_person = Person.__table__  # type: ignore[attr-defined]
_session = BrowserSession.__table__  # type: ignore[attr-defined]
_link = LoginLink.__table__  # type: ignore[attr-defined]
_installation = Installation.__table__  # type: ignore[attr-defined]


@dataclass(frozen=True)
class Account:
    """A person as the rest of the program sees one; `role` is member or admin, `theme` one of THEMES."""

    id: int
    email: str
    name: str
    role: str
    timezone: str
    theme: str

    @property
    def is_admin(self) -> bool:
        return self.role == "admin"


@dataclass(frozen=True)
class Browser:
    """Where a request comes from, for the list of sessions people see."""

    user_agent: str = ""
    ip: str = ""


@dataclass(frozen=True)
class NewLink:
    """A login link just made; `token` exists here only."""

    token: str
    expires_at: datetime


@dataclass(frozen=True)
class OpenLink:
    """A login link that still works, as the page with the button shows it."""

    account: Account
    asked_from: str
    created_at: datetime
    expires_at: datetime


@dataclass(frozen=True)
class NewSession:
    """A browser session just opened; `secret` belongs into the cookie and exists here only."""

    account: Account
    secret: str
    expires_at: datetime


@dataclass(frozen=True)
class SignedIn:
    """The browser session a request came with."""

    account: Account
    session_id: str
    last_seen_at: datetime


def hash_of(secret: str) -> str:
    """What is stored of a secret: SHA-256, hex."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def start_claim(engine: Engine) -> str | None:
    """A new claim secret to print on the terminal; the one before stops working. None: it has an owner already."""
    secret = "claim-" + secrets.token_urlsafe(24)
    values = {"claim_hash": hash_of(secret)}
    now = _now()
    for _ in range(2):  # twice: a second process may insert the row between our two statements
        try:
            with writing(engine) as db:
                renew = update(_installation).where(_installation.c.id == 1, _installation.c.claimed_at.is_(None))
                if db.execute(renew.values(values)).rowcount:
                    return secret
                if is_claimed(db):
                    return None
                db.execute(insert(_installation).values(id=1, created_at=now, claimed_at=None, **values))
                return secret
        except IntegrityError:
            continue
    raise Conflict("Another process is starting this installation; try again.")


def is_claimed(db: Connection) -> bool:
    """Whether the installation has an owner."""
    claimed = select(_installation.c.claimed_at).where(_installation.c.claimed_at.is_not(None))
    return db.execute(claimed).first() is not None


def claim(engine: Engine, secret: str, email: str, name: str, timezone: str, browser: Browser) -> NewSession:
    """Make the first admin and sign them in; a person who was added before with that address becomes admin.

    Raises Invalid on a bad field, Conflict when there is an owner already, Forbidden on any secret but the newest.
    """
    values = _profile(email, name, timezone)
    once = (
        update(_installation)
        .where(_installation.c.id == 1, _installation.c.claimed_at.is_(None))
        .where(_installation.c.claim_hash == hash_of(secret.strip()))
        .values(claimed_at=_now())
    )
    with writing(engine) as db:
        if not db.execute(once).rowcount:
            if is_claimed(db):
                raise Conflict("This server has an owner already.")
            raise Forbidden("That is not the secret of the newest start.", field="secret")
        known = db.execute(select(_person.c.id).where(_person.c.email == values["email"])).scalar()
        if known is None:
            known = _insert_person(db, values, "admin")
        else:
            raised = {"role": "admin", "disabled_at": None, **values}
            db.execute(update(_person).where(_person.c.id == known).values(raised))
        return _insert_session(db, _account(db, known), browser)


def add_person(engine: Engine, email: str, role: str = "member", name: str = "", timezone: str = "UTC") -> Account:
    """Add somebody. The first admin added this way closes the claim: the server has an owner then.

    Raises Invalid on a bad field, Conflict when the address is taken.
    """
    if role not in ("member", "admin"):
        raise Invalid("role is member or admin", field="role")
    values = _profile(email, name, timezone)
    with writing(engine) as db:
        added = _account(db, _insert_person(db, values, role))
        if role == "admin":
            _close_claim(db)
    return added


def make_login_link(engine: Engine, email: str, asked_from: str = "") -> NewLink:
    """A link for a person, good once and for ten minutes; links made before stop working.

    Raises NotFound when nobody with that address may come in.
    """
    now = _now()
    link = NewLink(token=secrets.token_urlsafe(32), expires_at=now + LINK_LIFE)
    who = select(_person.c.id).where(_person.c.email == folded_email(email), _person.c.disabled_at.is_(None))
    with writing(engine) as db:
        person_id = db.execute(who.with_for_update()).scalar()  # locked: of two links made at once one is the newer
        if person_id is None:
            raise NotFound("Nobody with that address may sign in here.", field="email")
        db.execute(delete(_link).where(_link.c.person_id == person_id, _link.c.purpose == LOGIN))
        row = {"token_hash": hash_of(link.token), "person_id": person_id, "purpose": LOGIN, "created_at": now}
        db.execute(insert(_link).values(expires_at=link.expires_at, used_at=None, asked_from=asked_from, **row))
    return link


def find_link(db: Connection, token: str) -> OpenLink:
    """The link as the page with the button shows it; reading it uses nothing up. NotFound unless it still works."""
    question = (
        select(_person, _link.c.asked_from, _link.c.created_at.label("asked_at"), _link.c.expires_at)
        .join(_link, _link.c.person_id == _person.c.id)
        .where(_person.c.disabled_at.is_(None), *_still_works(token, _now()))
    )
    row = db.execute(question).first()
    if row is None:
        raise _dead_link()
    return OpenLink(_account_of(row), row.asked_from, row.asked_at, row.expires_at)


def redeem(engine: Engine, token: str, browser: Browser, replaces: str = "") -> NewSession:
    """Use a login link up and open a session in its place; of many at once exactly one succeeds.

    replaces: id of the session the browser had before, which ends. Raises NotFound for a link that is unknown,
    used, expired or void, without saying which.
    """
    now = _now()
    once = update(_link).where(*_still_works(token, now)).values(used_at=now).returning(_link.c.person_id)
    with writing(engine) as db:
        person_id = db.execute(once).scalar()
        if person_id is None:
            raise _dead_link()
        account = _account(db, person_id)
        db.execute(delete(_session).where(_session.c.id == replaces))
        return _insert_session(db, account, browser)


def open_session(engine: Engine, person_id: int, browser: Browser) -> NewSession:
    """Sign a person in without a link. NotFound when there is no such person or they may not come in."""
    with writing(engine) as db:
        return _insert_session(db, _account(db, person_id), browser)


_FIND_SESSION = (
    select(_person, _session.c.id.label("session_id"), _session.c.last_seen_at)
    .join(_session, _session.c.person_id == _person.c.id)
    .where(
        _session.c.id == bindparam("session_id"),
        _session.c.expires_at > bindparam("now"),
        _session.c.last_seen_at > bindparam("idle_since"),
        _person.c.disabled_at.is_(None),
    )
)


def find_session(db: Connection, secret: str) -> SignedIn:
    """The session of a cookie. NotSignedIn when it is unknown, ended, idle for 7 days or 30 days old."""
    now = _now()
    given = {"session_id": hash_of(secret), "now": now, "idle_since": now - SESSION_IDLE}
    row = db.execute(_FIND_SESSION, given).first()
    if row is None:
        raise NotSignedIn("Sign in first.")
    return SignedIn(_account_of(row), row.session_id, row.last_seen_at)


def is_worth_noting(signed_in: SignedIn) -> bool:
    """Whether the session's last visit was noted longer than a minute ago."""
    return _now() - signed_in.last_seen_at >= SEEN_EVERY


def mark_seen(engine: Engine, signed_in: SignedIn) -> None:
    """Note that a session is in use now."""
    with writing(engine) as db:
        db.execute(update(_session).where(_session.c.id == signed_in.session_id).values(last_seen_at=_now()))


def end_session(engine: Engine, session_id: str) -> None:
    """Sign out: the row goes, and with it every copy of the cookie. Ending what has ended is fine."""
    with writing(engine) as db:
        db.execute(delete(_session).where(_session.c.id == session_id))


def set_theme(engine: Engine, person_id: int, theme: str) -> None:
    """Keep a person's choice of light, dark or as the system has it. Invalid on anything else."""
    if theme not in THEMES:
        raise Invalid(f"theme is one of {', '.join(THEMES)}", field="theme")
    with writing(engine) as db:
        db.execute(update(_person).where(_person.c.id == person_id).values(theme=theme))


def _now() -> datetime:
    return datetime.now(UTC)


def _still_works(token: str, now: datetime) -> tuple[Any, ...]:
    is_it = (_link.c.token_hash == hash_of(token), _link.c.purpose == LOGIN)
    return (*is_it, _link.c.used_at.is_(None), _link.c.expires_at > now)


def _dead_link() -> NotFound:
    return NotFound("This link does not work any more. A link works once, for ten minutes, until a newer one is made.")


def _profile(email: str, name: str, timezone: str) -> dict[str, str]:
    """The checked fields people type about themselves; an empty name becomes the part of the address before the @."""
    email = folded_email(email)
    name = " ".join(name.split()) or email.partition("@")[0]
    if len(name) > NAME_LENGTH or not name.isprintable():
        raise Invalid(f"A name has at most {NAME_LENGTH} characters that can be printed.", field="name")
    try:
        zone = zone_name(timezone.strip() or "UTC")
    except ValueError as error:
        raise Invalid(f"The time zone {error}.", field="timezone") from None
    return {"email": email, "name": name, "timezone": zone}


def _insert_person(db: Connection, values: dict[str, str], role: str) -> int:
    """The id of the new row. Ids count up from 1: they lead every key, so they should be small.

    Raises Conflict when the address is taken. Who adds somebody locks the first person, so that two do not draw the
    same number; while there is no first person yet, the later one draws again.
    """
    first_person = select(_person.c.id).order_by(_person.c.id).limit(1).with_for_update(key_share=True)
    next_id = select(func.coalesce(func.max(_person.c.id), 0) + 1).scalar_subquery()
    row = {"id": next_id, "role": role, "theme": "system", "created_at": _now(), "disabled_at": None, **values}
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


def _close_claim(db: Connection) -> None:
    now = _now()
    closed = update(_installation).where(_installation.c.claimed_at.is_(None)).values(claimed_at=now)
    rows = db.execute(select(func.count()).select_from(_installation)).scalar_one()
    if rows:
        db.execute(closed)
    else:
        db.execute(insert(_installation).values(id=1, claim_hash="", created_at=now, claimed_at=now))


def _insert_session(db: Connection, account: Account, browser: Browser) -> NewSession:
    now = _now()
    new = NewSession(account, secrets.token_urlsafe(32), now + SESSION_LIFE)
    times = {"created_at": now, "last_seen_at": now, "expires_at": new.expires_at}
    agent = "".join(letter if letter.isprintable() else " " for letter in browser.user_agent)[:AGENT_LENGTH]
    row = {"id": hash_of(new.secret), "person_id": account.id, "user_agent": agent, "ip": browser.ip[:AGENT_LENGTH]}
    db.execute(insert(_session).values(**row, **times))
    return new


def _account(db: Connection, person_id: int) -> Account:
    row = db.execute(select(_person).where(_person.c.id == person_id, _person.c.disabled_at.is_(None))).first()
    if row is None:
        raise NotFound("There is no such person here.")
    return _account_of(row)


def _account_of(row: Row[Any]) -> Account:
    return Account(row.id, row.email, row.name, row.role, row.timezone, row.theme)
