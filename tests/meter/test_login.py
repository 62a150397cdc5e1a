"""Who comes in: each secret works once, for whom it was made, and is stored as a hash only."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from meter import login
from meter.emails import folded_email
from meter.errors import Conflict, Forbidden, Invalid, NotFound, NotSignedIn
from meter.login import Browser
from models.db import reading, writing
from models.types import to_ms

HERE = Browser("test", "127.0.0.1")


@pytest.fixture
def ada_id(engine):
    return login.add_person(engine, "ada@example.com", "admin", "Ada").id


def outcomes(work, count):
    """Run `work` at the same time `count` times; results, with the class of the error where it failed."""

    def tried(_):
        try:
            return work()
        except (Conflict, Forbidden, NotFound) as error:
            return type(error)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(tried, range(count)))


def test_of_fifty_claims_at_once_one_makes_the_admin(engine):
    secret = login.start_claim(engine)
    results = outcomes(lambda: login.claim(engine, secret, "ada@example.com", "Ada", "UTC", HERE), 50)
    assert results.count(Conflict) == 49
    with reading(engine) as db:
        assert db.execute(text("select count(*) from person")).scalar() == 1
        assert db.execute(text("select count(*) from browser_session")).scalar() == 1


def test_only_the_newest_secret_claims(engine):
    older, newer = login.start_claim(engine), login.start_claim(engine)
    for wrong in (older, "", "claim-", newer.upper()):
        with pytest.raises(Forbidden):
            login.claim(engine, wrong, "eve@example.com", "", "UTC", HERE)
    assert login.claim(engine, f" {newer} ", "ada@example.com", "", "UTC", HERE).account.is_admin


def test_a_claimed_installation_is_never_offered_again(engine):
    secret = login.start_claim(engine)
    login.claim(engine, secret, "ada@example.com", "", "UTC", HERE)
    assert login.start_claim(engine) is None
    with pytest.raises(Conflict):
        login.claim(engine, secret, "eve@example.com", "", "UTC", HERE)


def test_a_claim_with_a_bad_field_leaves_the_claim_open(engine):
    secret = login.start_claim(engine)
    for email, zone, field in (("no address", "UTC", "email"), ("ada@example.com", "Mars/Base", "timezone")):
        with pytest.raises(Invalid) as caught:
            login.claim(engine, secret, email, "", zone, HERE)
        assert caught.value.field == field
    assert login.claim(engine, secret, "ada@example.com", "", "UTC", HERE).account.name == "ada"


def test_somebody_added_before_may_claim_with_their_address(engine):
    member = login.add_person(engine, "ada@example.com")
    session = login.claim(engine, login.start_claim(engine), "Ada@Example.COM", "Ada L", "Europe/Berlin", HERE)
    assert (session.account.id, session.account.role, session.account.name) == (member.id, "admin", "Ada L")


def test_an_admin_of_the_command_line_closes_the_claim(engine):
    secret = login.start_claim(engine)
    login.add_person(engine, "ben@example.com")
    assert login.start_claim(engine) is not None
    login.add_person(engine, "ada@example.com", "admin")
    assert login.start_claim(engine) is None
    with pytest.raises(Conflict):
        login.claim(engine, secret, "eve@example.com", "", "UTC", HERE)


def test_people_added_at_once_get_numbers_of_their_own(engine):
    names = iter(range(30))
    ids = outcomes(lambda: login.add_person(engine, f"p{next(names)}@example.com").id, 30)
    assert sorted(ids) == list(range(1, 31))


def test_an_address_is_taken_whatever_its_case(engine, ada_id):
    with pytest.raises(Conflict):
        login.add_person(engine, "ADA@EXAMPLE.COM")


@pytest.mark.parametrize(
    "address", ["a\u212aa@example.com", "stra\u00dfe@example.com", "\uff41da@example.com", "ada@example.c\u0131m"]
)
def test_only_a_to_z_are_folded(address):
    assert folded_email(address) == address


@pytest.mark.parametrize(
    "address",
    [
        "",
        "ada",
        "@example.com",
        "ada@",
        "a@b@c",
        "ada@example.com\nBcc: eve@x",
        "a b@c",
        "<ada@x>",
        "a" * 65 + "@x",
        "a\0@x",
    ],
)
def test_what_is_no_address_is_refused(address):
    with pytest.raises(Invalid):
        folded_email(address)


def test_of_fifty_redemptions_at_once_one_signs_in(engine, ada_id):
    token = login.make_login_link(engine, "ada@example.com").token
    results = outcomes(lambda: login.redeem(engine, token, HERE), 50)
    assert results.count(NotFound) == 49


def test_a_newer_link_voids_the_older(engine, ada_id):
    older, newer = (login.make_login_link(engine, "ada@example.com").token for _ in range(2))
    with pytest.raises(NotFound):
        login.redeem(engine, older, HERE)
    assert login.redeem(engine, newer, HERE).account.id == ada_id


def test_of_links_made_at_once_one_works(engine, ada_id):
    links = outcomes(lambda: login.make_login_link(engine, "ada@example.com"), 16)
    working = [link for link in links if works(engine, link.token)]
    assert len(working) == 1


def works(engine, token):
    try:
        login.redeem(engine, token, HERE)
    except NotFound:
        return False
    return True


def test_a_link_works_for_ten_minutes(engine, ada_id):
    link = login.make_login_link(engine, "ada@example.com")
    assert timedelta(minutes=9) < link.expires_at - datetime.now(UTC) <= timedelta(minutes=10)
    with writing(engine) as db:
        db.execute(text("update login_link set expires_at = :now"), {"now": to_ms(datetime.now(UTC))})
    with pytest.raises(NotFound):
        login.redeem(engine, link.token, HERE)


def test_a_link_of_another_purpose_signs_nobody_in(engine, ada_id):
    link = login.make_login_link(engine, "ada@example.com")
    with writing(engine) as db:
        db.execute(text("update login_link set purpose = 'download'"))
    with pytest.raises(NotFound):
        login.redeem(engine, link.token, HERE)


def test_looking_at_a_link_uses_nothing_up(engine, ada_id):
    link = login.make_login_link(engine, "ada@example.com", "Firefox on Linux")
    for _ in range(3):
        with reading(engine) as db:
            found = login.find_link(db, link.token)
        assert (found.account.id, found.asked_from) == (ada_id, "Firefox on Linux")
    assert login.redeem(engine, link.token, HERE).account.id == ada_id


def test_who_is_disabled_gets_no_link_and_loses_everything(engine, ada_id):
    link = login.make_login_link(engine, "ada@example.com")
    session = login.open_session(engine, ada_id, HERE)
    with writing(engine) as db:
        db.execute(text("update person set disabled_at = 1"))
    with pytest.raises(NotFound):
        login.make_login_link(engine, "ada@example.com")
    with pytest.raises(NotFound):
        login.redeem(engine, link.token, HERE)
    with reading(engine) as db, pytest.raises(NotSignedIn):
        login.find_session(db, session.secret)


def test_redeeming_ends_the_session_before(engine, ada_id):
    before = login.open_session(engine, ada_id, HERE)
    token = login.make_login_link(engine, "ada@example.com").token
    login.redeem(engine, token, HERE, replaces=login.hash_of(before.secret))
    with reading(engine) as db, pytest.raises(NotSignedIn):
        login.find_session(db, before.secret)


@pytest.mark.parametrize(("column", "age"), [("last_seen_at", timedelta(days=7)), ("expires_at", timedelta(0))])
def test_a_session_ends_by_idleness_and_by_age(engine, ada_id, column, age):
    session = login.open_session(engine, ada_id, HERE)
    with writing(engine) as db:
        db.execute(text(f"update browser_session set {column} = :at"), {"at": to_ms(datetime.now(UTC) - age)})
    with reading(engine) as db, pytest.raises(NotSignedIn):
        login.find_session(db, session.secret)


def test_a_session_lasts_thirty_days_at_most(engine, ada_id):
    left = login.open_session(engine, ada_id, HERE).expires_at - datetime.now(UTC)
    assert timedelta(days=29, hours=23) < left <= timedelta(days=30)


def test_no_secret_can_be_read_from_the_database(engine, ada_id):
    secrets = [login.start_claim(engine) or "", login.open_session(engine, ada_id, HERE).secret]
    secrets.append(login.make_login_link(engine, "ada@example.com").token)
    with reading(engine) as db:
        for table in ("installation", "browser_session", "login_link", "person"):
            stored = str(db.execute(text(f"select * from {table}")).all())
            assert not [secret for secret in secrets if secret and secret in stored]


def test_control_characters_of_a_browser_name_are_not_kept(engine, ada_id):
    login.open_session(engine, ada_id, Browser("Fire\r\nfox\x1b[31m" + "x" * 1000, "::1"))
    with reading(engine) as db:
        kept = db.execute(text("select user_agent from browser_session")).scalar()
    assert kept.startswith("Fire  fox [31mx")
    assert len(kept) == login.AGENT_LENGTH


def test_a_theme_is_one_of_three(engine, ada_id):
    login.set_theme(engine, ada_id, "dark")
    with pytest.raises(Invalid):
        login.set_theme(engine, ada_id, "neon")
