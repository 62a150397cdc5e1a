"""The audit log as a page: who did what, newest first, and whether anybody tampered with it."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from flask import Blueprint, Response

from meter import audit_chain
from meter.audit import ACTIONS, AuditEntry, AuditFilters, entries
from meter.errors import Invalid
from meter.periods import day_start, read_day, read_zone
from models.queries.choices import choices
from routes import _format
from routes._auth import allow, scope, viewer
from routes._db import db
from routes._filters import MOST_CHOICES, Chip, Choice, argument, one_of
from routes._format import When
from routes._links import bare, here
from routes._page import Frame, frame, page

bp = Blueprint("audit_page", __name__)

ROWS = 50
CHECKED_BY_ITSELF = 500  # so many entries are checked while the page is made, in some 50 ms
NARROWING = ("action", "person", "from", "to")
UNSAID = ("token_id",)  # facts that tell a person nothing; the JSON has them
GROUPS = tuple(sorted({name.partition(".")[0] for name in ACTIONS if "." in name}))
WORDS = {
    "login.link": "Link asked for",
    "login.ok": "Signed in",
    "login.denied": "Not let in",
    "logout": "Signed out",
    "session.revoke": "Sessions ended",
    "session.refresh_reuse": "Old refresh cookie shown",
    "token.create": "Token made",
    "token.revoke": "Token revoked",
    "apple.link": "Apple account linked",
    "person.add": "Person added",
    "person.disable": "Person shut out",
    "person.enable": "Person let in again",
    "person.delete": "Person deleted",
    "role.change": "Role changed",
    "whitelist.add": "Whitelist: added",
    "whitelist.remove": "Whitelist: removed",
    "origin.add": "Embed origin added",
    "origin.remove": "Embed origin removed",
    "claim": "Server claimed",
    "setup.complete": "Setup done",
    "setup.reset": "Setup reset",
    "key.rotate": "Key changed",
    "export": "Export",
    "price.override": "Price set",
    "account.delete": "Account deleted",
}


@dataclass(frozen=True)
class Row:
    """One act. `facts` are its further facts in words."""

    at: When
    action: str
    what: str
    who: str
    target: str
    facts: str
    ip: str


@dataclass(frozen=True)
class Chain:
    """Whether the log is whole. tone: good or bad, '' while it was not checked; then `check_href` has it done."""

    text: str
    tone: str
    check_href: str


@dataclass(frozen=True)
class AuditView:
    """The page. `earlier_href`, `later_href` are '' at the end of the log."""

    frame: Frame
    chain: Chain
    actions: tuple[Choice, ...]
    people: tuple[Choice, ...]
    from_on: str
    to_on: str
    chips: tuple[Chip, ...]
    reset_href: str
    rows: tuple[Row, ...]
    later_href: str
    earlier_href: str


@bp.get("/audit")
@allow("admin")
def show_audit() -> Response:
    return page("audit", _view())


def _view() -> AuditView:
    zone = read_zone(viewer().timezone)
    people = {str(id_): label for id_, label in choices(db(), scope()).people}
    action, person = one_of("action", ("", *GROUPS, *sorted(ACTIONS))), one_of("person", ("", *people))
    filters = _filters(action, person, zone)
    found = entries(db(), None, ROWS + 1, filters)  # one more than is shown tells whether there are more
    is_turned_forward = filters.after_id is not None
    shown = found[:ROWS] if is_turned_forward else found[-ROWS:]
    has_more = len(found) > ROWS
    has_later = has_more if is_turned_forward else filters.before_id is not None
    has_earlier = is_turned_forward or has_more
    labels = {"action": action, "person": people.get(person, ""), "from": argument("from"), "to": argument("to")}
    return AuditView(
        frame=frame("Audit log"),
        chain=_chain(),
        actions=_actions(action),
        people=_people(people, person),
        from_on=argument("from"),
        to_on=argument("to"),
        chips=tuple(Chip(name.capitalize(), label, here(**{name: None})) for name, label in labels.items() if label),
        reset_href=bare("/audit"),
        rows=tuple(_row(one, zone) for one in reversed(shown)),
        later_href=here(after=shown[-1].id) if has_later and shown else "",
        earlier_href=here(before=shown[0].id) if has_earlier and shown else "",
    )


def _filters(action: str, person: str, zone: ZoneInfo) -> AuditFilters:
    """Days are those of the viewer's zone, `to` inside. Invalid on what is no day or number, or the wrong way round."""
    first_on, last_on = (read_day(argument(name), name) if argument(name) else None for name in ("from", "to"))
    if first_on and last_on and last_on < first_on:
        raise Invalid("to is before from.", field="to")
    return AuditFilters(
        action=action,
        person_id=int(person) if person else None,
        start_at=day_start(first_on, zone) if first_on else None,
        until=day_start(last_on + timedelta(days=1), zone) if last_on else None,
        before_id=_number("before"),
        after_id=_number("after"),
    )


def _number(name: str) -> int | None:
    text = argument(name)
    if text and not (text.isascii() and text.isdecimal() and len(text) < 19):
        raise Invalid(f"{name} is the number of an entry.", field=name)
    return int(text) if text else None


def _chain() -> Chain:
    is_asked_for = bool(one_of("check", ("", "1")))
    newest = entries(db(), None, 1)
    count = newest[0].id if newest else 0
    said = _format.plural(count, "entry", "entries")
    if count > CHECKED_BY_ITSELF and not is_asked_for:
        return Chain(said, "", here(check=1))
    check = audit_chain.verify(db())
    if check.ok:
        return Chain(f"chain intact, {said}", "good", "")
    return Chain(f"! chain broken at entry {check.first_bad}", "bad", "")


def _actions(chosen: str) -> tuple[Choice, ...]:
    groups = [Choice(name, f"All of {name}", name == chosen) for name in GROUPS]
    return (*groups, *(Choice(name, label, name == chosen) for name, label in WORDS.items()))


def _people(known: dict[str, str], chosen: str) -> tuple[Choice, ...]:
    kept = dict(list(known.items())[:MOST_CHOICES]) | ({chosen: known[chosen]} if chosen else {})
    return tuple(Choice(value, label, value == chosen) for value, label in kept.items())


def _row(one: AuditEntry, zone: ZoneInfo) -> Row:
    return Row(
        at=_format.when_exactly(one.at, datetime.now(UTC), zone),
        action=one.action,
        what=WORDS[one.action],
        who=one.user,
        target=one.target if one.target != one.user else "",
        facts=" · ".join(_fact(name, value) for name, value in one.meta.items() if name not in UNSAID),
        ip=one.ip,
    )


def _fact(name: str, value: str | int | bool | None) -> str:
    """'label Grafana', 'expires 2027-02-18', 'closes claim'."""
    if name == "expires_at":
        return f"expires {str(value)[:10]}" if value else "never expires"
    said = name.replace("_", " ")
    return said if value is True else f"{said} {'none' if value is None else value}"
