"""The promised bodies of family gateway, letter by letter."""

from models.queries.tokens import TokenRow
from routes._wire.times import iso

Json = dict[str, object]


def api_token(row: TokenRow) -> Json:
    """A token record of GET /v1/api-tokens; `hint` are its first and last letters."""
    return {
        "id": row.id,
        "name": row.label,
        "scopes": list(row.scopes),
        "hint": row.hint,
        "created_at": iso(row.created_at),
        "expires_at": iso(row.expires_at),
        "revoked_at": iso(row.revoked_at),
        "last_used_at": iso(row.last_used_at),
    }


def api_tokens(rows: tuple[TokenRow, ...]) -> Json:
    """GET /v1/api-tokens"""
    return {"data": [api_token(row) for row in rows]}


def new_api_token(text: str, row: TokenRow) -> Json:
    """POST /v1/api-tokens; the only time the token itself is told."""
    return {"token": text, **api_token(row)}


def access_token(token: str, life_seconds: int) -> Json:
    """POST /api/v1/auth/refresh"""
    return {"access_token": token, "token_type": "Bearer", "expires_in": life_seconds}
