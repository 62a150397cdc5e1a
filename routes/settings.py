"""What people choose for themselves, and what is theirs: profile, machines, tokens, browsers; for admins the whitelist.

Every act answers with its own section. A page without scripts gets the whole page by way of a redirect; an error is
answered at once, with what was typed. A secret is shown in the answer to the POST that made it and nowhere else.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from flask import Blueprint, Response, make_response, redirect, render_template, request

from meter import api_tokens, machines, profile, sessions, whitelist
from meter.account import check_confirmation, delete_account
from meter.errors import Conflict, Forbidden, Invalid
from models.queries.scope import Scope
from routes._auth import actor, allow, forget, settings, viewer
from routes._db import engine, reread
from routes._filters import one_of
from routes._links import bare, local
from routes._page import Frame, MenuItem, frame, is_swap
from routes._said import Said, ask_again, typed_fields, wrong
from routes._sections import (
    EXPIRIES,
    Browser,
    Deletion,
    Machine,
    Profile,
    Tokens,
    Whitelist,
    browser_section,
    deletion_section,
    expiry,
    held,
    machine_section,
    profile_section,
    token_section,
    whitelist_section,
)

bp = Blueprint("settings", __name__)

# What an act may report in the address: name -> (section, word).
DONE = {
    "": ("", ""),
    "profile": ("profile", "Saved"),
    "renamed": ("machines", "Renamed"),
    "revoked": ("tokens", "Revoked"),
    "ended": ("browsers", "Signed out there"),
    "listed": ("whitelist", "Added"),
    "unlisted": ("whitelist", "Removed"),
}
TEMPLATES = {
    "profile": "settings/_profile.html",
    "machines": "settings/_machines.html",
    "tokens": "settings/_tokens.html",
    "browsers": "settings/_browsers.html",
    "whitelist": "settings/_whitelist.html",
    "delete": "settings/_deletion.html",
    "": "settings/_body.html",
}


@dataclass(frozen=True)
class SettingsView:
    """The page, all sections. `whitelist` for admins only; `deletion`, which counts everything, for a whole page only.

    is_swap: one section is put into a page that stands.
    """

    frame: Frame
    is_swap: bool
    said: Said
    sections: tuple[MenuItem, ...]
    profile: Profile
    machines: tuple[Machine, ...]
    tokens: Tokens
    browsers: tuple[Browser, ...]
    whitelist: Whitelist | None
    deletion: Deletion | None


@dataclass(frozen=True)
class DeletedView:
    """The last page somebody sees."""

    frame: Frame
    sentence: str


@bp.get("/settings")
@allow("member")
def show_settings() -> Response:
    section, word = DONE[one_of("done", tuple(DONE))]
    return _answer(Said(section, done=word))


@bp.post("/settings/theme")
@allow("member")
def choose_theme() -> Response:
    profile.set_theme(engine(), viewer().id, request.form.get("theme", ""))
    if is_swap():
        return Response(status=204)
    return make_response(redirect(local(request.args.get("next", "/")), 303))


@bp.post("/settings/profile")
@allow("member")
def save_profile() -> Response:
    typed = typed_fields("name", "timezone", "theme")
    has_shortcuts = bool(request.form.get("shortcuts"))
    act = partial(profile.save_profile, engine(), viewer().id, **typed, has_shortcuts=has_shortcuts)
    return _do(act, "profile", typed)


@bp.post("/settings/machines/<int:machine_id>")
@allow("member")
def rename_machine(machine_id: int) -> Response:
    typed = typed_fields("name")
    return _do(lambda: machines.rename(engine(), viewer().id, machine_id, typed["name"]), "renamed", typed)


@bp.post("/settings/tokens")
@allow("member")
def make_token() -> Response:
    typed = typed_fields("label", "scope", "expires")
    try:
        if typed["expires"] not in [value for value, _, _ in EXPIRIES]:
            raise Invalid("A token ends in 30 days, in 90 days, in a year, or never.", field="expires")
        ends_at = expiry(typed["expires"])
        fixed = settings().allowed_emails
        made = api_tokens.issue(
            engine(), viewer().email, [typed["scope"]], typed["label"], ends_at, fixed=fixed, actor=actor()
        )
    except (Invalid, Forbidden) as error:
        return ask_again(_answer(wrong("tokens", error, typed)), error)
    reread()
    return _answer(Said("tokens"), secret=made.text)


@bp.post("/settings/tokens/<token_id>/revoke")
@allow("member")
def revoke_token(token_id: str) -> Response:
    return _do(lambda: api_tokens.revoke(engine(), Scope(viewer().id), token_id, actor()), "revoked")


@bp.post("/settings/browsers/<browser_id>/end")
@allow("member")
def end_browser(browser_id: str) -> Response:
    return _do(lambda: sessions.revoke_session(engine(), viewer().id, browser_id, actor()), "ended")


@bp.post("/settings/browsers/end")
@allow("member")
def sign_out_everywhere() -> Response:
    sessions.end_all_sessions(engine(), viewer().id, actor())
    return forget(make_response(redirect("/login", 303)))


@bp.post("/settings/whitelist")
@allow("admin")
def add_rule() -> Response:
    typed = typed_fields("rule")
    return _do(lambda: whitelist.add(engine(), typed["rule"], actor()), "listed", typed)


@bp.post("/settings/whitelist/remove")
@allow("admin")
def remove_rule() -> Response:
    rule, fixed = request.form.get("rule", ""), settings().allowed_emails
    return _do(lambda: whitelist.remove(engine(), rule, fixed, actor()), "unlisted")


@bp.post("/settings/delete")
@allow("member")
def delete_me() -> Response:
    typed = typed_fields("confirm")
    try:
        check_confirmation(viewer().email, typed["confirm"], is_fresh=False)  # a page can always ask to be sure
        gone = delete_account(engine(), viewer().id, actor())
    except (Forbidden, Conflict) as error:
        return ask_again(_answer(wrong("delete", error, typed)), error)
    view = DeletedView(Frame("Deleted"), f"Deleted: {held(gone)} and your account.")
    return forget(make_response(render_template("settings/deleted.html", view=view)))


def _do(act: Callable[[], object], done: str, typed: dict[str, str] | None = None) -> Response:
    """Act, then show the section as it is now: by a redirect, so that going back or reloading does nothing again."""
    section = DONE[done][0]
    try:
        act()
    except (Invalid, Conflict) as error:
        return ask_again(_answer(wrong(section, error, typed or {})), error)
    return make_response(redirect(bare("/settings", done=done) + f"#{section}", 303))


def _answer(said: Said, secret: str = "") -> Response:
    """The page; for a swap the section that `said` is about."""
    template = TEMPLATES[said.section] if is_swap() else "settings/page.html"
    response = make_response(render_template(template, view=_view(said, secret)))
    response.vary.update(("HX-Request", "HX-Request-Type"))
    return response


def _view(said: Said, secret: str) -> SettingsView:
    now_at = datetime.now(UTC)
    is_admin = viewer().is_admin
    return SettingsView(
        frame=frame("Settings"),
        is_swap=is_swap(),
        said=said,
        sections=_sections(is_admin),
        profile=profile_section(said),
        machines=machine_section(now_at),
        tokens=token_section(said, now_at, secret),
        browsers=browser_section(now_at),
        whitelist=whitelist_section(said, now_at) if is_admin else None,
        deletion=None if is_swap() and said.section else deletion_section(),
    )


def _sections(is_admin: bool) -> tuple[MenuItem, ...]:
    here = [("Profile", "#profile"), ("Machines", "#machines"), ("API tokens", "#tokens"), ("Browsers", "#browsers")]
    admins = [("Whitelist", "#whitelist"), ("People", "/people"), ("Audit log", "/audit"), ("Setup", "/setup")]
    listed = [*here, *(admins if is_admin else []), ("Delete", "#delete")]
    return tuple(MenuItem(label, href, False) for label, href in listed)
