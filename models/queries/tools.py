"""How often tools were used."""

from collections import Counter
from dataclasses import dataclass
from functools import lru_cache

from sqlalchemy import Connection, TextClause, text

from models.db import Ranges, bucket_pairs, ranges_of
from models.queries.ranges import QUARTER_MS, pieces
from models.queries.scope import Bucket, Filters, Scope
from models.queries.sums import Narrowed, narrowing, reach
from models.types import to_ms


@dataclass(frozen=True)
class ToolUse:
    """A tool and how often it was used."""

    name: str
    uses: int


def by_tool(db: Connection, scope: Scope, filters: Filters) -> tuple[ToolUse, ...]:
    """Uses per tool in the filters' range, most first."""
    if filters.machine is None and filters.llm_model is None:
        counts = _from_sums(db, scope, filters)
    else:
        counts = _from_calls(db, scope, filters, to_ms(filters.start_at), to_ms(filters.end_at))
    return tuple(
        ToolUse(name, uses) for name, uses in sorted(counts.items(), key=lambda item: (-item[1], item[0])) if uses
    )


def _from_sums(db: Connection, scope: Scope, filters: Filters) -> Counter[str]:
    """Whole days and hours from the sums, the rest from the calls."""
    counts: Counter[str] = Counter()
    parts = pieces((Bucket(filters.start_at, filters.end_at),), ("day", "hour", "ms"))
    for level, table in (("day", "tool_day" if filters.project is None else "project_tool_day"), ("hour", "tool_hour")):
        if level not in parts:
            continue
        statement = _uses(ranges_of(db), level, table, Narrowed.by(scope, filters))
        rows = db.execute(statement, {"buckets": bucket_pairs(parts[level]), **narrowing(scope, filters)}).all()
        counts.update({name: int(uses) for name, uses in rows})
    for _, start_ms, end_ms in parts.get("ms", ()):
        counts.update(_from_calls(db, scope, filters, start_ms, end_ms))
    return counts


@lru_cache
def _uses(ranges: Ranges, level: str, table: str, narrowed: Narrowed) -> TextClause:
    reached = reach(table, narrowed)
    condition = f"{reached.about_table} and t.{level} >= b.start_at and t.{level} < b.end_at"
    joined = ranges.join("buckets", reached.source, reached.about_source, table, condition)
    return text(
        f"select n.name, u.uses from (select t.tool_id, cast(sum(t.uses) as bigint) as uses{joined} group by t.tool_id)"
        " as u cross join tool n where n.id = u.tool_id"
    )


def _from_calls(db: Connection, scope: Scope, filters: Filters, start_ms: int, end_ms: int) -> Counter[str]:
    """Counted call by call; the quarters lead to the calls that a filter is about."""
    values = {"first": start_ms // QUARTER_MS, "last": end_ms // QUARTER_MS, "start": start_ms, "end": end_ms}
    rows = db.execute(_calls(Narrowed.by(scope, filters)), {**values, **narrowing(scope, filters)}).all()
    return Counter(use.partition(" ")[2] for (tools,) in rows for use in tools.split("\n"))


@lru_cache
def _calls(narrowed: Narrowed) -> TextClause:
    reached = reach("usage_quarter", narrowed)
    return text(
        f"select c.tools from {reached.source}usage_quarter t join call c on c.owner_id = t.owner_id"
        " and c.agent_session_id = t.agent_session_id and c.machine_id = t.machine_id"
        " and c.project_id = t.project_id and c.llm_model_id = t.llm_model_id"
        " and c.at_ms >= t.quarter * 900000 and c.at_ms < (t.quarter + 1) * 900000"
        f" where {reached.condition} and t.quarter >= :first and t.quarter <= :last"
        " and c.at_ms >= :start and c.at_ms < :end and c.is_superseded = 0 and c.tools <> ''"
    )
