"""Everybody's API tokens, for admins."""

import msgspec
from flask import Blueprint, Response, jsonify

from meter import api_tokens
from models.queries.tokens import tokens
from routes._auth import actor, allow, scope, settings
from routes._db import db, engine
from routes._json import read_json
from routes._wire import hub

bp = Blueprint("admin_tokens", __name__)


class Wish(msgspec.Struct, rename="camel"):
    """The body of POST /api/admin/tokens; `user` is an e-mail."""

    user: str
    scope: str
    label: str | None = None
    expires_at: str | float | None = None


@bp.get("/api/admin/tokens")
@allow("admin", scope="admin")
def list_all() -> Response:
    return jsonify(hub.admin_tokens(tokens(db(), scope())))


@bp.post("/api/admin/tokens")
@allow("admin", scope="admin")
def create() -> Response:
    wish = read_json(Wish)
    expires_at = api_tokens.read_expiry(wish.expires_at)
    scopes, label = wish.scope.split(), wish.label or ""
    made = api_tokens.issue(
        engine(), wish.user, scopes, label, expires_at, fixed=settings().allowed_emails, actor=actor()
    )
    return jsonify(hub.new_admin_token(made.text, made.row))


@bp.delete("/api/admin/tokens/<token_id>")
@allow("admin", scope="admin")
def revoke(token_id: str) -> Response:
    api_tokens.revoke(engine(), scope(), token_id, actor())
    return Response(status=204)
