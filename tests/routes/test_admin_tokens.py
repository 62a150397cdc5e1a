"""Everybody's API tokens over HTTP, for admins: family hub."""

from datetime import UTC, datetime, timedelta

import pytest

from credentials import jwt_of, sending, token_of

PATH = "/api/admin/tokens"
ROW = {"id", "user", "scope", "label", "hint", "createdAt", "expiresAt", "revokedAt", "lastUsedAt"}
WISH = {"user": "ben@example.com", "scope": "ingest"}


@pytest.fixture(params=["browser", "admin token", "JWT"])
def admin(request, app, ada, client):
    """Ada in each of the ways that open these routes."""
    if request.param == "browser":
        return client
    return sending(app, token_of(app, ada, "admin").text if request.param == "admin token" else jwt_of(app, ada))


def test_an_admin_makes_lists_and_revokes_tokens(app, ben, admin):
    before = admin.get(PATH).json["tokens"]
    made = admin.post(PATH, json={**WISH, "label": "laptop", "expiresAt": None})
    assert made.status_code == 200
    assert made.json.keys() == ROW | {"token"}
    assert {name: made.json[name] for name in ("user", "scope", "label")} == {**WISH, "label": "laptop"}
    assert made.json["token"].startswith("am_ingest_")
    listed = admin.get(PATH).json["tokens"]
    assert len(listed) == len(before) + 1
    row = {name: value for name, value in made.json.items() if name != "token"}
    assert row in listed
    gone = admin.delete(f"{PATH}/{made.json['id']}")
    assert (gone.status_code, gone.data) == (204, b"")
    assert admin.delete(f"{PATH}/{made.json['id']}").status_code == 204
    assert sending(app, made.json["token"]).get(PATH).status_code == 401


def test_no_token_is_told_again(client, ben):
    token = client.post(PATH, json=WISH).json["token"]
    assert token[-10:] not in client.get(PATH).text


def test_the_embed_token_keeps_its_prefix(client, ben):
    assert client.post(PATH, json={**WISH, "scope": "embed"}).json["token"].startswith("we_")


def test_an_unknown_id_is_404(admin):
    answer = admin.delete(f"{PATH}/absent")
    assert (answer.status_code, answer.json["code"]) == (404, "NOT_FOUND")


def test_nobody_is_told_to_sign_in(anonymous):
    for method, path in (("GET", PATH), ("POST", PATH), ("DELETE", f"{PATH}/1")):
        answer = anonymous.open(path, method=method, json=WISH)
        assert (answer.status_code, answer.json.keys()) == (401, {"error", "code"})
        assert answer.json["code"] == "UNAUTHORIZED"


def test_members_and_other_scopes_are_refused(app, ada, ben, bens_client):
    made = token_of(app, ben)
    others = [
        sending(app, token_of(app, ada, scope).text) for scope in ("read", "ingest", "gateway", "metrics", "embed")
    ]
    for client in (bens_client, sending(app, made.text), *others):
        for method, path in (("GET", PATH), ("POST", PATH), ("DELETE", f"{PATH}/{made.row.id}")):
            answer = client.open(path, method=method, json=WISH)
            assert (answer.status_code, answer.json["code"]) == (403, "FORBIDDEN")
    assert sending(app, made.text).get(PATH).status_code == 403  # it still lives


def test_an_admin_who_is_none_any_more_is_refused_in_the_next_request(app, ada, client):
    from sqlalchemy import text

    from models.db import writing

    token = sending(app, token_of(app, ada, "admin").text)
    assert token.get(PATH).status_code == client.get(PATH).status_code == 200
    with writing(app.extensions["engine"]) as db:
        db.execute(text("update person set role = 'member'"))
    assert token.get(PATH).status_code == client.get(PATH).status_code == 403


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"scope": "read"}, 400),
        ({"user": "ben@example.com"}, 400),
        ({**WISH, "scope": "write"}, 400),
        ({**WISH, "scope": ""}, 400),
        ({**WISH, "scope": ["read"]}, 400),
        ({**WISH, "user": "no address"}, 400),
        ({**WISH, "user": 1}, 400),
        ({**WISH, "user": "nobody@example.com"}, 404),
        ({**WISH, "label": "x" * 101}, 400),
        ({**WISH, "label": {}}, 400),
        ({**WISH, "expiresAt": "2020-01-01T00:00:00Z"}, 400),
        ({**WISH, "expiresAt": True}, 400),
        ({**WISH, "scope": "admin"}, 403),
        ([], 400),
    ],
    ids=str,
)
def test_a_bad_wish_makes_nothing(client, ben, body, status):
    answer = client.post(PATH, json=body)
    assert (answer.status_code, answer.json.keys()) == (status, {"error", "code"})
    assert client.get(PATH).json == {"tokens": []}


def test_an_expiry_is_kept_and_held(app, ben, client):
    at = datetime.now(UTC) + timedelta(hours=1)
    made = client.post(PATH, json={**WISH, "expiresAt": int(at.timestamp())})
    assert made.json["expiresAt"] == at.strftime("%Y-%m-%dT%H:%M:%S.000Z")


def test_the_last_use_is_noted_after_the_answer(app, ada, client):
    made = token_of(app, ada, "admin")
    assert sending(app, made.text).get(PATH).json["tokens"][0]["lastUsedAt"] is None
    assert client.get(PATH).json["tokens"][0]["lastUsedAt"] is not None
