"""Whose rows, and which: the two required arguments of every question."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Scope:
    """Whose rows may be seen: one person's, or everybody's (`owner_id` None: an admin who picked nobody)."""

    owner_id: int | None


@dataclass(frozen=True)
class Filters:
    """Which of them: a half-open range of aware UTC times; machine by name, project by path, model by name."""

    start_at: datetime
    end_at: datetime
    machine: str | None = None
    project: str | None = None
    llm_model: str | None = None


@dataclass(frozen=True)
class Bucket:
    """One part of a range: half-open, aware UTC."""

    start_at: datetime
    end_at: datetime
