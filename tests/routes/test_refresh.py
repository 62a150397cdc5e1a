"""Access tokens, and the refresh cookie that renews them once each."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import jwt
import pytest
from sqlalchemy import text

from credentials import jwt_for, sending, session_of, token_of
from meter import refresh
from meter.keys import key_for
from models.db import reading, writing
from support import browser_of, signed_in

PATH = "/api/v1/auth/refresh"
OWN = "/v1/api-tokens"  # a route that every signed-in person may read


@pytest.fixture
def app(make_app):
    return make_app(AGENTMETER_RATE_LIMITS="off")  # a hundred replays would be stopped for another reason


def browser_with(app, secret):
    client = browser_of(app)
    client.set_cookie("am_refresh", secret, path="/api/v1/auth")
    return client


@pytest.fixture
def session(app, ben):
    """A session of ben's with its first refresh cookie."""
    return session_of(app, ben)


@pytest.fixture
def secret(app, session):
    with writing(app.extensions["engine"]) as db:
        return refresh.start_family(db, session.session_id)


def cookie_of(client):
    found = client.get_cookie("am_refresh", path="/api/v1/auth")
    return found.value if found else None


def count(app, table):
    with reading(app.extensions["engine"]) as db:
        return db.execute(text(f"select count(*) from {table}")).scalar()


def test_signing_in_by_a_link_hands_out_a_refresh_cookie(app, ben):
    client = signed_in(app, ben)
    assert cookie_of(client)
    answer = client.post(PATH)
    assert answer.status_code == 200
    assert sending(app, answer.json["access_token"]).get(OWN).status_code == 200


def test_a_refresh_answers_an_access_token_and_the_next_cookie(app, secret):
    client = browser_with(app, secret)
    answer = client.post(PATH)
    assert answer.status_code == 200
    assert answer.json.keys() == {"access_token", "token_type", "expires_in"}
    assert (answer.json["token_type"], answer.json["expires_in"]) == ("Bearer", 900)
    cookie = answer.headers["Set-Cookie"]
    for part in ("am_refresh=", "HttpOnly", "SameSite=Strict", "Path=/api/v1/auth", "Expires="):
        assert part in cookie
    assert cookie_of(client) not in (None, secret)
    assert client.post(PATH).status_code == 200


def test_on_https_the_cookie_is_secure(make_app):
    from meter import people, sessions

    app = make_app(AGENTMETER_PUBLIC_URL="https://meter.example.com")
    ada = people.add_person(app.extensions["engine"], "ada@example.com", "admin")
    session = session_of(app, ada)
    with writing(app.extensions["engine"]) as db:
        secret = refresh.start_family(db, session.session_id)
    client = app.test_client()
    client.set_cookie("am_refresh", secret, path="/api/v1/auth", domain="meter.example.com")
    headers = {"Origin": "https://meter.example.com"}
    answer = client.post(PATH, base_url="https://meter.example.com", headers=headers)
    assert answer.status_code == 200
    assert "Secure" in answer.headers["Set-Cookie"]
    assert sessions.SESSION_LIFE > refresh.ACCESS_LIFE


def test_an_access_token_names_person_session_and_times(app, ben, session, secret):
    token = browser_with(app, secret).post(PATH).json["access_token"]
    claims = jwt.decode(token, key_for(refresh.PURPOSE, app.extensions["secret_keys"][0]), algorithms=["HS256"])
    assert claims.keys() == {"sub", "sid", "typ", "iat", "exp"}
    assert (claims["sub"], claims["sid"], claims["typ"]) == (str(ben.id), session.session_id, "platform")
    assert claims["exp"] - claims["iat"] == 900


def test_a_used_cookie_ends_the_family_and_its_session(app, session, secret):
    honest = browser_with(app, secret)
    access = honest.post(PATH).json["access_token"]
    newest = cookie_of(honest)
    thief = browser_with(app, secret).post(PATH)
    assert (thief.status_code, thief.json["error"]["code"]) == (401, "unauthorized")
    assert browser_with(app, newest).post(PATH).status_code == 401
    assert sending(app, access).get(OWN).status_code == 401
    assert count(app, "browser_session") == count(app, "refresh_family") == 0
    with reading(app.extensions["engine"]) as db:
        assert "session.refresh_reuse" in db.execute(text("select action from audit order by id")).scalars().all()


def test_a_hundred_replays_are_status_of(app, secret):
    browser_with(app, secret).post(PATH)
    assert [status_of(app, secret) for _ in range(100)] == [401] * 100


def status_of(app, secret):
    return browser_with(app, secret).post(PATH).status_code


def test_of_many_at_once_one_is_renewed_and_then_the_family_is_dead(app, ben):
    engine = app.extensions["engine"]
    for _ in range(5):
        session = session_of(app, ben)
        with writing(engine) as db:
            secret = refresh.start_family(db, session.session_id)
        with ThreadPoolExecutor(8) as pool:
            statuses = list(pool.map(lambda _, secret=secret: status_of(app, secret), range(8)))
        assert sorted(statuses) == [200] + [401] * 7
        assert count(app, "browser_session") == 0


def test_a_logout_and_a_refresh_at_once_both_come_through(app, ben):
    for _ in range(10):
        client = signed_in(app, ben)
        secret, cookie = cookie_of(client), client.get_cookie("agentmeter").value
        leaver = browser_of(app)
        leaver.set_cookie("agentmeter", cookie)
        with ThreadPoolExecutor(2) as pool:
            renewed = pool.submit(status_of, app, secret)
            left = pool.submit(leaver.post, "/logout")
        assert left.result().status_code == 303
        assert renewed.result() in (200, 401)
        assert count(app, "browser_session") == 0


@pytest.mark.parametrize("wrong", ["", "x", ".", "a.b", "a.b.c", "é", "x" * 4000, "' or 1=1 --"])
def test_a_cookie_nobody_made_is_nobody_and_ends_nothing(app, secret, wrong):
    assert browser_with(app, wrong).post(PATH).status_code == 401
    half = secret.partition(".")[2]
    assert browser_with(app, f"{half}.{half}").post(PATH).status_code == 401
    assert browser_with(app, secret).post(PATH).status_code == 200


def test_without_a_cookie_it_is_401_in_the_gateways_shape(anonymous):
    answer = anonymous.post(PATH)
    assert answer.status_code == 401
    assert answer.json["error"].keys() == {"message", "type", "param", "code"}
    assert anonymous.get(PATH).status_code == 405


def test_after_the_session_nothing_is_renewed_and_no_access_token_lives(app, session, secret):
    access = jwt_for(app, session)
    assert sending(app, access).get(OWN).status_code == 200
    with writing(app.extensions["engine"]) as db:
        db.execute(text("delete from browser_session"))
    assert browser_with(app, secret).post(PATH).status_code == 401
    assert sending(app, access).get(OWN).status_code == 401


@pytest.mark.parametrize(
    "change",
    [
        "update person set disabled_at = 1",
        "update browser_session set expires_at = 1",
        "update browser_session set last_seen_at = 1",
    ],
)
def test_who_may_not_come_in_is_not_renewed(app, session, secret, change):
    access = jwt_for(app, session)
    with writing(app.extensions["engine"]) as db:
        db.execute(text(change))
    assert browser_with(app, secret).post(PATH).status_code == 401
    assert sending(app, access).get(OWN).status_code == 401


def test_a_refresh_carries_the_session_on(app, session, secret):
    with writing(app.extensions["engine"]) as db:
        db.execute(text("update browser_session set last_seen_at = last_seen_at - 86400000"))
    browser_with(app, secret).post(PATH)
    with reading(app.extensions["engine"]) as db:
        seen_ms = db.execute(text("select last_seen_at from browser_session")).scalar()
    assert datetime.now(UTC) - datetime.fromtimestamp(seen_ms / 1000, UTC) < timedelta(minutes=1)


def forged(app, ben, session, **claims):
    """An access token of our key that says something else."""
    now = int(datetime.now(UTC).timestamp())
    usual = {"sub": str(ben.id), "sid": session.session_id, "typ": "platform", "iat": now, "exp": now + 900}
    said = {name: value for name, value in {**usual, **claims}.items() if value is not None}
    return jwt.encode(said, key_for(refresh.PURPOSE, app.extensions["secret_keys"][0]), algorithm="HS256")


def test_an_access_token_must_say_everything_and_be_in_time(app, ada, ben, session):
    assert sending(app, forged(app, ben, session)).get(OWN).status_code == 200
    past = int(datetime.now(UTC).timestamp()) - 1
    wrong = [{"exp": past}, {"typ": "other"}, {"sub": str(ada.id)}, {"sid": "0" * 64}, {"aud": "x"}]
    wrong += [{name: None} for name in ("sub", "sid", "typ", "iat", "exp")]
    for claims in wrong:
        assert sending(app, forged(app, ben, session, **claims)).get(OWN).status_code == 401, claims


def test_a_token_signed_with_the_bare_secret_key_is_not_ours(app, ben, session):
    """Each purpose has a key of its own, so that nothing signed for one passes for another."""
    now = int(datetime.now(UTC).timestamp())
    claims = {"sub": str(ben.id), "sid": session.session_id, "typ": "platform", "iat": now, "exp": now + 900}
    token = jwt.encode(claims, app.extensions["secret_keys"][0], algorithm="HS256")
    assert sending(app, token).get(OWN).status_code == 401


def test_another_site_cannot_use_the_cookie_up(app, secret):
    client = app.test_client()
    client.set_cookie("am_refresh", secret, path="/api/v1/auth")
    for headers in (
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example"},
    ):
        assert client.post(PATH, headers=headers).status_code == 403
    assert client.post(PATH).status_code == 200  # a program: it says nothing, and no browser is that quiet


def test_an_api_token_is_no_refresh_cookie(app, ben):
    assert browser_with(app, token_of(app, ben).text).post(PATH).status_code == 401
