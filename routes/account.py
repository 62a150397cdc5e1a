"""Leaving: everything of a person is deleted, by themselves."""

import msgspec
from flask import Blueprint, Response, jsonify, request

from meter import account
from routes._auth import actor, allow, forget, is_fresh, viewer
from routes._db import engine
from routes._json import read_json
from routes._wire import alerts

bp = Blueprint("account", __name__)


class Farewell(msgspec.Struct):
    """The body of DELETE /account, an addition of ours: the own e-mail, and who becomes admin instead (an e-mail)."""

    confirm: str = ""
    successor: str = ""


@bp.delete("/account")
@allow("member", apple=True)
def delete_account() -> Response:
    given = read_json(Farewell) if request.get_data() else Farewell()
    me = viewer()
    account.check_confirmation(me.email, given.confirm, is_fresh())
    deleted = account.delete_account(engine(), me.id, actor(), given.successor)
    return forget(jsonify(alerts.account_deleted(deleted)))
