"""This machine's transcripts: where they lie, whom they belong to, and the syncer that reads them.

On the quick path: no SQLAlchemy while the schema is the newest.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from meter.emails import folded_email
from meter.errors import Invalid, NotFound
from meter.home import prepare_home
from meter.logs.claude_code import Problem, transcript_roots, walk
from meter.prices import price_book
from meter.settings import Settings
from meter.sync import Syncer
from models.bulk import Store, open_store
from models.revision import HEAD


@contextmanager
def writer(settings: Settings) -> Iterator[Store]:
    """`open_writer()` for the time of a block."""
    store = open_writer(settings)
    try:
        yield store
    finally:
        store.close()


def open_writer(settings: Settings) -> Store:
    """A connection for writing to the database of the settings, with the newest schema.

    Raises Invalid naming the setting when it cannot be opened.
    """
    prepare_home(settings.home)
    try:
        store = open_store(settings.database_url)
    except Exception:  # the driver's own error; opening it the slow way says it by name
        _open_slowly(settings)
        raise
    if not _has_newest_schema(store):
        store.close()
        _open_slowly(settings)
        store = open_store(settings.database_url)
    return store


def _has_newest_schema(store: Store) -> bool:
    try:
        return store.rows("select version_num from alembic_version") == [(HEAD,)]
    except Exception:  # no such table; every driver says that in its own words
        return False


def _open_slowly(settings: Settings) -> None:
    """Bring the schema up, or say by name why the database cannot be opened."""
    from meter.database import open_database  # SQLAlchemy takes 200 ms; a sync with nothing new takes less

    open_database(settings).dispose()


def owner_of(store: Store, settings: Settings, email: str = "") -> int:
    """Whom this machine's transcripts are booked to: the person asked for, else AGENTMETER_OWNER, else the first admin.

    Raises Invalid when that person is not there, NotFound while the installation has no admin yet.
    """
    wanted, field = (email, "--user") if email else (settings.owner, "AGENTMETER_OWNER")
    if wanted:
        found = store.rows("select id from person where email = ?", (folded_email(wanted, field),))
        if not found:
            raise Invalid(f"{field}: nobody here has the address {wanted}; agentmeter user add {wanted}", field=field)
        return int(found[0][0])
    found = store.rows("select min(id) from person where role = 'admin' and disabled_at is null")
    if found[0][0] is None:
        raise NotFound("Nobody owns this installation yet: open the claim link, or agentmeter user add EMAIL --admin")
    return int(found[0][0])


def make_syncer(
    settings: Settings, store: Store, *, email: str = "", roots: Sequence[Path] = (), may_fork: bool = False
) -> Syncer:
    """The syncer of this machine's transcripts; `roots` instead of AGENTMETER_LOG_ROOTS or the usual folders."""
    folders = transcript_roots(tuple(roots) or settings.log_roots, os.environ)
    return Syncer(store, owner_of(store, settings, email), folders, price_book(store), may_fork=may_fork)


def count_transcripts(settings: Settings) -> int:
    """How many transcripts lie in the folders that are read."""
    folders = transcript_roots(settings.log_roots, os.environ)
    return sum(not isinstance(found, Problem) for folder in folders if folder.is_dir() for found in walk(folder))


class LocalSyncer:
    """Makes the syncer of the live loop once there is somebody to book to; None until then."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._store: Store | None = None

    def __call__(self) -> Syncer | None:
        self._store = self._store or open_writer(self.settings)
        try:
            syncer = make_syncer(self.settings, self._store)
        except (Invalid, NotFound):
            return None
        self._store = None  # the loop closes what it was given
        return syncer
