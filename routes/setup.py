"""The claim: whoever knows the secret from the terminal becomes the first admin."""

from dataclasses import dataclass
from functools import cache
from zoneinfo import available_timezones

from flask import Blueprint, Response, make_response, redirect, render_template, request

from meter import login
from meter.errors import AgentmeterError, Conflict, Forbidden, Invalid
from routes._auth import allow, browser, keep_signed_in
from routes._db import db, engine
from routes._limits import at_the_door
from routes._page import Frame, frame

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
@at_the_door
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


@cache
def zone_names() -> tuple[str, ...]:
    """All time zones by place, then UTC's kin; without the aliases that only computers use."""
    names = available_timezones() - {"localtime", "Factory"}
    return tuple(sorted(name for name in names if not name.startswith(("posix", "right/", "SystemV/"))))
