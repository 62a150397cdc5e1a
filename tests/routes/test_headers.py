"""What every answer carries, and which requests are refused before anybody looks at them."""

import pytest
from flask import Flask

from meter import login
from routes._auth import allow, check_every_route_is_declared
from support import browser_of


@pytest.fixture
def database(sqlite):
    return sqlite  # nothing here depends on the kind of database


CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "font-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'"
)
PATHS = (
    "/",
    "/login",
    "/claim",
    "/status",
    "/healthz",
    "/nope",
    "/api/nope",
    "/v1/nope",
    "/static/favicon.svg",
    "/static/x",
)


@pytest.mark.parametrize("path", PATHS)
def test_every_answer_is_protected(anonymous, path):
    headers = anonymous.get(path).headers
    assert headers["Content-Security-Policy"] == CSP
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "strict-origin"
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert len(headers["X-Request-Id"]) == 8
    assert "Strict-Transport-Security" not in headers


@pytest.mark.parametrize("path", [path for path in PATHS if not path.startswith("/static/f")])
def test_nothing_but_static_files_is_stored(client, path):
    assert client.get(path).headers["Cache-Control"] == "no-store"


def test_on_https_browsers_are_told_to_stay_there(make_app):
    app = make_app(AGENTMETER_PUBLIC_URL="https://meter.example.com")
    answer = app.test_client().get("/status", base_url="https://meter.example.com")
    assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"


def test_a_static_file_is_kept_for_a_year_under_its_hash_only(app, anonymous):
    with app.test_request_context():
        from routes._links import asset

        address = asset("favicon.svg")
    assert anonymous.get(address).headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert "Cookie" not in anonymous.get(address).headers.get("Vary", "")
    assert anonymous.get("/static/favicon.svg").headers["Cache-Control"] == "no-cache"
    assert anonymous.get("/static/favicon.svg?v=0000000000").headers["Cache-Control"] == "no-cache"


@pytest.mark.parametrize(
    "path", ["/static/../app.py", "/static/%2e%2e/app.py", "/static//etc/passwd", "/.git/config", "/static/"]
)
def test_nothing_outside_the_static_folder_is_served(anonymous, path):
    assert anonymous.get(path).status_code in (404, 308)


@pytest.mark.parametrize("host", ["localhost", "localhost:9999", "127.0.0.1", "[::1]:6387", "LOCALHOST"])
def test_loopback_names_are_ours(anonymous, host):
    assert anonymous.get("/status", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:6387",
        "localhost.evil.example",
        "127.0.0.1.nip.io",
        "127.0.0.2",
        "localhost@evil.example",
        "[::1",
        "",
    ],
)
def test_any_other_name_is_refused(anonymous, host):
    assert anonymous.get("/status", headers={"Host": host}).status_code == 400
    assert anonymous.get("/", headers={"Host": host}).status_code == 400


def test_a_forwarded_name_changes_nothing(anonymous):
    answer = anonymous.get("/login", headers={"X-Forwarded-Host": "evil.example", "Forwarded": "host=evil.example"})
    assert answer.location == "/claim"


def test_the_public_name_is_ours(make_app):
    app = make_app(AGENTMETER_PUBLIC_URL="https://meter.example.com", AGENTMETER_BIND="0.0.0.0:6387")
    assert app.test_client().get("/status", headers={"Host": "meter.example.com"}).status_code == 200
    assert app.test_client().get("/status", headers={"Host": "0.0.0.0:6387"}).status_code == 400


CROSS_SITE = (
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": ""},
    {"Sec-Fetch-Site": "cross-site", "Origin": "http://localhost"},
    {"Origin": "https://evil.example"},
    {"Origin": "http://localhost.evil.example"},
    {"Origin": "http://localhost:1"},
    {"Origin": "null"},
    {"Origin": ""},
    {},
)
SAME_SITE = ({"Sec-Fetch-Site": "same-origin"}, {"Sec-Fetch-Site": "none"}, {"Origin": "http://localhost"})


@pytest.fixture
def bare_client(app, client):
    """Ada's cookie in a client that says nothing about where requests come from."""
    bare = app.test_client()
    bare.set_cookie("agentmeter", client.get_cookie("agentmeter").value)
    return bare


def unsafe_routes(app: Flask) -> list[tuple[str, str]]:
    adapter = app.url_map.bind("localhost")
    rules = [rule for rule in app.url_map.iter_rules() if rule.methods]
    return [
        (method, adapter.build(rule.endpoint, dict.fromkeys(rule.arguments, "1"), method=method))
        for rule in rules
        for method in sorted(rule.methods - {"GET", "HEAD", "OPTIONS"})
    ]


@pytest.mark.parametrize("headers", CROSS_SITE, ids=str)
def test_another_site_cannot_make_a_browser_change_anything(app, bare_client, headers):
    for method, path in unsafe_routes(app):
        assert bare_client.open(path, method=method, headers=headers).status_code == 403, path
    assert bare_client.post("/settings/theme", data={"theme": "dark"}, headers=SAME_SITE[0]).status_code == 303


@pytest.mark.parametrize("headers", SAME_SITE, ids=str)
def test_our_own_pages_can(bare_client, headers):
    assert bare_client.post("/settings/theme", data={"theme": "dark"}, headers=headers).status_code == 303


def test_a_program_without_cookie_needs_no_origin(app, ada):
    token = login.make_login_link(app.extensions["engine"], app.extensions["secret_keys"], ada.email).token
    assert app.test_client().post(f"/login/{token}").status_code == 303


def test_another_site_cannot_sign_a_browser_in(app, ada):
    token = login.make_login_link(app.extensions["engine"], app.extensions["secret_keys"], ada.email).token
    answer = app.test_client().post(f"/login/{token}", headers={"Origin": "https://evil.example"})
    assert answer.status_code == 403


def test_on_https_a_page_of_the_same_name_without_tls_is_another_site(make_app):
    app = make_app(AGENTMETER_PUBLIC_URL="https://meter.example.com")
    post = lambda origin: app.test_client().post(  # noqa: E731
        "/login/x", base_url="https://meter.example.com", headers={"Origin": origin}
    )
    assert post("http://meter.example.com").status_code == 403
    assert post("https://meter.example.com").status_code == 404


def test_reading_changes_nothing(app, client):
    from sqlalchemy import text

    from models.db import reading

    def rows():
        with reading(app.extensions["engine"]) as db:
            tables = ("person", "browser_session", "login_link", "installation", "api_token", "refresh_family")
            return [db.execute(text(f"select * from {table} order by 1")).all() for table in tables]

    before = rows()
    for rule in app.url_map.iter_rules():
        path = app.url_map.bind("localhost").build(
            rule.endpoint, dict.fromkeys(rule.arguments, "1"), force_external=False
        )
        for method in ("GET", "HEAD", "OPTIONS"):
            client.open(path, method=method)
    assert rows() == before


def test_a_route_that_does_not_say_who_may_call_it_stops_the_start(app):
    check_every_route_is_declared(app)
    app.view_functions["forgotten"] = lambda: ""
    with pytest.raises(RuntimeError, match="forgotten"):
        check_every_route_is_declared(app)
    with pytest.raises(ValueError, match="everyone"):
        allow("everyone")


def test_every_route_is_closed_to_strangers_unless_it_says_so(app, ada):
    stranger = browser_of(app)
    adapter = app.url_map.bind("localhost")
    for rule in app.url_map.iter_rules():
        if app.view_functions[rule.endpoint].allowed.who == "anyone":
            continue
        for method in rule.methods - {"OPTIONS"}:
            path = adapter.build(rule.endpoint, dict.fromkeys(rule.arguments, "1"), method=method)
            answer = stranger.open(path, method=method)
            assert answer.status_code == 401 or answer.location.startswith("/login"), path


@pytest.mark.parametrize(
    "path",
    [
        "/settings//theme",
        "/settings/./theme",
        "/settings/theme/",
        "/settings/theme;x",
        "/SETTINGS/THEME",
        "/settings%2ftheme",
    ],
)
def test_no_spelling_of_a_path_gets_around_the_guard(anonymous, path):
    answer = anonymous.post(path, data={"theme": "dark"}, headers={"X-HTTP-Method-Override": "GET"})
    assert answer.status_code in (401, 404, 308)
