"""What every page carries around its own content, and how a page or its swap is answered."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Protocol

from flask import Response, current_app, make_response, render_template, request
from markupsafe import Markup

from meter.errors import Unavailable
from meter.login import Account
from meter.version import VERSION
from models.queries.people import has_several_people
from routes._auth import is_signed_in, viewer
from routes._db import DatabaseError, db
from routes._held import HeldBodies
from routes._links import bare, here, link
from routes._sync import Sync, sync_state

# (label, path, letter after `g`) of every page in the top bar, in its order; only pages that exist.
PAGES = (("Overview", "/", "o"), ("People", "/people", "u"))
# (label, path, for admins only) of the account menu.
MENU = (("Settings", "/settings", False), ("Audit log", "/audit", True))


@dataclass(frozen=True)
class NavItem:
    """One page in the top bar. `key` is the letter after `g`; only pages that exist are listed."""

    label: str
    href: str
    key: str
    current: bool


@dataclass(frozen=True)
class MenuItem:
    """One page in the account menu."""

    label: str
    href: str
    current: bool


@dataclass(frozen=True)
class Frame:
    """The facts of the frame; `email` is empty for somebody who is not signed in, and then only box.html fits.

    theme: system, light or dark. zone: IANA name of the viewer's zone. keys: one-key shortcuts are on.
    menu: the pages of the account menu.
    theme_action, sign_out_action: where the two forms of the account menu post to.
    """

    title: str
    theme: str = "system"
    version: str = ""
    nav: tuple[NavItem, ...] = ()
    sync: Sync = Sync("never", "Nothing synced yet")
    zone: str = "UTC"
    name: str = ""
    email: str = ""
    initials: str = ""
    keys: bool = True
    menu: tuple[MenuItem, ...] = ()
    theme_action: str = ""
    sign_out_action: str = ""


class View(Protocol):
    """What a page template prints: a frozen dataclass of the subject with its frame."""

    @property
    def frame(self) -> Frame: ...


def frame(title: str) -> Frame:
    """The frame of this request's page; without menus when nobody is signed in or the database cannot tell."""
    try:
        if is_signed_in():
            return _frame_of(viewer(), title)
    except (Unavailable, DatabaseError):
        pass  # the page that says so must not need what it says is missing
    return Frame(title=title, version=VERSION)


def _frame_of(account: Account, title: str) -> Frame:
    return Frame(
        title=title,
        theme=account.theme,
        version=VERSION,
        nav=tuple(
            NavItem(label, link(path), key, request.path == path)
            for label, path, key in PAGES
            if path != "/people" or account.is_admin or has_several_people(db())
        ),
        sync=sync_state(),
        zone=account.timezone,
        name=account.name,
        email=account.email,
        initials=initials(account.name),
        keys=account.has_shortcuts,
        menu=tuple(
            MenuItem(label, bare(path), request.path == path)
            for label, path, needs_admin in MENU
            if account.is_admin or not needs_admin
        ),
        theme_action=bare("/settings/theme", next=here()),
        sign_out_action="/logout",
    )


@dataclass(frozen=True)
class HeldPage:
    """A page whose body was rendered before; only its frame is of this moment."""

    frame: Frame
    body: Markup


def initials(name: str) -> str:
    """'Ada Lovelace' -> 'AL', 'ada' -> 'A'."""
    words = name.split()
    return "".join(word[0] for word in (words[0], *words[1:][-1:])).upper() if words else ""


def is_swap() -> bool:
    """Whether htmx asks for a part of the page it shows, rather than for a page."""
    return request.headers.get("HX-Request") == "true" and request.headers.get("HX-Request-Type") == "partial"


def page(subject: str, view: View) -> Response:
    """`<subject>/page.html`, or for a swap `<subject>/_body.html`, of the same view."""
    template = "_body.html" if is_swap() else "page.html"
    response = make_response(render_template(f"{subject}/{template}", view=view))
    response.vary.update(("HX-Request", "HX-Request-Type"))
    return response


def held_page(subject: str, title: str, key: Hashable, make_view: Callable[[], object]) -> Response:
    """Like `page`, for a body that stays the same as long as `key` does; it is asked for and rendered once.

    `key` must say everything the body depends on: who looks, the whole question, the version of the data, the minute.
    """
    held: HeldBodies = current_app.extensions.setdefault("held_bodies", HeldBodies())
    body = held.get((subject, key), lambda: render_template(f"{subject}/_body.html", view=make_view()))
    template = "ui/swap.html" if is_swap() else f"{subject}/page.html"
    response = make_response(render_template(template, view=HeldPage(frame(title), body)))
    response.vary.update(("HX-Request", "HX-Request-Type"))
    return response
