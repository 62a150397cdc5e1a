"""Column types that keep one meaning on SQLite and PostgreSQL: times and money."""

from datetime import UTC, datetime

from sqlalchemy import BigInteger
from sqlalchemy.types import TypeDecorator

NanoUSD = BigInteger  # integer nano-dollars; `_nanousd` in every column name


class UTCDateTime(TypeDecorator[datetime]):
    """Aware UTC datetime in Python, epoch milliseconds (BIGINT) in the database.

    Raises ValueError for a naive datetime: whoever wrote it forgot the zone.
    """

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: object) -> int | None:
        return None if value is None else to_ms(value)

    def process_result_value(self, value: int | None, dialect: object) -> datetime | None:
        return None if value is None else from_ms(value)


def to_ms(at: datetime) -> int:
    """Epoch milliseconds of an aware datetime, rounded down."""
    if at.tzinfo is None:
        raise ValueError(f"{at!r} has no time zone")
    delta = at - _EPOCH
    return (delta.days * 86_400 + delta.seconds) * 1000 + delta.microseconds // 1000


def from_ms(ms: int) -> datetime:
    """The aware UTC datetime of epoch milliseconds."""
    return datetime.fromtimestamp(ms // 1000, UTC).replace(microsecond=ms % 1000 * 1000)


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
