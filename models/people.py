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
    `theme` is system, light or dark; `timezone` is an IANA name. Who has `disabled_at` may not come in.
    """

    id: int = key()
    email: str = words(unique=True)
    name: str = words()
    role: str = words()
    timezone: str = words()
    theme: str = words()
    created_at: datetime = moment()
    disabled_at: datetime | None = moment(nullable=True, default=None)


class BrowserSession(SQLModel, table=True):
    """A signed-in browser. `id` is the SHA-256 (hex) of the secret in its cookie; the secret itself is kept nowhere.

    Gone at logout. `expires_at` is absolute; idleness is measured from `last_seen_at`.
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


class LoginLink(SQLModel, table=True):
    """A link that signs in once. `token_hash` is the SHA-256 (hex) of the secret in its address.

    `purpose` keeps one kind of link from being used as another; `asked_from` says where it was asked, for people.
    """

    __tablename__ = "login_link"
    __table_args__ = (Index("login_link_by_person", "person_id"),)
    token_hash: str = words(primary_key=True)
    person_id: int = _person_id()
    purpose: str = words()
    created_at: datetime = moment()
    expires_at: datetime = moment()
    used_at: datetime | None = moment(nullable=True, default=None)
    asked_from: str = words()


class Installation(SQLModel, table=True):
    """One row, id 1: the claim. `claim_hash` is the SHA-256 (hex) of the newest secret printed on the terminal.

    Once `claimed_at` is set the claim never opens again.
    """

    id: int = key()
    claim_hash: str = words()
    claimed_at: datetime | None = moment(nullable=True, default=None)
    created_at: datetime = moment()
