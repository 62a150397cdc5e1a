"""Credentials of programs: API tokens, and the refresh cookies that renew a session's access token."""

from datetime import datetime

from sqlalchemy import Index
from sqlmodel import SQLModel

from models.types import moment, whole, words


class ApiToken(SQLModel, table=True):
    """A token of a person for a program. `token_hash` is the SHA-256 (hex) of its text, which is kept nowhere.

    `id` is a UUID and says nothing about the text; `last_four` are the text's last letters, so that people know it
    again. `scopes` are parted by spaces, in the order of meter/api_tokens.py. A revoked token stays as a row.
    """

    __tablename__ = "api_token"
    __table_args__ = (Index("api_token_by_person", "person_id", "created_at"),)
    id: str = words(primary_key=True)
    token_hash: str = words(unique=True)
    person_id: int = whole(foreign_key="person.id", ondelete="CASCADE")
    scopes: str = words()
    label: str = words()
    last_four: str = words()
    created_at: datetime = moment()
    expires_at: datetime | None = moment(nullable=True, default=None)
    revoked_at: datetime | None = moment(nullable=True, default=None)
    last_used_at: datetime | None = moment(nullable=True, default=None)


class RefreshFamily(SQLModel, table=True):
    """All refresh cookies a session ever had, of which only the newest is good. Gone with its session.

    A cookie is two secrets: one names the family, the other changes with every use. Both are SHA-256 (hex) here.
    """

    __tablename__ = "refresh_family"
    session_id: str = words(primary_key=True, foreign_key="browser_session.id", ondelete="CASCADE")
    family_hash: str = words(unique=True)
    newest_hash: str = words()
    rotated_at: datetime = moment()
