"""/api/setup/*: answers of the wizard, kept and taken back by admins; the claim is none of them."""

import pytest
from sqlalchemy import text

from credentials import sending, token_of
from meter import login
from meter.setup import INFRAS, SCENARIOS
from models.db import reading, writing

STATUS, COMPLETE, RESET = "/api/setup/status", "/api/setup/complete", "/api/setup/reset"
TEAM = {"scenario": "team", "infra": "docker-compose"}
NOTHING = {"complete": False, "scenario": None, "infra": None, "completedAt": None, "headless": None}


def acts(app):
    with reading(app.extensions["engine"]) as db:
        return db.execute(text("select action from audit where action like 'setup.%' order by id")).scalars().all()


def test_before_the_setup_the_status_says_so_to_everybody(anonymous, client):
    for somebody in (anonymous, client):
        assert somebody.get(STATUS).json == NOTHING


def test_completing_keeps_the_answers(app, client):
    answer = client.post(COMPLETE, json=TEAM)
    assert answer.status_code == 200
    assert answer.json == client.get(STATUS).json
    assert {**answer.json, "completedAt": "…"} == {"complete": True, **TEAM, "completedAt": "…", "headless": False}
    assert answer.json["completedAt"].endswith("Z")
    assert acts(app) == ["setup.complete"]


def test_only_an_admin_learns_more_than_that_it_is_complete(app, ada, ben, client, anonymous, bens_client):
    client.post(COMPLETE, json=TEAM)
    others = (anonymous, bens_client, sending(app, token_of(app, ada, "read").text), sending(app, "am_read_wrong"))
    for somebody in others:
        assert somebody.get(STATUS).json == {**NOTHING, "complete": True}
    assert sending(app, token_of(app, ada, "admin").text).get(STATUS).json["infra"] == "docker-compose"


@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.parametrize("infra", INFRAS)
def test_every_documented_answer_is_taken(client, scenario, infra):
    answer = client.post(COMPLETE, json={"scenario": scenario, "infra": infra})
    assert (answer.status_code, answer.json["headless"]) == (200, infra == "headless")


def test_completing_twice_is_once(app, client):
    first = client.post(COMPLETE, json=TEAM).json
    assert client.post(COMPLETE, json=TEAM).json == first
    assert acts(app) == ["setup.complete"]


def test_other_answers_replace_the_first_but_not_its_time(app, client):
    first = client.post(COMPLETE, json=TEAM).json
    second = client.post(COMPLETE, json={"scenario": "solo", "infra": "headless"}).json
    assert second == {**first, "scenario": "solo", "infra": "headless", "headless": True}
    assert acts(app) == ["setup.complete"] * 2


def test_resetting_forgets_the_answers_and_nothing_else(app, client):
    client.post(COMPLETE, json=TEAM)
    answer = client.post(RESET)
    assert (answer.status_code, answer.json) == (200, NOTHING)
    assert client.post(RESET).json == NOTHING
    assert acts(app) == ["setup.complete", "setup.reset"]
    assert client.get("/api/admin/audit").status_code == 200


def test_resetting_never_opens_the_claim_again(app, client, anonymous):
    client.post(COMPLETE, json=TEAM)
    client.post(RESET)
    engine = app.extensions["engine"]
    assert login.start_claim(engine) is None
    assert anonymous.get("/claim").status_code == 409
    typed = {"secret": "claim-anything", "email": "eve@example.com", "name": "Eve", "timezone": "UTC"}
    assert anonymous.post("/claim", data=typed).status_code == 409
    with reading(engine) as db:
        assert db.execute(text("select email from person where role = 'admin'")).scalars().all() == ["ada@example.com"]


def test_an_emptied_database_waits_for_the_secret_of_a_new_start(app, anonymous):
    engine = app.extensions["engine"]
    typed = {"secret": login.start_claim(engine), "email": "eve@example.com", "name": "Eve", "timezone": "UTC"}
    with writing(engine) as db:
        db.execute(text("delete from installation"))
    assert anonymous.post("/claim", data=typed).status_code == 403
    with reading(engine) as db:
        assert db.execute(text("select count(*) from person")).scalar() == 0
    assert anonymous.post("/claim", data={**typed, "secret": login.start_claim(engine)}).status_code == 303


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"scenario": "galaxy", "infra": "headless"}, "scenario"),
        ({"scenario": "solo", "infra": "windows"}, "infra"),
        ({"scenario": "Solo", "infra": "headless"}, "scenario"),
        ({"infra": "headless"}, "scenario"),
        ({"scenario": "solo"}, "infra"),
        ({"scenario": 1, "infra": "headless"}, "scenario"),
        ({"scenario": None, "infra": "headless"}, "scenario"),
        ([], "object"),
    ],
)
def test_a_bad_answer_is_named_and_not_kept(app, client, body, field):
    answer = client.post(COMPLETE, json=body)
    assert (answer.status_code, answer.json["code"]) == (400, "VALIDATION_ERROR")
    assert field in answer.json["error"]
    assert client.get(STATUS).json == NOTHING
    assert acts(app) == []


def test_what_is_no_json_is_refused(client):
    assert client.post(COMPLETE, data="{", content_type="application/json").status_code == 400
    assert client.post(COMPLETE, data='{"scenario": "solo", "infra": "headless"}').status_code == 400
    assert client.post(COMPLETE, data=TEAM).status_code == 400


def test_fields_nobody_asked_for_give_nobody_anything(app, ben, client):
    more = {"role": "admin", "user": "ben@example.com", "claimed_at": None, "completedAt": 1, "owner_id": 2}
    assert client.post(COMPLETE, json={**TEAM, **more}).json["completedAt"] != 1
    with reading(app.extensions["engine"]) as db:
        assert db.execute(text("select name from setup_value order by name")).scalars().all() == [
            "setup.completed",
            "setup.infra",
            "setup.scenario",
        ]
        assert db.execute(text("select role from person where email = 'ben@example.com'")).scalar() == "member"


@pytest.mark.parametrize("route", [COMPLETE, RESET])
def test_only_admins_and_their_admin_tokens_set_up(app, ada, client, anonymous, bens_client, route):
    assert anonymous.post(route, json=TEAM).status_code == 401
    assert bens_client.post(route, json=TEAM).status_code == 403
    assert sending(app, token_of(app, ada, "read").text).post(route, json=TEAM).status_code == 403
    assert sending(app, token_of(app, ada, "admin").text).post(route, json=TEAM).status_code == 200
    assert client.get(route).status_code == 405


def test_another_site_cannot_set_up(client):
    assert client.post(COMPLETE, json=TEAM, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
    assert client.get(STATUS).json == NOTHING
