"""The audit log: what was done by whom, chained so that a change shows, and what of it can be forgotten.

Triggers refuse every change of `audit` and every deletion from `audit_private`; see migrations/versions.
"""

from datetime import datetime

from sqlalchemy import Index
from sqlmodel import SQLModel

from models.types import key, moment, whole, words


class AuditRow(SQLModel, table=True):
    """One act. Ids count up from 1 without a gap. `hash` is SHA-256 (hex) over `previous_hash` and all else here.

    No row names anybody: `actor_id` and `target_id` are person ids, and whatever tells who that is stands in
    `audit_private`, where it can be forgotten. `actor_seal` and `target_seal` are SHA-256 (hex) of what stands there,
    '' when nothing does. `meta` is a JSON object of plain facts: a scope, a role, a count.
    """

    __tablename__ = "audit"
    __table_args__ = (
        Index("audit_by_time", "at"),
        Index("audit_by_actor", "actor_id"),
        Index("audit_by_target", "target_id"),
    )
    id: int = key()
    at: datetime = moment()
    action: str = words()
    actor_id: int | None = whole(nullable=True, default=None)
    token_id: str = words()
    target_id: int | None = whole(nullable=True, default=None)
    meta: str = words()
    actor_seal: str = words()
    target_seal: str = words()
    previous_hash: str = words()
    hash: str = words()


class AuditPrivate(SQLModel, table=True):
    """What of an act tells who it was. `part` is actor (label, address) or target (its name, free text).

    Somebody's deletion blanks `salt` and `content` and writes the number of its own row into `erased_by`; nothing else
    can be changed. `about_id` is the person it goes with, None for what belongs to the installation.
    """

    __tablename__ = "audit_private"
    __table_args__ = (Index("audit_private_by_person", "about_id"),)
    audit_id: int = key()
    part: str = words(primary_key=True)
    about_id: int | None = whole(nullable=True, default=None)
    salt: str = words()
    content: str = words()
    erased_by: int | None = whole(nullable=True, default=None)


class AuditHead(SQLModel, table=True):
    """One row, id 1: how many acts there are and the hash of the last one. Who locks it is the only one to append."""

    __tablename__ = "audit_head"
    id: int = key()
    entries: int = whole()
    hash: str = words()
