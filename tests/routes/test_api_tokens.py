"""A person's own API tokens over HTTP: family gateway."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from credentials import bearer_of, jwt_of, sending, token_of
from support import browser_of

PATH = "/v1/api-tokens"
ROW = {"id", "name", "scopes", "hint", "created_at", "expires_at", "revoked_at", "last_used_at"}


def error(answer):
    return answer.status_code, answer.json["error"]["code"], answer.json["error"]["param"]


@pytest.mark.parametrize("credential", [jwt_of, bearer_of], ids=["JWT", "bearer"])
def test_a_person_makes_lists_and_revokes_their_tokens(app, ben, credential):
    client = sending(app, credential(app, ben))
    assert client.get(PATH).json == {"data": []}
    made = client.post(PATH, json={"name": "ci", "scopes": ["read", "ingest"]})
    assert made.status_code == 200
    assert made.json.keys() == ROW | {"token"}
    assert made.json["name"] == "ci"
    assert made.json["scopes"] == ["ingest", "read"]
    assert made.json["token"].startswith("am_ingest_")
    [listed] = client.get(PATH).json["data"]
    assert listed == {name: value for name, value in made.json.items() if name != "token"}
    gone = client.delete(f"{PATH}/{made.json['id']}")
    assert (gone.status_code, gone.data) == (204, b"")
    assert client.get(PATH).json["data"][0]["revoked_at"] is not None


def test_a_browser_can_too(bens_client):
    made = bens_client.post(PATH, json={})
    assert made.status_code == 200
    assert bens_client.delete(f"{PATH}/{made.json['id']}").status_code == 204


def test_without_scopes_a_token_opens_the_gateway(bens_client):
    assert bens_client.post(PATH, json={}).json["scopes"] == ["gateway"]
    assert bens_client.post(PATH, json={"scopes": None, "name": None}).json["scopes"] == ["gateway"]


def test_the_token_is_told_once(bens_client):
    token = bens_client.post(PATH, json={"name": "ci"}).json["token"]
    assert token not in bens_client.get(PATH).text
    assert token[-10:] not in bens_client.get(PATH).text


def test_a_token_may_end(bens_client):
    at = (datetime.now(UTC) + timedelta(days=1)).replace(microsecond=0)
    made = bens_client.post(PATH, json={"expires_at": at.isoformat()})
    assert made.json["expires_at"] == at.strftime("%Y-%m-%dT%H:%M:%S.000Z")


def test_nobody_is_told_to_sign_in(anonymous, app, ben):
    for client in (anonymous, sending(app, "am_read_nonsense"), sending(app, jwt_of(app, ben)[:-3])):
        for method, path in (("GET", PATH), ("POST", PATH), ("DELETE", f"{PATH}/1")):
            answer = client.open(path, method=method, json={} if method == "POST" else None)
            assert error(answer) == (401, "unauthorized", None)
            assert answer.json["error"]["type"] == "authentication_error"


@pytest.mark.parametrize("scope", ["read", "ingest", "gateway", "metrics", "admin", "embed"])
def test_api_tokens_never_manage_tokens(app, ada, scope):
    made = token_of(app, ada, scope)
    client = sending(app, made.text)
    for method, path in (("GET", PATH), ("POST", PATH), ("DELETE", f"{PATH}/{made.row.id}")):
        assert error(client.open(path, method=method, json={}))[:2] == (403, "forbidden")
    assert sending(app, jwt_of(app, ada)).get(PATH).json["data"][0]["revoked_at"] is None


def test_a_strangers_token_and_none_are_the_same_404(app, ben, cyds_client):
    made = token_of(app, ben)
    answers = [cyds_client.delete(f"{PATH}/{token_id}") for token_id in (made.row.id, "absent", "0", "%00", "é")]
    assert {answer.status_code for answer in answers} == {404}
    assert len({answer.text for answer in answers}) == 1
    assert cyds_client.get(PATH).json == {"data": []}


def test_an_admin_sees_their_own_here(app, ben, client):
    made = token_of(app, ben)
    assert client.get(PATH).json == {"data": []}
    assert client.delete(f"{PATH}/{made.row.id}").status_code == 404


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"scopes": "read"}, "scopes"),
        ({"scopes": ["write"]}, "scopes"),
        ({"scopes": []}, "scopes"),
        ({"scopes": [1]}, "scopes"),
        ({"scopes": ["embed", "read"]}, "scopes"),
        ({"name": 1}, "name"),
        ({"name": "x" * 101}, "name"),
        ({"name": "a\u0000"}, "name"),
        ({"expires_at": "soon"}, "expires_at"),
        ({"expires_at": "2020-01-01"}, "expires_at"),
        ({"expires_at": 1e300}, "expires_at"),
        ({"expires_at": []}, "expires_at"),
        ([], None),
        ("text", None),
        (None, None),
    ],
    ids=str,
)
def test_a_bad_field_is_named(bens_client, body, param):
    assert error(bens_client.post(PATH, json=body)) == (400, "validation_error", param)
    assert bens_client.get(PATH).json == {"data": []}


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b'{"name":NaN}', b'{"name":"\xff"}', b'{"name":"\\ud800"}', b"[" * 200_000, b'{"a":' * 100_000],
    ids=repr,
)
def test_a_body_that_is_no_json_is_refused(bens_client, body):
    answer = bens_client.post(PATH, data=body, content_type="application/json")
    assert error(answer) == (400, "validation_error", None)


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
def test_a_body_a_form_could_send_is_refused(bens_client, kind):
    answer = bens_client.post(PATH, data=json.dumps({"name": "ci"}), content_type=kind)
    assert answer.status_code == 400
    assert bens_client.get(PATH).json == {"data": []}


def test_a_member_does_not_become_admin_by_a_token(bens_client, client):
    assert error(bens_client.post(PATH, json={"scopes": ["admin"]}))[:2] == (403, "forbidden")
    assert client.post(PATH, json={"scopes": ["admin"]}).status_code == 200


def test_the_owner_comes_from_the_credential_only(app, ada, ben, bens_client):
    forged = dict.fromkeys(("user", "email", "owner"), "ada@example.com")
    ids = dict.fromkeys(("person_id", "user_id", "owner_id", "id"), ada.id)
    made = bens_client.post(PATH, json={**forged, **ids, "role": "admin", "token_hash": "0", "revoked_at": 1})
    assert made.json["id"] != ada.id
    [row] = bens_client.get(PATH).json["data"]
    assert row["revoked_at"] is None
    assert sending(app, jwt_of(app, ada)).get(PATH).json == {"data": []}


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_other_methods_are_told_which_there_are(bens_client, method):
    answer = bens_client.open(PATH, method=method)
    assert answer.status_code == 405
    assert {"GET", "POST"} <= set(answer.headers["Allow"].split(", "))


def test_another_site_cannot_make_one(app, bens_client):
    copied = app.test_client()
    copied.set_cookie("agentmeter", bens_client.get_cookie("agentmeter").value)
    for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}, {}):
        assert copied.post(PATH, json={}, headers=headers).status_code == 403
    assert bens_client.get(PATH).json == {"data": []}
    assert browser_of(app).post(PATH, json={}).status_code == 401
