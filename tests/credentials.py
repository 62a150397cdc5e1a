"""Credentials of every kind, made as the program makes them, and clients that send them."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text

from meter import api_tokens, refresh, sessions
from meter.api_tokens import NewToken
from meter.audit import CLI
from meter.people import Account
from meter.sessions import BEARER, BROWSER, Browser, NewSession
from models.db import reading, writing
from models.types import to_ms


def token_of(
    app: Flask, account: Account, *scopes: str, label: str = "", expires_at: datetime | None = None
) -> NewToken:
    """A new API token."""
    engine, wanted = app.extensions["engine"], scopes or ("read",)
    return api_tokens.issue(engine, account.email, wanted, label, expires_at, fixed=(), actor=CLI)


def session_of(app: Flask, account: Account, kind: str = BROWSER, *, age: timedelta = timedelta()) -> NewSession:
    """A new session, as if opened `age` ago."""
    engine = app.extensions["engine"]
    made = sessions.open_session(engine, account.id, Browser("a test", "127.0.0.1"), kind)
    if age:
        with writing(engine) as db:
            moved = "update browser_session set created_at = :at where id = :id"
            db.execute(text(moved), {"at": to_ms(datetime.now(UTC) - age), "id": made.session_id})
    return made


def bearer_of(app: Flask, account: Account) -> str:
    """The secret of a session bearer."""
    return session_of(app, account, BEARER).secret


def jwt_of(app: Flask, account: Account, *, secret_keys: Sequence[str] = ()) -> str:
    """An access token of a new session, signed by the application's key or the one given."""
    return jwt_for(app, session_of(app, account), secret_keys=secret_keys)


def jwt_for(app: Flask, session: NewSession, *, secret_keys: Sequence[str] = ()) -> str:
    """An access token of a session."""
    with reading(app.extensions["engine"]) as db:
        signed_in = sessions.find_session_by_id(db, session.session_id)
    return refresh.sign_access((secret_keys or app.extensions["secret_keys"])[0], signed_in)


def cookie_of(app: Flask, session: NewSession) -> str:
    """The cookie's value of a browser's session."""
    value: str = app.extensions["cookie_signer"].sign(session.secret).decode()
    return value


def with_cookie(app: Flask, session: NewSession) -> FlaskClient:
    """A browser that holds the cookie of a session."""
    client = app.test_client()
    client.environ_base["HTTP_SEC_FETCH_SITE"] = "same-origin"
    client.set_cookie("agentmeter", cookie_of(app, session))
    return client


def sending(app: Flask, credential: str, scheme: str = "Bearer") -> FlaskClient:
    """A program that sends a credential with every request."""
    client = app.test_client()
    client.environ_base["HTTP_AUTHORIZATION"] = f"{scheme} {credential}"
    return client
