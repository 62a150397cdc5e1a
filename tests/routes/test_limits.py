"""How often requests are answered: per token, per person, per address; and what asking for links is limited to."""

import os
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text

from credentials import bearer_of, sending, token_of
from meter import login
from models.db import writing
from support import browser_of, signed_in, skip_or_fail

REDIS = os.environ.get("AGENTMETER_TEST_REDIS", "redis://127.0.0.1:6379/0")
SENTENCE = "Too many requests. Wait a moment, then try again."
GATEWAY_ERROR = {"message": SENTENCE, "type": "rate_limit_error", "param": None, "code": "rate_limited"}
# A path of each family, and its body.
BODIES = {
    "/api/auth": {"error": SENTENCE, "code": "RATE_LIMITED"},
    "/api/admin/tokens": {"error": SENTENCE, "code": "RATE_LIMITED"},
    "/v1/api-tokens": {"error": GATEWAY_ERROR},
    "/account": {"error": SENTENCE},
}


def answers(client, count, path="/v1/api-tokens", **given):
    """How often each status was answered to so many requests."""
    statuses = [client.get(path, **given).status_code for _ in range(count)]
    return {status: statuses.count(status) for status in sorted(set(statuses))}


def asks(app, count, email="ada@example.com", **given):
    """Statuses of as many wishes for a link by a program, asked side by side: each takes its time."""

    def ask(number):
        wish = {"email": email(number) if callable(email) else email}
        headers = given["headers"](number) if "headers" in given else {}
        return app.test_client().post("/api/auth", json=wish, headers=headers).status_code

    with ThreadPoolExecutor(24) as pool:
        return list(pool.map(ask, range(count)))


def test_a_token_may_ask_a_hundred_times_a_minute_and_another_is_not_hindered(app, ben):
    first, second = (sending(app, token_of(app, ben, "gateway").text) for _ in range(2))
    assert answers(first, 103) == {403: 100, 429: 3}
    assert answers(second, 1) == {403: 1}
    assert 1 <= int(first.get("/v1/api-tokens").headers["Retry-After"]) <= 60


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_person_may_ask_six_hundred_times_a_minute_by_all_browsers_together(app, ben):
    browser, program = signed_in(app, ben), sending(app, bearer_of(app, ben))
    assert answers(browser, 400) == {200: 400}
    assert answers(program, 201) == {200: 200, 429: 1}
    assert browser.get("/").status_code == 429


def test_without_a_credential_an_address_may_ask_sixty_times_a_minute(anonymous, ada):
    assert answers(anonymous, 61) == {401: 60, 429: 1}


def test_wrong_credentials_and_unknown_paths_count_for_the_address(app, ada):
    guessing = sending(app, "am_read_" + "x" * 38)
    assert answers(guessing, 30) == {401: 30}
    assert answers(guessing, 31, "/nowhere") == {404: 30, 429: 1}


def test_a_person_at_a_full_address_still_gets_through(app, anonymous, bens_client):
    assert 429 in answers(anonymous, 61)
    assert bens_client.get("/").status_code == 200


@pytest.mark.parametrize("path", ["/status", "/healthz", "/static/favicon.svg", "/favicon.ico", "/robots.txt"])
def test_watching_over_the_server_is_not_counted(anonymous, path):
    assert answers(anonymous, 70, path) == {200: 70}


@pytest.mark.parametrize("path", BODIES)
def test_every_family_says_it_in_its_own_shape(anonymous, ada, path):
    answers(anonymous, 60, "/nowhere")
    refused = anonymous.get(path)
    assert refused.status_code == 429
    assert 1 <= int(refused.headers["Retry-After"]) <= 60
    assert refused.get_json() == BODIES[path]


def test_a_page_says_it_in_words(anonymous, ada):
    answers(anonymous, 60, "/login")
    refused = anonymous.get("/login")
    assert refused.status_code == 429
    assert "Too many" in refused.text
    assert "Try again" in refused.text


@pytest.mark.parametrize("database", ["postgres"], indirect=True)
def test_processes_with_one_database_count_together(make_app, app, ben):
    token, elsewhere = token_of(app, ben, "gateway").text, make_app()
    assert answers(sending(app, token), 60) == {403: 60}
    assert answers(sending(elsewhere, token), 50) == {403: 40, 429: 10}


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_several_workers_count_in_the_database_on_sqlite_too(make_app, app, ben):
    token = token_of(app, ben, "gateway").text
    apps = [make_app(AGENTMETER_WORKERS="2") for _ in range(2)]
    assert [answers(sending(one, token), 60) for one in apps] == [{403: 60}, {403: 40, 429: 20}]


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_processes_with_one_redis_count_together(make_app, app, ben):
    import redis

    try:
        redis.Redis.from_url(REDIS).ping()
    except redis.RedisError as error:
        skip_or_fail(f"no Redis at {REDIS}: {error}")
    with writing(app.extensions["engine"]) as db:  # its own bucket there, whoever else uses that Redis
        db.execute(
            text("update person set id = :id where email = 'ben@example.com'"), {"id": uuid.uuid4().int % 10**15}
        )
    token = token_of(app, ben, "gateway").text
    apps = [make_app(AGENTMETER_REDIS_URL=REDIS) for _ in range(2)]
    assert [answers(sending(one, token), 60) for one in apps] == [{403: 60}, {403: 40, 429: 20}]


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_off_lets_everything_through(make_app, ada):
    assert answers(browser_of(make_app(AGENTMETER_RATE_LIMITS="off")), 200) == {401: 200}


@pytest.mark.parametrize("database", ["postgres"], indirect=True)
def test_while_the_counts_are_gone_nobody_gets_through(app, ben, bens_client, anonymous):
    program = sending(app, token_of(app, ben, "gateway").text)
    with writing(app.extensions["engine"]) as db:
        db.execute(text("alter table rate_limit_try rename to gone"))
    for client in (bens_client, anonymous, program):
        refused = client.get("/v1/api-tokens")
        assert refused.status_code == 503
        assert refused.headers["Retry-After"] == "5"
    assert browser_of(app).post("/login", data={"email": "ada@example.com"}).status_code == 503
    assert app.test_client().post("/api/auth", json={"email": "ada@example.com"}).status_code == 503
    assert anonymous.get("/status").status_code == 200


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_while_redis_is_gone_nobody_gets_through(make_app, app, ben):
    token = token_of(app, ben, "gateway").text
    cut_off = make_app(AGENTMETER_REDIS_URL="redis://127.0.0.1:1/0")
    assert answers(sending(cut_off, token), 3) == {503: 3}
    assert answers(browser_of(cut_off), 3, "/") == {503: 3}


def test_five_links_an_hour_for_one_address_however_it_is_spelled(app, ada, capsys):
    login.add_person(app.extensions["engine"], "adalovelace@example.com")
    spellings = ("adalovelace@example.com", "AdaLovelace@Example.com", " adalovelace@example.com ")
    statuses = asks(app, 8, lambda number: spellings[number % 3])
    assert sorted(statuses) == [200] * 5 + [429] * 3
    assert capsys.readouterr().err.count("Login link for adalovelace@example.com") == 5
    assert asks(app, 1, "ada.love.lace+tag@example.com") == [429]
    refused = app.test_client().post("/api/auth", json={"email": "adalovelace@example.com"})
    assert 60 < int(refused.headers["Retry-After"]) <= 3600


def test_twenty_wishes_an_hour_from_one_address_of_the_network(make_app):
    app = make_app(AGENTMETER_ALLOWED_EMAILS="@team.example")
    statuses = asks(app, 23, "p{}@team.example".format)
    assert sorted(statuses) == [200] * 20 + [429] * 3
    assert browser_of(app).post("/login", data={"email": "new@team.example"}).status_code == 429


def test_a_forged_forwarding_header_is_no_new_address(make_app):
    app = make_app(AGENTMETER_ALLOWED_EMAILS="@team.example")
    forged = {"headers": lambda number: {"X-Forwarded-For": f"192.0.2.{number}", "Forwarded": f"for=192.0.2.{number}"}}
    assert asks(app, 23, "p{}@team.example".format, **forged).count(200) == 20


@pytest.mark.parametrize("database", ["postgres"], indirect=True)
def test_two_hundred_links_an_hour_in_all(make_app):
    app = make_app(AGENTMETER_ALLOWED_EMAILS="@team.example", AGENTMETER_PROXIES="1")
    spread = {"headers": lambda number: {"X-Forwarded-For": f"192.0.{number % 20}.1"}}
    statuses = asks(app, 210, "p{}@team.example".format, **spread)
    assert sorted(statuses) == [200] * 200 + [429] * 10


def test_five_denials_and_then_nothing_is_told_any_more(app, ada):
    statuses = asks(app, 8, "stranger{}@elsewhere.example".format)
    assert sorted(statuses) == [403] * 5 + [429] * 3
    assert asks(app, 1) == [429]  # also for somebody who may come in: else the 429 itself would tell
    assert (
        browser_of(app).post("/login", data={"email": "ada@example.com"}).status_code == 200
    )  # that page tells nothing


def test_answers_that_tell_nothing_have_no_denials_to_count(make_app):
    app = make_app(AUTH_UNIFORM="1")
    login.add_person(app.extensions["engine"], "ada@example.com", "admin")
    assert set(asks(app, 8, "stranger{}@elsewhere.example".format)) == {200}
    assert asks(app, 1) == [200]
