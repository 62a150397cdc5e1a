"""How the reading of transcripts stands."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Connection, bindparam, select

from models.sync import Lease, SyncRun
from models.types import from_ms, to_ms

_run = SyncRun.__table__  # type: ignore[attr-defined]
_lease = Lease.__table__  # type: ignore[attr-defined]

_LAST_RUN = (
    select(
        _run,
        select(_lease.c.holder)
        .where(_lease.c.name == "sync", _lease.c.expires_ms > bindparam("now_ms"))
        .scalar_subquery()
        .label("holder"),
    )
    .order_by(_run.c.started_ms.desc())
    .limit(1)
)


@dataclass(frozen=True)
class LastRun:
    """The newest run that had something to read.

    status: never, running, done or failed; a run whose process is gone counts as failed. `finished_at` is aware UTC.
    """

    status: str
    finished_at: datetime | None = None
    files: int = 0
    calls_new: int = 0
    calls_grown: int = 0
    lines_skipped: int = 0
    errors: int = 0


def last_run(db: Connection) -> LastRun:
    """The newest run of this installation, whoever's transcripts it read; it names no person, file or project."""
    row = db.execute(_LAST_RUN, {"now_ms": to_ms(datetime.now(UTC))}).first()
    if row is None:
        return LastRun("never")
    status = row.status if row.status != "running" or row.holder else "failed"
    return LastRun(
        status=status,
        finished_at=None if row.finished_ms is None else from_ms(row.finished_ms),
        files=row.files,
        calls_new=row.calls_new,
        calls_grown=row.calls_grown,
        lines_skipped=row.lines_skipped,
        errors=len(json.loads(row.errors)),
    )
