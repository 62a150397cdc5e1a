"""Ranges of time cut into the largest units that have sums: months, days, hours, quarters, and what is left over."""

from collections.abc import Collection, Sequence
from datetime import UTC, datetime

from models.queries.scope import Bucket
from models.types import from_ms, to_ms

QUARTER_MS, HOUR_MS, DAY_MS = 900_000, 3_600_000, 86_400_000
LEVELS = ("month", "day", "hour", "quarter", "ms")  # coarse to fine; `ms`: single calls by their time
_UNIT_MS = {"day": DAY_MS, "hour": HOUR_MS, "quarter": QUARTER_MS, "ms": 1}

Piece = tuple[int, int, int]  # bucket, first unit, unit behind the last


def pieces(buckets: Sequence[Bucket], levels: Collection[str]) -> dict[str, list[Piece]]:
    """For each level the ranges of its units that make up the buckets; together they cover each bucket exactly.

    Only levels that are needed have an entry. `levels` must contain "ms".
    """
    found: dict[str, list[Piece]] = {}
    usable = [level for level in LEVELS if level in levels]
    for index, bucket in enumerate(buckets):
        _cut(found, index, to_ms(bucket.start_at), to_ms(bucket.end_at), usable)
    return found


def _cut(found: dict[str, list[Piece]], bucket: int, start_ms: int, end_ms: int, levels: list[str]) -> None:
    if start_ms >= end_ms:
        return
    level, finer = levels[0], levels[1:]
    first, behind = _inner(level, start_ms, end_ms)
    if first >= behind:
        _cut(found, bucket, start_ms, end_ms, finer)
        return
    found.setdefault(level, []).append((bucket, first, behind))
    _cut(found, bucket, start_ms, _start_ms(level, first), finer)
    _cut(found, bucket, _start_ms(level, behind), end_ms, finer)


def _inner(level: str, start_ms: int, end_ms: int) -> tuple[int, int]:
    """The whole units within a range: the first, and the one behind the last."""
    if level != "month":
        unit = _UNIT_MS[level]
        return -(-start_ms // unit), end_ms // unit
    first = _month_of(start_ms)
    return first if _start_ms("month", first) == start_ms else first + 1, _month_of(end_ms)


def _start_ms(level: str, unit: int) -> int:
    if level != "month":
        return unit * _UNIT_MS[level]
    return to_ms(datetime(unit // 12, unit % 12 + 1, 1, tzinfo=UTC))


def _month_of(ms: int) -> int:
    at = from_ms(ms)
    return at.year * 12 + at.month - 1


def hour_aligned(*times: datetime) -> bool:
    """True when all times are full hours of UTC."""
    return all(to_ms(at) % HOUR_MS == 0 for at in times)
