"""Apple identity tokens on the alerts family, checked against a real issuer on this machine."""

import time
from collections.abc import Iterator

import jwt
import pytest
from sqlalchemy import text

from credentials import sending
from issuer import AUDIENCE, Issuer
from meter import apple, whitelist
from meter.audit import CLI
from models.db import writing
from routes._auth import allow, caller

DOOR = "/device/who"


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    made = Issuer()
    yield made
    made.stop()


def add_door(app):
    """A route of the alerts family that Apple's tokens open, and that says who came."""

    @allow("member", apple=True)
    def who():
        return {"email": caller().account.email, "kind": caller().kind, "at": caller().signed_in_at.timestamp()}

    app.add_url_rule(DOOR, endpoint="door", view_func=who)


@pytest.fixture
def app(make_app, issuer):
    app = make_app(**issuer.settings())
    add_door(app)
    return app


def status(app, token):
    return sending(app, token).get(DOOR).status_code


def test_a_token_stands_for_the_person_with_its_verified_address(app, ben, issuer):
    now = int(time.time())
    answer = sending(app, issuer.sign(ben.email, iat=now - 60)).get(DOOR)
    assert answer.json == {"email": "ben@example.com", "kind": "apple", "at": now - 60}
    assert status(app, issuer.sign("BEN@Example.com")) == 200
    assert status(app, issuer.sign(ben.email, email_verified="true")) == 200


def test_whatever_is_wrong_the_answer_is_the_same(app, ada, ben, issuer):
    other = Issuer()
    other.stop()
    now = int(time.time())
    good = issuer.sign(ben.email)
    head, body, signature = good.split(".")
    wrong = {
        "another signer": other.sign(ben.email, iss=issuer.base_url),
        "unknown key": sign_with_unknown_key(issuer, ben.email),
        "expired": issuer.sign(ben.email, exp=now - 1),
        "from the future": issuer.sign(ben.email, iat=now + 600, exp=now + 1200),
        "no expiry": issuer.sign(ben.email, exp=None),
        "another issuer": issuer.sign(ben.email, iss="https://evil.example"),
        "no issuer": issuer.sign(ben.email, iss=None),
        "another audience": issuer.sign(ben.email, aud="com.example.other"),
        "no audience": issuer.sign(ben.email, aud=None),
        "nobody here": issuer.sign("nobody@example.com"),
        "not verified": issuer.sign(ben.email, email_verified=False),
        "not verified in words": issuer.sign(ben.email, email_verified="false"),
        "verified by 1": issuer.sign(ben.email, email_verified=1),
        "silent about that": issuer.sign(ben.email, email_verified=None),
        "no address": issuer.sign(None),
        "no text": issuer.sign(["ben@example.com"]),
        "two addresses": issuer.sign("ben@example.com,ada@example.com"),
        "look-alike": issuer.sign("ben@example.com\u200b"),
        "RS384": issuer.sign(ben.email, algorithm="RS384"),
        "unsigned": "eyJhbGciOiJub25lIiwia2lkIjoiZmlyc3QifQ." + body + ".",
        "changed": f"{head}.{issuer.sign(ada.email).split('.')[1]}.{signature}",
        "no signature": f"{head}.{body}.",
        "HS256 with the public key": forged_hs256(issuer, ben.email),
    }
    answers = {name: sending(app, token).get(DOOR) for name, token in wrong.items()}
    assert {name for name, answer in answers.items() if answer.status_code != 401} == set()
    assert {answer.text for answer in answers.values()} == {answers["expired"].text}
    assert answers["expired"].json == {"error": "Unauthorized"}


def sign_with_unknown_key(issuer, email):
    issuer.add_key("unlisted")
    token = issuer.sign(email, key_id="unlisted")
    del issuer.keys["unlisted"]
    return token


def forged_hs256(issuer, email):
    """The old trick: the public key, which everybody has, as the secret of a symmetric signature."""
    import base64
    import hashlib
    import hmac
    import json

    def part(content):
        return base64.urlsafe_b64encode(json.dumps(content).encode()).rstrip(b"=").decode()

    claims = jwt.decode(issuer.sign(email), options={"verify_signature": False})
    signed = f"{part({'alg': 'HS256', 'kid': 'first'})}.{part(claims)}"
    mac = hmac.new(issuer.jwks(), signed.encode(), hashlib.sha256).digest()
    return signed + "." + base64.urlsafe_b64encode(mac).rstrip(b"=").decode()


def test_a_disabled_person_is_nobody_at_once(app, ben, issuer):
    token = issuer.sign(ben.email)
    assert status(app, token) == 200
    with writing(app.extensions["engine"]) as db:
        db.execute(text("update person set disabled_at = 1 where email = 'ben@example.com'"))
    assert status(app, token) == 401


def test_who_is_taken_off_the_whitelist_is_nobody_at_once(app, ben, issuer):
    token = issuer.sign(ben.email)
    assert status(app, token) == 200
    whitelist.remove(app.extensions["engine"], ben.email, (), CLI)
    assert status(app, token) == 401


def test_the_keys_are_fetched_once_and_kept(app, ben, issuer):
    for _ in range(20):
        assert status(app, issuer.sign(ben.email)) == 200
    assert issuer.asked == 1


def test_a_new_key_is_found_and_an_old_one_forgotten(app, ben, issuer):
    old = issuer.sign(ben.email)
    assert status(app, old) == 200
    issuer.add_key("second")
    del issuer.keys["first"]
    assert status(app, issuer.sign(ben.email, key_id="second")) == 200
    assert issuer.asked == 2
    assert status(app, old) == 401


def test_names_of_keys_that_do_not_exist_make_us_ask_five_times_a_minute_at_most(app, ben, issuer):
    assert status(app, issuer.sign(ben.email)) == 200
    wrong = sign_with_unknown_key(issuer, ben.email)
    assert {status(app, wrong) for _ in range(30)} == {401}
    assert issuer.asked == apple.FETCHES_A_MINUTE
    assert status(app, issuer.sign(ben.email)) == 200


def test_while_the_issuer_does_not_answer_nobody_gets_in(app, ben, issuer):
    token = issuer.sign(ben.email)
    for issuer.status, issuer.answer in ((500, b""), (200, b"<html>"), (200, b"{}"), (200, b'{"keys":[1]}')):
        answer = sending(app, token).get(DOOR)
        assert answer.status_code == 503
        assert "Retry-After" in answer.headers
    issuer.status, issuer.answer = 200, None
    assert status(app, token) == 200


def test_a_redirect_to_other_keys_is_not_followed(app, ben, issuer):
    evil = Issuer()
    issuer.status, issuer.headers = 302, {"Location": evil.url}
    assert status(app, evil.sign(ben.email, iss=issuer.base_url)) == 503
    assert evil.asked == 0
    evil.stop()


def test_an_issuer_that_is_gone_lets_nobody_in(app, ben, issuer):
    token = issuer.sign(ben.email)
    issuer.stop()
    assert status(app, token) == 503


def test_kept_keys_do_not_outlive_their_time(app, ben, issuer, monkeypatch):
    token = issuer.sign(ben.email)
    assert status(app, token) == 200
    monkeypatch.setattr(apple, "KEPT_SECONDS", 0)
    issuer.stop()
    assert status(app, token) == 503


def test_without_an_audience_no_token_is_accepted_and_nothing_is_asked(make_app, issuer):
    from meter import people

    app = make_app(**{**issuer.settings(), "APPLE_AUDIENCE": ""})
    add_door(app)
    people.add_person(app.extensions["engine"], "ben@example.com")
    for audience in (AUDIENCE, "", None):
        assert status(app, issuer.sign("ben@example.com", aud=audience)) == 401
    assert issuer.asked == 0


def test_the_alerts_family_is_not_open_without_a_token(app):
    assert app.test_client().get(DOOR).json == {"error": "Unauthorized"}
