"""The credential of a request, told apart by its shape, and who it stands for at this very moment.

Everything is read from the database with every request, so what was revoked a moment ago is refused in every process.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from flask import Request, current_app
from itsdangerous import BadSignature

from meter import api_tokens, apple, refresh, sessions
from meter.api_tokens import TokenHolder
from meter.errors import NotSignedIn
from meter.people import Account
from meter.sessions import BEARER_PREFIX, SignedIn
from routes._db import db

if TYPE_CHECKING:
    from itsdangerous import Signer

SESSION_KINDS = ("browser", "bearer", "jwt")  # a person signed in: cookie, session bearer, platform JWT
LONGEST_LETTERS = 8_192


@dataclass(frozen=True)
class Caller:
    """Who sent a request, and by what.

    kind: browser, bearer, jwt, api_token or apple. scopes: of an API token, with what they imply. signed_in_at: when
    the person last proved who they are; None for an API token. proof: what the database said, for `last seen`.
    """

    kind: str
    account: Account
    scopes: frozenset[str] = frozenset()
    token_id: str | None = None
    session_id: str | None = None
    signed_in_at: datetime | None = None
    proof: SignedIn | TokenHolder | None = None

    @property
    def is_session(self) -> bool:
        """Whether a person is behind it who has signed in here, rather than a program or another service."""
        return self.kind in SESSION_KINDS


def read_caller(request: Request, *, takes_query_token: bool) -> Caller | None:
    """The caller of a request; None when it carries no credential.

    A header decides over the cookie, also when it is wrong. takes_query_token: `?token=` counts as well, as embed
    routes promise. Raises NotSignedIn for a credential that is not good, whatever is wrong with it.
    """
    text = _presented(request, takes_query_token)
    if text is not None:
        return _caller_of(text)
    value = request.cookies.get(current_app.extensions["cookie_name"])
    return _caller_of_cookie(value) if value else None


def _presented(request: Request, takes_query_token: bool) -> str | None:
    header = request.headers.get("Authorization")
    if header is not None:
        scheme, _, text = header.strip().partition(" ")
        if scheme.lower() == "bearer":
            return text.strip()
        if scheme.lower() != "basic":  # that one belongs to a proxy in front, and browsers send it along
            raise _no_such()
    return request.args.get("token") if takes_query_token else None


def _caller_of(text: str) -> Caller:
    if not text.isascii() or len(text) > LONGEST_LETTERS:
        raise _no_such()
    if api_tokens.looks_like_token(text):
        holder = api_tokens.find_token(db(), text)
        return Caller("api_token", holder.account, holder.scopes, token_id=holder.token_id, proof=holder)
    if text.startswith(BEARER_PREFIX):
        return _of_session("bearer", sessions.find_session(db(), text))
    if text.count(".") == 2:
        return _caller_of_jwt(text)
    raise _no_such()


def _caller_of_jwt(text: str) -> Caller:
    import jwt

    try:
        algorithm = jwt.get_unverified_header(text).get("alg")
    except jwt.PyJWTError:
        raise _no_such() from None
    if algorithm == "HS256":
        return _of_session("jwt", refresh.find_access(db(), current_app.extensions["secret_keys"], text))
    if algorithm == "RS256":
        extensions = current_app.extensions
        found = apple.find_person(db(), extensions["apple_keys"], extensions["settings"], text)
        return Caller("apple", found.account, signed_in_at=found.signed_in_at)
    raise _no_such()


def _caller_of_cookie(value: str) -> Caller:
    signer: Signer = current_app.extensions["cookie_signer"]
    try:
        secret = signer.unsign(value).decode()
    except (BadSignature, UnicodeError):
        raise NotSignedIn("Sign in first.") from None
    return _of_session("browser", sessions.find_session(db(), secret))


def _of_session(kind: str, signed_in: SignedIn) -> Caller:
    return Caller(
        kind, signed_in.account, session_id=signed_in.session_id, signed_in_at=signed_in.signed_in_at, proof=signed_in
    )


def _no_such() -> NotSignedIn:
    return NotSignedIn("Invalid API key")
