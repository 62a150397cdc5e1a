"""What the tests of the rules share: a connection for writing, and today's prices."""

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from meter.price_list import read_snapshot
from meter.pricing import PriceBook
from meter.sync import Syncer
from models.bulk import Store, open_store
from stored import add_owner
from transcripts import Projects


@pytest.fixture
def store(database: str) -> Iterator[Store]:
    """A connection for writing to the test's database."""
    store = open_store(database)
    yield store
    store.close()


@pytest.fixture
def owners(store: Store) -> None:
    """The people with the numbers 1 to 6: calls of nobody are refused."""
    with store.writing():
        for owner in range(1, 7):
            add_owner(store, owner)


@pytest.fixture(scope="session")
def book() -> PriceBook:
    """The price list, without a database."""
    prices = read_snapshot()
    return PriceBook(prices.rates, prices.aliases)


@pytest.fixture
def tree() -> Iterator[Path]:
    """A folder that everybody can reach, which pytest's are not."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder).resolve()


@pytest.fixture
def projects(tmp_path: Path) -> Projects:
    """An empty folder for transcripts."""
    return Projects(tmp_path / "projects")


@pytest.fixture
def make_syncer(store: Store, book: PriceBook, projects: Projects) -> Callable[..., Syncer]:
    """Make a syncer of the folder, as a process that has just started: make_syncer(store, owner=2)."""

    def make(on: Store = store, owner: int = 1, may_fork: bool = False) -> Syncer:
        return Syncer(on, owner, [projects.root], book, may_fork=may_fork)

    return make
