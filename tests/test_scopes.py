"""Every route of the URL map against every kind of credential: the answer is what the route declares, cell by cell.

A new route is covered by being there. What stands behind the doors is replaced by a bell, because the question is who
gets through, not what they find.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import unquote

import pytest
from flask import Flask, Response
from flask.testing import FlaskClient
from sqlalchemy import text

from credentials import bearer_of, cookie_of, jwt_for, jwt_of, sending, session_of, token_of, with_cookie
from issuer import Issuer
from meter.api_tokens import IMPLIED, SCOPES
from models.db import writing
from routes._auth import Rule, allow, check_every_route_is_declared
from support import browser_of

STALE = timedelta(minutes=16)
# Opening a route to everybody is a decision: it is written down here.
OPEN = {
    "/",  # leads to the claim or the login page
    "/api/auth",
    "/api/auth/redeem",
    "/api/setup/status",
    "/api/v1/auth/refresh",
    "/claim",
    "/favicon.ico",
    "/healthz",
    "/login",
    "/login/<token>",
    "/logout",
    "/robots.txt",
    "/static/<path:filename>",
    "/status",
}
# Each declaration that makes sense, so that all of them are asked about before there is a route for each.
RULES = (
    *(Rule(who) for who in ("anyone", "member", "admin")),
    *(Rule(who, fresh=True) for who in ("member", "admin")),
    *(Rule(who, scope) for who in ("member", "admin", "token") for scope in SCOPES),
    Rule("member", apple=True),
    Rule("member", "ingest", apple=True),
    Rule("admin", apple=True),
)


@dataclass(frozen=True)
class Credential:
    """Something to send, and what it ought to be worth.

    kind: none, bad, session, api_token or apple. scopes: of a token, with what they imply.
    """

    name: str
    client: FlaskClient
    kind: str
    role: str = "member"
    scopes: frozenset[str] = frozenset()
    is_fresh: bool = True


def owed(rule: Rule, credential: Credential) -> str:
    """in, 401 or 403: what the declaration of a route promises a credential."""
    if rule.who == "anyone":
        return "in"
    if credential.kind in ("none", "bad"):
        return "401"
    is_let_in = {
        "session": rule.who != "token" and (credential.is_fresh or not rule.fresh),
        "api_token": rule.scope in credential.scopes,
        "apple": rule.apple,
    }[credential.kind]
    return "in" if is_let_in and (rule.who != "admin" or credential.role == "admin") else "403"


def answered(answer: Response) -> str:
    """in, 401 or 403; a page that leads to the login page says 401 that way."""
    if "X-Bell" in answer.headers:
        return "in"
    if answer.status_code == 303 and answer.headers["Location"].startswith("/login"):
        return "401"
    return str(answer.status_code)


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    made = Issuer()
    yield made
    made.stop()


@pytest.fixture
def app(make_app, issuer) -> Flask:
    """The application without limits, with a door for each declaration, and a bell behind every door."""
    app = make_app(AGENTMETER_RATE_LIMITS="off", **issuer.settings())
    for number, rule in enumerate(RULES):
        view = allow(rule.who, scope=rule.scope, apple=rule.apple, fresh=rule.fresh)(lambda: "")
        app.add_url_rule(f"/door/{number}", endpoint=f"door {number}", view_func=view, methods=["POST"])
    check_every_route_is_declared(app)
    for endpoint, view in app.view_functions.items():
        app.view_functions[endpoint] = bell(endpoint, view.allowed)
    return app


def bell(endpoint: str, rule: Rule):
    """A view that only says that somebody came through, and where."""

    def ring(**_: object) -> Response:
        return Response(status=204, headers={"X-Bell": endpoint})

    ring.allowed = rule
    return ring


def doors(app: Flask) -> list[tuple[Rule, str, str]]:
    """(declaration, method, path) of every route."""
    adapter = app.url_map.bind("localhost")
    return [
        (app.view_functions[rule.endpoint].allowed, method, path)
        for rule in app.url_map.iter_rules()
        for path in [adapter.build(rule.endpoint, dict.fromkeys(rule.arguments, "1"))]
        for method in sorted((rule.methods or set()) - {"OPTIONS"})
    ]


def hold(app: Flask, credential: Credential) -> None:
    """Compare every cell of one credential."""
    cells = [(rule, method, path) for rule, method, path in doors(app)]
    wrong = {
        f"{method} {path} as {credential.name}": f"{found}, owed {owed(rule, credential)}"
        for rule, method, path in cells
        for found in [answered(credential.client.open(path, method=method))]
        if found != owed(rule, credential)
    }
    assert len(cells) > len(RULES)
    assert not wrong


def test_sessions_open_what_is_declared_for_people(app, ada, ben):
    for account in (ada, ben):
        fresh, stale = session_of(app, account), session_of(app, account, age=STALE)
        role = account.role
        hold(app, Credential(f"{role}'s cookie", with_cookie(app, fresh), "session", role))
        hold(app, Credential(f"{role}'s bearer", sending(app, bearer_of(app, account)), "session", role))
        hold(app, Credential(f"{role}'s JWT", sending(app, jwt_for(app, fresh)), "session", role))
        old = f"{role}'s old"
        hold(app, Credential(f"{old} cookie", with_cookie(app, stale), "session", role, is_fresh=False))
        hold(app, Credential(f"{old} JWT", sending(app, jwt_for(app, stale)), "session", role, is_fresh=False))


@pytest.mark.parametrize("scope", SCOPES)
def test_a_token_opens_its_scope_and_nothing_else(app, ada, ben, scope):
    for account in (ada, ben):
        if scope == "admin" and not account.is_admin:
            continue
        scopes = frozenset(IMPLIED.get(scope, {scope}))
        client = sending(app, token_of(app, account, scope).text)
        hold(app, Credential(f"{account.role}'s {scope} token", client, "api_token", account.role, scopes))


def test_a_token_with_several_scopes_opens_each_of_them(app, ben):
    client = sending(app, token_of(app, ben, "read", "gateway").text)
    hold(app, Credential("read and gateway token", client, "api_token", scopes=frozenset(("read", "gateway"))))


def test_the_scope_admin_is_worth_nothing_once_its_person_is_none(app, ada):
    client = sending(app, token_of(app, ada, "admin").text)
    with writing(app.extensions["engine"]) as db:
        db.execute(text("update person set role = 'member'"))
    hold(app, Credential("token of a former admin", client, "api_token", "member"))


def test_apple_opens_what_is_declared_for_it(app, ada, ben, issuer):
    for account in (ada, ben):
        client = sending(app, issuer.sign(account.email))
        hold(app, Credential(f"{account.role}'s Apple token", client, "apple", account.role))


def test_without_a_credential_only_open_doors_open(app, ada):
    hold(app, Credential("nothing", browser_of(app), "none"))
    hold(app, Credential("a proxy's password", sending(app, "YWRhOnBhc3M=", "Basic"), "none"))


def test_a_token_that_is_not_good_is_nobody(app, ada, ben):
    good = token_of(app, ben).text
    revoked, ended = token_of(app, ada, "admin"), token_of(app, ben, expires_at=datetime.now(UTC) + STALE)
    with writing(app.extensions["engine"]) as db:
        db.execute(text("update api_token set revoked_at = 1 where id = :id"), {"id": revoked.row.id})
        db.execute(text("update api_token set expires_at = 1 where id = :id"), {"id": ended.row.id})
    bad = {
        "revoked token": revoked.text,
        "expired token": ended.text,
        "token with a wrong checksum": good[:-1] + ("A" if good[-1] != "A" else "B"),
        "token with a wrong letter": good[:12] + ("A" if good[12] != "A" else "B") + good[13:],
        "cut token": good[:-1],
        "token of another scope's name": good.replace("am_read_", "am_admin_"),
        "no token at all": "nonsense",
        "empty": "",
        "two tokens": f"{good} {good}",
    }
    for name, credential in bad.items():
        hold(app, Credential(name, sending(app, credential), "bad"))
    hold(app, Credential("a token by another scheme", sending(app, good, "Token"), "bad"))


def test_a_session_that_has_ended_is_nobody_in_every_form(app, ada):
    session, bearer = session_of(app, ada), bearer_of(app, ada)
    clients = {
        "cookie": with_cookie(app, session),
        "JWT": sending(app, jwt_for(app, session)),
        "bearer": sending(app, bearer),
    }
    with writing(app.extensions["engine"]) as db:
        db.execute(text("delete from browser_session"))
    for name, client in clients.items():
        hold(app, Credential(f"{name} of an ended session", client, "bad"))


def test_an_access_token_that_is_not_ours_is_nobody(app, ada, monkeypatch):
    good = jwt_of(app, ada)
    bad = {
        "signed by another key": jwt_of(app, ada, secret_keys=("another key of thirty-two letters!",)),
        "unsigned": "eyJhbGciOiJub25lIn0." + good.split(".")[1] + ".",
        "with another head": "eyJhbGciOiJSUzI1NiJ9." + good.split(".", 1)[1],
        "cut": good[:-2],
        "two dots": "..",
    }
    for name, credential in bad.items():
        hold(app, Credential(f"JWT {name}", sending(app, credential), "bad"))


def test_everything_of_a_disabled_person_is_worth_nothing(app, ada, ben, issuer):
    session = session_of(app, ben)
    clients = {
        "cookie": with_cookie(app, session),
        "JWT": sending(app, jwt_for(app, session)),
        "bearer": sending(app, bearer_of(app, ben)),
        "token": sending(app, token_of(app, ben, "read", "ingest").text),
        "Apple token": sending(app, issuer.sign(ben.email)),
    }
    with writing(app.extensions["engine"]) as db:
        db.execute(text("update person set disabled_at = 1 where id = :id"), {"id": ben.id})
    for name, client in clients.items():
        hold(app, Credential(f"{name} of a disabled person", client, "bad"))


def test_a_header_decides_over_the_cookie_also_when_it_is_wrong(app, ada, ben):
    admin = session_of(app, ada)
    client = with_cookie(app, admin)
    client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {token_of(app, ben, 'read').text}"
    hold(app, Credential("admin's cookie under a read token", client, "api_token", scopes=frozenset(("read",))))
    client.environ_base["HTTP_AUTHORIZATION"] = "Bearer nonsense"
    hold(app, Credential("admin's cookie under nonsense", client, "bad"))


def test_a_token_in_the_address_opens_embedded_charts_only(app, ben):
    embed, read = token_of(app, ben, "embed").text, token_of(app, ben, "read").text
    for rule, method, path in doors(app):
        if rule.who == "anyone":
            continue
        embeds = rule.scope == "embed" and rule.who != "admin"
        found = answered(app.test_client().open(f"{path}?token={embed}", method=method))
        assert found == ("in" if embeds else "403" if rule.scope == "embed" else "401"), path
        assert answered(app.test_client().open(f"{path}?token={read}", method=method)) != "in", path


def spellings(path: str) -> set[str]:
    """Other ways to write a path, some of which a careless guard would not know again."""
    first, _, rest = path[1:].partition("/")
    return {
        f"/{path}",
        f"{path}/",
        f"{path}//",
        f"/.{path}",
        f"/x/..{path}",
        f"{path}/.",
        f"{path};x",
        f"{path}%00",
        f"{path}%20",
        f"{path}?x",
        f"{path}%3Fx",
        f"/{first}//{rest}",
        f"/{first}/./{rest}",
        f"/{first}%2f{rest}",
        f"/{first}%252f{rest}",
        f"\\{path[1:]}",
        path.upper(),
        path.replace("1", ":id"),
        path.replace("1", "<id>"),
        path.replace("a", "%61"),
    }


def test_no_spelling_of_a_path_gets_around_its_guard(app, ben):
    token = sending(app, token_of(app, ben, "embed").text)
    holders = (
        Credential("nothing", browser_of(app), "none"),
        Credential("embed token", token, "api_token", scopes=frozenset(("embed",))),
    )
    override = {"X-HTTP-Method-Override": "GET", "X-Original-URL": "/status", "X-Rewrite-URL": "/status"}
    rung = 0
    for path, method in {path: method for rule, method, path in doors(app) if rule.who != "anyone"}.items():
        for spelling in spellings(path):
            for holder in holders:
                as_sent = {"PATH_INFO": unquote(spelling.partition("?")[0])}  # the test client would tidy it up
                answer = holder.client.open("/", method=method, headers=override, environ_overrides=as_sent)
                if "X-Bell" in answer.headers:
                    rung += 1
                    rule = app.view_functions[answer.headers["X-Bell"]].allowed
                    assert owed(rule, holder) == "in", f"{method} {spelling} as {holder.name}"
    assert rung


def test_what_does_not_exist_is_404_before_anything_is_said_about_credentials(app, ben):
    for client in (browser_of(app), sending(app, "nonsense"), sending(app, token_of(app, ben).text)):
        for path in ("/v1/nope", "/api/admin/nope", "/nope", "/api/v1/auth/nope", "/device/nope/nope"):
            assert client.get(path).status_code == 404
        assert client.put("/v1/api-tokens").status_code == 405


def test_every_open_door_is_open_on_purpose(app):
    found = {
        rule.rule
        for rule in app.url_map.iter_rules()
        if app.view_functions[rule.endpoint].allowed.who == "anyone" and not rule.rule.startswith("/door/")
    }
    assert found <= OPEN


def test_a_route_without_a_declaration_stops_the_start(app):
    app.view_functions["forgotten"] = lambda: ""
    with pytest.raises(RuntimeError, match="forgotten"):
        check_every_route_is_declared(app)


@pytest.mark.parametrize(
    ("who", "more"),
    [
        ("everyone", {}),
        ("member", {"scope": "write"}),
        ("anyone", {"scope": "read"}),
        ("anyone", {"apple": True}),
        ("token", {}),
        ("token", {"scope": "ingest", "apple": True}),
        ("admin", {"scope": "admin", "fresh": True}),
    ],
)
def test_a_declaration_that_makes_no_sense_stops_the_start(who, more):
    with pytest.raises(ValueError):  # noqa: PT011 - any sentence will do
        allow(who, **more)


def test_a_cookie_does_not_pass_for_a_bearer_nor_a_bearer_for_a_cookie(app, ada):
    session, bearer = session_of(app, ada), session_of(app, ada, "bearer")
    hold(app, Credential("cookie's secret as bearer", sending(app, "sb_" + session.secret), "bad"))
    hold(app, Credential("cookie's value as bearer", sending(app, cookie_of(app, session)), "bad"))
    browser = browser_of(app)
    browser.set_cookie("agentmeter", bearer.secret)
    hold(app, Credential("bearer as cookie", browser, "bad"))
