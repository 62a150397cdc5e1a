"""What the tests of the rules share: a connection for writing, and today's prices."""

from collections.abc import Iterator

import pytest

from meter.price_list import read_snapshot
from meter.pricing import PriceBook
from models.bulk import Store, open_store


@pytest.fixture
def store(database: str) -> Iterator[Store]:
    """A connection for writing to the test's database."""
    store = open_store(database)
    yield store
    store.close()


@pytest.fixture(scope="session")
def book() -> PriceBook:
    """The price list, without a database."""
    prices = read_snapshot()
    return PriceBook(prices.rates, prices.aliases)
