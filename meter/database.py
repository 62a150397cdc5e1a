"""The installation's database as a whole: opened with the newest schema, copied, checked."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from meter.errors import Conflict, Invalid, Unavailable
from meter.home import prepare_home
from meter.settings import Settings
from models import backup, db
from models.revision import HEAD


def open_database(settings: Settings) -> Engine:
    """The database of AGENTMETER_DATABASE_URL with the newest schema; the home folder is made when it is missing.

    Raises Invalid naming the setting when it cannot be opened: no such folder, no such server, no driver.
    """
    try:
        prepare_home(settings.home)
        engine = db.make_engine(settings.database_url)
    except ModuleNotFoundError as error:
        reason = f"{error.name} is not installed; pip install 'agentmeter[postgres]'"
    else:
        try:
            _upgrade(engine)
            return engine
        except SQLAlchemyError as error:
            reason = str(getattr(error, "orig", None) or error).strip().partition("\n")[0]
            engine.dispose()
    raise Invalid(f"AGENTMETER_DATABASE_URL: {reason}", field="AGENTMETER_DATABASE_URL")


def _upgrade(engine: Engine) -> None:
    """Bring the schema up, but never touch one of a newer version: revisions are named by their day."""
    stands_at = db.schema_revision(engine)
    if stands_at is not None and stands_at > HEAD:
        engine.dispose()
        reason = f"the database was made by a newer version (schema {stands_at}, this one knows {HEAD})"
        raise Invalid(f"AGENTMETER_DATABASE_URL: {reason}", field="AGENTMETER_DATABASE_URL")
    if stands_at != HEAD:
        db.upgrade(engine)


@contextmanager
def database(settings: Settings) -> Iterator[Engine]:
    """`open_database()` for the time of a block."""
    engine = open_database(settings)
    try:
        yield engine
    finally:
        engine.dispose()


@contextmanager
def reader(settings: Settings) -> Iterator[Connection]:
    """A connection for questions to the database of the settings, for the time of a block."""
    with database(settings) as engine, db.reading(engine) as connection:
        yield connection


def upgrade(settings: Settings) -> str:
    """Bring the database to the newest schema; the name of that."""
    with database(settings):
        return HEAD


def back_up(settings: Settings, target: Path) -> int:
    """Write a consistent copy of the database in use to `target`; its size in bytes. See models/backup.py.

    Raises Conflict when the file is there already, Unavailable when it cannot be written.
    """
    with database(settings) as engine:
        try:
            return backup.back_up(engine, target)
        except FileExistsError:
            raise Conflict(f"{target} is there already; nothing was written.") from None
        except (OSError, backup.BackupFailed) as error:
            raise Unavailable(f"No copy was made: {error}") from None


def faults(settings: Settings) -> list[str]:
    """What is wrong with the stored file; empty when it is whole."""
    with database(settings) as engine:
        return list(backup.faults(engine))
