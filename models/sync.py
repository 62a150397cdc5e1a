"""Where reading stands: a cursor per file, the runs, and the counter that tells pages something changed."""

from sqlalchemy import Index
from sqlmodel import SQLModel

from models.types import key, whole, words


class FileCursor(SQLModel, table=True):
    """How far a transcript has been read: bytes up to the end of its last complete line.

    `head_hash` is of the file's first bytes: when it differs, the file was replaced and is read from the start.
    `lines_skipped` counts what could not be read.
    """

    __tablename__ = "file_cursor"
    owner_id: int = key()
    path: str = words(primary_key=True)
    size_bytes: int = whole()
    modified_ns: int = whole()
    inode: int = whole()
    offset_bytes: int = whole()
    head_hash: str = words()
    lines_skipped: int = whole()


class SyncRun(SQLModel, table=True):
    """One run of the sync engine: its lease while it runs, its report afterwards. Times are epoch milliseconds."""

    __tablename__ = "sync_run"
    __table_args__ = (Index("sync_run_by_start", "started_ms"),)
    id: str = words(primary_key=True)
    started_ms: int = whole()
    finished_ms: int | None = whole(nullable=True)
    status: str = words()
    files: int = whole()
    bytes_read: int = whole()
    calls_new: int = whole()
    calls_grown: int = whole()
    calls_unchanged: int = whole()
    lines_skipped: int = whole()
    errors: str = words()


class Lease(SQLModel, table=True):
    """Who alone may do a job until when (epoch milliseconds), e.g. `sync`."""

    name: str = words(primary_key=True)
    holder: str = words()
    expires_ms: int = whole()


class ChangeCount(SQLModel, table=True):
    """Counts the transactions that changed calls; per owner, and 0 for everybody."""

    __tablename__ = "change_count"
    owner_id: int = key()
    changes: int = whole()
