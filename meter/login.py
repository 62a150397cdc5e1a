"""How people come in: the claim of a new installation, and login links.

A link's token is signed by the installation's key and bound to one purpose, one row and the person's session epoch;
the row holds its SHA-256 only. Whatever may be done once is claimed by one conditional UPDATE, so of many racers
exactly one gets it. Locks are taken in one order everywhere: rule, person, link, session, audit.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from itsdangerous import BadData, URLSafeTimedSerializer
from sqlalchemy import Connection, Engine, Row, delete, select, text, update

from meter.audit import CLI, Actor, record
from meter.email_rules import allows, keep_rule
from meter.emails import folded_email
from meter.errors import Conflict, Forbidden, NotFound
from meter.keys import hash_of as hash_of
from meter.mail import queue, take_back
from meter.ownership import is_claimed as is_claimed
from meter.ownership import start_claim as start_claim
from meter.ownership import take_claim
from meter.people import Account as Account
from meter.people import account, account_of, checked_profile, insert_person
from meter.people import add_person as add_person
from meter.refresh import start_family
from meter.sessions import BROWSER, insert_session, printable
from meter.sessions import Browser as Browser
from meter.sessions import NewSession as NewSession
from meter.sessions import end_session as end_session
from meter.settings import Settings
from models.db import writing
from models.people import BrowserSession, LoginLink, Person
from models.types import to_ms

LINK_LIFE = timedelta(minutes=10)
LOGIN = "login"  # the purpose of a link that opens a session
BY_MAIL, BY_CLI = "mail", "cli"

_person = Person.__table__  # type: ignore[attr-defined]
_session = BrowserSession.__table__  # type: ignore[attr-defined]
_link = LoginLink.__table__  # type: ignore[attr-defined]


@dataclass(frozen=True)
class NewLink:
    """A login link just made; `token` exists here only."""

    token: str
    created_at: datetime
    expires_at: datetime


@dataclass(frozen=True)
class Asked:
    """What became of somebody's wish for a link.

    email: the address as it is stored. is_listed: whether the whitelist has it. link: one to print on the terminal;
    None when it goes by mail, and when there is none because nobody with that address may come in.
    """

    email: str
    is_listed: bool
    link: NewLink | None = None


@dataclass(frozen=True)
class OpenLink:
    """A login link that still works, as the page with the button shows it.

    account: None for an address that has nobody yet. asked_from: a browser in words, '' for the command line.
    """

    email: str
    account: Account | None
    asked_from: str
    asked_ip: str
    created_at: datetime
    expires_at: datetime


def claim(engine: Engine, secret: str, email: str, name: str, timezone: str, browser: Browser) -> NewSession:
    """Make the first admin and sign them in; a person who was added before with that address becomes admin.

    Raises Invalid on a bad field, Conflict when there is an owner already, Forbidden on any secret but the newest.
    """
    values = checked_profile(email, name, timezone)
    with writing(engine) as db:
        if not take_claim(db, secret):
            if is_claimed(db):
                raise Conflict("This server has an owner already.")
            raise Forbidden("That is not the secret of the newest start.", field="secret")
        keep_rule(db, values["email"])
        known = db.execute(select(_person.c.id).where(_person.c.email == values["email"])).scalar()
        if known is None:
            known = insert_person(db, values, "admin")
        else:
            raised = {"role": "admin", "disabled_at": None, **values}
            db.execute(update(_person).where(_person.c.id == known).values(raised))
        session = insert_session(db, account(db, known), browser)
        record(db, "claim", actor=Actor(known, None, values["email"], browser.ip), target=values["email"])
        return session


def make_login_link(engine: Engine, keys: Sequence[str], email: str, actor: Actor = CLI) -> NewLink:
    """A link for somebody who is here, whatever the whitelist says: the way in when nothing else works.

    Good once and for ten minutes; links made before stop working. Raises NotFound when nobody with that address may
    come in.
    """
    email = folded_email(email)
    who = select(_person).where(_person.c.email == email, _person.c.disabled_at.is_(None))
    with writing(engine) as db:
        person = db.execute(who.with_for_update(key_share=True)).first()  # of two links made at once one is the newer
        if person is None:
            raise NotFound("Nobody with that address may sign in here.", field="email")
        link_id, _ = _replace_link(db, email, person, {"made_by": BY_CLI, "asked_from": "", "asked_ip": ""})
        link = _mint(db, keys, link_id)
        record(db, "login.link", actor=actor, target=email, meta={"via": BY_CLI})
    return link


def ask_for_link(
    engine: Engine, settings: Settings, keys: Sequence[str], email: str, browser: Browser, next_path: str = "/"
) -> Asked:
    """Make a link for whoever has an address, and the mail that brings it; without a mail server its token at once.

    browser: who asked, in words. The whitelist decides before anybody looks who is here, so that new, existing and
    disabled people are answered alike. Raises Invalid on what is no address.
    """
    email = folded_email(email)
    stranger = Actor(None, None, "anonymous", browser.ip)
    with writing(engine) as db:
        if not allows(db, email, settings.allowed_emails, holds=True):
            record(db, "login.denied", actor=stranger, target=email, meta={"reason": "not on the whitelist"})
            return Asked(email, is_listed=False)
        person = db.execute(select(_person).where(_person.c.email == email).with_for_update(key_share=True)).first()
        if person is not None and person.disabled_at is not None:
            record(db, "login.denied", actor=stranger, target=email, meta={"reason": "disabled"})
            return Asked(email, is_listed=True)
        asked = {"asked_from": printable(browser.user_agent), "asked_ip": printable(browser.ip)}
        link_id, expires_at = _replace_link(db, email, person, {"made_by": BY_MAIL, **asked})
        link = None
        if settings.smtp_url:
            zone = person.timezone if person else settings.timezone
            queue(db, LOGIN, email, {"next": next_path, "timezone": zone, **asked}, expires_at, link_id)
        else:
            link = _mint(db, keys, link_id)
        record(db, "login.link", actor=stranger, target=email, meta={"via": BY_MAIL})
    return Asked(email, is_listed=True, link=link)


def renew_token(engine: Engine, keys: Sequence[str], link_id: str) -> NewLink:
    """A token for a link whose mail is about to leave; one made before stops working.

    So a token is nowhere but in the mail. Raises NotFound when the link was used, replaced, or is too old.
    """
    with writing(engine) as db:
        return _mint(db, keys, link_id)


def find_link(db: Connection, keys: Sequence[str], token: str) -> OpenLink:
    """The link as the page with the button shows it; reading it uses nothing up. NotFound unless it still works."""
    link = db.execute(select(_link).where(*_still_works(keys, token, _now()))).first()
    if link is None:
        raise _dead_link()
    person = db.execute(_person_behind(link)).first()
    if _is_void(link, person):
        raise _dead_link()
    who = account_of(person) if person else None
    return OpenLink(link.email, who, link.asked_from, link.asked_ip, link.created_at, link.expires_at)


def redeem(
    engine: Engine,
    settings: Settings,
    keys: Sequence[str],
    token: str,
    browser: Browser,
    replaces: str = "",
    kind: str = BROWSER,
) -> NewSession:
    """Use a login link up and open a session, with its first refresh cookie; of many at once exactly one succeeds.

    Somebody on the whitelist who is not here yet becomes a member. replaces: id of the session the browser had before,
    which ends. Raises NotFound for a link that is unknown, used, expired or void, without saying which.
    """
    now = _now()
    is_it = _still_works(keys, token, now)
    with writing(engine) as db:
        link = db.execute(select(_link).where(*is_it)).first()
        if link is None:
            raise _dead_link()
        if link.made_by != BY_CLI and not allows(db, link.email, settings.allowed_emails, holds=True):
            raise _dead_link()
        person = db.execute(_person_behind(link).with_for_update(key_share=True)).first()
        if _is_void(link, person) or not db.execute(update(_link).where(*is_it).values(used_at=now)).rowcount:
            raise _dead_link()
        who = account_of(person) if person else _become_member(db, link.email, settings.timezone, browser.ip)
        db.execute(delete(_session).where(_session.c.id == replaces))
        session = insert_session(db, who, browser, kind)
        refresh = start_family(db, session.session_id)
        actor = Actor(who.id, None, who.email, browser.ip)
        record(db, "login.ok", actor=actor, target=who.email, meta={"kind": kind, "via": link.made_by})
        return NewSession(who, session.secret, session.expires_at, refresh)


# One link for an address and purpose: who makes one waits for whoever is making another, and takes its place.
_REPLACE_LINK = text("""
    insert into login_link (id, token_hash, person_id, email, purpose, session_epoch, made_by, asked_from, asked_ip,
        created_at, expires_at, used_at)
    values (:id, null, :person_id, :email, :purpose, :session_epoch, :made_by, :asked_from, :asked_ip,
        :created_at, :expires_at, null)
    on conflict (email, purpose) do update set id = excluded.id, token_hash = null, person_id = excluded.person_id,
        session_epoch = excluded.session_epoch, made_by = excluded.made_by, asked_from = excluded.asked_from,
        asked_ip = excluded.asked_ip, created_at = excluded.created_at, expires_at = excluded.expires_at, used_at = null
""")


def _replace_link(db: Connection, email: str, person: Row[Any] | None, asked: dict[str, str]) -> tuple[str, datetime]:
    """Id and end of a new link without a token; the one before for the same address is gone, and its mail with it."""
    now, link_id = _now(), secrets.token_urlsafe(12)
    whose = {"person_id": person.id if person else None, "session_epoch": person.session_epoch if person else 0}
    times = {"created_at": to_ms(now), "expires_at": to_ms(now + LINK_LIFE)}
    db.execute(_REPLACE_LINK, {"id": link_id, "email": email, "purpose": LOGIN, **whose, **asked, **times})
    take_back(db, [email], LOGIN)
    return link_id, now + LINK_LIFE


def _mint(db: Connection, keys: Sequence[str], link_id: str) -> NewLink:
    is_open = (_link.c.id == link_id, _link.c.used_at.is_(None), _link.c.expires_at > _now())
    row = db.execute(select(_link).where(*is_open).with_for_update()).first()
    if row is None:
        raise _dead_link()
    token = str(signer(keys, row.purpose).dumps([row.id, row.session_epoch, secrets.token_urlsafe(24)]))
    db.execute(update(_link).where(_link.c.id == link_id).values(token_hash=hash_of(token)))
    return NewLink(token, row.created_at, row.expires_at)


def _become_member(db: Connection, email: str, timezone: str, ip: str) -> Account:
    who = account(db, insert_person(db, checked_profile(email, "", timezone), "member"))
    actor = Actor(who.id, None, who.email, ip)
    record(db, "person.add", actor=actor, target=who.email, meta={"role": who.role, "via": "whitelist"})
    return who


def _person_behind(link: Row[Any]) -> Any:
    """Who a link lets in: by address while it was asked by somebody who was not here yet."""
    is_theirs = _person.c.id == link.person_id if link.person_id is not None else _person.c.email == link.email
    return select(_person).where(is_theirs)


def _is_void(link: Row[Any], person: Row[Any] | None) -> bool:
    """Whether a link's person was deleted, disabled, or signed out everywhere since."""
    if person is None:
        return link.person_id is not None
    return person.disabled_at is not None or person.session_epoch != link.session_epoch


def _still_works(keys: Sequence[str], token: str, now: datetime) -> tuple[Any, ...]:
    """The conditions on a link's row. NotFound when we never signed such a token for this purpose."""
    try:
        link_id, epoch, _ = signer(keys, LOGIN).loads(token, max_age=int(LINK_LIFE.total_seconds()))
    except (BadData, ValueError, TypeError):
        raise _dead_link() from None
    is_it = (_link.c.id == link_id, _link.c.token_hash == hash_of(token), _link.c.purpose == LOGIN)
    return (*is_it, _link.c.session_epoch == epoch, _link.c.used_at.is_(None), _link.c.expires_at > now)


def signer(keys: Sequence[str], purpose: str) -> URLSafeTimedSerializer:
    """Signs with the newest key, which stands first, and believes all of them; what another purpose signed is void."""
    return URLSafeTimedSerializer(list(reversed(keys)), salt=f"agentmeter link: {purpose}")


def _dead_link() -> NotFound:
    return NotFound("This link does not work any more. A link works once, for ten minutes, until a newer one is made.")


def _now() -> datetime:
    return datetime.now(UTC)
