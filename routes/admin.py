"""The audit log, for admins and their programs."""

from flask import Blueprint, Response, jsonify

from meter import audit
from routes._auth import allow
from routes._db import db
from routes._query import read_limit, read_time
from routes._wire import hub

bp = Blueprint("admin", __name__)

ROWS, ROWS_MAX = 100, 1_000


@bp.get("/api/admin/audit")
@allow("admin", scope="admin")
def show_audit() -> Response:
    since, limit = read_time("since"), read_limit(ROWS, ROWS_MAX)
    return jsonify(hub.audit(audit.entries(db(), since, limit)))
