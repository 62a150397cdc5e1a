"""What the query string of a page asks for, and the filter bar that shows it. Unknown values are Invalid."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from flask import request

from meter.errors import Invalid, NotFound
from meter.periods import Period, read_period, read_zone, step
from models.queries.choices import Choices, choices
from models.queries.scope import Filters, Scope
from routes import _format
from routes._auth import scope, viewer
from routes._db import db
from routes._links import here

NARROWING = ("person", "machine", "project", "model")
MOST_CHOICES = 200  # of one select; the chosen one is always among them
PRESETS = (("24h", "24h", "d"), ("7d", "7d", "w"), ("30d", "30d", "m"), ("90d", "90d", "q"), ("month", "Month", ""))


@dataclass(frozen=True)
class Asked:
    """The question of a page. scope is narrowed to the chosen person; chosen holds what NARROWING names, '' = any."""

    period: Period
    scope: Scope
    filters: Filters
    chosen: dict[str, str]
    labels: dict[str, str]  # of what is chosen
    choices: Choices
    compare: bool


@dataclass(frozen=True)
class Option:
    """A link that is on or off. `key`: the one-key shortcut; `href` '' = not possible now."""

    label: str
    href: str
    current: bool = False
    key: str = ""


@dataclass(frozen=True)
class Choice:
    """An option of a select."""

    value: str
    label: str
    chosen: bool


@dataclass(frozen=True)
class Select:
    """One select of the bar."""

    name: str
    label: str
    any_label: str
    choices: tuple[Choice, ...]


@dataclass(frozen=True)
class Chip:
    """A filter in use; `href` takes it away."""

    label: str
    value: str
    href: str


@dataclass(frozen=True)
class Bar:
    """The filter bar. without_dates, without_selects: the parameters its two forms carry along unseen."""

    action: str
    presets: tuple[Option, ...]
    earlier: Option
    later: Option
    is_custom: bool
    from_on: str
    to_on: str
    without_dates: tuple[tuple[str, str], ...]
    selects: tuple[Select, ...]
    without_selects: tuple[tuple[str, str], ...]
    compare: Option
    chips: tuple[Chip, ...]
    reset_href: str


def read_asked() -> Asked:
    """The question of this request. Invalid names the parameter; NotFound for a person one may not see."""
    period = read_period(
        argument("period"), argument("from"), argument("to"), read_zone(viewer().timezone), datetime.now(UTC)
    )
    known = choices(db(), scope())
    chosen = {name: argument(name) for name in NARROWING}
    labels = {name: _label(name, value, known) for name, value in chosen.items() if value}
    filters = Filters(
        period.start_at, period.end_at, chosen["machine"] or None, chosen["project"] or None, chosen["model"] or None
    )
    narrowed = scope(int(chosen["person"])) if chosen["person"] else scope()
    return Asked(period, narrowed, filters, chosen, labels, known, bool(one_of("compare", ("", "1"))))


def argument(name: str) -> str:
    """A query parameter, '' when it is absent or empty. Invalid when it is there twice."""
    values = request.args.getlist(name)
    if len(values) > 1:
        raise Invalid(f"{name} is given more than once.", field=name)
    return values[0] if values else ""


def one_of(name: str, allowed: Sequence[str]) -> str:
    """A query parameter that has one of a few values, the first when absent."""
    value = argument(name) or allowed[0]
    if value not in allowed:
        raise Invalid(f"{name} is one of {', '.join(one for one in allowed if one)}.", field=name)
    return value


def _label(name: str, value: str, known: Choices) -> str:
    """What is shown for a chosen value. Invalid when there is no such machine, project or model.

    Absent people and those one may not see are the same: NotFound.
    """
    label = _pairs(name, known).get(value)
    if label is None and name == "person" and value.isdecimal():
        raise NotFound("There is no such person here.")
    if label is None:
        raise Invalid(f"There is no such {name}.", field=name)
    return label


def _pairs(name: str, known: Choices) -> dict[str, str]:
    """Value -> label of all there is to choose."""
    if name == "person":
        return {str(id_): label for id_, label in known.people}
    if name == "project":
        return dict(known.projects)
    return {one: one for one in (known.machines if name == "machine" else known.llm_models)}


def filter_bar(asked: Asked) -> Bar:
    """The bar of this request; every link keeps what the others chose."""
    period = asked.period
    return Bar(
        action=request.path,
        presets=tuple(
            Option(label, _with({"period": name}), name == period.preset, key) for name, label, key in PRESETS
        ),
        earlier=_neighbour(period, -1, "Earlier", "["),
        later=_neighbour(period, 1, "Later", "]"),
        is_custom=not period.preset,
        from_on=period.first_on.isoformat(),
        to_on=period.last_on.isoformat(),
        without_dates=_carried("period", "from", "to"),
        selects=tuple(one for one in (_select(name, asked) for name in NARROWING) if one),
        without_selects=_carried(*NARROWING),
        compare=Option("Compare", here(compare=None if asked.compare else 1), asked.compare, "x"),
        chips=chips(asked),
        reset_href=here(**dict.fromkeys(NARROWING)),
    )


def chips(asked: Asked) -> tuple[Chip, ...]:
    """The filters in use."""
    return tuple(Chip(name.capitalize(), label, here(**{name: None})) for name, label in asked.labels.items())


def _with(params: dict[str, str]) -> str:
    """This screen at another period."""
    return here(**{"period": None, "from": None, "to": None, **params})


def _neighbour(period: Period, direction: int, label: str, key: str) -> Option:
    found = step(period, direction)
    if found is None:
        return Option(f"{label}: nothing there", "", False, key)
    first, last = _format.days(found.first_on, found.last_on)
    return Option(f"{label}: {first} – {last}" if last else f"{label}: {first}", _with(found.params), False, key)


def _carried(*without: str) -> tuple[tuple[str, str], ...]:
    return tuple((name, value) for name, value in request.args.items() if value and name not in without)


def _select(name: str, asked: Asked) -> Select | None:
    """The select of a filter; none where there is nothing to choose between."""
    pairs, value = _pairs(name, asked.choices), asked.chosen[name]
    if len(pairs) < 2 and not value:
        return None
    kept = dict(list(pairs.items())[:MOST_CHOICES]) | ({value: pairs[value]} if value else {})
    options = tuple(Choice(key, _format.tail(label, 40), key == value) for key, label in kept.items())
    many = "people" if name == "person" else f"{name}s"
    return Select(name, name.capitalize(), f"All {many}", options)
