"""DELETE /account: everything of oneself goes, by a fresh login or by typing the own address."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from calls import MILLION, call, store_calls
from credentials import bearer_of, jwt_of, sending, session_of, token_of, with_cookie
from models.db import reading
from support import signed_in

NOON = datetime(2026, 10, 5, 12, tzinfo=UTC)
OLD = timedelta(minutes=16)


def people(app):
    with reading(app.extensions["engine"]) as db:
        return db.execute(text("select email from person order by id")).scalars().all()


def ask(client, **body):
    return client.delete("/account", json=body) if body else client.delete("/account")


def test_a_fresh_login_deletes_the_account_and_says_what_went(app, ben, cyd, bens_client):
    store_calls(app, ben, *(call(NOON + timedelta(hours=hour)) for hour in range(3)))
    store_calls(app, cyd, call(NOON))
    token_of(app, ben)
    answer = ask(bens_client)
    assert answer.status_code == 200
    assert {name: answer.json[name] for name in ("success", "devicesRemoved", "eventsRemoved")} == {
        "success": True,
        "devicesRemoved": 0,
        "eventsRemoved": 3,
    }
    removed = answer.json["removed"]
    assert (removed["call"], removed["api_token"], removed["person"], removed["machine"]) == (3, 1, 1, 1)
    assert people(app) == ["ada@example.com", "cyd@example.com"]


def test_every_credential_is_dead_at_once(app, ben):
    clients = [
        signed_in(app, ben),
        with_cookie(app, session_of(app, ben)),
        sending(app, bearer_of(app, ben)),
        sending(app, jwt_of(app, ben)),
    ]
    token = sending(app, token_of(app, ben, "read").text)
    assert [client.get("/v1/api-tokens").status_code for client in clients] == [200] * 4
    assert ask(clients[0]).status_code == 200
    assert [client.get("/v1/api-tokens").status_code for client in clients] == [401] * 4
    assert token.get("/api/admin/audit").status_code == 401
    assert ask(clients[1]).status_code == 401


def test_the_answer_takes_the_cookies_back(bens_client):
    taken = ask(bens_client).headers.getlist("Set-Cookie")
    assert {cookie.partition("=")[0] for cookie in taken} == {"agentmeter", "am_refresh"}


@pytest.mark.parametrize(
    "client_of",
    [
        lambda app, who: with_cookie(app, session_of(app, who, age=OLD)),
        lambda app, who: sending(app, session_of(app, who, "bearer", age=OLD).secret),
    ],
)
def test_a_login_of_long_ago_needs_the_own_address(app, ben, client_of):
    client = client_of(app, ben)
    for body in ({}, {"confirm": ""}, {"confirm": "yes"}, {"confirm": "ada@example.com"}):
        answer = ask(client, **body)
        assert answer.status_code == 403
        assert list(answer.json) == ["error"]
    assert people(app) == ["ada@example.com", "ben@example.com"]
    assert ask(client, confirm="Ben@example.com").status_code == 200
    assert people(app) == ["ada@example.com"]


def test_bearer_and_platform_jwt_work_too(app, ben, cyd):
    assert ask(sending(app, bearer_of(app, ben))).status_code == 200
    assert ask(sending(app, jwt_of(app, cyd))).status_code == 200
    assert people(app) == ["ada@example.com"]


@pytest.mark.parametrize("scope", ["ingest", "read", "metrics", "admin", "embed"])
def test_no_api_token_deletes_an_account(app, ada, ben, scope):
    answer = ask(sending(app, token_of(app, ada, scope).text), confirm="ada@example.com")
    assert answer.status_code == 403
    assert len(people(app)) == 2


def test_nobody_without_a_credential(anonymous):
    answer = ask(anonymous, confirm="ada@example.com")
    assert (answer.status_code, answer.json) == (401, {"error": "Unauthorized"})


def test_another_site_cannot_do_it(app, bens_client):
    assert bens_client.delete("/account", headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
    assert len(people(app)) == 2


def test_nobody_deletes_somebody_else(app, ben, cyd, bens_client):
    body = {"confirm": "ben@example.com", "user": "cyd@example.com", "person_id": cyd.id, "email": cyd.email}
    assert ask(bens_client, **body).status_code == 200
    assert people(app) == ["ada@example.com", "cyd@example.com"]


def test_the_last_admin_names_a_successor(app, ada, ben, client):
    answer = ask(client)
    assert answer.status_code == 409
    assert "successor" in answer.json["error"]
    assert ask(client, successor="nobody@example.com").status_code == 400
    assert ask(client, successor="ben@example.com").status_code == 200
    assert people(app) == ["ben@example.com"]
    assert signed_in(app, ben).get("/api/admin/audit").status_code == 200


def test_whoever_is_alone_may_go(app, client, anonymous):
    assert ask(client).status_code == 200
    assert people(app) == []
    assert anonymous.get("/claim").status_code == 409


@pytest.mark.parametrize("body", ["[]", "{", '{"confirm": 1}', "null", '"ben@example.com"'])
def test_a_body_that_makes_no_sense_deletes_nothing(app, bens_client, body):
    answer = bens_client.delete("/account", data=body, content_type="application/json")
    assert (answer.status_code, list(answer.json)) == (400, ["error"])
    assert len(people(app)) == 2


def test_other_methods_are_not_taken(client):
    for method in (client.get, client.post, client.put, client.patch):
        answer = method("/account")
        assert answer.status_code == 405
        assert "DELETE" in answer.headers["Allow"]


def test_pages_of_others_show_what_they_showed_before(app, ada, ben, client, bens_client):
    store_calls(app, ada, call(NOON, output_tokens=MILLION))
    before = figures(client)
    store_calls(app, ben, call(NOON, output_tokens=3 * MILLION, project="/home/ben/secret", machine="ben-box"))
    assert "ben-box" in client.get("/?from=2026-10-01&to=2026-10-31").text
    assert ask(bens_client).status_code == 200
    assert figures(client) == before
    assert "ben-box" not in client.get("/?from=2026-10-01&to=2026-10-31").text


def figures(client):
    page = client.get("/?from=2026-10-01&to=2026-10-31").text
    return [line.strip() for line in page.splitlines() if "$" in line]
