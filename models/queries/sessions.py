"""Distinct sessions: additive by hour (models/rollups.py SessionActive), counted one by one where that cannot be."""

from collections.abc import Sequence

from sqlalchemy import Connection, text

from models.db import bucket_pairs, bucket_rows
from models.measures import EVERYBODY
from models.queries.ranges import HOUR_MS, QUARTER_MS, hour_aligned
from models.queries.scope import Bucket, Filters, Scope
from models.queries.sums import joins, narrowing
from models.types import to_ms


def sessions_per_bucket(db: Connection, scope: Scope, filters: Filters, buckets: Sequence[Bucket]) -> tuple[int, ...]:
    """Distinct sessions with a counted call in each bucket."""
    counts = [0] * len(buckets)
    if not buckets:
        return ()
    filtered = filters.machine is not None or filters.project is not None or filters.llm_model is not None
    inner = [*(bucket.start_at for bucket in buckets), *(bucket.end_at for bucket in buckets[:-1])]
    if not filtered and hour_aligned(*inner):
        _add_active_hours(db, scope, buckets, counts)
        _add_ragged_end(db, scope, buckets[-1], counts)
    else:
        _add_one_by_one(db, scope, filters, buckets, counts)
    return tuple(counts)


def _add_active_hours(db: Connection, scope: Scope, buckets: Sequence[Bucket], counts: list[int]) -> None:
    """Whole hours: a session counts in the one hour before which it was not active in the bucket."""
    hours = [
        (index, to_ms(bucket.start_at) // HOUR_MS, to_ms(bucket.end_at) // HOUR_MS)
        for index, bucket in enumerate(buckets)
    ]
    rows = db.execute(
        text(
            f"select b.bucket, cast(sum(t.sessions) as bigint) from {bucket_rows(db)} b cross join session_active t"
            " where t.owner_id = :owner and t.hour >= b.start_at and t.hour < b.end_at and t.previous_hour < b.start_at"
            " group by b.bucket"
        ),
        {"buckets": bucket_pairs(hours), "owner": EVERYBODY if scope.owner_id is None else scope.owner_id},
    )
    for bucket, count in rows:
        counts[bucket] += int(count)


def _add_ragged_end(db: Connection, scope: Scope, bucket: Bucket, counts: list[int]) -> None:
    """The part of an hour at the end: sessions with a call in it that were not active before within the bucket."""
    start_ms, end_ms = to_ms(bucket.start_at), to_ms(bucket.end_at)
    edge_ms = max(start_ms, end_ms // HOUR_MS * HOUR_MS)
    if edge_ms >= end_ms:
        return
    source, condition = joins(scope.owner_id is None, False, False, False)
    sql = text(
        f"select count(*) from (select distinct t.owner_id, t.agent_session_id from {source}call t where {condition}"
        " and t.at_ms >= :edge and t.at_ms < :end and t.is_superseded = 0) as late where not exists"
        " (select 1 from usage_quarter u where u.owner_id = late.owner_id"
        " and u.agent_session_id = late.agent_session_id and u.quarter >= :first and u.quarter < :behind"
        " and u.calls > 0)"
    )
    values = {"edge": edge_ms, "end": end_ms, "first": start_ms // QUARTER_MS, "behind": edge_ms // QUARTER_MS}
    if scope.owner_id is not None:
        values["owner"] = scope.owner_id
    counts[-1] += db.execute(sql, values).scalar() or 0


def _add_one_by_one(
    db: Connection, scope: Scope, filters: Filters, buckets: Sequence[Bucket], counts: list[int]
) -> None:
    """Filtered, or a zone that is not full hours from UTC: from the quarters, and the calls of a ragged end."""
    source, condition = joins(
        scope.owner_id is None,
        filters.llm_model is not None,
        filters.machine is not None,
        filters.project is not None,
    )
    whole, ragged = [], []
    for index, bucket in enumerate(buckets):
        first_ms, end_ms = to_ms(bucket.start_at), to_ms(bucket.end_at)
        whole.append((index, -(-first_ms // QUARTER_MS), end_ms // QUARTER_MS))
        for start, end in (
            (first_ms, -(-first_ms // QUARTER_MS) * QUARTER_MS),
            (max(first_ms, end_ms // QUARTER_MS * QUARTER_MS), end_ms),
        ):
            if start < end:
                ragged.append((index, start, min(end, end_ms)))
    parts = [
        f"select b.bucket, t.owner_id, t.agent_session_id from {bucket_rows(db).replace(':buckets', ':whole')} b"
        f" cross join {source}usage_quarter t where {condition} and t.quarter >= b.start_at and t.quarter < b.end_at"
        " and t.calls > 0",
        f"select b.bucket, t.owner_id, t.agent_session_id from {bucket_rows(db).replace(':buckets', ':ragged')} b"
        f" cross join {source}call t where {condition} and t.at_ms >= b.start_at and t.at_ms < b.end_at"
        " and t.is_superseded = 0",
    ]
    rows = db.execute(
        text(f"select bucket, count(*) from ({' union '.join(parts)}) as active group by bucket"),
        {"whole": bucket_pairs(whole), "ragged": bucket_pairs(ragged), **narrowing(scope, filters)},
    )
    for bucket, count in rows:
        counts[bucket] += int(count)
