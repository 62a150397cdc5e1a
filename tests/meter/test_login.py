"""Who comes in: each secret works once, for whom it was made, and is stored as a hash only."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from meter import login, sessions, whitelist
from meter.audit import CLI
from meter.emails import folded_email
from meter.errors import Conflict, Forbidden, Invalid, NotFound
from meter.login import Browser
from meter.settings import load
from models.db import reading, writing
from models.types import to_ms

HERE = Browser("Firefox on Linux", "127.0.0.1")
KEYS = ("the newest key of the installation", "an older key of the installation")
SETTINGS = load({"AGENTMETER_ALLOWED_EMAILS": "@team.example", "AGENTMETER_TIMEZONE": "Europe/Berlin"})


@pytest.fixture
def ada_id(engine):
    return login.add_person(engine, "ada@example.com", "admin", "Ada").id


def link_for(engine, email="ada@example.com", keys=KEYS):
    """The token of a link made on the command line."""
    return login.make_login_link(engine, keys, email).token


def asked_for(engine, email, settings=SETTINGS):
    """The token of a link that somebody asked for, printed on the terminal."""
    return login.ask_for_link(engine, settings, KEYS, email, HERE).link.token


def redeem(engine, token, keys=KEYS, **given):
    return login.redeem(engine, SETTINGS, keys, token, HERE, **given)


def works(engine, token):
    try:
        redeem(engine, token)
    except NotFound:
        return False
    return True


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
    token = link_for(engine)
    results = outcomes(lambda: redeem(engine, token), 50)
    assert results.count(NotFound) == 49


def test_of_fifty_redemptions_for_somebody_new_one_makes_the_member(engine, ada_id):
    token = asked_for(engine, "new@team.example")
    results = outcomes(lambda: redeem(engine, token), 50)
    assert results.count(NotFound) == 49
    with reading(engine) as db:
        assert db.execute(text("select count(*) from person")).scalar() == 2


def test_a_newer_link_voids_the_older_wherever_they_come_from(engine, ada_id):
    older, middle = link_for(engine), asked_for(engine, "ada@example.com")
    newest = link_for(engine)
    assert [works(engine, token) for token in (older, middle, newest)] == [False, False, True]


def test_of_links_made_at_once_one_works(engine, ada_id):
    tokens = outcomes(lambda: link_for(engine), 16)
    assert [works(engine, token) for token in tokens].count(True) == 1


def test_of_links_asked_for_at_once_by_somebody_new_one_works(engine, ada_id):
    tokens = outcomes(lambda: asked_for(engine, "new@team.example"), 16)
    assert [works(engine, token) for token in tokens].count(True) == 1


def test_a_link_works_for_ten_minutes(engine, ada_id):
    link = login.make_login_link(engine, KEYS, "ada@example.com")
    assert timedelta(minutes=9) < link.expires_at - datetime.now(UTC) <= timedelta(minutes=10)
    with writing(engine) as db:
        db.execute(text("update login_link set expires_at = :now"), {"now": to_ms(datetime.now(UTC))})
    assert not works(engine, link.token)


def test_a_link_of_another_purpose_signs_nobody_in(engine, ada_id):
    token = link_for(engine)
    with writing(engine) as db:
        db.execute(text("update login_link set purpose = 'download'"))
    assert not works(engine, token)


def test_a_token_signed_for_another_purpose_or_by_another_key_is_void(engine, ada_id):
    link_for(engine)
    with writing(engine) as db:
        link_id = db.execute(text("select id from login_link")).scalar()
        for foreign in (login.signer(KEYS, "download"), login.signer(["a key that is not ours"], login.LOGIN)):
            token = foreign.dumps([link_id, 0, "x"])
            db.execute(text("update login_link set token_hash = :hash"), {"hash": login.hash_of(token)})
            with pytest.raises(NotFound):
                login.find_link(db, KEYS, token)


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "\u00e9", "\ud800", "." * 5000, "WyJ4Il0.aSBhbQ.nobody"])
def test_what_we_never_signed_is_no_link(engine, token):
    with reading(engine) as db, pytest.raises(NotFound):
        login.find_link(db, KEYS, token)


def test_a_link_signed_by_the_key_of_before_still_works(engine, ada_id):
    token = link_for(engine, keys=KEYS[1:])
    with pytest.raises(NotFound):
        redeem(engine, token, keys=KEYS[:1])
    assert redeem(engine, token, keys=KEYS).account.id == ada_id


def test_signing_out_everywhere_voids_open_links_and_ends_every_session(engine, ada_id):
    token = link_for(engine)
    opened = [sessions.open_session(engine, ada_id, HERE, kind) for kind in (sessions.BROWSER, sessions.BEARER)]
    assert sessions.end_all_sessions(engine, ada_id, CLI) == 2
    with reading(engine) as db:
        assert sessions.sessions_of(db, ada_id) == ()
        assert len(opened) == 2
    assert not works(engine, token)


def test_a_link_of_an_earlier_epoch_is_void_even_if_its_row_is_still_there(engine, ada_id):
    token = link_for(engine)
    with writing(engine) as db:
        db.execute(text("update person set session_epoch = session_epoch + 1"))
    with reading(engine) as db, pytest.raises(NotFound):
        login.find_link(db, KEYS, token)
    assert not works(engine, token)


def test_looking_at_a_link_uses_nothing_up(engine, ada_id):
    token = asked_for(engine, "Ada@Example.com")
    for _ in range(3):
        with reading(engine) as db:
            found = login.find_link(db, KEYS, token)
        assert (found.account.id, found.asked_from, found.asked_ip) == (ada_id, "Firefox on Linux", "127.0.0.1")
    assert redeem(engine, token).account.id == ada_id


def test_who_is_disabled_gets_no_link_and_loses_the_one_under_way(engine, ada_id):
    token = link_for(engine)
    with writing(engine) as db:
        db.execute(text("update person set disabled_at = 1"))
    assert not works(engine, token)
    with pytest.raises(NotFound):
        link_for(engine)
    asked = login.ask_for_link(engine, SETTINGS, KEYS, "ada@example.com", HERE)
    assert asked == login.Asked("ada@example.com", is_listed=True)


def test_the_whitelist_decides_who_gets_a_link(engine, ada_id):
    assert not login.ask_for_link(engine, SETTINGS, KEYS, "eve@elsewhere.example", HERE).is_listed
    assert login.ask_for_link(engine, SETTINGS, KEYS, "eve@team.example", HERE).link
    assert login.ask_for_link(engine, SETTINGS, KEYS, "ada@example.com", HERE).link


def test_somebody_on_the_whitelist_becomes_a_member_by_redeeming(engine, ada_id):
    session = redeem(engine, asked_for(engine, "Ben.B@team.example"))
    who = session.account
    assert (who.email, who.name, who.role, who.timezone) == ("ben.b@team.example", "ben.b", "member", "Europe/Berlin")
    assert redeem(engine, asked_for(engine, "ben.b@team.example")).account.id == who.id


def test_somebody_invited_while_their_link_is_under_way_is_that_person(engine, ada_id):
    token = asked_for(engine, "ben@team.example")
    ben = login.add_person(engine, "ben@team.example", name="Ben")
    assert redeem(engine, token).account == ben


def test_a_link_under_way_dies_with_its_rule_but_not_the_one_from_the_command_line(engine, ada_id):
    whitelist.add(engine, "ben@b.example", CLI)
    token = asked_for(engine, "ben@b.example")
    with writing(engine) as db:
        db.execute(text("delete from allowed_email where rule = 'ben@b.example'"))
    assert not works(engine, token)
    with writing(engine) as db:
        db.execute(text("delete from allowed_email"))
    assert works(engine, link_for(engine))


def test_redeeming_ends_the_session_before(engine, ada_id):
    before = sessions.open_session(engine, ada_id, HERE)
    session = redeem(engine, link_for(engine), replaces=before.session_id)
    with reading(engine) as db:
        assert [one.id for one in sessions.sessions_of(db, ada_id)] == [session.session_id]


def test_redeeming_gives_a_refresh_cookie(engine, ada_id):
    assert redeem(engine, link_for(engine)).refresh
    assert redeem(engine, link_for(engine), kind=sessions.BEARER).secret.startswith("sb_")


def test_no_secret_can_be_read_from_the_database(engine, ada_id):
    session = redeem(engine, link_for(engine))
    secrets = [
        login.start_claim(engine) or "claim-",
        session.secret,
        session.refresh,
        asked_for(engine, "ada@example.com"),
    ]
    secrets += [part for secret in secrets for part in secret.split(".") if len(part) > 20]
    with reading(engine) as db:
        tables = ("installation", "browser_session", "login_link", "mail", "refresh_family", "audit", "audit_private")
        stored = "".join(str(db.execute(text(f"select * from {table}")).all()) for table in tables)
    assert not [secret for secret in secrets if secret in stored]


def test_every_login_stands_in_the_audit_log(engine, ada_id):
    login.ask_for_link(engine, SETTINGS, KEYS, "eve@elsewhere.example", HERE)
    redeem(engine, asked_for(engine, "ben@team.example"))
    with reading(engine) as db:
        actions = db.execute(text("select action from audit order by id")).scalars().all()
    assert actions[-4:] == ["login.denied", "login.link", "person.add", "login.ok"]
