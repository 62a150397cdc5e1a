"""For those who look after the server: is it alive, is it well; and the files browsers ask for by themselves."""

from flask import Blueprint, Response, current_app, jsonify, make_response, send_from_directory

from meter.version import VERSION
from routes._auth import allow
from routes._db import DatabaseError, is_current
from routes._sync import sync_state
from routes._wire import alerts

bp = Blueprint("ops", __name__)


@bp.get("/status")
@allow("anyone")
def status() -> Response:
    return jsonify(alerts.status(VERSION))


@bp.get("/healthz")
@allow("anyone")
def health() -> Response:
    """200 while the database answers, else 503; no figures and no paths, since nobody need be signed in.

    sync: never, ok, running, stale, failed, or unknown without the database.
    """
    sync = "unknown"
    try:
        database = "ok" if is_current() else "needs upgrade"
        if database == "ok":
            sync = sync_state().state
    except DatabaseError:
        database = "gone"
    is_ok = database == "ok"
    return make_response(jsonify({"ok": is_ok, "database": database, "sync": sync}), 200 if is_ok else 503)


@bp.get("/favicon.ico")
@allow("anyone")
def favicon() -> Response:
    return send_from_directory(str(current_app.static_folder), "favicon.svg", mimetype="image/svg+xml")


@bp.get("/robots.txt")
@allow("anyone")
def robots() -> Response:
    return Response("User-agent: *\nDisallow: /\n", mimetype="text/plain")
