"""Who is calling, and whether they may. Closed by default: a route that does not say who may call it stops the start.

Say it with `@allow("anyone" | "member" | "admin")` right above the view function. A member is anybody signed in.
"""

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

from flask import Flask, Request, Response, current_app, g, request
from flask_login import LoginManager, UserMixin, current_user
from itsdangerous import BadSignature, Signer

from meter import login
from meter.errors import Forbidden, NotFound, NotSignedIn, Unavailable
from meter.login import Account, Browser, NewSession, SignedIn
from meter.settings import Settings
from models.queries.scope import Scope
from routes._db import DatabaseError, db, engine

WHO = ("anyone", "member", "admin")
View = TypeVar("View", bound=Callable[..., object])


def allow(who: str) -> Callable[[View], View]:
    """Declare who may call a view: anyone, member (everybody signed in) or admin."""
    if who not in WHO:
        raise ValueError(f"allow({who!r}): one of {WHO}")

    def declare(view: View) -> View:
        view.allowed = who  # type: ignore[attr-defined]
        return view

    return declare


def check_every_route_is_declared(app: Flask) -> None:
    """Stop the start when a route does not say who may call it."""
    silent = sorted(name for name, view in app.view_functions.items() if not hasattr(view, "allowed"))
    if silent:
        raise RuntimeError(f"without @allow(...): {', '.join(silent)}")


class Viewer(UserMixin):  # type: ignore[misc]
    """The person behind a request, as flask-login holds it."""

    def __init__(self, signed_in: SignedIn) -> None:
        self.signed_in = signed_in

    @property
    def account(self) -> Account:
        return self.signed_in.account

    def get_id(self) -> str:
        return str(self.account.id)


def guard_routes(app: Flask, settings: Settings, secret_key: str) -> None:
    """Put the guard before every route and teach flask-login our cookie."""
    app.extensions["cookie_signer"] = Signer(secret_key, salt="browser_session")
    app.extensions["cookie_name"] = "__Host-agentmeter" if settings.is_https else "agentmeter"
    # Not init_app(): that adds the remember cookie, which we do not have, and with it `Vary: Cookie` on every file.
    app.login_manager = LoginManager()  # type: ignore[attr-defined]
    app.login_manager.request_loader(_viewer_of)  # type: ignore[attr-defined]
    app.before_request(_guard)
    app.after_request(_note_seen)


def _guard() -> None:
    """The check of one route, by what the view itself declared, so that no spelling of the path gets around it."""
    if request.endpoint is None:
        return  # no such page or method: routing answers 404 or 405 before anything is said about credentials
    allowed = getattr(current_app.view_functions[request.endpoint], "allowed")  # noqa: B009 - mypy knows no such name
    if allowed == "anyone":
        return
    if viewer().role != "admin" and allowed == "admin":
        raise Forbidden("This needs an admin.")


def viewer() -> Account:
    """The person who is signed in. Raises NotSignedIn when nobody is."""
    if not current_user.is_authenticated:
        raise NotSignedIn("Sign in first.")
    account: Account = current_user.account
    return account


def is_signed_in() -> bool:
    """Whether the request carries a living session. Unavailable while the database cannot tell."""
    return bool(current_user.is_authenticated)


def scope(person_id: int | None = None) -> Scope:
    """Whose rows may be seen: members their own, admins everybody's or those of `person_id`.

    Somebody else's data does not exist for a member: NotFound.
    """
    account = viewer()
    if account.is_admin:
        return Scope(owner_id=person_id)
    if person_id not in (None, account.id):
        raise NotFound("There is no such person here.")
    return Scope(owner_id=account.id)


def browser() -> Browser:
    """Where the request comes from."""
    return Browser(user_agent=request.user_agent.string, ip=request.remote_addr or "")


def session_id() -> str:
    """The id of the browser session of this request; '' when there is none."""
    return str(current_user.signed_in.session_id) if is_signed_in() else ""


def keep_signed_in(response: Response, session: NewSession) -> Response:
    """Hand the browser the cookie of a session just opened."""
    value = current_app.extensions["cookie_signer"].sign(session.secret).decode()
    response.set_cookie(current_app.extensions["cookie_name"], value, expires=session.expires_at, **_cookie_rules())
    return response


def forget(response: Response) -> Response:
    """Take the cookie back."""
    response.delete_cookie(current_app.extensions["cookie_name"], **_cookie_rules())
    return response


def _cookie_rules() -> dict[str, Any]:
    is_secure = current_app.extensions["cookie_name"].startswith("__Host-")
    return {"path": "/", "httponly": True, "samesite": "Lax", "secure": is_secure}


def _viewer_of(request: Request) -> Viewer | None:
    """The viewer of a request's cookie. While the database cannot tell, nobody gets in: Unavailable."""
    value = request.cookies.get(current_app.extensions["cookie_name"])
    if not value:
        return None
    try:
        secret = current_app.extensions["cookie_signer"].unsign(value).decode()
        g.signed_in = login.find_session(db(), secret)
    except (BadSignature, UnicodeError, NotSignedIn):
        return None
    except DatabaseError as error:
        raise Unavailable("The database does not answer; try again in a moment.", retry_after_seconds=5) from error
    return Viewer(g.signed_in)


def _note_seen(response: Response) -> Response:
    """Write when the session was last seen, after the answer has gone out: a busy database must not slow a page."""
    if "signed_in" in g and login.is_worth_noting(g.signed_in):
        response.call_on_close(partial(_mark_seen, engine(), g.signed_in))
    return response


def _mark_seen(database: object, signed_in: SignedIn) -> None:
    with suppress(DatabaseError):  # it is only the time of the last visit; the next request tries again
        login.mark_seen(database, signed_in)  # type: ignore[arg-type]
