"""Who may come in: people, their browser sessions, login links, and whether the installation has an owner yet."""

from datetime import datetime

from sqlalchemy import BigInteger, Index, Text
from sqlmodel import Field, SQLModel

from models.types import UTCDateTime


def _text(**kw: object) -> str:
    return Field(sa_type=Text, **kw)


def _at(**kw: object) -> datetime:
    return Field(sa_type=UTCDateTime, **kw)


def _person_id(**kw: object) -> int:
    return Field(sa_type=BigInteger, foreign_key="person.id", ondelete="CASCADE", **kw)


class Person(SQLModel, table=True):
    """Somebody who owns data or looks at it; `id` is the `owner_id` of everything.

    `email` has only A-Z folded to lower case: other letters may be another mailbox. `role` is member or admin;
    `theme` is system, light or dark; `timezone` is an IANA name. Who has `disabled_at` may not come in.
    """

    id: int = Field(sa_type=BigInteger, primary_key=True, sa_column_kwargs={"autoincrement": False})
    email: str = _text(unique=True)
    name: str = _text()
    role: str = _text()
    timezone: str = _text()
    theme: str = _text()
    created_at: datetime = _at()
    disabled_at: datetime | None = _at(nullable=True, default=None)


class BrowserSession(SQLModel, table=True):
    """A signed-in browser. `id` is the SHA-256 (hex) of the secret in its cookie; the secret itself is kept nowhere.

    Gone at logout. `expires_at` is absolute; idleness is measured from `last_seen_at`.
    """

    __tablename__ = "browser_session"
    __table_args__ = (Index("browser_session_by_person", "person_id"),)
    id: str = Field(sa_type=Text, primary_key=True)
    person_id: int = _person_id()
    created_at: datetime = _at()
    last_seen_at: datetime = _at()
    expires_at: datetime = _at()
    user_agent: str = _text()
    ip: str = _text()


class LoginLink(SQLModel, table=True):
    """A link that signs in once. `token_hash` is the SHA-256 (hex) of the secret in its address.

    `purpose` keeps one kind of link from being used as another; `asked_from` says where it was asked, for people.
    """

    __tablename__ = "login_link"
    __table_args__ = (Index("login_link_by_person", "person_id"),)
    token_hash: str = Field(sa_type=Text, primary_key=True)
    person_id: int = _person_id()
    purpose: str = _text()
    created_at: datetime = _at()
    expires_at: datetime = _at()
    used_at: datetime | None = _at(nullable=True, default=None)
    asked_from: str = _text()


class Installation(SQLModel, table=True):
    """One row, id 1: the claim. `claim_hash` is the SHA-256 (hex) of the newest secret printed on the terminal.

    Once `claimed_at` is set the claim never opens again.
    """

    id: int = Field(sa_type=BigInteger, primary_key=True, sa_column_kwargs={"autoincrement": False})
    claim_hash: str = _text()
    claimed_at: datetime | None = _at(nullable=True, default=None)
    created_at: datetime = _at()
