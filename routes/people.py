"""Who is here: for admins a table with which to invite, change and shut out; members see themselves."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from flask import Blueprint, Response, current_app, make_response, redirect, render_template, request

from meter import roles
from meter.errors import Conflict, Invalid
from meter.periods import read_zone
from models.queries.people import PersonSeen, count_people, people
from routes import _format
from routes._auth import actor, allow, scope, settings, viewer
from routes._db import db, engine
from routes._filters import Choice, argument, one_of
from routes._format import When
from routes._links import bare
from routes._mail import wake_postman
from routes._page import Frame, frame, is_swap
from routes._said import Said, ask_again, typed_fields, wrong

bp = Blueprint("people", __name__)

ROWS = 50
# What an act may report in the address: name -> word.
DONE = {"": "", "invited": "Invited", "changed": "Changed", "disabled": "Shut out", "enabled": "Let in again"}
BY_MAIL = "A letter tells them where this server is; they come in with a link that is sent to this address."
BY_HAND = "This server sends no mail: they ask for a link, which appears on its terminal, at"
ROLE_WORDS = {"member": "Member", "admin": "Admin"}


@dataclass(frozen=True)
class Person:
    """A row. The three actions are '' where they make no sense, all of them on one's own row."""

    name: str
    email: str
    is_you: bool
    role: str
    machines: str
    since: When
    last_seen: When | None
    is_disabled: bool
    roles: tuple[Choice, ...]
    role_action: str
    disable_action: str
    enable_action: str


@dataclass(frozen=True)
class Invitation:
    """The form for somebody new, with what was typed. `how` says in which way they come in."""

    how: str
    email: str
    name: str
    roles: tuple[Choice, ...]


@dataclass(frozen=True)
class PeopleView:
    """The page. `invitation` for admins only; `summary` counts everybody the viewer may see.

    earlier_href, later_href: the people before and behind those of this page, '' where there are none.
    """

    frame: Frame
    said: Said
    summary: str
    people: tuple[Person, ...]
    invitation: Invitation | None
    earlier_href: str
    later_href: str


@bp.get("/people")
@allow("member")
def show_people() -> Response:
    return _answer(Said("people", done=DONE[one_of("done", tuple(DONE))]))


@bp.post("/people")
@allow("admin")
def invite() -> Response:
    typed = typed_fields("email", "name", "role")
    zone, sends = settings().timezone, bool(settings().smtp_url)
    answer = _do(
        lambda: roles.invite_person(engine(), **typed, timezone=zone, actor=actor(), sends_mail=sends), "invited", typed
    )
    wake_postman(current_app)
    return answer


@bp.post("/people/<int:person_id>/role")
@allow("admin")
def change_role(person_id: int) -> Response:
    role = request.form.get("role", "")
    return _do(lambda: roles.set_role(engine(), person_id, role, actor=actor()), "changed")


@bp.post("/people/<int:person_id>/disable")
@allow("admin")
def disable(person_id: int) -> Response:
    return _do(lambda: roles.disable_person(engine(), person_id, actor=actor()), "disabled")


@bp.post("/people/<int:person_id>/enable")
@allow("admin")
def enable(person_id: int) -> Response:
    return _do(lambda: roles.enable_person(engine(), person_id, actor=actor()), "enabled")


def _do(act: Callable[[], object], done: str, typed: dict[str, str] | None = None) -> Response:
    """Act, then show the table as it is now, by a redirect."""
    try:
        act()
    except (Invalid, Conflict) as error:
        return ask_again(_answer(wrong("people", error, typed or {})), error)
    return make_response(redirect(bare("/people", done=done, page=argument("page") or None), 303))


def _answer(said: Said) -> Response:
    """The page; for a swap the table alone."""
    view = _view(said)
    response = make_response(render_template("people/_access.html" if is_swap() else "people/page.html", view=view))
    response.vary.update(("HX-Request", "HX-Request-Type"))
    return response


def _view(said: Said) -> PeopleView:
    now_at, who = datetime.now(UTC), viewer()
    count, admins = count_people(db(), scope())
    number = _page_number(-(-count // ROWS))
    found = people(db(), scope(), ROWS, ROWS * (number - 1))
    summary = f"{_format.plural(count, 'person', 'people')}, {_format.plural(admins, 'admin')}"
    return PeopleView(
        frame=frame("People"),
        said=said,
        summary=summary if who.is_admin else "",
        people=tuple(_person(one, now_at, read_zone(who.timezone)) for one in found),
        invitation=_invitation(said) if who.is_admin else None,
        earlier_href=bare("/people", page=number - 1) if number > 1 else "",
        later_href=bare("/people", page=number + 1) if ROWS * number < count else "",
    )


def _page_number(last: int) -> int:
    """The page that is asked for, 1 without a wish; Invalid when there is no such page."""
    text = argument("page") or "1"
    if not (text.isascii() and text.isdecimal() and len(text) < 9 and 1 <= int(text) <= last):
        raise Invalid(f"page is a number from 1 to {last}.", field="page")
    return int(text)


def _person(one: PersonSeen, now_at: datetime, zone: ZoneInfo) -> Person:
    who = viewer()
    can_change = who.is_admin and one.id != who.id
    seen_at = max(filter(None, (one.last_seen_at, one.last_heard_at)), default=None)
    return Person(
        name=one.name,
        email=one.email,
        is_you=one.id == who.id,
        role=ROLE_WORDS[one.role],
        machines=_format.count(one.machines),
        since=_format.when(one.created_at, now_at, zone),
        last_seen=_format.when(seen_at, now_at, zone) if seen_at else None,
        is_disabled=one.disabled_at is not None,
        roles=_roles(one.role),
        role_action=_act(one, "role") if can_change and not one.disabled_at else "",
        disable_action=_act(one, "disable") if can_change and not one.disabled_at else "",
        enable_action=_act(one, "enable") if can_change and one.disabled_at else "",
    )


def _act(one: PersonSeen, name: str) -> str:
    """The address that does something to somebody and comes back to this page of people."""
    return bare(f"/people/{one.id}/{name}", page=argument("page") or None)


def _invitation(said: Said) -> Invitation:
    return Invitation(
        BY_MAIL if settings().smtp_url else f"{BY_HAND} {settings().base_url}/login.",
        said.typed_in("people", "email"),
        said.typed_in("people", "name"),
        _roles(said.typed_in("people", "role")),
    )


def _roles(chosen: str) -> tuple[Choice, ...]:
    return tuple(Choice(value, label, value == chosen) for value, label in ROLE_WORDS.items())
