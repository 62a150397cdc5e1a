"""What was used and what it cost: totals, series, shares. Exact for any range, whatever its edges."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text

from models.queries.ranges import HOUR_MS
from models.queries.scope import Bucket, Filters, Scope
from models.queries.sessions import sessions_per_bucket
from models.queries.sums import joins, narrowing, sums
from models.types import from_ms, to_ms

__all__ = ["Bucket", "Filters", "Scope", "Share", "Totals", "Usage"]


@dataclass(frozen=True)
class Usage:
    """Sums over some calls. Tokens by kind never overlap; `cost_nanousd` leaves unpriced calls out."""

    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_5m_tokens: int = 0
    cache_write_1h_tokens: int = 0
    web_searches: int = 0
    cost_nanousd: int = 0
    unpriced_calls: int = 0

    @property
    def cache_write_tokens(self) -> int:
        return self.cache_write_5m_tokens + self.cache_write_1h_tokens

    @property
    def io_tokens(self) -> int:
        """Input + output, without anything cached."""
        return self.input_tokens + self.output_tokens

    @property
    def prompt_tokens(self) -> int:
        """All that was sent: input, read from the cache, written to it."""
        return self.input_tokens + self.cache_read_tokens + self.cache_write_tokens

    @property
    def cache_hit_share(self) -> float | None:
        """Share of the prompt that came from the cache, 0..1; None without a prompt."""
        return self.cache_read_tokens / self.prompt_tokens if self.prompt_tokens else None


@dataclass(frozen=True)
class Totals:
    """Sums over a range and the distinct sessions that were active in it."""

    usage: Usage
    sessions: int


@dataclass(frozen=True)
class SeriesPoint:
    """One bucket of one line: `key` identifies the line, `label` is shown; `family` only for models."""

    bucket: int
    key: str
    label: str
    family: str
    usage: Usage


@dataclass(frozen=True)
class Share:
    """One row of a breakdown: a model, project (key: path), machine or person (key: id)."""

    key: str
    label: str
    family: str
    usage: Usage


@dataclass(frozen=True)
class HourCost:
    """Cost of an hour (or a quarter of one), UTC."""

    start_at: datetime
    cost_nanousd: int


def totals(db: Connection, scope: Scope, filters: Filters) -> Totals:
    """Sums and distinct sessions of the filters' range."""
    whole = _whole(filters)
    rows = sums(db, scope, filters, whole, "nothing")
    usage = Usage(*map(int, rows[0][1:])) if rows else Usage()
    return Totals(usage, sessions_per_bucket(db, scope, filters, whole)[0])


def series(
    db: Connection, scope: Scope, filters: Filters, buckets: Sequence[Bucket], by: str
) -> tuple[SeriesPoint, ...]:
    """Sums per bucket and line; `by` is llm_model, person or project. Buckets without calls are absent."""
    rows = sums(db, scope, filters, buckets, by)
    named = _names(db, by, {row[1:-9] for row in rows})
    labels: dict[str, str] = {}  # of a path that two people label differently the longer one, which says more
    for key, label, _ in named.values():
        labels[key] = max(labels.get(key, ""), label, key=len)
    merged: dict[tuple[int, str], tuple[str, str, list[int]]] = {}
    for row in rows:
        key, _, family = named[row[1:-9]]
        _, _, kept = merged.setdefault((row[0], key), (labels[key], family, [0] * 9))
        for index, value in enumerate(row[-9:]):
            kept[index] += int(value)
    points = [
        SeriesPoint(bucket, key, label, family, Usage(*kept)) for (bucket, key), (label, family, kept) in merged.items()
    ]
    return tuple(sorted(points, key=lambda point: (point.bucket, point.key)))


def sessions_series(db: Connection, scope: Scope, filters: Filters, buckets: Sequence[Bucket]) -> tuple[int, ...]:
    """Distinct sessions active in each bucket."""
    return sessions_per_bucket(db, scope, filters, buckets)


def by_model(db: Connection, scope: Scope, filters: Filters) -> tuple[Share, ...]:
    """Per model, most cost first."""
    return _shares(db, scope, filters, "llm_model")


def by_project(db: Connection, scope: Scope, filters: Filters) -> tuple[Share, ...]:
    """Per project path, most cost first; people who share a path share the row."""
    return _shares(db, scope, filters, "project")


def by_machine(db: Connection, scope: Scope, filters: Filters) -> tuple[Share, ...]:
    """Per machine name, most cost first."""
    return _shares(db, scope, filters, "machine")


def by_person(db: Connection, scope: Scope, filters: Filters) -> tuple[Share, ...]:
    """Per person, most cost first."""
    return _shares(db, scope, filters, "person")


def unpriced(db: Connection, scope: Scope, filters: Filters) -> tuple[Share, ...]:
    """The models of which calls have no price, most such calls first."""
    found = [share for share in by_model(db, scope, filters) if share.usage.unpriced_calls]
    return tuple(sorted(found, key=lambda share: (-share.usage.unpriced_calls, share.key)))


def by_hour(db: Connection, scope: Scope, filters: Filters, grain_seconds: int) -> tuple[HourCost, ...]:
    """Cost per hour (3600) or per quarter of an hour (900, for zones with :30 and :45), in order of time."""
    fine = grain_seconds != HOUR_MS // 1000 or filters.machine is not None or filters.project is not None
    grain_ms = grain_seconds * 1000
    table, column, unit_ms = ("usage_quarter", "quarter", 900_000) if fine else ("usage_hour", "hour", HOUR_MS)
    everybody = scope.owner_id is None and fine
    source, condition = joins(
        everybody, filters.llm_model is not None, filters.machine is not None, filters.project is not None
    )
    unit = f"t.{column} / {grain_ms // unit_ms}"
    rows = db.execute(
        text(
            f"select {unit}, cast(sum(t.cost_nanousd) as bigint) from {source}{table} t"
            f" where {condition} and t.{column} >= :first and t.{column} < :behind group by 1 order by 1"
        ),
        {
            "first": -(-to_ms(filters.start_at) // unit_ms),
            "behind": -(-to_ms(filters.end_at) // unit_ms),
            **narrowing(scope, filters),
        },
    )
    return tuple(HourCost(from_ms(unit * grain_ms), int(cost)) for unit, cost in rows)


def data_version(db: Connection, scope: Scope) -> int:
    """A number that changes whenever calls of the scope change."""
    sql = text("select changes from change_count where owner_id = :owner")
    return db.execute(sql, {"owner": scope.owner_id or 0}).scalar() or 0


def newest_call_at(db: Connection, scope: Scope, before_at: datetime | None = None) -> datetime | None:
    """When the newest call was made (before a time), None if there is none."""
    everybody = scope.owner_id is None
    owners = "(select id from person)" if everybody else "(:owner)"
    ms = db.execute(
        text(
            "select max(at_ms) from (select (select max(at_ms) from call c"
            " where c.owner_id = o.id and c.is_superseded = 0"
            f" and c.at_ms < :before) as at_ms from person o where o.id in {owners}) as newest"
        ),
        {"before": to_ms(before_at) if before_at else 1 << 60, **({} if everybody else {"owner": scope.owner_id})},
    ).scalar()
    return None if ms is None else from_ms(ms)


def _whole(filters: Filters) -> tuple[Bucket]:
    return (Bucket(filters.start_at, filters.end_at),)


def _shares(db: Connection, scope: Scope, filters: Filters, per: str) -> tuple[Share, ...]:
    points = series(db, scope, filters, _whole(filters), per)
    shares = [Share(point.key, point.label, point.family, point.usage) for point in points]
    return tuple(sorted(shares, key=lambda share: (-share.usage.cost_nanousd, -share.usage.calls, share.key)))


_NAME_SQL = {
    "llm_model": text("select id, name, name, family from llm_model"),
    "person": text("select id, cast(id as text), case when name <> '' then name else email end, '' from person"),
    "machine": text("select owner_id, id, name, name, '' from machine"),
    "project": text("select owner_id, id, path, label, '' from project"),
}


def _names(db: Connection, per: str, wanted: set[tuple[int, ...]]) -> dict[tuple[int, ...], tuple[str, str, str]]:
    """(key, label, family) of each identity."""
    if not wanted:
        return {}
    found: dict[tuple[int, ...], tuple[str, str, str]] = {}
    row: Any
    for row in db.execute(_NAME_SQL[per]):
        identity = tuple(row[:-3])
        if identity in wanted:
            found[identity] = (row[-3], row[-2], row[-1])
    return found
