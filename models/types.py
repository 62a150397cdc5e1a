"""Columns that mean the same on SQLite and PostgreSQL."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import BigInteger, Text
from sqlalchemy.types import TypeDecorator
from sqlmodel import Field


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


def whole(**options: Any) -> Any:
    """A 64-bit integer column (SQLModel's plain int is 32 bits on PostgreSQL)."""
    return Field(sa_type=BigInteger, **options)


def key() -> Any:
    """A 64-bit integer of the primary key whose value we choose."""
    return whole(primary_key=True, sa_column_kwargs={"autoincrement": False})


def words(**options: Any) -> Any:
    """A text column."""
    return Field(sa_type=Text, **options)


def moment(**options: Any) -> Any:
    """A time column: see UTCDateTime."""
    return Field(sa_type=UTCDateTime, **options)
