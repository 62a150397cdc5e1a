"""The setup wizard through HTTP: what it asks, what it keeps, and what it never touches."""

import re

import pytest

from meter.setup import INFRAS, SCENARIOS
from pages import text_of
from routes.wizard import HOW, WHO


def test_the_wizard_is_for_admins(anonymous, bens_client, client):
    assert anonymous.get("/setup").headers["Location"] == "/login?next=%2Fsetup"
    assert anonymous.post("/setup", data={"scenario": "team", "infra": "headless"}).status_code == 401
    assert bens_client.get("/setup").status_code == 403
    assert bens_client.post("/setup", data={"scenario": "team", "infra": "headless"}).status_code == 403
    refused = client.post("/setup", data={"scenario": "team"}, headers={"Sec-Fetch-Site": "cross-site"})
    assert refused.status_code == 403
    assert client.get("/api/setup/status").json["complete"] is False


def test_the_choices_are_those_of_the_program():
    assert (*WHO,) == SCENARIOS
    assert (*HOW,) == INFRAS


def test_four_steps_lead_through(client, transcripts):
    first = client.get("/setup")
    assert 'type="radio" name="scenario" value="solo" checked' in first.text
    second = client.get("/setup?scenario=team&step=2")
    assert "Who will use it A team" in text_of(second)
    carried = re.search(r'name="scenario" value="(\w+)"', second.text)[1]
    answer = client.post("/setup", data={"scenario": carried, "infra": "docker-compose"})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/setup?step=3")
    third = client.get("/setup?step=3")
    assert "A team" in text_of(third)
    assert "By Docker Compose" in text_of(third)
    assert "Found 1 transcript of Claude Code here" in text_of(third)
    assert "agentmeter sync" in third.text
    assert "this version has no alerts yet" in text_of(client.get("/setup?step=4"))
    status = client.get("/api/setup/status").json
    assert (status["complete"], status["scenario"], status["infra"]) == (True, "team", "docker-compose")


def test_answers_can_be_changed(client):
    client.post("/setup", data={"scenario": "team", "infra": "headless"})
    assert 'value="headless" checked' in client.get("/setup?step=2").text
    client.post("/setup", data={"scenario": "solo", "infra": "kubernetes"})
    assert client.get("/api/setup/status").json["infra"] == "kubernetes"


def test_every_step_can_be_skipped(client):
    for step in (1, 2):
        assert '<a class="button" href="/setup?step=3">Skip</a>' in client.get(f"/setup?step={step}").text
    assert 'href="/setup?step=4"' in client.get("/setup?step=3").text
    assert 'href="/">Leave the setup for later' in client.get("/setup").text
    assert client.get("/api/setup/status").json["complete"] is False


def test_no_transcripts_are_said_to_be_none(client):
    said = text_of(client.get("/setup?step=3"))
    assert "No transcripts of Claude Code on this machine" in said
    assert "agentmeter sync --root ~/.claude" in said


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({"scenario": "", "infra": "headless"}, "scenario is one of"),
        ({"scenario": "team", "infra": "mainframe"}, "infra is one of"),
        ({}, "scenario is one of"),
    ],
)
def test_what_is_no_choice_is_refused_where_it_is_asked(client, form, said):
    answer = client.post("/setup", data=form)
    assert answer.status_code == 400
    assert said in text_of(answer)
    assert client.get("/api/setup/status").json["complete"] is False


@pytest.mark.parametrize("query", ["step=5", "step=", "scenario=nobody"])
def test_unknown_values_are_refused_by_name(client, query):
    answer = client.get(f"/setup?{query}")
    assert answer.status_code == (200 if query == "step=" else 400)


def test_the_claim_stays_closed_whatever_the_wizard_does(client, anonymous):
    client.post("/setup", data={"scenario": "team", "infra": "headless"})
    client.post("/api/setup/reset")
    assert anonymous.get("/claim").status_code == 409
    assert anonymous.post("/claim", data={"secret": "x", "email": "eve@example.com"}).status_code == 409


def test_the_first_run_leads_admins_to_the_wizard(client, bens_client):
    assert 'href="/setup"' in client.get("/").text
    assert 'href="/setup"' not in bens_client.get("/").text
