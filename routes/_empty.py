"""What a page says when it has nothing to show: why, and one way on."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from models.queries.usage import newest_call_at, totals
from routes import _format
from routes._auth import scope
from routes._db import db
from routes._filters import Asked, Chip, chips
from routes._links import here

WAYS_TO_SAY = {"person": "of", "machine": "on", "project": "in", "model": "with"}


@dataclass(frozen=True)
class Empty:
    """An empty state: a title, a sentence, and a link or chips that lead out of it."""

    title: str
    text: str
    way_on_label: str = ""
    way_on_href: str = ""
    chips: tuple[Chip, ...] = ()


def empty_state(asked: Asked, newest_at: datetime) -> Empty:
    """Why nothing is there: the filters, or the period. `newest_at` is the viewer's newest call of all."""
    return _no_match(asked) if asked.labels else _no_usage(asked, newest_at)


def _no_usage(asked: Asked, newest_at: datetime) -> Empty:
    period = asked.period
    first, last = _format.days(period.first_on, period.last_on)
    last_at = newest_call_at(db(), asked.scope, period.start_at)
    said = (
        f"The last call before was on {_format.moment(last_at, period.zone)}." if last_at else "All calls came later."
    )
    label, href = _wider(asked, last_at or newest_at)
    return Empty(f"No usage from {first} to {last}" if last else f"No usage on {first}", said, label, href)


def _wider(asked: Asked, reach_at: datetime) -> tuple[str, str]:
    """A period that has the call at `reach_at` in it: the last 30 or 90 days, else the 30 days up to it."""
    for preset, length in (("30d", 30), ("90d", 90)):
        if reach_at > asked.period.now_at - timedelta(days=length - 1):
            href = here(**{"period": preset, "from": None, "to": None})
            return f"Show the last {length} days", href
    last_on = reach_at.astimezone(asked.period.zone).date()
    first_on = last_on - timedelta(days=29)
    href = here(**{"period": None, "from": first_on.isoformat(), "to": last_on.isoformat()})
    return f"Show 30 days up to {_format.day_year(last_on)}", href


def _no_match(asked: Asked) -> Empty:
    names = list(asked.labels)
    title = {1: "Nothing matches this filter", 2: "Nothing matches both filters"}.get(
        len(names), f"Nothing matches all {len(names)} filters"
    )
    if len(names) == 1:
        text = f"There is no call {_said(asked, names[0])} in this period."
    else:
        counts = [_sessions(asked, name) for name in names]
        found = [f"{_format.plural(n, 'session')} {_said(asked, name)}" for n, name in zip(counts, names, strict=True)]
        verb, all_of_them = "is" if counts[0] == 1 else "are", "both" if len(names) == 2 else "all"
        text = f"There {verb} {', '.join(found[:-1])} and {found[-1]}, but none of {all_of_them}."
    return Empty(title, text, chips=chips(asked))


def _said(asked: Asked, name: str) -> str:
    return f"{WAYS_TO_SAY[name]} {_format.tail(asked.labels[name])}"


def _sessions(asked: Asked, name: str) -> int:
    """How many sessions there are with this filter alone."""
    bare = replace(asked.filters, machine=None, project=None, llm_model=None)
    if name == "person":
        return totals(db(), asked.scope, bare).sessions
    value = asked.chosen[name]
    alone = {
        "machine": replace(bare, machine=value),
        "project": replace(bare, project=value),
        "model": replace(bare, llm_model=value),
    }
    return totals(db(), scope(), alone[name]).sessions
