"""The write side of the database, on the driver itself: batches, staging tables, locks.

Everything that is done once per call goes through here: an ORM costs 10 to 20 times as much, and importing
one costs more than reading a hundred megabytes of transcripts. SQL is written once, with `?` for parameters.
With db.py the only file that names a dialect.
"""

import json
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

BUSY_SECONDS = 5.0
# Advisory lock classes on PostgreSQL: one writer per owner; one at a time for names shared by all owners, and for
# deleting an owner. db.py has 3.
OWNER_LOCK, NAMES_LOCK, DELETION_LOCK = 1, 2, 4


class Store:
    """One driver connection for writing; not shared between threads.

    Use `writing(owner_id)` for a transaction; `rows`, `run` and `run_many` take SQL with `?`.
    """

    def __init__(self, connection: Any, is_sqlite: bool) -> None:
        self.connection = connection
        self.is_sqlite = is_sqlite
        self.greatest, self.least = ("max", "min") if is_sqlite else ("greatest", "least")
        self._translated: dict[str, str] = {}
        self._staged: set[str] = set()

    def close(self) -> None:
        self.connection.close()

    def _sql(self, sql: str) -> str:
        if self.is_sqlite:
            return sql
        found = self._translated.get(sql)
        if found is None:
            found = self._translated[sql] = sql.replace("?", "%s")
        return found

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """All rows of a query."""
        found: list[tuple[Any, ...]] = self.connection.execute(self._sql(sql), parameters).fetchall()
        return found

    def each(self, sql: str) -> Iterator[tuple[Any, ...]]:
        """The rows of a query one after another, for results that do not fit into memory. Inside a transaction."""
        if self.is_sqlite:
            yield from self.connection.execute(sql)
        else:
            with self.connection.cursor(name="each") as cursor:  # a cursor of the server
                cursor.itersize = 10_000
                yield from cursor.execute(sql)

    def run(self, sql: str, parameters: Sequence[Any] = ()) -> int:
        """Run one statement; the number of rows it changed."""
        changed: int = self.connection.execute(self._sql(sql), parameters).rowcount
        return changed

    def run_many(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        """Run one statement for every row of parameters."""
        if self.is_sqlite:
            self.connection.executemany(sql, rows)
        else:
            with self.connection.cursor() as cursor:
                cursor.executemany(self._sql(sql), rows)

    @contextmanager
    def reading(self) -> Iterator[None]:
        """One snapshot for several questions, e.g. a comparison of sums."""
        self.connection.execute("begin" if self.is_sqlite else "begin isolation level repeatable read")
        try:
            yield
        finally:
            self.connection.execute("rollback")

    @contextmanager
    def writing(self, owner_id: int | None = None) -> Iterator[None]:
        """One transaction, committed at the end, rolled back by an exception.

        With an owner it is that owner's only writer until it ends. SQLite has one writer in all.
        """
        self.connection.execute("begin immediate" if self.is_sqlite else "begin")
        try:
            if owner_id is not None:
                self.lock_owner(owner_id)
            yield
        except BaseException:
            self._staged.clear()  # on PostgreSQL the rollback takes the temporary tables with it
            self.connection.execute("rollback")
            raise
        self.connection.execute("commit")

    def now_ms(self) -> int:
        """Epoch milliseconds by the one clock that all writers share."""
        if self.is_sqlite:
            return time.time_ns() // 1_000_000
        return int(self.rows("select extract(epoch from clock_timestamp()) * 1000")[0][0])

    def month_of(self, ms: str) -> str:
        """SQL of year * 12 + month - 1 (UTC) of a column of epoch milliseconds."""
        if self.is_sqlite:
            at = f"{ms} / 1000, 'unixepoch'"
            return f"(cast(strftime('%Y', {at}) as bigint) * 12 + cast(strftime('%m', {at}) as bigint) - 1)"
        at = f"(to_timestamp({ms} / 1000) at time zone 'UTC')"
        return f"(extract(year from {at})::bigint * 12 + extract(month from {at})::bigint - 1)"

    def lock_owner(self, owner_id: int) -> None:
        """Until the transaction ends, the owner has no other writer."""
        if not self.is_sqlite:
            self.connection.execute("select pg_advisory_xact_lock(%s, %s)", (OWNER_LOCK, owner_id))

    def lock_deletions(self) -> None:
        """Until the transaction ends, no other owner is deleted."""
        if not self.is_sqlite:
            self.connection.execute("select pg_advisory_xact_lock(%s, 0)", (DELETION_LOCK,))

    def lock_every_owner(self) -> None:
        """Until the transaction ends, no owner known now has another writer."""
        if not self.is_sqlite:
            sql = "select pg_advisory_xact_lock(%s, id::int) from (select id from person order by id) as owners"
            self.connection.execute(sql, (OWNER_LOCK,))

    def lock_names(self) -> None:
        """Until the transaction ends, nobody else adds names that all owners share."""
        if not self.is_sqlite:
            self.connection.execute("select pg_advisory_xact_lock(%s, %s)", (NAMES_LOCK, 0))

    def rows_by_key(self, sql: str, first: Sequence[Any], keys: Sequence[Any]) -> list[tuple[Any, ...]]:
        """Rows of a query that ends in `in {keys}`, for any number of keys; `first` are the parameters before."""
        if self.is_sqlite:
            return self.rows(sql.format(keys="(select value from json_each(?))"), (*first, json.dumps(list(keys))))
        return self.rows(sql.replace("in {keys}", "= any(?)"), (*first, list(keys)))

    def run_by_key(self, sql: str, first: Sequence[Any], keys: Sequence[Any]) -> int:
        """Like `rows_by_key` for a statement that changes rows; how many it changed."""
        if self.is_sqlite:
            return self.run(sql.format(keys="(select value from json_each(?))"), (*first, json.dumps(list(keys))))
        return self.run(sql.replace("in {keys}", "= any(?)"), (*first, list(keys)))

    def stage(self, table: str, columns: Sequence[tuple[str, str]], rows: Sequence[Sequence[Any]]) -> None:
        """Empty the temporary table `table` (made on first use) and fill it with `rows`.

        `columns` are (name, type) with type `bigint` or `text`.
        """
        if table not in self._staged:
            spec = ", ".join(f"{name} {kind}" for name, kind in columns)
            self.run(f"create temporary table if not exists {table} ({spec})")
            self._staged.add(table)
        self.run(f"delete from {table}" if self.is_sqlite else f"truncate {table}")
        names = ", ".join(name for name, _ in columns)
        if self.is_sqlite:
            marks = ", ".join("?" * len(columns))
            self.connection.executemany(f"insert into {table} ({names}) values ({marks})", rows)
            return
        with self.connection.cursor() as cursor, cursor.copy(f"copy {table} ({names}) from stdin") as copy:
            for row in rows:
                copy.write_row(row)

    def upsert(self, table: str, columns: Sequence[tuple[str, str]], key: str, rows: Sequence[Sequence[Any]]) -> None:
        """Insert rows, replacing those with the same key."""
        names = [name for name, _ in columns]
        keys = {name.strip() for name in key.split(",")}
        changes = ", ".join(f"{name} = excluded.{name}" for name in names if name not in keys)
        head = f"insert into {table} ({', '.join(names)})"
        tail = f" on conflict ({key}) do update set {changes}"
        if self.is_sqlite:
            self.connection.executemany(f"{head} values ({', '.join('?' * len(names))}){tail}", rows)
            return
        self.stage(f"staged_{table}", columns, rows)
        self.run(f"{head} select {', '.join(names)} from staged_{table}{tail}")


def open_store(url: str) -> Store:
    """A connection to `sqlite:///path` or `postgresql://...` for writing."""
    if url.startswith("sqlite"):
        return _open_sqlite(url.partition("///")[2])
    import psycopg  # an extra: only who uses PostgreSQL has it

    address = url.replace("postgresql+psycopg://", "postgresql://", 1)
    return Store(psycopg.connect(address, autocommit=True), is_sqlite=False)


def _open_sqlite(path: str) -> Store:
    connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    for pragma in (
        "journal_mode=wal",
        "synchronous=normal",
        "cache_size=-16384",
        "temp_store=memory",
        "foreign_keys=on",
        "secure_delete=on",  # what was deleted is overwritten
        "wal_autocheckpoint=4000",
    ):
        connection.execute("pragma " + pragma)
    return Store(connection, is_sqlite=True)
