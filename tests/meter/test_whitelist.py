"""Who may come in at all: rules of the settings and stored ones, and what a rule taken away takes along."""

import pytest
from sqlalchemy import text

from credentials import sending, token_of
from meter import login, sessions, whitelist
from meter.audit import CLI
from meter.email_rules import allows
from meter.emails import checked_rule
from meter.errors import Conflict, Invalid, NotFound
from meter.login import Browser
from meter.settings import load
from models.db import reading
from support import browser_of, signed_in

HERE = Browser("Firefox", "127.0.0.1")
KEYS = ("a key of the installation that signs links",)


@pytest.fixture
def ada_id(engine):
    return login.add_person(engine, "ada@example.com", "admin").id


def is_let_in(engine, email, *fixed):
    with reading(engine) as db:
        return allows(db, email, fixed)


def stored(engine):
    with reading(engine) as db:
        return [one.rule for one in whitelist.rules(db)]


def counted(engine, table):
    with reading(engine) as db:
        return db.execute(text(f"select count(*) from {table}")).scalar()


def test_whoever_is_added_is_on_the_whitelist(engine):
    secret = login.start_claim(engine)
    login.claim(engine, secret, "Ada@Example.com", "", "UTC", HERE)
    login.add_person(engine, "ben@example.com")
    assert stored(engine) == ["ada@example.com", "ben@example.com"]


def test_domains_stand_before_addresses(engine):
    for rule in ("zoe@b.example", "@team.example", "ada@b.example", " @Another.Example "):
        whitelist.add(engine, rule, CLI)
    assert stored(engine) == ["@another.example", "@team.example", "ada@b.example", "zoe@b.example"]


def test_a_rule_is_there_once(engine):
    assert whitelist.add(engine, "Ben@Example.COM", CLI) == "ben@example.com"
    with pytest.raises(Conflict):
        whitelist.add(engine, "ben@example.com", CLI)


@pytest.mark.parametrize(
    "rule", ["", "@", "example.com", "@a@b", "@ex ample.com", "ada@", "@x\n@y", "*@example.com, ", "@\0"]
)
def test_what_is_neither_address_nor_domain_is_no_rule(engine, rule):
    with pytest.raises(Invalid) as caught:
        whitelist.add(engine, rule, CLI)
    assert caught.value.field == "rule"


@pytest.mark.parametrize(
    ("email", "is_listed"),
    [
        ("ada@team.example", True),
        ("anybody+tag@team.example", True),
        ("ada@team.example.evil.example", False),
        ("ada@evil-team.example", False),
        ("ada@sub.team.example", False),
        ("@team.example@evil.example", False),
        ("ben@one.example", True),
        ("bem@one.example", False),
        ("b.en@one.example", False),
        ("ad\u212a@team.example", False),
        ("\u0131da@team.example", False),
        ("\uff41da@team.example", False),
        ("ada@tea\u217f.example", False),
        ("ada@team.ex\u0430mple", False),
        ("ada@team.example.", False),
    ],
)
def test_a_rule_matches_the_very_address_or_domain(engine, email, is_listed):
    rules = ("@team.example", "ben@one.example")
    assert is_let_in(engine, email, *rules) is is_listed
    for rule in rules:
        whitelist.add(engine, rule, CLI)
    assert is_let_in(engine, email) is is_listed


def test_other_letters_come_in_only_when_listed_themselves(engine):
    for email in ("stra\u00dfe@team.example", "\u212aate@team.example"):
        assert not is_let_in(engine, email, "@team.example")
        assert is_let_in(engine, email, "@team.example", checked_rule(email))


def test_settings_name_addresses_and_domains():
    settings = load({"AGENTMETER_ALLOWED_EMAILS": " Ada@Example.com, @Team.Example,, "})
    assert settings.allowed_emails == ("ada@example.com", "@team.example")
    with pytest.raises(Invalid) as caught:
        load({"AGENTMETER_ALLOWED_EMAILS": "example.com"})
    assert caught.value.field == "AGENTMETER_ALLOWED_EMAILS"


def test_a_rule_taken_away_takes_sessions_links_and_tokens_along(app, ada):
    engine = app.extensions["engine"]
    whitelist.add(engine, "@team.example", CLI)
    whitelist.add(engine, "cyd@team.example", CLI)
    ben, cyd = (_member_by_link(app, f"{name}@team.example") for name in ("ben", "cyd"))
    token = token_of(app, ben.account)
    login.ask_for_link(engine, app.extensions["settings"], KEYS, "new@team.example", HERE)
    lost = whitelist.remove(engine, "@team.example", (), CLI)
    assert lost == whitelist.ShutOut(people=1, sessions=1, links=1, tokens=1)
    with reading(engine) as db:
        assert sessions.sessions_of(db, ben.account.id) == ()
        assert len(sessions.sessions_of(db, cyd.account.id)) == 1
    assert sending(app, token.text).get("/v1/usage").status_code in (401, 404)
    assert counted(engine, "login_link") == 1  # cyd's, which was used


def _member_by_link(app, email):
    engine, settings, keys = (app.extensions[name] for name in ("engine", "settings", "secret_keys"))
    token = login.ask_for_link(engine, settings, keys, email, HERE).link.token
    return login.redeem(engine, settings, keys, token, HERE)


def test_the_next_request_of_somebody_removed_is_refused_in_every_process(make_app, app, ada, ben):
    elsewhere = make_app()
    browser, program = signed_in(app, ben), token_of(app, ben)
    copied = browser_of(elsewhere)
    copied.set_cookie("agentmeter", browser.get_cookie("agentmeter").value)
    assert copied.post("/settings/theme", data={"theme": "dark"}).status_code == 303
    whitelist.remove(app.extensions["engine"], "ben@example.com", (), CLI)
    for client in (browser, copied):
        assert client.post("/settings/theme", data={"theme": "dark"}).status_code == 401
    for one in (app, elsewhere):
        assert sending(one, program.text).get("/").status_code in (303, 401)


def test_the_settings_still_let_in_whom_no_stored_rule_does(app, ada, ben):
    client = signed_in(app, ben)
    assert whitelist.remove(app.extensions["engine"], "ben@example.com", ("@example.com",), CLI) == whitelist.ShutOut()
    assert client.post("/settings/theme", data={"theme": "dark"}).status_code == 303


def test_the_last_admin_stays_on_the_whitelist(engine, ada_id):
    with pytest.raises(Conflict):
        whitelist.remove(engine, "ada@example.com", (), CLI)
    assert stored(engine) == ["ada@example.com"]
    whitelist.remove(engine, "ada@example.com", ("@example.com",), CLI)


def test_an_unknown_rule_cannot_be_removed(engine):
    with pytest.raises(NotFound):
        whitelist.remove(engine, "@nowhere.example", (), CLI)


def test_a_start_shuts_out_whom_the_settings_no_longer_name(make_app):
    app = make_app(AGENTMETER_ALLOWED_EMAILS="@team.example")
    login.add_person(app.extensions["engine"], "ada@example.com", "admin")
    ben = _member_by_link(app, "ben@team.example")
    make_app(AGENTMETER_ALLOWED_EMAILS="@team.example")
    with reading(app.extensions["engine"]) as db:
        assert len(sessions.sessions_of(db, ben.account.id)) == 1
    make_app(AGENTMETER_ALLOWED_EMAILS="@another.example")
    with reading(app.extensions["engine"]) as db:
        assert sessions.sessions_of(db, ben.account.id) == ()
        assert db.execute(text("select count(*) from audit where action = 'whitelist.remove'")).scalar() == 1


def test_every_change_stands_in_the_audit_log(engine, ada_id):
    whitelist.add(engine, "@team.example", CLI)
    whitelist.remove(engine, "@team.example", (), CLI)
    with reading(engine) as db:
        actions = db.execute(text("select action from audit order by id")).scalars().all()
    assert actions == ["person.add", "whitelist.add", "whitelist.remove"]
