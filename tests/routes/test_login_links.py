"""Whatever somebody writes into `next` or into the Host header, nobody is led off the site and no link leads there."""

import re
from html import unescape
from urllib.parse import quote, urljoin, urlsplit

import pytest

from mail_server import MailServer, link_in
from meter import login
from support import browser_of, signed_in

HOME = "https://meter.example.com"
EVIL = "evil.example"
OFF_SITE = (
    "https://evil.example",
    "http://evil.example/",
    "//evil.example",
    "///evil.example",
    "////evil.example",
    "/\\evil.example",
    "\\\\evil.example",
    "\\/evil.example",
    "/\\/evil.example",
    "https:evil.example",
    "https:/evil.example",
    "https:\\\\evil.example",
    "http:///evil.example",
    "HTTPS://EVIL.EXAMPLE",
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    "java\nscript:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    "vbscript:x",
    "mailto:a@evil.example",
    " https://evil.example",
    "\thttps://evil.example",
    "\n//evil.example",
    "/\t/evil.example",
    "/\n/evil.example",
    "/\r\nLocation: https://evil.example",
    "/%0d%0aLocation:%20https://evil.example",
    "/%2f%2fevil.example",
    "/%5cevil.example",
    "/%2e%2e//evil.example",
    "/./\\evil.example",
    "/..//evil.example",
    "/settings/..//evil.example",
    "/;@evil.example",
    "/.evil.example",
    "@evil.example",
    "evil.example",
    "evil.example/settings",
    "https://meter.example.com.evil.example/",
    "https://meter.example.com@evil.example/",
    "https://evil.example#@meter.example.com",
    "https://evil.example?meter.example.com",
    "//meter.example.com@evil.example",
    "//evil%E3%80%82example",
    "/\u2028/evil.example",
    "/\u3002evil.example",
    "\u2215\u2215evil.example",
    "\uff0f\uff0fevil.example",
    "/\x00/evil.example",
    "//[::1]@evil.example",
    "http://0x7f.1/",
    "http://2130706433/",
    "ftp://evil.example",
    "file:///etc/passwd",
    "blob:https://evil.example/x",
    "/login?next=https://evil.example",
    "/logout",
    "/api/admin/tokens",
    "/static/js/page.js",
    "/nowhere",
)
OURS = ("/", "/settings", "/?period=7d", "/?from=2026-01-01&to=2026-02-01", "/settings?done=profile")
HOSTS = (
    {"Host": EVIL},
    {"Host": f"{EVIL}:443"},
    {"Host": f"meter.example.com.{EVIL}"},
    {"Host": f"meter.example.com@{EVIL}"},
    {"Host": f"{EVIL}#meter.example.com"},
    {"Host": f"meter.example.com, {EVIL}"},
    {"Host": ""},
    {"X-Forwarded-Host": EVIL},
    {
        "X-Forwarded-Host": EVIL,
        "X-Forwarded-Proto": "http",
        "X-Forwarded-Port": "81",
        "X-Forwarded-Prefix": "//evil.example",
    },
    {"Forwarded": f"host={EVIL};proto=http;for=192.0.2.1"},
    {"X-Host": EVIL, "X-Original-Host": EVIL, "X-HTTP-Host-Override": EVIL, "X-Forwarded-Server": EVIL},
    {"X-Original-URL": f"//{EVIL}/", "X-Rewrite-URL": f"https://{EVIL}/", "Referer": f"https://{EVIL}/"},
)


@pytest.fixture
def database(sqlite):
    return sqlite  # nothing here depends on the kind of database


@pytest.fixture
def app(make_app):
    return make_app(AGENTMETER_PUBLIC_URL=HOME, AGENTMETER_RATE_LIMITS="off", AGENTMETER_PROXIES="1")


def token_for(app, account):
    return login.make_login_link(app.extensions["engine"], app.extensions["secret_keys"], account.email).token


def leads_to(answer):
    """Where a browser would go next: by any header that sends it away, seen from our own address."""
    places = [
        answer.headers[name] for name in ("Location", "HX-Redirect", "HX-Location", "Refresh") if name in answer.headers
    ]
    return [urljoin(HOME + "/", place) for place in places]


def links_on(answer):
    """Where links and forms of a page lead."""
    places = re.findall(r'(?:href|action)="([^"]*)"', answer.text)
    return [urljoin(HOME + "/", unescape(place)) for place in places]


def is_ours(place):
    parts = urlsplit(place)
    return (parts.scheme, parts.netloc) == ("https", "meter.example.com")


def test_the_list_is_as_long_as_promised():
    assert len(set(OFF_SITE)) == 60
    assert len(HOSTS) == 12


@pytest.mark.parametrize("target", OFF_SITE)
def test_next_never_leads_off_the_site(app, ada, target):
    stranger, client = browser_of(app), browser_of(app)
    answers = [
        client.get(f"/login/{token_for(app, ada)}", query_string={"next": target}, base_url=HOME),
        client.post(f"/login/{token_for(app, ada)}", data={"next": target}, base_url=HOME),
        client.get("/login", query_string={"next": target}, base_url=HOME),
        client.post("/settings/theme", query_string={"next": target}, data={"theme": "dark"}, base_url=HOME),
        client.post("/logout", query_string={"next": target}, data={"next": target}, base_url=HOME),
        stranger.get("/login", query_string={"next": target}, base_url=HOME),
        stranger.post("/login", data={"email": "ada@example.com", "next": target}, base_url=HOME),
        stranger.get("/settings", query_string={"next": target}, base_url=HOME),
    ]
    assert [answer.status_code for answer in answers] == [200, 303, 303, 303, 303, 200, 200, 303]
    assert all(is_ours(place) for answer in answers for place in (*leads_to(answer), *links_on(answer)))
    assert {answer.location for answer in answers[1:4]} == {"/"}
    for answer in answers:
        assert re.findall(r'name="next" value="(.*?)"', answer.text) in ([], ["/"])


@pytest.mark.parametrize("target", OURS)
def test_next_leads_to_the_page_somebody_wanted(app, ada, target):
    client = browser_of(app)
    assert client.post(f"/login/{token_for(app, ada)}", data={"next": target}, base_url=HOME).location == target


def test_whoever_has_to_sign_in_first_is_led_back(app, ada):
    client = browser_of(app)
    sent_away = client.get("/settings?done=profile", base_url=HOME)
    assert sent_away.location == "/login?next=" + quote("/settings?done=profile", safe="")
    form = client.get(sent_away.location, base_url=HOME)
    assert 'name="next" value="/settings?done=profile"' in form.text
    assert client.get("/", base_url=HOME).location == "/login"


@pytest.mark.parametrize("url", [HOME + "/?period=7d", "https://evil.example/?period=7d", "nonsense", "https://["])
def test_a_swap_without_a_session_leads_back_to_its_own_page(app, ada, url):
    swap = {"HX-Request": "true", "HX-Request-Type": "partial", "HX-Current-URL": url}
    answer = browser_of(app).get("/", headers=swap, base_url=HOME)
    assert answer.status_code == 401
    assert all(is_ours(place) for place in leads_to(answer))
    assert answer.headers["HX-Redirect"] in ("/login", "/login?next=%2F%3Fperiod%3D7d")


@pytest.mark.parametrize("headers", HOSTS)
def test_a_link_on_the_terminal_begins_with_the_public_address(app, ada, headers, capsys):
    answer = browser_of(app).post("/login", data={"email": "ada@example.com"}, base_url=HOME, headers=headers)
    assert answer.status_code == (400 if headers.get("Host", "meter.example.com") != "meter.example.com" else 200)
    said = capsys.readouterr().err
    assert EVIL not in said + answer.text
    assert said.count(f"  {HOME}/login/") == (1 if answer.status_code == 200 else 0)


@pytest.mark.parametrize("headers", HOSTS)
def test_no_redirect_follows_a_forged_host(app, ada, headers):
    client = signed_in_at_home(app, ada)
    for answer in (
        client.get("/login", base_url=HOME, headers=headers),
        client.post("/logout", base_url=HOME, headers=headers),
        browser_of(app).get("/settings", base_url=HOME, headers=headers),
    ):
        assert all(is_ours(place) for place in leads_to(answer))
        assert EVIL not in str(answer.headers)


def signed_in_at_home(app, account):
    client = browser_of(app)
    assert client.post(f"/login/{token_for(app, account)}", base_url=HOME).status_code == 303
    return client


def test_every_mail_carries_the_public_address(make_app):
    smtp = MailServer()
    smtp.start()
    app = make_app(AGENTMETER_PUBLIC_URL=HOME, AGENTMETER_RATE_LIMITS="off", AGENTMETER_SMTP_URL=smtp.url)
    login.add_person(app.extensions["engine"], "ada@example.com", "admin")
    sent = 0
    for headers in HOSTS:
        given = {"base_url": HOME, "headers": headers}
        for answer in (
            app.test_client().post("/api/auth", json={"email": "ada@example.com"}, **given),
            browser_of(app).post("/login", data={"email": "ada@example.com", "next": "/settings"}, **given),
        ):
            sent += answer.status_code == 200
            smtp.wait_for(sent)
    app.extensions["postman"].stop()
    smtp.stop()
    assert sent == 10
    for _, letter in smtp.letters:
        assert link_in(letter).startswith(f"{HOME}/login/")
        assert EVIL not in letter.as_string()


def test_on_loopback_links_begin_with_the_bind_address(make_app, capsys):
    app = make_app(AGENTMETER_BIND="127.0.0.1:7001")
    ada = login.add_person(app.extensions["engine"], "ada@example.com", "admin")
    browser_of(app).post("/login", data={"email": ada.email}, base_url="http://localhost:7001")
    assert "  http://127.0.0.1:7001/login/" in capsys.readouterr().err
    assert signed_in(app, ada).get("/settings").status_code == 200
