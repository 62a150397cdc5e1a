"""Signing in by a link, and out."""

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from flask import Blueprint, Response, make_response, redirect, render_template, request

from meter import login
from meter.errors import NotFound
from meter.login import OpenLink
from routes._auth import allow, browser, forget, is_signed_in, keep_signed_in, session_id
from routes._db import db, engine
from routes._limits import at_the_door
from routes._links import local
from routes._page import Frame, frame

bp = Blueprint("login", __name__)

LINK_MINUTES = int(login.LINK_LIFE.total_seconds()) // 60


@dataclass(frozen=True)
class LoginView:
    """The page that says how to come in."""

    frame: Frame


@dataclass(frozen=True)
class ConfirmView:
    """The page with the button: mail scanners follow links, so opening one signs nobody in."""

    frame: Frame
    name: str
    email: str
    asked_at: str
    until_at: str
    asked_from: str
    next: str
    action: str


@dataclass(frozen=True)
class ExpiredView:
    """The page of a link that does not work any more."""

    frame: Frame
    minutes: int
    again_href: str


@bp.get("/login")
@allow("anyone")
def show_login() -> Response:
    if is_signed_in():
        return make_response(redirect("/", 303))
    if not login.is_claimed(db()):
        return make_response(redirect("/claim", 303))
    return make_response(render_template("login/login.html", view=LoginView(frame("Log in"))))


@bp.get("/login/<token>")
@allow("anyone")
def confirm(token: str) -> Response:
    try:
        link = login.find_link(db(), token)
    except NotFound:
        return _expired()
    view = _confirm_view(link, token, local(request.args.get("next", "/")))
    return make_response(render_template("login/confirm.html", view=view))


@bp.post("/login/<token>")
@allow("anyone")
@at_the_door
def redeem(token: str) -> Response:
    try:
        session = login.redeem(engine(), token, browser(), replaces=session_id())
    except NotFound:
        return _expired()
    return keep_signed_in(make_response(redirect(local(request.form.get("next", "/")), 303)), session)


@bp.post("/logout")
@allow("anyone")
def logout() -> Response:
    login.end_session(engine(), session_id())
    return forget(make_response(redirect("/login", 303)))


def _confirm_view(link: OpenLink, token: str, next_path: str) -> ConfirmView:
    who = link.account
    return ConfirmView(
        frame=frame("Log in"),
        name=who.name,
        email=who.email,
        asked_at=_clock(link.created_at, who.timezone),
        until_at=_clock(link.expires_at, who.timezone),
        asked_from=link.asked_from,
        next=next_path,
        action=f"/login/{token}",
    )


def _expired() -> Response:
    view = ExpiredView(frame("This link no longer works"), LINK_MINUTES, "/login")
    return make_response(render_template("login/expired.html", view=view), 404)


def _clock(at: datetime, zone: str) -> str:
    return at.astimezone(ZoneInfo(zone)).strftime("%H:%M")
