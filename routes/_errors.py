"""The one table from what happened to an HTTP answer. The body has the shape of the path's family.

Routes raise the errors of meter/errors.py and never build an error answer themselves. What nobody expected becomes a
500 of the same shape: logged with the request's id, never shown.
"""

from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit

from flask import Flask, Response, jsonify, make_response, redirect, render_template, request
from werkzeug.exceptions import HTTPException

from meter import errors
from meter.errors import AgentmeterError
from meter.limits import CountsUnavailable
from routes._auth import sends_bearer
from routes._db import is_database_down
from routes._families import PAGE, family_of
from routes._headers import request_id
from routes._links import bare, here, local
from routes._log import log
from routes._page import Frame, frame, is_swap

STATUS: dict[type[AgentmeterError], int] = {
    errors.Invalid: 400,
    errors.NotSignedIn: 401,
    errors.Forbidden: 403,
    errors.NotFound: 404,
    errors.Conflict: 409,
    errors.TooLarge: 413,
    errors.TooMany: 429,
    errors.Unavailable: 503,
}


@dataclass(frozen=True)
class Kind:
    """What is said of a status: the code of the JSON families, the title, and the sentence when nobody said more."""

    code: str
    title: str
    text: str


KINDS = {
    400: Kind("VALIDATION_ERROR", "That does not fit", "The request could not be read."),
    401: Kind("UNAUTHORIZED", "Sign in first", "This page needs you to be signed in."),
    403: Kind("FORBIDDEN", "Not allowed", "This is not open to you."),
    404: Kind("NOT_FOUND", "No such page", "It does not exist, was deleted, or is not yours to see."),
    405: Kind("METHOD_NOT_ALLOWED", "Not this way", "This address does not take that method."),
    409: Kind("CONFLICT", "Not possible now", "Something else was there first."),
    413: Kind("PAYLOAD_TOO_LARGE", "Too large", "That is more than is taken at once."),
    415: Kind("VALIDATION_ERROR", "That does not fit", "That kind of content is not taken here."),
    429: Kind("RATE_LIMITED", "Too many tries", "Wait a moment, then try again."),
    500: Kind(
        "INTERNAL_ERROR", "Something broke", "The fault is ours. It was written to the log under the number below."
    ),
    503: Kind("UNAVAILABLE", "Not available now", "Something that is needed does not answer. Try again in a moment."),
}


@dataclass(frozen=True)
class Problem:
    """An error as it is answered."""

    status: int
    code: str
    title: str
    text: str
    field: str | None = None
    retry_after_seconds: int | None = None
    allowed_methods: str = ""


@dataclass(frozen=True)
class ErrorView:
    """What templates/error.html prints: what happened, one way on, status and request id."""

    frame: Frame
    status: int
    title: str
    text: str
    request_id: str
    way_on_label: str
    way_on_href: str


def answer_errors(app: Flask) -> None:
    """Take every exception of every route."""
    app.register_error_handler(Exception, answer)


def answer(error: Exception) -> Response:
    """The answer to an exception, in the shape of the path's family."""
    problem = problem_of(error)
    if problem.status >= 500:
        # The rule, not the path: a path can hold a secret, such as a login link's.
        place = request.url_rule.rule if request.url_rule else "no such page"
        extra = {"request_id": request_id()}
        log.error("%s %s: %s", request.method, place, problem.code, exc_info=error, extra=extra)
    try:
        response = BODIES[family_of(request.path)](problem)
    except Exception:  # the error page itself is broken; say so in the plainest way there is
        log.exception("error page", extra={"request_id": request_id()})
        response = Response(f"{problem.title}\n{problem.status} request {request_id()}\n", problem.status)
        response.mimetype = "text/plain"
    if problem.retry_after_seconds is not None:
        response.headers["Retry-After"] = str(problem.retry_after_seconds)
    if problem.allowed_methods:
        response.headers["Allow"] = problem.allowed_methods
    return response


def problem_of(error: Exception) -> Problem:
    """What an exception means to the caller; nothing of an unexpected one is told."""
    if isinstance(error, AgentmeterError):
        kind = KINDS[STATUS[type(error)]]
        wait = error.retry_after_seconds
        return Problem(STATUS[type(error)], error.code or kind.code, kind.title, error.message, error.field, wait)
    if isinstance(error, HTTPException) and error.code in KINDS:
        return _plain(error.code, allowed_methods=dict(error.get_headers()).get("Allow", ""))
    if isinstance(error, HTTPException) and error.code and error.code < 500:
        return _plain(400)
    if is_database_down(error) or isinstance(error, CountsUnavailable):
        return _plain(503, retry_after_seconds=5)
    return _plain(500)


def _plain(status: int, retry_after_seconds: int | None = None, allowed_methods: str = "") -> Problem:
    kind = KINDS[status]
    return Problem(status, kind.code, kind.title, kind.text, None, retry_after_seconds, allowed_methods)


def _json(problem: Problem, body: dict[str, object]) -> Response:
    return make_response(jsonify(body), problem.status)


def telemetry_body(problem: Problem) -> Response:
    """Families telemetry and hub, and what has no family of its own but speaks JSON."""
    return _json(problem, {"error": problem.text, "code": problem.code})


def analytics_body(problem: Problem) -> Response:
    """Family analytics: the envelope."""
    details = {"field": problem.field} if problem.field else {}
    error = {"message": problem.text, "code": problem.code, "details": details}
    return _json(problem, {"success": False, "error": error})


def gateway_body(problem: Problem) -> Response:
    """Family gateway: the shape of OpenAI."""
    kind = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}.get(
        problem.status, "server_error" if problem.status >= 500 else "invalid_request_error"
    )
    error = {"message": problem.text, "type": kind, "param": problem.field, "code": problem.code.lower()}
    return _json(problem, {"error": error})


def alerts_body(problem: Problem) -> Response:
    """Family alerts: one sentence; the documented one where the credential is missing."""
    return _json(problem, {"error": "Unauthorized" if problem.status == 401 else problem.text})


def page_body(problem: Problem) -> Response:
    """A page: the 400 px box. A browser that is not signed in goes to the login page; a swap gets the box alone."""
    if problem.status == 401 and request.method in ("GET", "HEAD") and not (is_swap() or sends_bearer()):
        return make_response(redirect(_login_href(local(here())), 303))
    label, href = _way_on(problem)
    view = ErrorView(frame(problem.title), problem.status, problem.title, problem.text, request_id(), label, href)
    template = "_error.html" if is_swap() else "error.html"
    response = make_response(render_template(template, view=view), problem.status)
    if problem.status == 401 and is_swap():
        response.headers["HX-Redirect"] = _login_href(_shown_page())
    response.vary.update(("HX-Request", "HX-Request-Type"))
    return response


def _way_on(problem: Problem) -> tuple[str, str]:
    """Label and address of the one way on."""
    if problem.status == 400 and request.method == "GET" and request.args:
        return "Reset filters", request.path
    if problem.status == 401:
        return "Sign in", _login_href("/")
    if problem.status in (429, 503) and request.method == "GET":
        return "Try again", request.path + ("?" + urlencode(request.args) if request.args else "")
    return "To the overview", "/"


def _login_href(next_path: str) -> str:
    """The login page, which leads back to where somebody wanted to go."""
    return bare("/login", next=next_path if next_path != "/" else None)


def _shown_page() -> str:
    """The page that a swap was asked from, as htmx says; '/' when that is not known."""
    try:
        parts = urlsplit(request.headers.get("HX-Current-URL", ""))
    except ValueError:
        return "/"
    return local(parts.path + (f"?{parts.query}" if parts.query else ""))


BODIES = {
    "analytics": analytics_body,
    "gateway": gateway_body,
    "alerts": alerts_body,
    "telemetry": telemetry_body,
    PAGE: page_body,
}
