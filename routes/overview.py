"""The overview: what was used and what it cost, in one period, for whoever looks."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from flask import Blueprint, Response, current_app, request

from meter.periods import Period, before, buckets, buckets_before
from models.queries import usage as ask
from models.queries.scope import Bucket, Filters
from models.queries.tools import by_tool
from models.queries.usage import Share, Totals
from routes import _format
from routes._auth import allow, scope, viewer
from routes._axis import axis_of
from routes._cards import Card, cost_card, is_unpriced, tool_card
from routes._db import db
from routes._empty import Empty, empty_state
from routes._figures import Chart, Compared, Series, chart, families, ranked
from routes._filters import Asked, Bar, Option, argument, filter_bar, one_of, read_asked
from routes._heat import Heat, heat_map
from routes._links import bare, here
from routes._metrics import METRICS, Metric, total_of, values_of
from routes._page import held_page
from routes._tiles import Course, Tile, tiles

bp = Blueprint("overview", __name__)

SPLITS = {"family": "llm_model", "person": "person", "project": "project"}
ROWS_OF_MODELS, ROWS_OF_A_CARD, MODELS_IN_NOTICE = 8, 5, 5
MINUTE_SECONDS, HOUR_SECONDS, QUARTER_HOUR_SECONDS = 60, 3600, 900


@dataclass(frozen=True)
class Live:
    """How the page keeps fresh: every two seconds it asks `poll_href`, which says when to fetch `refresh_href`."""

    poll_href: str
    refresh_href: str


@dataclass(frozen=True)
class Start:
    """The first run: nothing was ever stored. `setup_href` leads admins to the wizard."""

    database: str
    address: str
    setup_href: str


@dataclass(frozen=True)
class Summary:
    """The line beside the title. to_text is '' for a single day, until '' when the period is over."""

    from_on: str
    from_text: str
    to_on: str
    to_text: str
    sessions: str
    cost: str
    until: str


@dataclass(frozen=True)
class Unpriced:
    """The notice about models without a price: (name, what is missing) of the first few."""

    title: str
    models: tuple[tuple[str, str], ...]
    verb: str


@dataclass(frozen=True)
class Content:
    """Everything below the bar when there is usage."""

    tiles: tuple[Tile, ...]
    chart: Chart
    split: tuple[Option, ...]
    models: Card
    projects: Card
    machines: Card
    tools: Card
    heat: Heat
    unpriced: Unpriced | None


@dataclass(frozen=True)
class Overview:
    """The body of the page. Either `start`, or summary and bar with one of `empty` and `content`."""

    live: Live
    start: Start | None = None
    summary: Summary | None = None
    bar: Bar | None = None
    empty: Empty | None = None
    content: Content | None = None


@bp.get("/")
@allow("member")
def overview() -> Response:
    seen = ask.data_version(db(), scope())  # before the figures: what comes between is fetched once more, not missed
    key = (viewer(), request.query_string, seen, int(time.time() // MINUTE_SECONDS))
    return held_page("overview", "Overview", key, lambda: _view(read_asked(), seen))


@bp.get("/overview/version")
@allow("member")
def version() -> Response:
    """204 while the calls are those of `seen`, else 200 with the event that makes the page fetch itself again."""
    if argument("seen") == str(ask.data_version(db(), scope())):
        return Response(status=204)
    return Response(headers={"HX-Trigger": "calls"})


def _view(asked: Asked, seen: int) -> Overview:
    view = Overview(Live(bare("/overview/version", seen=seen), here()))
    metric, split = METRICS[one_of("metric", tuple(METRICS))], one_of("by", tuple(SPLITS))
    now = ask.totals(db(), asked.scope, asked.filters)
    if now.usage.calls:
        content = _content(asked, metric, split, now)
        return replace(view, summary=_summary(asked.period, now), bar=filter_bar(asked), content=content)
    newest_at = ask.newest_call_at(db(), scope())
    if newest_at is None:
        return replace(view, start=_start())
    empty = empty_state(asked, newest_at)
    return replace(view, summary=_summary(asked.period, now), bar=filter_bar(asked), empty=empty)


def _start() -> Start:
    url = current_app.extensions["settings"].database_url
    kind = "SQLite" if url.startswith("sqlite") else "PostgreSQL"
    return Start(kind, request.url_root.rstrip("/"), "/setup" if viewer().is_admin else "")


def _summary(period: Period, now: Totals) -> Summary:
    first, last = _format.days(period.first_on, period.last_on)
    if period.is_rolling:
        first = f"{_format.day(period.first_on)}, {_format.clock(period.start_at, period.zone)}"
    return Summary(
        from_on=period.first_on.isoformat(),
        from_text=first,
        to_on=period.last_on.isoformat(),
        to_text=last,
        sessions=_format.plural(now.sessions, "session"),
        cost=_format.usd(now.usage.cost_nanousd),
        until=f"today until {_format.clock(period.now_at, period.zone)}" if period.is_running else "",
    )


def _content(asked: Asked, metric: Metric, split: str, now: Totals) -> Content:
    question = (db(), asked.scope, asked.filters)
    period, parts = asked.period, buckets(asked.period)
    axis = axis_of(period, parts)
    points = ask.series(*question, parts, SPLITS[split])
    sessions = ask.sessions_series(*question, parts)
    stretch_before = before(period)
    was = ask.totals(db(), asked.scope, _during(asked, stretch_before))
    ranges = (
        _format.stretch(Bucket(period.start_at, period.until_at), period.zone),
        _format.stretch(stretch_before, period.zone),
    )
    if metric.can_be_split:
        series = (families if split == "family" else ranked)(points, metric.amount, len(parts))
    else:
        values = values_of(metric, points, sessions, len(parts))
        series = (Series("accent", metric.label, values, total_of(metric, now)),)
    compared = _compared(asked, metric, was, ranges[1]) if asked.compare else None
    note = f" Colours are {_many(split)} here." if metric.can_be_split and split != "family" else ""
    shares = ask.by_model(*question)
    return Content(
        tiles=tiles(metric.key, now, was, ranges, Course(points, sessions, len(parts), axis.elapsed)),
        chart=chart(metric, series, axis, compared, note),
        split=_split_options(asked, split) if metric.can_be_split else (),
        models=_card("Models", "model", shares, ROWS_OF_MODELS),
        projects=_card("Projects", "project", ask.by_project(*question), ROWS_OF_A_CARD),
        machines=_card("Machines", "machine", ask.by_machine(*question), ROWS_OF_A_CARD),
        tools=tool_card(by_tool(*question), ROWS_OF_A_CARD),
        heat=heat_map(ask.by_hour(*question, _grain_seconds(period)), period.zone),
        unpriced=_unpriced([one for one in shares if one.usage.unpriced_calls]),
    )


def _during(asked: Asked, part: Bucket) -> Filters:
    return replace(asked.filters, start_at=part.start_at, end_at=part.end_at)


def _compared(asked: Asked, metric: Metric, was: Totals, label: str) -> Compared:
    """The chart's figure in the stretch before, bucket by bucket."""
    parts = buckets_before(asked.period)
    filters = _during(asked, before(asked.period))
    points = ask.series(db(), asked.scope, filters, parts, "llm_model")
    sessions = ask.sessions_series(db(), asked.scope, filters, parts)
    return Compared(label, values_of(metric, points, sessions, len(parts)), total_of(metric, was))


def _split_options(asked: Asked, split: str) -> tuple[Option, ...]:
    """The ways to split the bars; by person only where there are several."""
    ways = [way for way in SPLITS if way != "person" or way == split or len(asked.choices.people) > 1]
    return tuple(Option(way.capitalize(), here(by=way), way == split) for way in ways)


def _many(split: str) -> str:
    return "people" if split == "person" else f"{split}s"


def _card(title: str, name: str, shares: Sequence[Share], longest: int) -> Card:
    """A card whose rows narrow this very page to themselves."""
    return cost_card(
        title, name.capitalize(), shares, longest, lambda key: here(**{name: key}), is_models=name == "model"
    )


def _grain_seconds(period: Period) -> int:
    """Whole hours, but quarters for zones whose hours begin at :15, :30 or :45 of UTC."""
    offsets = (at.astimezone(period.zone).utcoffset() for at in (period.start_at, period.end_at))
    return QUARTER_HOUR_SECONDS if any(o and o.total_seconds() % HOUR_SECONDS for o in offsets) else HOUR_SECONDS


def _unpriced(shares: Sequence[Share]) -> Unpriced | None:
    if not shares:
        return None
    models = [(one.label, _missing(one)) for one in shares[:MODELS_IN_NOTICE]]
    if len(shares) > MODELS_IN_NOTICE:
        models.append((f"{len(shares) - MODELS_IN_NOTICE} more", "see the list of models"))
    is_one_call = len(shares) == 1 and shares[0].usage.unpriced_calls == 1 and not is_unpriced(shares[0])
    title = f"{len(shares)} {'model has' if len(shares) == 1 else 'models have'} no price."
    return Unpriced(title, tuple(models), "is" if is_one_call else "are")


def _missing(one: Share) -> str:
    """'64 calls, 230.3k input + output tokens'; of a model with some priced calls only how many are not."""
    if is_unpriced(one):
        tokens = _format.short(one.usage.io_tokens)
        return f"{_format.plural(one.usage.calls, 'call')}, {tokens} input + output tokens"
    return f"{_format.count(one.usage.unpriced_calls)} of {_format.plural(one.usage.calls, 'call')}"
