"""What a person chooses for themselves."""

from flask import Blueprint, Response, make_response, redirect, request

from meter import login
from routes._auth import allow, viewer
from routes._db import engine
from routes._links import local
from routes._page import is_swap

bp = Blueprint("settings", __name__)


@bp.post("/settings/theme")
@allow("member")
def choose_theme() -> Response:
    login.set_theme(engine(), viewer().id, request.form.get("theme", ""))
    if is_swap():
        return Response(status=204)
    return make_response(redirect(local(request.args.get("next", "/")), 303))
