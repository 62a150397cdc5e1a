"""The guard: what it does while it cannot tell, keys that change, and what requests say about themselves."""

import pytest
from sqlalchemy import text

from credentials import bearer_of, cookie_of, jwt_for, jwt_of, sending, session_of, token_of, with_cookie
from meter import people
from meter.errors import NotFound, NotSignedIn
from models.db import reading, writing
from models.queries.scope import Scope
from routes._auth import actor, known, scope, team, viewer
from support import browser_of

OLD, NEW = "the-old-key-of-thirty-two-letters!", "the-new-key-of-thirty-two-letters!"
OWN, EVERYBODYS = "/v1/api-tokens", "/api/admin/tokens"


def doors_of(app, account):
    """Every kind of credential of an admin, each with a route that answers 404 to whoever gets through."""
    session = session_of(app, account)
    own, everybodys = f"{OWN}/none", f"{EVERYBODYS}/none"
    return {
        "cookie": (with_cookie(app, session), own),
        "bearer": (sending(app, bearer_of(app, account)), own),
        "JWT": (sending(app, jwt_for(app, session)), own),
        "token": (sending(app, token_of(app, account, "admin").text), everybodys),
    }


def answers(doors):
    return {name: client.delete(path) for name, (client, path) in doors.items()}


def statuses(doors):
    return {name: answer.status_code for name, answer in answers(doors).items()}


@pytest.mark.parametrize(
    ("table", "hit"),
    [
        ("person", ("cookie", "bearer", "JWT", "token")),
        ("browser_session", ("cookie", "bearer", "JWT")),
        ("api_token", ("token",)),
    ],
)
def test_while_the_database_cannot_tell_nobody_gets_in(app, ada, table, hit):
    doors = doors_of(app, ada)
    assert set(statuses(doors).values()) == {404}
    with writing(app.extensions["engine"]) as db:
        db.execute(text(f"alter table {table} rename to away"))
    for name, answer in answers(doors).items():
        assert answer.status_code == (503 if name in hit else 404)
        assert table not in answer.text


def test_a_fault_while_a_credential_is_checked_lets_nobody_in(app, ada):
    doors = doors_of(app, ada)
    app.extensions["cookie_signer"], app.extensions["secret_keys"] = None, (None,)
    assert statuses(doors) == {"cookie": 503, "bearer": 404, "JWT": 503, "token": 404}


def test_a_new_key_beside_the_old_one_signs_nobody_out(make_app):
    before = make_app(AGENTMETER_SECRET_KEY=OLD)
    ada = people.add_person(before.extensions["engine"], "ada@example.com", "admin")
    session, token = session_of(before, ada), token_of(before, ada, "admin").text
    access, bearer, cookie = jwt_for(before, session), bearer_of(before, ada), cookie_of(before, session)
    for keys, expected in (
        ({"AGENTMETER_SECRET_KEY_FALLBACKS": f"{OLD}"}, [200, 200, 200, 200]),
        ({"AGENTMETER_SECRET_KEY_FALLBACKS": f"another-key-of-thirty-two-letters!, {OLD}"}, [200, 200, 200, 200]),
        ({}, [401, 401, 200, 200]),
    ):
        after = make_app(AGENTMETER_SECRET_KEY=NEW, **keys)
        browser = browser_of(after)
        browser.set_cookie("agentmeter", cookie)
        found = [browser.get(OWN), sending(after, access).get(OWN), sending(after, bearer).get(OWN)]
        found.append(sending(after, token).get(EVERYBODYS))
        assert [answer.status_code for answer in found] == expected


def test_the_newest_key_signs(make_app):
    after = make_app(AGENTMETER_SECRET_KEY=NEW, AGENTMETER_SECRET_KEY_FALLBACKS=OLD)
    ada = people.add_person(after.extensions["engine"], "ada@example.com", "admin")
    session = session_of(after, ada)
    cookie, access = cookie_of(after, session), jwt_for(after, session)
    alone = make_app(AGENTMETER_SECRET_KEY=NEW)
    browser = browser_of(alone)
    browser.set_cookie("agentmeter", cookie)
    assert browser.get(OWN).status_code == sending(alone, access).get(OWN).status_code == 200


CROSS_SITE = (
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "cross-site", "Origin": "http://localhost"},
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {},
)
SAME_SITE = ({"Sec-Fetch-Site": "same-origin"}, {"Sec-Fetch-Site": "none"}, {"Origin": "http://localhost"})


@pytest.mark.parametrize("headers", CROSS_SITE, ids=str)
def test_a_bearer_beside_a_cookie_is_held_to_the_rules_of_the_cookie(app, ada, headers):
    client = sending(app, bearer_of(app, ada))
    client.set_cookie("agentmeter", cookie_of(app, session_of(app, ada)))
    assert client.post(OWN, json={}, headers=headers).status_code == 403
    client.delete_cookie("agentmeter")
    client.set_cookie("anything", "else")
    assert client.post(OWN, json={}, headers=headers).status_code == 403
    assert client.get(OWN).json == {"data": []}


def test_no_route_at_all_takes_a_cookie_from_another_site_because_a_bearer_is_there(app, ada):
    client = sending(app, token_of(app, ada, "admin").text)
    client.set_cookie("agentmeter", cookie_of(app, session_of(app, ada)))
    adapter = app.url_map.bind("localhost")
    for rule in app.url_map.iter_rules():
        path = adapter.build(rule.endpoint, dict.fromkeys(rule.arguments, "1"))
        for method in rule.methods - {"GET", "HEAD", "OPTIONS"}:
            for headers in CROSS_SITE:
                assert client.open(path, method=method, headers=headers).status_code == 403, (method, path, headers)


@pytest.mark.parametrize("headers", [*CROSS_SITE, *SAME_SITE], ids=str)
def test_a_bearer_alone_needs_no_origin(app, ada, headers):
    assert sending(app, bearer_of(app, ada)).post(OWN, json={}, headers=headers).status_code == 200


@pytest.mark.parametrize("headers", SAME_SITE, ids=str)
def test_our_own_pages_may_send_both(app, ada, headers):
    client = sending(app, bearer_of(app, ada))
    client.set_cookie("agentmeter", cookie_of(app, session_of(app, ada)))
    assert client.post(OWN, json={}, headers=headers).status_code == 200


def test_another_scheme_is_no_bearer_to_the_rules(app, ada):
    client = sending(app, "x", "Basic")
    assert client.post(OWN, json={}, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403


@pytest.mark.parametrize(
    "header",
    [
        "Bearer",
        "Bearer ",
        "bearer",
        "Token x",
        "Bearer \u00e9",
        "Bearer a b",
        "Bearer " + "a" * 20_000,
        "am_read_x",
        "",
    ],
    ids=lambda text: text[:12],
)
def test_a_strange_header_is_nobody_and_never_falls_back_to_the_cookie(app, ada, header):
    client = with_cookie(app, session_of(app, ada))
    assert client.get(OWN, headers={"Authorization": header.encode("latin-1")}).status_code == 401


def test_a_proxys_own_password_does_not_stand_in_the_way(app, ada):
    client = with_cookie(app, session_of(app, ada))
    assert client.get(OWN, headers={"Authorization": "Basic YWRhOnBhc3M="}).status_code == 200


def asked(app, credential, question):
    """What one of the questions of routes/_auth.py answers in a request with a credential."""
    headers = {"Authorization": f"Bearer {credential}"} if credential else {}
    with app.test_request_context("/", headers=headers):
        return question()


def test_members_see_their_own_rows_and_admins_all(app, ada, ben, cyd):
    for make in (jwt_of, bearer_of, lambda app, account: token_of(app, account).text):
        bens, adas = make(app, ben), make(app, ada)
        assert asked(app, bens, scope) == asked(app, bens, lambda: scope(ben.id)) == Scope(ben.id)
        assert asked(app, adas, scope) == Scope(None)
        assert asked(app, adas, lambda: scope(ben.id)) == Scope(ben.id)
        with pytest.raises(NotFound) as foreign:
            asked(app, bens, lambda: scope(cyd.id))
        with pytest.raises(NotFound) as absent:
            asked(app, bens, lambda: scope(999))
        assert foreign.value.message == absent.value.message
    with pytest.raises(NotSignedIn):
        asked(app, None, scope)


@pytest.mark.parametrize(("visibility", "shown"), [("own", False), ("open", True)])
def test_team_visibility_shows_names_in_rankings_and_never_rows(make_app, visibility, shown):
    app = make_app(TEAM_VISIBILITY=visibility)
    ada = people.add_person(app.extensions["engine"], "ada@example.com", "admin")
    ben = people.add_person(app.extensions["engine"], "ben@example.com")
    bens = jwt_of(app, ben)
    assert asked(app, bens, team).shows_names is shown
    assert asked(app, bens, team).own_id == ben.id
    assert asked(app, jwt_of(app, ada), team).shows_names is True
    assert asked(app, bens, scope) == Scope(ben.id)
    with pytest.raises(NotFound):
        asked(app, bens, lambda: scope(ada.id))


def test_the_audit_log_is_told_who_and_by_what(app, ben):
    made = token_of(app, ben)
    by_token, nobody = asked(app, made.text, actor), asked(app, None, actor)
    assert (by_token.person_id, by_token.token_id, by_token.label) == (ben.id, made.row.id, "ben@example.com")
    assert asked(app, jwt_of(app, ben), actor).token_id is None
    assert (nobody.person_id, nobody.label) == (None, "anonymous")


def test_who_is_known_is_asked_without_an_error(app, ben):
    assert asked(app, None, known) is None
    assert asked(app, "am_read_nonsense", known) is None
    assert asked(app, jwt_of(app, ben), lambda: known().kind) == "jwt"
    assert asked(app, jwt_of(app, ben), viewer) == ben


def test_nothing_that_opens_a_door_is_kept_in_the_open(app, ada, tmp_path):
    """Fifty of each kind, then the whole database and everything beside it is searched for them."""
    engine = app.extensions["engine"]
    secrets = [
        token_of(app, ada, scope).text for scope in ("read", "admin", "embed", "ingest", "metrics") for _ in range(10)
    ]
    secrets += [bearer_of(app, ada) for _ in range(50)]
    sessions = [session_of(app, ada) for _ in range(50)]
    secrets += [session.secret for session in sessions]
    secrets += [jwt_for(app, session) for session in sessions]
    for secret in secrets[:60]:
        sending(app, secret).get(OWN)
    with reading(engine) as db:
        tables = [*db.execute(text(LIST_TABLES[engine.dialect.name])).scalars()]
        kept = "".join(str(db.execute(text(f'select * from "{table}"')).all()) for table in tables)
    kept += "".join(path.read_bytes().decode("latin-1") for path in tmp_path.rglob("*") if path.is_file())
    assert len(tables) > 10
    assert not [secret for secret in secrets if secret[-30:] in kept or secret in kept]


LIST_TABLES = {
    "sqlite": "select name from sqlite_master where type = 'table'",
    "postgresql": "select tablename from pg_tables where schemaname = 'public'",
}
