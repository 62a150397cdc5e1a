"""Who is calling, and whether they may. Closed by default: a route that does not say who may call it stops the start.

Say it with `@allow(...)` right above the view function:

    @allow("anyone")                        # no credential needed
    @allow("member")                        # a person who is signed in: cookie, session bearer, platform JWT
    @allow("admin")                         # the same, and an admin
    @allow("member", scope="read")          # or an API token with that scope
    @allow("token", scope="ingest")         # API tokens only
    @allow("member", apple=True)            # or an Apple identity token
    @allow("admin", fresh=True)             # only shortly after signing in
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, TypeVar

from flask import Flask, Request, Response, current_app, g, request
from flask_login import LoginManager, UserMixin, current_user
from itsdangerous import Signer

from meter import api_tokens, sessions
from meter.api_tokens import SCOPES, TokenHolder
from meter.apple import AppleKeys
from meter.audit import Actor
from meter.errors import AgentmeterError, Forbidden, NotFound, NotSignedIn, Unavailable
from meter.people import Account
from meter.sessions import Browser, NewSession, SignedIn
from meter.settings import Settings
from models.queries.scope import Scope
from routes._credentials import Caller, read_caller
from routes._db import DatabaseError, engine

WHO = ("anyone", "member", "admin", "token")
FRESH = timedelta(minutes=15)
REFRESH_COOKIE, REFRESH_PATH = "am_refresh", "/api/v1/auth"
View = TypeVar("View", bound=Callable[..., object])


@dataclass(frozen=True)
class Rule:
    """Who may call a view, as `allow()` declares it."""

    who: str
    scope: str | None = None
    apple: bool = False
    fresh: bool = False


@dataclass(frozen=True)
class Team:
    """What a ranking may show: everybody's sums by `scope`, the place of `own_id`, and names only if `shows_names`."""

    scope: Scope
    own_id: int
    shows_names: bool


def allow(who: str, *, scope: str | None = None, apple: bool = False, fresh: bool = False) -> Callable[[View], View]:
    """Declare who may call a view; see the head of this module. ValueError on what makes no sense."""
    if who not in WHO or (scope is not None and scope not in SCOPES):
        raise ValueError(f"allow({who!r}, scope={scope!r}): one of {WHO}, a scope of {SCOPES}")
    if (who == "anyone" and (scope or apple or fresh)) or (who == "token" and (not scope or apple)):
        raise ValueError("anyone stands alone, token needs a scope and takes nobody else")
    if fresh and (scope or apple):
        raise ValueError("fresh: API tokens never sign in, and Apple's sign-in is not ours")
    rule = Rule(who, scope, apple, fresh)

    def declare(view: View) -> View:
        view.allowed = rule  # type: ignore[attr-defined]
        return view

    return declare


def check_every_route_is_declared(app: Flask) -> None:
    """Stop the start when a route does not say who may call it."""
    silent = sorted(name for name, view in app.view_functions.items() if not hasattr(view, "allowed"))
    if silent:
        raise RuntimeError(f"without @allow(...): {', '.join(silent)}")


class Viewer(UserMixin):  # type: ignore[misc]
    """The caller of a request, as flask-login holds it."""

    def __init__(self, caller: Caller) -> None:
        self.caller = caller

    def get_id(self) -> str:
        return str(self.caller.account.id)


def guard_routes(app: Flask, settings: Settings, secret_keys: tuple[str, ...]) -> None:
    """Put the guard before every route and teach flask-login our credentials; the newest key comes first."""
    app.extensions["secret_keys"] = secret_keys
    app.extensions["cookie_signer"] = Signer(list(reversed(secret_keys)), salt="browser_session")
    app.extensions["cookie_name"] = "__Host-agentmeter" if settings.is_https else "agentmeter"
    app.extensions["apple_keys"] = AppleKeys(settings.apple_jwks_url)
    # Not init_app(): that adds the remember cookie, which we do not have, and with it `Vary: Cookie` on every file.
    app.login_manager = LoginManager()  # type: ignore[attr-defined]
    app.login_manager.request_loader(_viewer_of)  # type: ignore[attr-defined]
    app.before_request(_guard)
    app.after_request(_note_seen)


def _rule() -> Rule:
    """What the view of this request declared, so that no spelling of the path gets around it."""
    rule: Rule = getattr(current_app.view_functions[request.endpoint or ""], "allowed")  # noqa: B009 - mypy
    return rule


def _guard() -> None:
    if request.endpoint is None:
        return  # no such page or method: routing answers 404 or 405 before anything is said about credentials
    rule = _rule()
    if rule.who != "anyone":
        _check(rule, caller())


def _check(rule: Rule, caller: Caller) -> None:
    """Raise Forbidden unless the rule lets the caller in."""
    if caller.kind == "api_token":
        if rule.scope is None:
            raise Forbidden("An API token does not open this; sign in.")
        if rule.scope not in caller.scopes:
            raise Forbidden(f"This needs a token with the scope {rule.scope}.")
    elif caller.kind == "apple" and not rule.apple:
        raise Forbidden("An Apple identity token does not open this.")
    elif rule.who == "token":
        raise Forbidden(f"This needs an API token with the scope {rule.scope}.")
    if rule.who == "admin" and not caller.account.is_admin:
        raise Forbidden("This needs an admin.")
    if rule.fresh:
        require_fresh()


def known() -> Caller | None:
    """The caller; None without a credential and with one that is not good. Unavailable while nobody can tell."""
    return current_user.caller if current_user.is_authenticated else None


def caller() -> Caller:
    """The caller. Raises NotSignedIn when there is no credential or it is not good."""
    found = known()
    if found is None:
        raise g.get("refusal") or NotSignedIn("Sign in first.")
    return found


def viewer() -> Account:
    """The person whom the request acts for, by whatever credential. Raises NotSignedIn when there is none."""
    return caller().account


def sends_bearer() -> bool:
    """Whether a program sends a credential of its own, good or not; browsers never do by themselves."""
    return request.headers.get("Authorization", "").lower().startswith("bearer ")


def is_signed_in() -> bool:
    """Whether a person is signed in with a living session. Unavailable while the database cannot tell."""
    found = known()
    return found is not None and found.is_session


def is_fresh() -> bool:
    """Whether the person proved who they are less than 15 minutes ago."""
    at = caller().signed_in_at
    return at is not None and datetime.now(UTC) - at < FRESH


def require_fresh() -> None:
    """Raise Forbidden unless the person has just signed in; for acts that cannot be undone."""
    if not is_fresh():
        raise Forbidden("Sign in again first: this needs a login of the last 15 minutes.", code="LOGIN_TOO_OLD")


def actor() -> Actor:
    """Who the audit log shall say it was."""
    found, ip = known(), request.remote_addr or ""
    if found is None:
        return Actor(None, None, "anonymous", ip)
    return Actor(found.account.id, found.token_id, found.account.email, ip)


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


def team() -> Team:
    """What a ranking of people may show: members see everybody's sums, but names only if TEAM_VISIBILITY is open."""
    account = viewer()
    return Team(Scope(owner_id=None), account.id, account.is_admin or settings().team_visibility == "open")


def settings() -> Settings:
    """The settings of this installation."""
    found: Settings = current_app.extensions["settings"]
    return found


def browser() -> Browser:
    """Where the request comes from."""
    return Browser(user_agent=request.user_agent.string, ip=request.remote_addr or "")


def session_id() -> str:
    """The id of the session of this request; '' when there is none."""
    found = known()
    return (found.session_id if found else None) or ""


def keep_signed_in(response: Response, session: NewSession) -> Response:
    """Hand the browser the cookie of a session just opened."""
    value = current_app.extensions["cookie_signer"].sign(session.secret).decode()
    response.set_cookie(current_app.extensions["cookie_name"], value, expires=session.expires_at, **_cookie_rules())
    return response


def keep_refresh(response: Response, secret: str, expires_at: datetime) -> Response:
    """Hand out a refresh cookie; it goes to the one path that takes it and never along with another site's request."""
    response.set_cookie(REFRESH_COOKIE, secret, expires=expires_at, **_refresh_rules())
    return response


def forget(response: Response) -> Response:
    """Take the cookies back."""
    response.delete_cookie(current_app.extensions["cookie_name"], **_cookie_rules())
    return forget_refresh(response)


def forget_refresh(response: Response) -> Response:
    """Take the refresh cookie back."""
    response.delete_cookie(REFRESH_COOKIE, **_refresh_rules())
    return response


def _cookie_rules() -> dict[str, Any]:
    is_secure = current_app.extensions["cookie_name"].startswith("__Host-")
    return {"path": "/", "httponly": True, "samesite": "Lax", "secure": is_secure}


def _refresh_rules() -> dict[str, Any]:
    return {**_cookie_rules(), "path": REFRESH_PATH, "samesite": "Strict"}


def _viewer_of(request: Request) -> Viewer | None:
    """The viewer of a request. While nobody can tell who it is, nobody gets in: Unavailable."""
    takes_query_token = request.endpoint is not None and _rule().scope == api_tokens.EMBED
    try:
        found = read_caller(request, takes_query_token=takes_query_token)
    except NotSignedIn as refusal:
        g.refusal = refusal
        return None
    except AgentmeterError:
        raise
    except DatabaseError as error:
        raise Unavailable("The database does not answer; try again in a moment.", retry_after_seconds=5) from error
    except Exception as error:  # a fault of ours while checking a credential must not let anybody in either
        raise Unavailable("The credential cannot be checked just now; try again in a moment.") from error
    g.caller = found
    return Viewer(found) if found else None


def _note_seen(response: Response) -> Response:
    """Write when a credential was last used, after the answer has gone out: a busy database must not slow a page."""
    proof = g.caller.proof if g.get("caller") else None
    if isinstance(proof, SignedIn) and sessions.is_worth_noting(proof):
        response.call_on_close(partial(_quietly, sessions.mark_seen, engine(), proof))
    elif isinstance(proof, TokenHolder) and api_tokens.is_worth_noting(proof):
        response.call_on_close(partial(_quietly, api_tokens.mark_used, engine(), proof.token_id))
    return response


def _quietly(note: Callable[..., None], *given: object) -> None:
    with suppress(DatabaseError):  # it is only the time of the last use; the next request tries again
        note(*given)
