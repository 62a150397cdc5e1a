"""The claim, by which whoever knows the secret from the terminal becomes the first admin; and the setup's answers."""

from dataclasses import dataclass

import msgspec
from flask import Blueprint, Response, jsonify, make_response, redirect, render_template, request

from meter import login
from meter.errors import AgentmeterError, Conflict, Forbidden, Invalid
from meter.setup import complete_setup, reset_setup, setup_state
from routes._auth import actor, allow, browser, keep_signed_in, known
from routes._db import db, engine
from routes._json import read_json
from routes._page import Frame, frame
from routes._wire import hub
from routes._zones import zone_names

bp = Blueprint("setup", __name__)


@dataclass(frozen=True)
class ClaimView:
    """The claim form; `timezone` '' lets the browser choose its own. `error_field` names the field `error` is about."""

    frame: Frame
    secret: str
    email: str
    name: str
    timezone: str
    timezones: tuple[str, ...]
    action: str = "/claim"
    error: str = ""
    error_field: str = ""


@bp.get("/claim")
@allow("anyone")
def show_claim() -> Response:
    if login.is_claimed(db()):
        raise Conflict("This server has an owner already.")
    view = ClaimView(frame("Claim this server"), request.args.get("secret", ""), "", "", "", zone_names())
    return make_response(render_template("setup/claim.html", view=view))


@bp.post("/claim")
@allow("anyone")
def claim() -> Response:
    typed = {name: request.form.get(name, "") for name in ("secret", "email", "name", "timezone")}
    try:
        session = login.claim(engine(), **typed, browser=browser())
    except (Invalid, Forbidden) as error:
        return _ask_again(typed, error)
    return keep_signed_in(make_response(redirect("/", 303)), session)


def _ask_again(typed: dict[str, str], error: AgentmeterError) -> Response:
    said = {"error": error.message, "error_field": error.field or ""}
    view = ClaimView(frame("Claim this server"), **typed, timezones=zone_names(), **said)
    return make_response(render_template("setup/claim.html", view=view), 403 if isinstance(error, Forbidden) else 400)


class Answers(msgspec.Struct):
    """The body of POST /api/setup/complete."""

    scenario: str
    infra: str


@bp.get("/api/setup/status")
@allow("anyone")
def show_status() -> Response:
    return jsonify(hub.setup_status(setup_state(db()), shows_all=_is_asked_by_admin()))


@bp.post("/api/setup/complete")
@allow("admin", scope="admin")
def complete() -> Response:
    answers = read_json(Answers)
    state = complete_setup(engine(), answers.scenario, answers.infra, actor())
    return jsonify(hub.setup_status(state, shows_all=True))


@bp.post("/api/setup/reset")
@allow("admin", scope="admin")
def reset() -> Response:
    return jsonify(hub.setup_status(reset_setup(engine(), actor()), shows_all=True))


def _is_asked_by_admin() -> bool:
    """Whether an admin is asking, by a session or a token with the scope admin."""
    caller = known()
    if caller is None or not caller.account.is_admin:
        return False
    return caller.is_session or "admin" in caller.scopes
