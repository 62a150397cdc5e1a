"""What was used and what it cost: totals, series, shares. Exact for any range, whatever its edges."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from operator import add, itemgetter

from sqlalchemy import Connection, TextClause, text

from models.queries.choices import longer_label
from models.queries.ranges import HOUR_MS
from models.queries.scope import Bucket, Filters, Scope
from models.queries.sessions import sessions_per_bucket
from models.queries.sums import Narrowed, named_sums, narrowing, reach, sums
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

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(*map(add, vars(self).values(), vars(other).values()))

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
    usage = Usage(*rows[0][1:]) if rows else Usage()
    return Totals(usage, sessions_per_bucket(db, scope, filters, whole)[0])


def series(
    db: Connection, scope: Scope, filters: Filters, buckets: Sequence[Bucket], by: str
) -> tuple[SeriesPoint, ...]:
    """Sums per bucket and line; `by` is llm_model, person or project. Buckets without calls are absent."""
    labels: dict[str, str] = {}
    families: dict[str, str] = {}
    merged: dict[tuple[int, str], Usage] = {}
    for bucket, key, label, family, *values in named_sums(db, scope, filters, buckets, by):
        place, usage = (bucket, key), Usage(*values)
        merged[place] = usage if place not in merged else merged[place] + usage
        labels[key] = longer_label(labels.get(key, ""), label)
        families[key] = family
    return tuple(
        SeriesPoint(bucket, key, labels[key], families[key], usage)
        for (bucket, key), usage in sorted(merged.items(), key=itemgetter(0))
    )


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
    table, column, unit_ms = "usage_quarter", "quarter", 900_000
    if grain_seconds * 1000 == HOUR_MS:
        is_wide = filters.machine is not None or filters.project is not None
        table, column, unit_ms = "place_hour" if is_wide else "usage_hour", "hour", HOUR_MS
    units = {"first": -(-to_ms(filters.start_at) // unit_ms), "behind": -(-to_ms(filters.end_at) // unit_ms)}
    statement = _costs(table, column, Narrowed.by(scope, filters))
    rows = db.execute(statement, {**units, **narrowing(scope, filters)}).all()
    return tuple(HourCost(from_ms(unit * unit_ms), cost) for unit, cost in rows)


@lru_cache
def _costs(table: str, column: str, narrowed: Narrowed) -> TextClause:
    reached = reach(table, narrowed)
    return text(
        f"select t.{column}, cast(sum(t.cost_nanousd) as bigint) from {reached.source}{table} t"
        f" where {reached.condition} and t.{column} >= :first and t.{column} < :behind"
        f" group by t.{column} order by t.{column}"
    )


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
