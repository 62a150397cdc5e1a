"""Signing in by a link, for browsers and for programs, and out."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

import msgspec
from flask import Blueprint, Response, current_app, jsonify, make_response, redirect, render_template, request

from meter import login
from meter.emails import folded_email
from meter.errors import Forbidden, Invalid, NotFound, NotSignedIn
from meter.login import Asked, Browser, OpenLink
from meter.sessions import BEARER, BROWSER, NewSession
from meter.settings import Settings
from routes._auth import actor, allow, browser, forget, is_signed_in, keep_refresh, keep_signed_in, session_id
from routes._browsers import browser_name
from routes._cli_base import say
from routes._db import db, engine
from routes._json import read_json
from routes._limits import count_denial, count_wish
from routes._links import bare, local
from routes._mail import login_url, wake_postman
from routes._page import Frame, frame
from routes._wire import telemetry

bp = Blueprint("login", __name__)

LINK_MINUTES = int(login.LINK_LIFE.total_seconds()) // 60
# A wish for a link is answered no sooner: how long it took would tell whether there is such a person.
LEAST_SECONDS = 0.15


@dataclass(frozen=True)
class LoginView:
    """The form. `sends_mail` False: links appear on the server's terminal."""

    frame: Frame
    email: str
    next: str
    sends_mail: bool
    error: str = ""
    action: str = "/login"


@dataclass(frozen=True)
class SentView:
    """What everybody is told who asked for a link, whoever they are."""

    frame: Frame
    email: str
    next: str
    sends_mail: bool
    minutes: int
    action: str = "/login"


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


class Wish(msgspec.Struct):
    """The body of POST /api/auth."""

    email: str


class Redemption(msgspec.Struct):
    """The body of POST /api/auth/redeem."""

    token: str


@bp.get("/login")
@allow("anyone")
def show_login() -> Response:
    next_path = local(request.args.get("next", "/"))
    if is_signed_in():
        return make_response(redirect(next_path, 303))
    if not login.is_claimed(db()):
        return make_response(redirect("/claim", 303))
    return _form("", next_path)


@bp.post("/login")
@allow("anyone")
def send_link() -> Response:
    typed, next_path = request.form.get("email", ""), local(request.form.get("next", "/"))
    try:
        asked = _ask(typed, next_path, tells_denials=False)
    except Invalid as error:
        return _form(typed, next_path, error.message)
    view = SentView(frame("Check your mail"), asked.email, next_path, _sends_mail(), LINK_MINUTES)
    return make_response(render_template("login/sent.html", view=view))


@bp.post("/api/auth")
@allow("anyone")
def ask() -> Response:
    tells_denials = not _settings().auth_uniform
    asked = _ask(read_json(Wish).email, "/", tells_denials=tells_denials)
    if tells_denials and not asked.is_listed:
        count_denial()
        raise Forbidden("Email not in whitelist")
    return jsonify(telemetry.link_sent(asked.email))


@bp.get("/login/<token>")
@allow("anyone")
def confirm(token: str) -> Response:
    try:
        link = login.find_link(db(), _keys(), token)
    except NotFound:
        return _expired()
    view = _confirm_view(link, token, local(request.args.get("next", "/")))
    return make_response(render_template("login/confirm.html", view=view))


@bp.post("/login/<token>")
@allow("anyone")
def redeem(token: str) -> Response:
    try:
        session = _redeem(token, BROWSER, replaces=session_id())
    except NotFound:
        return _expired()
    response = make_response(redirect(local(request.form.get("next", "/")), 303))
    return keep_refresh(keep_signed_in(response, session), session.refresh, session.expires_at)


@bp.post("/api/auth/redeem")
@allow("anyone")
def redeem_by_program() -> Response:
    try:
        session = _redeem(read_json(Redemption).token, BEARER)
    except NotFound as error:
        raise NotSignedIn(error.message) from None
    return keep_refresh(jsonify(telemetry.session(session)), session.refresh, session.expires_at)


@bp.post("/logout")
@allow("anyone")
def logout() -> Response:
    login.end_session(engine(), session_id(), actor())
    return forget(make_response(redirect("/login", 303)))


def _ask(typed: str, next_path: str, *, tells_denials: bool) -> Asked:
    """Make somebody a link and see that it reaches them. Raises Invalid on what is no address, TooMany."""
    email = folded_email(typed)
    with _taking_as_long_as_ever():
        count_wish(email, tells_denials=tells_denials)
        here = Browser(browser_name(request.user_agent.string), browser().ip)
        asked = login.ask_for_link(engine(), _settings(), _keys(), email, here, next_path)
        if asked.link:
            say(f"Login link for {asked.email}:  {login_url(asked.link.token, next_path)}")
        wake_postman(current_app)
    return asked


@contextmanager
def _taking_as_long_as_ever() -> Iterator[None]:
    until = time.monotonic() + LEAST_SECONDS
    try:
        yield
    finally:
        time.sleep(max(0.0, until - time.monotonic()))


def _redeem(token: str, kind: str, replaces: str = "") -> NewSession:
    return login.redeem(engine(), _settings(), _keys(), token, browser(), replaces, kind)


def _form(email: str, next_path: str, error: str = "") -> Response:
    view = LoginView(frame("Log in"), email, next_path, _sends_mail(), error)
    return make_response(render_template("login/login.html", view=view), 400 if error else 200)


def _confirm_view(link: OpenLink, token: str, next_path: str) -> ConfirmView:
    zone = link.account.timezone if link.account else _settings().timezone
    return ConfirmView(
        frame=frame("Log in"),
        name=link.account.name if link.account else link.email.partition("@")[0],
        email=link.email,
        asked_at=_clock(link.created_at, zone),
        until_at=_clock(link.expires_at, zone),
        asked_from=" at ".join(part for part in (link.asked_from, link.asked_ip) if part),
        next=next_path,
        action=f"/login/{token}",
    )


def _expired() -> Response:
    view = ExpiredView(frame("This link no longer works"), LINK_MINUTES, bare("/login"))
    return make_response(render_template("login/expired.html", view=view), 404)


def _clock(at: datetime, zone: str) -> str:
    return at.astimezone(ZoneInfo(zone)).strftime("%H:%M")


def _sends_mail() -> bool:
    return bool(_settings().smtp_url)


def _settings() -> Settings:
    found: Settings = current_app.extensions["settings"]
    return found


def _keys() -> tuple[str, ...]:
    found: tuple[str, ...] = current_app.extensions["secret_keys"]
    return found
