"""One table of errors, five shapes of body, nothing told that should not be."""

import io
import json
import logging

import pytest

from meter import errors
from routes._auth import allow
from routes._log import JsonLines, log


@pytest.fixture
def database(sqlite):
    return sqlite  # nothing here depends on the kind of database


SECRET = "select hunter2 from /srv/secret.py"


@pytest.fixture
def broken(app, ada):
    """The application with routes that fail in every way; made before its first request."""

    def add(path, error):
        @allow("anyone")
        def fail():
            raise error

        app.add_url_rule(path, endpoint=f"fail {path}", view_func=fail)

    for prefix in ("/api/usage", "/api/analytics", "/v1", "/device", "/page"):
        add(f"{prefix}/broken", RuntimeError(SECRET))
        add(f"{prefix}/taken", errors.Conflict("Running already.", code="SYNC_IN_PROGRESS"))
        add(f"{prefix}/invalid", errors.Invalid("to is before from", field="to"))
        add(f"{prefix}/busy", errors.TooMany("Slow down.", retry_after_seconds=7))
        add(f"{prefix}/stranger", errors.NotSignedIn("Sign in first."))
    return app.test_client()


@pytest.mark.parametrize("path", ["/api/usage/invalid", "/api/machines/nope", "/metrics/nope"])
def test_telemetry_and_hub_say_error_and_code(broken, path):
    assert set(broken.get(path).json) == {"error", "code"}


def test_telemetry_body(broken):
    answer = broken.get("/api/usage/invalid")
    assert (answer.status_code, answer.json) == (400, {"error": "to is before from", "code": "VALIDATION_ERROR"})


def test_analytics_body_is_the_envelope(broken):
    answer = broken.get("/api/analytics/invalid")
    error = {"message": "to is before from", "code": "VALIDATION_ERROR", "details": {"field": "to"}}
    assert (answer.status_code, answer.json) == (400, {"success": False, "error": error})


def test_a_documented_code_wins_over_the_general_one(broken):
    answer = broken.get("/api/analytics/taken")
    assert (answer.status_code, answer.json["error"]["code"]) == (409, "SYNC_IN_PROGRESS")


def test_gateway_body_is_that_of_openai(broken):
    answer = broken.get("/v1/invalid")
    error = {"message": "to is before from", "type": "invalid_request_error", "param": "to", "code": "validation_error"}
    assert (answer.status_code, answer.json) == (400, {"error": error})


def test_alerts_body_is_one_sentence_and_the_documented_one_without_credential(broken):
    assert broken.get("/device/invalid").json == {"error": "to is before from"}
    stranger = broken.get("/device/stranger")
    assert (stranger.status_code, stranger.json) == (401, {"error": "Unauthorized"})


@pytest.mark.parametrize("prefix", ["/api/usage", "/api/analytics", "/v1", "/device", "/page"])
def test_what_nobody_expected_is_a_500_that_tells_nothing(broken, prefix):
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines())
    log.addHandler(handler)
    try:
        answer = broken.get(f"{prefix}/broken")
    finally:
        log.removeHandler(handler)
    assert answer.status_code == 500
    for secret in ("hunter2", "Traceback", "RuntimeError", ".py"):
        assert secret not in answer.text
    [line] = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert line["request"] == answer.headers["X-Request-Id"]
    assert SECRET in line["error"]


@pytest.mark.parametrize("prefix", ["/api/usage", "/api/analytics", "/v1", "/device", "/page"])
def test_too_many_says_when_to_come_back(broken, prefix):
    answer = broken.get(f"{prefix}/busy")
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "7")


def test_an_error_page_names_status_and_request(client):
    answer = client.get("/nope")
    assert answer.status_code == 404
    assert answer.mimetype == "text/html"
    assert f"404 · request {answer.headers['X-Request-Id']}" in answer.text


def test_a_page_sends_strangers_to_the_login(broken):
    answer = broken.get("/page/stranger")
    assert (answer.status_code, answer.location) == (303, "/login")


def test_a_swap_gets_a_fragment_at_every_status(broken):
    swap = {"HX-Request": "true", "HX-Request-Type": "partial"}
    for path, status in (("broken", 500), ("invalid", 400), ("busy", 429), ("stranger", 401), ("nope", 404)):
        answer = broken.get(f"/page/{path}", headers=swap)
        assert answer.status_code == status
        assert "<html" not in answer.text
        assert "HX-Request" in answer.headers["Vary"]
    assert broken.get("/page/stranger", headers=swap).headers["HX-Redirect"] == "/login"


def test_a_bad_filter_offers_to_reset_the_filters(broken):
    assert 'href="/page/invalid"' in broken.get("/page/invalid?to=x").text


@pytest.mark.parametrize("path", ["/api/nope", "/v1/nope", "/api/analytics/nope", "/nope"])
def test_an_unknown_path_is_404_for_everybody(anonymous, client, path):
    assert anonymous.get(path).status_code == client.get(path).status_code == 404


def test_a_method_nobody_listed_is_405_with_allow(anonymous):
    for method in ("delete", "put", "patch"):
        answer = getattr(anonymous, method)("/status")
        assert answer.status_code == 405
        assert "GET" in answer.headers["Allow"]
    assert anonymous.open("/status", method="TRACE").status_code == 405


def test_a_body_that_is_too_large_is_refused(anonymous):
    answer = anonymous.post("/claim", data={"secret": "x" * 2_000_000})
    assert answer.status_code == 413


def test_a_log_line_is_one_line_whatever_it_says():
    record = logging.LogRecord("agentmeter", logging.INFO, "", 0, "a\r\nb\x1b[2J\u2028c", (), None)
    line = JsonLines().format(record)
    assert line.isascii()
    assert line.isprintable()
