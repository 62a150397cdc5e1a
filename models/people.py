"""Who may come in: people, their browser sessions, login links, and whether the installation has an owner yet."""

from datetime import datetime

from sqlalchemy import Index
from sqlmodel import SQLModel

from models.types import key, moment, whole, words


def _person_id() -> int:
    found: int = whole(foreign_key="person.id", ondelete="CASCADE")
    return found


class Person(SQLModel, table=True):
    """Somebody who owns data or looks at it; `id` is the `owner_id` of everything.

    `email` has only A-Z folded to lower case: other letters may be another mailbox. `role` is member or admin;
    `theme` is system, light or dark; `timezone` is an IANA name. Who has `disabled_at` may not come in; for whoever has
    `shortcuts_off_at` single keys do nothing. `session_epoch` counts how often they signed out everywhere: a login link
    of an earlier epoch is void.
    """

    id: int = key()
    email: str = words(unique=True)
    name: str = words()
    role: str = words()
    timezone: str = words()
    theme: str = words()
    created_at: datetime = moment()
    disabled_at: datetime | None = moment(nullable=True, default=None)
    shortcuts_off_at: datetime | None = moment(nullable=True, default=None)
    session_epoch: int = whole(default=0, sa_column_kwargs={"server_default": "0"})


class BrowserSession(SQLModel, table=True):
    """Somebody signed in. `id` is the SHA-256 (hex) of the secret that proves it; the secret itself is kept nowhere.

    `kind` is browser (the secret is in a cookie) or bearer (a program sends it). Gone at logout. `expires_at` is
    absolute; idleness is measured from `last_seen_at`.
    """

    __tablename__ = "browser_session"
    __table_args__ = (Index("browser_session_by_person", "person_id"),)
    id: str = words(primary_key=True)
    person_id: int = _person_id()
    created_at: datetime = moment()
    last_seen_at: datetime = moment()
    expires_at: datetime = moment()
    user_agent: str = words()
    ip: str = words()
    kind: str = words(default="browser", sa_column_kwargs={"server_default": "browser"})


class LoginLink(SQLModel, table=True):
    """A link that signs in once; there is one for an address and purpose, the newest.

    `token_hash` is the SHA-256 (hex) of the token in its address, null until a mail is about to leave: the token is
    made then, and exists in the mail only. `person_id` is null for an address that may come in but has nobody yet.
    `purpose` keeps one kind of link from being used as another; `session_epoch` is the person's when it was asked for.
    `made_by` is mail or cli; `asked_from` and `asked_ip` say where.
    """

    __tablename__ = "login_link"
    __table_args__ = (
        Index("login_link_by_email", "email", "purpose", unique=True),
        Index("login_link_by_person", "person_id"),
    )
    id: str = words(primary_key=True)
    token_hash: str | None = words(nullable=True, default=None)
    person_id: int | None = whole(foreign_key="person.id", ondelete="CASCADE", nullable=True, default=None)
    email: str = words()
    purpose: str = words()
    session_epoch: int = whole()
    made_by: str = words()
    asked_from: str = words()
    asked_ip: str = words()
    created_at: datetime = moment()
    expires_at: datetime = moment()
    used_at: datetime | None = moment(nullable=True, default=None)


class AllowedEmail(SQLModel, table=True):
    """A rule of the whitelist: an e-mail address, or `@domain` for every address there."""

    __tablename__ = "allowed_email"
    rule: str = words(primary_key=True)
    added_at: datetime = moment()


class Installation(SQLModel, table=True):
    """One row, id 1: the claim. `claim_hash` is the SHA-256 (hex) of the newest secret printed on the terminal.

    Once `claimed_at` is set the claim never opens again.
    """

    id: int = key()
    claim_hash: str = words()
    claimed_at: datetime | None = moment(nullable=True, default=None)
    created_at: datetime = moment()
