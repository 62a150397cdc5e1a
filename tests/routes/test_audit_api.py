"""GET /api/admin/audit: what was done, oldest first, for admins and tokens with the scope admin."""

import json
from datetime import UTC, datetime

import pytest
from sqlalchemy import text

from credentials import sending, token_of
from meter import audit, login
from meter.audit import Actor
from models.db import reading, writing

ROUTE = "/api/admin/audit"


def act(app, action="token.create", **given):
    given.setdefault("actor", Actor(1, None, "ada@example.com", "192.0.2.1"))
    with writing(app.extensions["engine"]) as db:
        audit.record(db, action, **given)


def entries(client, query=""):
    answer = client.get(ROUTE + query)
    assert answer.status_code == 200, answer.text
    return answer.json["entries"]


def test_the_log_is_chronological_and_has_the_promised_shape(app, client):
    before = datetime.now(UTC).timestamp()
    act(app, actor=Actor(1, "t-1", "ada@example.com", "192.0.2.1"), target="t-2", meta={"scope": "read"})
    found = entries(client)
    assert [entry["id"] for entry in found] == sorted(entry["id"] for entry in found)
    last = found[-1]
    assert list(last)[:6] == ["ts", "tokenId", "action", "user", "ip", "meta"]
    assert int(before) <= last.pop("ts") <= before + 60
    assert last.pop("id") == len(found)
    assert last == {
        "tokenId": "t-1",
        "action": "token.create",
        "user": "ada@example.com",
        "ip": "192.0.2.1",
        "meta": {"scope": "read"},
        "target": "t-2",
    }


def test_making_people_and_signing_in_is_in_the_log(client):
    assert [entry["action"] for entry in entries(client)][:3] == ["person.add", "login.link", "login.ok"]


def test_the_claim_is_the_first_row(app, anonymous):
    typed = {"secret": login.start_claim(app.extensions["engine"]), "email": "ada@example.com", "name": "Ada"}
    assert anonymous.post("/claim", data={**typed, "timezone": "UTC"}).status_code == 303
    [claim, *_] = entries(anonymous)
    assert (claim["action"], claim["user"], claim["target"]) == ("claim", "ada@example.com", "ada@example.com")
    assert typed["secret"] not in anonymous.get(ROUTE).text


def test_a_token_with_the_scope_admin_opens_it(app, ada):
    assert entries(sending(app, token_of(app, ada, "admin").text))


@pytest.mark.parametrize("scope", ["read", "ingest", "metrics", "gateway", "embed"])
def test_other_scopes_do_not(app, ada, scope):
    assert sending(app, token_of(app, ada, scope).text).get(ROUTE).status_code == 403


def test_a_stranger_and_a_member_do_not_see_it(anonymous, bens_client):
    answer = anonymous.get(ROUTE)
    assert (answer.status_code, answer.json["code"], set(answer.json)) == (401, "UNAUTHORIZED", {"error", "code"})
    answer = bens_client.get(ROUTE)
    assert (answer.status_code, answer.json["code"]) == (403, "FORBIDDEN")


def test_only_reading_is_possible(client):
    for method in (client.post, client.put, client.patch, client.delete):
        assert method(ROUTE).status_code == 405


def test_limit_takes_the_newest_and_since_the_first_from_there(app, client):
    for number in range(5):
        act(app, target=f"t{number}")
    everything = entries(client)
    assert entries(client, "?limit=2") == everything[-2:]
    assert entries(client, "?since=0&limit=2") == everything[:2]
    assert entries(client, f"?since={everything[0]['ts']}") == everything
    assert entries(client, "?since=2026-01-01") == everything
    assert entries(client, f"?since={everything[-1]['ts'] + 3600}") == []


def test_the_limit_is_capped(app, client):
    with writing(app.extensions["engine"]) as db:
        for _ in range(1_001):
            audit.record(db, "logout", actor=Actor(1, None, "ada@example.com", ""))
    assert len(entries(client)) == 100
    assert len(entries(client, "?limit=1000000000")) == 1_000


@pytest.mark.parametrize("limit", ["0", "-1", "ten", "1.5", "1e3", "٣", "NaN"])
def test_a_bad_limit_is_named(client, limit):
    answer = client.get(ROUTE, query_string={"limit": limit})
    assert (answer.status_code, answer.json["code"]) == (400, "VALIDATION_ERROR")
    assert "limit" in answer.json["error"]


@pytest.mark.parametrize("since", ["yesterday", "-1", "NaN", "inf", "1_000", "1e400", "9" * 30, "2026-13-01", "٣"])
def test_a_bad_since_is_named(client, since):
    answer = client.get(ROUTE, query_string={"since": since})
    assert (answer.status_code, answer.json["code"]) == (400, "VALIDATION_ERROR")
    assert "since" in answer.json["error"]


def test_control_characters_come_out_visible(app, client):
    act(app, target="line\r\nbreak\x1b[2J", meta={"label": "\u202eevil"})
    [entry] = entries(client, "?limit=1")
    assert (entry["target"], entry["meta"]["label"]) == (r"line\r\nbreak\x1b[2J", r"\u202eevil")


def test_no_secret_gets_into_the_log(app, ada, client):
    """Every way to get a credential was used once; none of them stands anywhere in the tables of the log."""
    token = token_of(app, ada, "read", label="ci")
    client.post("/logout")
    cookie = client.get_cookie("agentmeter")
    with reading(app.extensions["engine"]) as db:
        tables = ("audit", "audit_private")
        stored = json.dumps([list(row) for table in tables for row in db.execute(text(f"select * from {table}"))])
    assert "ci" in stored
    assert token.text not in stored
    assert token.text[10:40] not in stored
    assert cookie is None or cookie.value not in stored
