"""A session carried on by its refresh cookie."""

from flask import Blueprint, Response, current_app, jsonify, request

from meter import refresh
from meter.errors import NotSignedIn
from routes._auth import REFRESH_COOKIE, allow, browser, keep_refresh
from routes._db import engine
from routes._wire import gateway

bp = Blueprint("refresh", __name__)


@bp.post("/api/v1/auth/refresh")
@allow("anyone")
def renew() -> Response:
    secret = request.cookies.get(REFRESH_COOKIE)
    if not secret:
        raise NotSignedIn("Sign in first.")
    renewed = refresh.rotate(engine(), current_app.extensions["secret_keys"], secret, browser().ip)
    life_seconds = int(refresh.ACCESS_LIFE.total_seconds())
    answer = jsonify(gateway.access_token(renewed.access_token, life_seconds))
    return keep_refresh(answer, renewed.secret, renewed.expires_at)
