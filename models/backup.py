"""A copy of the database while it is in use, and a look at whether it is whole. Like db.py, it may name a dialect."""

import os
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import Engine, text

from models.db import reading

PAGES_A_STEP = 2_000  # writers get in between two steps


class BackupFailed(Exception):
    """The copy was not made; the message says why."""


def back_up(engine: Engine, target: Path) -> int:
    """Write a consistent copy to `target`, readable by its owner only; its size in bytes.

    SQLite: a database file. PostgreSQL: an archive for pg_restore, made by pg_dump. The file appears whole or not at
    all. Raises FileExistsError for a file that is there already, BackupFailed, or OSError.
    """
    if target.exists():
        raise FileExistsError(target)
    draft = target.with_name(f".{target.name}.part")
    os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))
    try:
        if engine.dialect.name == "sqlite":
            _copy_sqlite(str(engine.url.database), draft)
        else:
            _dump_postgres(engine, draft)
        os.link(draft, target)
    finally:
        draft.unlink()
    return target.stat().st_size


def _copy_sqlite(path: str, draft: Path) -> None:
    source, copy = sqlite3.connect(path), sqlite3.connect(draft)
    try:
        source.backup(copy, pages=PAGES_A_STEP)
        copy.execute("pragma journal_mode=delete")
    finally:
        copy.close()
        source.close()


def _dump_postgres(engine: Engine, draft: Path) -> None:
    url = engine.url.set(drivername="postgresql")
    secret = {"PGPASSWORD": url.password} if url.password else {}
    address = url.set(password=None).render_as_string()
    command = ["pg_dump", "--format=custom", f"--file={draft}", f"--dbname={address}"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **secret}, check=False)
    except FileNotFoundError:
        raise BackupFailed("pg_dump is not installed; on Debian: apt install postgresql-client") from None
    if done.returncode:
        raise BackupFailed(done.stderr.strip().partition("\n")[0])


def faults(engine: Engine) -> Iterator[str]:
    """What is wrong with the stored file; nothing when it is whole. PostgreSQL keeps its own checksums."""
    if engine.dialect.name != "sqlite":
        return
    with reading(engine) as db:
        for (line,) in db.execute(text("pragma integrity_check")):
            if line != "ok":
                yield str(line)
        for table, row_id, parent, _ in db.execute(text("pragma foreign_key_check")):
            yield f"{table} row {row_id} points at no row of {parent}"
