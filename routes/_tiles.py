"""Tiles: one figure each, with its change, what it was, and its course over the period."""

from collections.abc import Sequence
from dataclasses import dataclass

from models.queries.usage import SeriesPoint, Totals
from routes._figures import Spark, spark
from routes._format import Change
from routes._links import here
from routes._metrics import METRICS, change, total_of, values_of


@dataclass(frozen=True)
class Tile:
    """A figure that is also the link which makes it the main chart's."""

    label: str
    href: str
    chosen: bool
    value: str
    was: str
    change: Change
    spark: Spark | None


@dataclass(frozen=True)
class Course:
    """The figures of a period bucket by bucket; only the first `elapsed` buckets have begun."""

    points: Sequence[SeriesPoint]
    sessions: Sequence[int]
    bucket_count: int
    elapsed: int


def tiles(chosen: str, now: Totals, was: Totals, ranges: tuple[str, str], course: Course) -> tuple[Tile, ...]:
    """All five; `ranges` are the period and the stretch before in words, `chosen` is the main chart's metric."""
    made = []
    for metric in METRICS.values():
        values = values_of(metric, course.points, course.sessions, course.bucket_count)
        made.append(
            Tile(
                label=metric.label,
                href=here(metric=metric.key),
                chosen=metric.key == chosen,
                value=metric.text(total_of(metric, now)),
                was=f"was {metric.text(total_of(metric, was))}",
                change=change(metric, now, was, *ranges),
                spark=spark(values[: course.elapsed], from_zero=not metric.is_share),
            )
        )
    return tuple(made)
