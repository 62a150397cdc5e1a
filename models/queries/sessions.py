"""Distinct sessions: additive by hour (see models/rollups.py SessionActive), else counted one by one."""

from collections.abc import Sequence
from functools import lru_cache

from sqlalchemy import Connection, TextClause, text

from models.db import Ranges, bucket_pairs, ranges_of
from models.queries.ranges import HOUR_MS, QUARTER_MS, hour_aligned
from models.queries.scope import Bucket, Filters, Scope
from models.queries.sums import Narrowed, narrowing, reach
from models.types import to_ms


def sessions_per_bucket(db: Connection, scope: Scope, filters: Filters, buckets: Sequence[Bucket]) -> tuple[int, ...]:
    """Distinct sessions with a counted call in each bucket."""
    counts = [0] * len(buckets)
    if not buckets:
        return ()
    if _is_additive(db, filters, buckets):
        _add_active_hours(db, scope, filters, buckets, counts)
        _add_ragged_end(db, scope, filters, buckets[-1], counts)
    else:
        _add_one_by_one(db, scope, filters, buckets, counts)
    return tuple(counts)


def _is_additive(db: Connection, filters: Filters, buckets: Sequence[Bucket]) -> bool:
    """Of everything or one project, and in full hours but for the very end.

    Not of a path under which somebody has two projects: a session may be active in both.
    """
    inner = [*(bucket.start_at for bucket in buckets), *(bucket.end_at for bucket in buckets[:-1])]
    if filters.machine is not None or filters.llm_model is not None or not hour_aligned(*inner):
        return False
    if filters.project is None:
        return True
    return db.execute(_TWO_PROJECTS, {"project": filters.project}).first() is None


_TWO_PROJECTS = text("select 1 from project where path = :project group by owner_id having count(*) > 1")


def _add_active_hours(
    db: Connection, scope: Scope, filters: Filters, buckets: Sequence[Bucket], counts: list[int]
) -> None:
    """Whole hours: a session counts in the one hour before which it was not active in the bucket."""
    hours = [
        (index, to_ms(bucket.start_at) // HOUR_MS, to_ms(bucket.end_at) // HOUR_MS)
        for index, bucket in enumerate(buckets)
    ]
    statement = _active_hours(ranges_of(db), Narrowed.by(scope, filters))
    for bucket, count in db.execute(statement, {"buckets": bucket_pairs(hours), **narrowing(scope, filters)}).all():
        counts[bucket] += int(count)


@lru_cache
def _active_hours(ranges: Ranges, narrowed: Narrowed) -> TextClause:
    table = "project_active" if narrowed.project else "session_active"
    reached = reach(table, narrowed)
    condition = f"{reached.about_table} and t.hour >= b.start_at and t.hour < b.end_at and t.previous_hour < b.start_at"
    joined = ranges.join("buckets", reached.source, reached.about_source, table, condition)
    return text(f"select b.bucket, cast(sum(t.sessions) as bigint){joined} group by b.bucket")


def _add_ragged_end(db: Connection, scope: Scope, filters: Filters, bucket: Bucket, counts: list[int]) -> None:
    """The part of an hour at the end: sessions with a call in it that were not active before within the bucket."""
    start_ms, end_ms = to_ms(bucket.start_at), to_ms(bucket.end_at)
    edge_ms = max(start_ms, end_ms // HOUR_MS * HOUR_MS)
    if edge_ms >= end_ms:
        return
    values = {"edge": edge_ms, "end": end_ms, "first": start_ms // QUARTER_MS, "behind": edge_ms // QUARTER_MS}
    statement = _late_sessions(Narrowed.by(scope, filters))
    counts[-1] += db.execute(statement, {**values, **narrowing(scope, filters)}).scalar() or 0


@lru_cache
def _late_sessions(narrowed: Narrowed) -> TextClause:
    reached = reach("call", narrowed)
    project, same_project = "", ""
    if narrowed.project:
        project, same_project = ", t.project_id", " and u.project_id = late.project_id"
    return text(
        f"select count(*) from (select distinct t.owner_id, t.agent_session_id{project} from {reached.source}call t"
        f" where {reached.condition} and t.at_ms >= :edge and t.at_ms < :end and t.is_superseded = 0) as late"
        " where not exists (select 1 from usage_quarter u where u.owner_id = late.owner_id"
        f" and u.agent_session_id = late.agent_session_id{same_project}"
        " and u.quarter >= :first and u.quarter < :behind and u.calls > 0)"
    )


def _add_one_by_one(
    db: Connection, scope: Scope, filters: Filters, buckets: Sequence[Bucket], counts: list[int]
) -> None:
    """Filtered, or a zone that is not full hours from UTC: from the quarters, and the calls of a ragged end."""
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
    values = {"whole": bucket_pairs(whole), "ragged": bucket_pairs(ragged), **narrowing(scope, filters)}
    for bucket, count in db.execute(_one_by_one(ranges_of(db), Narrowed.by(scope, filters)), values).all():
        counts[bucket] += int(count)


@lru_cache
def _one_by_one(ranges: Ranges, narrowed: Narrowed) -> TextClause:
    parts = []
    for table, column, parameter, counted in (
        ("usage_quarter", "quarter", "whole", "t.calls > 0"),
        ("call", "at_ms", "ragged", "t.is_superseded = 0"),
    ):
        reached = reach(table, narrowed)
        condition = f"{reached.about_table} and t.{column} >= b.start_at and t.{column} < b.end_at and {counted}"
        joined = ranges.join(parameter, reached.source, reached.about_source, table, condition)
        parts.append(f"select b.bucket, t.owner_id, t.agent_session_id{joined}")
    return text(f"select bucket, count(*) from ({' union '.join(parts)}) as active group by bucket")
