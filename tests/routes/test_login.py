"""Signing in by a link, staying signed in by a cookie, and out."""

import re

import pytest
from sqlalchemy import text

from meter import login, whitelist
from meter.audit import CLI
from models.db import writing
from support import browser_of, signed_in

EVIL = ("https://evil.example/", "//evil.example", "/\\evil.example", "/nope", "javascript:alert(1)", "", "/logout")


def link_for(app, account):
    return login.make_login_link(app.extensions["engine"], app.extensions["secret_keys"], account.email).token


def ask(app, email, **form):
    return browser_of(app).post("/login", data={"email": email, **form})


def printed_path(capsys):
    """The path of the link that the server printed last."""
    return re.findall(r"http://[^/]+(/login/\S+)", capsys.readouterr().err)[-1]


def test_one_field_and_one_button(anonymous, ada):
    page = anonymous.get("/login")
    assert page.status_code == 200
    assert page.text.count("<input ") == 2  # the address, and where to go on
    assert 'type="email"' in page.text
    assert "Send me a link" in page.text
    assert "terminal" in page.text  # no mail server is set


def test_with_a_mail_server_the_page_speaks_of_mail(make_app, ada):
    page = browser_of(make_app(AGENTMETER_SMTP_URL="smtp://127.0.0.1:9")).get("/login")
    assert "We mail you a link. No password." in page.text
    assert "terminal" not in page.text


def test_asking_for_a_link_signs_in_where_one_wanted_to_go(app, ada, capsys):
    sent = ask(app, "ADA@example.com", next="/settings")
    assert sent.status_code == 200
    assert "ada@example.com" in sent.text
    assert "10 minutes, once" in sent.text
    path = printed_path(capsys)
    assert path.endswith("?next=%2Fsettings")
    client = browser_of(app)
    assert 'name="next" value="/settings"' in client.get(path).text
    assert client.post(path.partition("?")[0], data={"next": "/settings"}).location == "/settings"


def test_everybody_is_told_the_same_whoever_they_are(app, ada, ben, capsys):
    whitelist.add(app.extensions["engine"], "new@example.com", CLI)
    with writing(app.extensions["engine"]) as db:
        db.execute(text("update person set disabled_at = 1 where email = 'ben@example.com'"))
    names = ("ada", "ben", "new", "eve")
    answers = [ask(app, f"{name}@example.com") for name in names]
    told = {(a.status_code, a.text.replace(f"{n}@", "@"), len(a.headers)) for a, n in zip(answers, names, strict=True)}
    assert len(told) == 1
    printed = capsys.readouterr().err
    assert [f"for {name}@example.com:" in printed for name in names] == [True, False, True, False]


def test_another_link_can_be_sent_from_the_page_that_says_so(app, ada, capsys):
    page = ask(app, "ada@example.com", next="/settings").text
    first = printed_path(capsys)
    hidden = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', page))
    assert hidden == {"email": "ada@example.com", "next": "/settings"}
    assert browser_of(app).post("/login", data=hidden).status_code == 200
    assert browser_of(app).get(first).status_code == 404
    assert browser_of(app).get(printed_path(capsys)).status_code == 200


@pytest.mark.parametrize("email", ["", "ada", "<script>alert(1)</script>", "ada@example.com\r\nBcc: eve@x.example"])
def test_what_is_no_address_comes_back_with_the_form(app, ada, email, capsys):
    page = ask(app, email, next="/settings")
    assert page.status_code == 400
    assert "That is not an e-mail address." in page.text
    assert 'aria-invalid="true"' in page.text
    assert 'name="next" value="/settings"' in page.text
    assert "<script>alert" not in page.text
    assert capsys.readouterr().err == ""


def test_somebody_new_sees_the_button_with_their_address_and_becomes_a_member(make_app, ada, capsys):
    app = make_app(AGENTMETER_ALLOWED_EMAILS="@team.example", AGENTMETER_TIMEZONE="Asia/Tokyo")
    firefox = {"User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"}
    client = browser_of(app)
    client.post("/login", data={"email": "cyd@team.example"}, headers=firefox)
    path = printed_path(capsys)
    page = client.get(path).text
    assert "Log in as cyd?" in page
    assert "cyd@team.example" in page
    assert "from Firefox on Linux at 127.0.0.1" in page
    assert client.post(path).status_code == 303
    assert "cyd@team.example" in client.get("/settings").text


def test_mail_scanners_use_nothing_up(app, ada, capsys):
    ask(app, "ada@example.com")
    path = printed_path(capsys)
    scanner = app.test_client()  # follows every link and asks for every address by GET, form actions included
    scanner.head(path)
    page = [scanner.get(path) for _ in range(5)][-1].text
    for address in re.findall(r'(?:href|src|action)="([^"]+)"', page):
        scanner.get(address)
        scanner.head(address)
    assert "http-equiv" not in page
    assert browser_of(app).post(path).status_code == 303


def test_signing_in_hands_out_two_cookies_and_logging_out_takes_both_back(app, ada):
    client = browser_of(app)
    cookies = client.post(f"/login/{link_for(app, ada)}").headers.getlist("Set-Cookie")
    assert [cookie.partition("=")[0] for cookie in cookies] == ["agentmeter", "am_refresh"]
    assert "Path=/api/v1/auth; SameSite=Strict" in cookies[1]
    assert "HttpOnly" in cookies[1]
    gone = client.post("/logout").headers.getlist("Set-Cookie")
    assert [cookie.partition(";")[0] for cookie in gone] == ["agentmeter=", "am_refresh="]


def test_whoever_is_signed_in_needs_no_form(client):
    assert client.get("/login").location == "/"
    assert client.get("/login?next=/settings").location == "/settings"


def test_before_there_is_an_owner_the_login_leads_to_the_claim(anonymous):
    assert anonymous.get("/login").location == "/claim"


def test_opening_a_link_shows_a_button_and_signs_nobody_in(app, ada, anonymous):
    token = link_for(app, ada)
    for _ in range(3):
        answer = anonymous.get(f"/login/{token}")
        assert answer.status_code == 200
        assert "Ada Lovelace" in answer.text
        assert "ada@example.com" in answer.text
        assert "Set-Cookie" not in answer.headers
    assert anonymous.head(f"/login/{token}").status_code == 200
    assert anonymous.post(f"/login/{token}").status_code == 303


def test_a_link_signs_in_once(app, ada, anonymous):
    token = link_for(app, ada)
    assert anonymous.post(f"/login/{token}").location == "/"
    assert anonymous.get("/login").location == "/"
    again = browser_of(app).post(f"/login/{token}")
    assert again.status_code == 404
    assert "no longer works" in again.text


def test_a_dead_link_looks_like_an_unknown_one(app, ada, anonymous):
    used = link_for(app, ada)
    anonymous.post(f"/login/{used}")
    stranger = browser_of(app)
    pages = [stranger.get(f"/login/{token}") for token in (used, "unknown", "x" * 500)]
    assert {page.status_code for page in pages} == {404}
    assert len({page.text for page in pages}) == 1


def test_the_cookie_cannot_be_read_by_scripts(app, ada, anonymous):
    cookie = anonymous.post(f"/login/{link_for(app, ada)}").headers["Set-Cookie"]
    assert cookie.startswith("agentmeter=")
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "Path=/" in cookie


def test_on_https_the_cookie_is_bound_to_the_host(make_app):
    app = make_app(AGENTMETER_PUBLIC_URL="https://meter.example.com")
    ada = login.add_person(app.extensions["engine"], "ada@example.com", "admin")
    cookie = browser_of(app).post(f"/login/{link_for(app, ada)}", base_url="https://meter.example.com")
    assert cookie.headers["Set-Cookie"].startswith("__Host-agentmeter=")
    assert "Secure" in cookie.headers["Set-Cookie"]
    assert "Domain" not in cookie.headers["Set-Cookie"]


def test_after_logout_a_copied_cookie_is_worth_nothing(app, client):
    copied = client.get_cookie("agentmeter").value
    assert client.post("/logout").location == "/login"
    assert client.get_cookie("agentmeter") is None
    thief = browser_of(app)
    thief.set_cookie("agentmeter", copied)
    assert thief.post("/settings/theme", data={"theme": "dark"}).status_code == 401


def test_get_does_not_sign_out(client):
    assert client.get("/logout").status_code == 405
    assert client.post("/settings/theme", data={"theme": "dark"}).status_code == 303


@pytest.mark.parametrize("forged", ["x", "x.y", "a.b.c", "\u00e9", "." * 4000])
def test_a_forged_cookie_is_nobody(app, ada, forged):
    visitor = browser_of(app)
    visitor.set_cookie("agentmeter", forged)
    assert visitor.post("/settings/theme", data={"theme": "dark"}).status_code == 401


def test_a_cookie_of_another_secret_key_is_nobody(make_app, app, client):
    other = browser_of(make_app(AGENTMETER_SECRET_KEY="another-key-of-thirty-two-letters!"))
    other.set_cookie("agentmeter", client.get_cookie("agentmeter").value)
    assert other.post("/settings/theme", data={"theme": "dark"}).status_code == 401


def test_a_planted_cookie_does_not_become_a_session(app, ada):
    victim = browser_of(app)
    victim.set_cookie("agentmeter", "planted")
    victim.post(f"/login/{link_for(app, ada)}")
    assert victim.get_cookie("agentmeter").value != "planted"


def test_signing_in_as_somebody_else_ends_the_first_session(app, ada, ben):
    visitor = signed_in(app, ada)
    adas = visitor.get_cookie("agentmeter").value
    visitor.post(f"/login/{link_for(app, ben)}")
    visitor.set_cookie("agentmeter", adas)
    assert visitor.post("/settings/theme", data={"theme": "dark"}).status_code == 401


@pytest.mark.parametrize("target", EVIL)
def test_next_never_leads_off_the_site(app, ada, target):
    answer = browser_of(app).post(f"/login/{link_for(app, ada)}", data={"next": target})
    assert answer.location == "/"


def test_disabling_somebody_ends_their_session_at_once(app, ben, bens_client):
    assert bens_client.post("/settings/theme", data={"theme": "dark"}).status_code == 303
    with writing(app.extensions["engine"]) as db:
        db.execute(text("update person set disabled_at = 1 where email = 'ben@example.com'"))
    assert bens_client.post("/settings/theme", data={"theme": "light"}).status_code == 401


def test_while_the_database_is_gone_nobody_gets_in(app, client):
    with writing(app.extensions["engine"]) as db:
        db.execute(text("alter table browser_session rename to gone"))
    answers = [client.post("/settings/theme", data={"theme": "dark"}) for _ in range(5)]
    assert {answer.status_code for answer in answers} == {503}
    assert answers[0].headers["Retry-After"] == "5"


def test_the_last_visit_is_noted_at_most_once_a_minute(app, client):
    with writing(app.extensions["engine"]) as db:
        db.execute(text("update browser_session set last_seen_at = last_seen_at - 3600000"))

    def seen():
        with writing(app.extensions["engine"]) as db:
            return db.execute(text("select last_seen_at from browser_session")).scalar()

    before = seen()
    client.get("/login")
    first = seen()
    client.get("/login")
    assert before < first == seen()


def test_sixty_tries_a_minute_and_no_more(anonymous, ada):
    answers = [anonymous.post("/login/wrong").status_code for _ in range(61)]
    assert answers == [404] * 60 + [429]
    assert 1 <= int(anonymous.post("/login/wrong").headers["Retry-After"]) <= 60


def test_a_forged_forwarding_header_is_no_new_address(anonymous, ada):
    for number in range(60):
        anonymous.post("/login/wrong", headers={"X-Forwarded-For": f"192.0.2.{number}"})
    assert anonymous.post("/login/wrong", headers={"X-Forwarded-For": "192.0.2.99"}).status_code == 429


def test_behind_a_trusted_proxy_the_callers_address_counts(make_app):
    app = make_app(AGENTMETER_PROXIES="1")
    visitor = browser_of(app)
    for _ in range(60):
        visitor.post("/login/wrong", headers={"X-Forwarded-For": "192.0.2.1"})
    assert visitor.post("/login/wrong", headers={"X-Forwarded-For": "192.0.2.1"}).status_code == 429
    assert visitor.post("/login/wrong", headers={"X-Forwarded-For": "192.0.2.2"}).status_code == 404


def test_the_theme_is_kept_and_leads_back_where_it_was_chosen(client):
    assert client.post("/settings/theme?next=/settings", data={"theme": "dark"}).location == "/settings"
    assert client.post("/settings/theme?next=//evil.example", data={"theme": "dark"}).location == "/"
    assert 'data-theme="dark"' in client.get("/nope").text
    assert client.post("/settings/theme", data={"theme": "neon"}).status_code == 400
