"""Where reading stands: a cursor per file, the runs, and the counter that tells pages something changed."""

from sqlalchemy import BigInteger, Index, Text
from sqlmodel import Field, SQLModel


def _int(**kw: object) -> int:
    return Field(sa_type=BigInteger, **kw)


def _text(**kw: object) -> str:
    return Field(sa_type=Text, **kw)


class FileCursor(SQLModel, table=True):
    """How far a transcript has been read: bytes up to the end of its last complete line.

    `head_hash` is of the file's first bytes: when it differs, the file was replaced and is read from the start.
    `lines_skipped` and `error` say what could not be read.
    """

    __tablename__ = "file_cursor"
    owner_id: int = _int(primary_key=True, sa_column_kwargs={"autoincrement": False})
    path: str = Field(sa_type=Text, primary_key=True)
    size_bytes: int = _int()
    modified_ns: int = _int()
    inode: int = _int()
    offset_bytes: int = _int()
    head_hash: str = _text()
    lines_skipped: int = _int()
    error: str = _text()


class SyncRun(SQLModel, table=True):
    """One run of the sync engine: its lease while it runs, its report afterwards. Times are epoch milliseconds."""

    __tablename__ = "sync_run"
    __table_args__ = (Index("sync_run_by_start", "started_ms"),)
    id: str = Field(sa_type=Text, primary_key=True)
    started_ms: int = _int()
    finished_ms: int | None = _int(nullable=True)
    status: str = _text()
    files: int = _int()
    bytes_read: int = _int()
    calls_new: int = _int()
    calls_grown: int = _int()
    calls_unchanged: int = _int()
    lines_skipped: int = _int()
    errors: str = _text()


class Lease(SQLModel, table=True):
    """Who alone may do a job until when (epoch milliseconds), e.g. `sync`."""

    name: str = Field(sa_type=Text, primary_key=True)
    holder: str = _text()
    expires_ms: int = _int()


class ChangeCount(SQLModel, table=True):
    """Counts the transactions that changed calls; per owner, and 0 for everybody."""

    __tablename__ = "change_count"
    owner_id: int = _int(primary_key=True, sa_column_kwargs={"autoincrement": False})
    changes: int = _int()
