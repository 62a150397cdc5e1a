"""A person's own API tokens, for clients of the gateway family. API tokens themselves never open these routes."""

import msgspec
from flask import Blueprint, Response, jsonify

from meter import api_tokens
from models.queries.scope import Scope
from models.queries.tokens import tokens
from routes._auth import actor, allow, settings, viewer
from routes._db import db, engine
from routes._json import read_json
from routes._wire import gateway

bp = Blueprint("api_tokens", __name__)


class Wish(msgspec.Struct):
    """The body of POST /v1/api-tokens; `expires_at` is an addition of ours."""

    name: str | None = None
    scopes: list[str] | None = None
    expires_at: str | float | None = None


@bp.get("/v1/api-tokens")
@allow("member")
def list_own() -> Response:
    return jsonify(gateway.api_tokens(tokens(db(), Scope(viewer().id))))


@bp.post("/v1/api-tokens")
@allow("member")
def create_own() -> Response:
    wish = read_json(Wish)
    scopes = api_tokens.checked_scopes(api_tokens.DEFAULT_SCOPES if wish.scopes is None else wish.scopes, "scopes")
    label = api_tokens.checked_label(wish.name or "", "name")
    expires_at = api_tokens.read_expiry(wish.expires_at)
    made = api_tokens.issue(
        engine(), viewer().email, scopes, label, expires_at, fixed=settings().allowed_emails, actor=actor()
    )
    return jsonify(gateway.new_api_token(made.text, made.row))


@bp.delete("/v1/api-tokens/<token_id>")
@allow("member")
def revoke_own(token_id: str) -> Response:
    api_tokens.revoke(engine(), Scope(viewer().id), token_id, actor())
    return Response(status=204)
