"""The database: engine, pragmas, transactions, schema version. With bulk.py the only file that names a dialect."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, inspect, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DBAPIError, InvalidRequestError

from models.bulk import Store
from models.revision import HEAD

BUSY_MS = 5_000
COUNTING_CONNECTIONS = 8
LEAST_WAIT_MS = 20  # for a lock that should not be waited for at all; 0 would mean for ever
SCHEMA_LOCK = 3  # class of the advisory lock; bulk.py has 1 and 2
MIGRATIONS = Path(__file__).parent / "migrations"


def database_url(url: str) -> URL:
    """The URL with the driver that is used: `postgresql://` and `postgres://` go to psycopg 3."""
    parsed = make_url(url)
    if parsed.drivername in ("postgresql", "postgres"):
        parsed = parsed.set(drivername="postgresql+psycopg")
    return parsed


def make_engine(url: str) -> Engine:
    """An engine for `sqlite:///path` or `postgresql://...`. The folder of a SQLite file must exist."""
    parsed = database_url(url)
    if parsed.get_backend_name() != "sqlite":
        engine = create_engine(parsed, pool_pre_ping=True, pool_size=16, max_overflow=48)
        event.listen(engine, "connect", _prepare_postgres)
        return engine
    engine = create_engine(parsed, pool_size=16, max_overflow=48, connect_args={"check_same_thread": False})
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def make_counting_engine(url: str) -> Engine:
    """A small engine beside the main one, for counters that every request changes.

    Its connections are its own, so that a request that holds one of the others never waits for itself. PostgreSQL may
    lose what it committed in the last moment before a crash, and need not wait for the disk.
    """
    parsed = database_url(url)
    options: dict[str, Any] = {"pool_size": COUNTING_CONNECTIONS, "max_overflow": 0, "pool_timeout": BUSY_MS / 1000}
    if parsed.get_backend_name() != "sqlite":
        return create_engine(parsed, connect_args={"options": "-c synchronous_commit=off"}, **options)
    engine = create_engine(parsed, connect_args={"check_same_thread": False}, **options)
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def end_together(engine: Engine, other: Engine) -> None:
    """Close the connections of `other` whenever those of `engine` are closed."""
    event.listen(engine, "engine_disposed", lambda _engine: other.dispose())


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # we say BEGIN ourselves: the driver's own begins too late and too weakly
    for pragma in (
        f"busy_timeout={BUSY_MS}",
        "journal_mode=wal",
        "synchronous=normal",
        "foreign_keys=on",
        "secure_delete=on",  # what was deleted is overwritten
        "cache_size=-16384",
    ):
        connection.execute("pragma " + pragma)


def _prepare_postgres(connection: Any, _record: Any) -> None:
    """Join as written, row by row through indexes, as SQLite does it.

    The questions in queries/ name few rows first and a large table last. PostgreSQL cannot see how few rows a parameter
    holds; left to itself it reads a year of sums, and a million calls, to answer for a day.
    """
    with connection.cursor() as cursor:
        for name, value in (
            ("join_collapse_limit", "1"),
            ("enable_hashjoin", "off"),
            ("enable_mergejoin", "off"),
            ("enable_memoize", "off"),
            ("enable_material", "off"),
            ("max_parallel_workers_per_gather", "0"),
            ("random_page_cost", "1.1"),
            ("jit", "off"),
        ):
            cursor.execute(f"set {name} = {value}")
    connection.commit()


def _begin_sqlite(connection: Connection) -> None:
    options = connection.get_execution_options()
    if not options.get("waits", True):
        connection.exec_driver_sql("pragma busy_timeout=0")
    try:
        connection.exec_driver_sql("begin immediate" if options.get("writes") else "begin")
    finally:
        if not options.get("waits", True):
            connection.exec_driver_sql(f"pragma busy_timeout={BUSY_MS}")


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A connection for questions; one snapshot, rolled back at the end."""
    with engine.connect() as connection:
        yield connection


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """A connection for one transaction: committed at the end, rolled back by an exception.

    SQLite: BEGIN IMMEDIATE, so two writers wait for each other instead of losing updates.
    """
    with engine.connect().execution_options(writes=True) as connection, connection.begin():
        yield connection


@contextmanager
def writing_at_once(engine: Engine) -> Iterator[Connection]:
    """Like `writing()`, but raises OperationalError instead of waiting for another writer: for what may be left out."""
    with engine.connect().execution_options(writes=True, waits=False) as connection, connection.begin():
        if connection.dialect.name != "sqlite":
            connection.execute(text(f"set local lock_timeout = {LEAST_WAIT_MS}"))
        yield connection


def store_of(db: Connection) -> Store:
    """The transaction of `db` for statements of models/bulk.py: both do their part of the same one."""
    return Store(db.connection.driver_connection, is_sqlite=db.dialect.name == "sqlite")


def is_deadlock(error: DBAPIError) -> bool:
    """Whether PostgreSQL gave a transaction up because two waited for each other: doing it again is right."""
    return getattr(error.orig, "sqlstate", None) == "40P01"


def give_back_space(engine: Engine) -> None:
    """Write SQLite's log into the file and empty it, so that deleted words are not in there either.

    Does what it can: while somebody reads, a part stays until the next time.
    """
    if engine.dialect.name == "sqlite":
        connection = engine.raw_connection()  # outside of any transaction
        try:
            connection.cursor().execute("pragma wal_checkpoint(truncate)")
        finally:
            connection.close()


def kind_of(db: Connection) -> str:
    """`sqlite` or `postgresql`, for a migration step that has to say something in both tongues."""
    return db.dialect.name


def clock_ms(db: Connection | Engine) -> str:
    """SQL of epoch milliseconds by the one clock that all processes share; PostgreSQL: of the moment it is reached."""
    if db.dialect.name == "sqlite":
        return "cast((julianday('now') - 2440587.5) * 86400000 as integer)"
    return "cast(extract(epoch from clock_timestamp()) * 1000 as bigint)"


@dataclass(frozen=True)
class Ranges:
    """How a database wants to be asked for many ranges at once; SQL to be filled in by `join`."""

    rows: str
    last: str

    def join(self, parameter: str, source: str, about_source: str, table: str, about_table: str) -> str:
        """SQL from `from` on: `source`, the ranges of `:parameter` as `b`, and last `table` as `t`.

        `b` has bucket, start_at and end_at. `source` is what else is joined before ('' or ending in `cross join`).
        The two conditions are apart because the second is what rows of the table are looked up by, for every row of
        what is before; the first may be ''.
        """
        head = f" from {source}{self.rows.format(parameter=parameter)} b "
        return head + self.last.format(table=table, condition=about_table, before=about_source or "1 = 1")


# `limit -1` and `offset 0` leave nothing out. They keep the ranges a table of their own (folded into the join, every
# row would read the JSON again), and make PostgreSQL read the last table by all of its condition.
_RANGES = {
    "sqlite": Ranges(
        "(select json_extract(value, '$[0]') as bucket, json_extract(value, '$[1]') as start_at,"
        " json_extract(value, '$[2]') as end_at from json_each(:{parameter}) limit -1)",
        "cross join {table} t where {before} and {condition}",
    ),
    "postgresql": Ranges(
        "(select cast(value->>0 as bigint) as bucket, cast(value->>1 as bigint) as start_at,"
        " cast(value->>2 as bigint) as end_at from jsonb_array_elements(cast(:{parameter} as jsonb)) offset 0)",
        "cross join lateral (select * from {table} t where {condition} offset 0) t where {before}",
    ),
}


def ranges_of(db: Connection) -> Ranges:
    """How the database of a connection is asked for many ranges."""
    return _RANGES[db.dialect.name]


def bucket_pairs(ranges: Sequence[tuple[int, int, int]]) -> str:
    """The parameter of `Ranges.join`: a JSON list of (bucket, start, end behind) of any unit."""
    return json.dumps(ranges)


def schema_revision(engine: Engine) -> str | None:
    """The revision the database stands at; None: no tables yet."""
    with reading(engine) as db:
        if not inspect(db).has_table("alembic_version"):
            return None
        return db.execute(text("select version_num from alembic_version")).scalar()


def schema_is_current(engine: Engine) -> bool:
    """True when the database has the newest schema."""
    return schema_revision(engine) == HEAD


def upgrade(engine: Engine) -> None:
    """Bring the database to the newest schema; nothing to do is cheap. Alembic is imported only when needed.

    Raises InvalidRequestError for a database that a newer program has upgraded.
    """
    if schema_is_current(engine):
        return
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with writing(engine) as connection:
        if connection.dialect.name != "sqlite":  # there BEGIN IMMEDIATE lets one in at a time already
            connection.execute(text(f"select pg_advisory_xact_lock({SCHEMA_LOCK}, 0)"))
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, "head")
        except CommandError as error:
            unknown = f"the database has the schema {schema_revision(engine)}, which only a newer agentmeter knows"
            raise InvalidRequestError(unknown) from error
