"""API tokens: how they are made, what is kept of them, and when they stop working."""

import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from meter import api_tokens, people, whitelist
from meter.api_tokens import SCOPES, find_token, is_well_formed, issue, mark_used, read_expiry, revoke
from meter.audit import CLI
from meter.errors import Forbidden, Invalid, NotFound, NotSignedIn
from models.db import reading, writing
from models.queries.scope import Scope
from models.queries.tokens import tokens

SOON = timedelta(hours=1)


@pytest.fixture
def ada(engine):
    return people.add_person(engine, "ada@example.com", "admin")


@pytest.fixture
def ben(engine, ada):
    return people.add_person(engine, "ben@example.com", "member")


def make(engine, account, *scopes, label="", expires_at=None):
    return issue(engine, account.email, scopes or ("read",), label, expires_at, fixed=(), actor=CLI)


def holder_of(engine, token):
    with reading(engine) as db:
        return find_token(db, token)


def rows(engine, scope):
    with reading(engine) as db:
        return tokens(db, scope)


def audit(engine):
    with reading(engine) as db:
        return db.execute(text("select action, meta from audit where action like 'token.%' order by id")).all()


@pytest.mark.parametrize("scope", SCOPES)
def test_a_token_says_what_it_is_for_and_checks_itself(engine, ada, scope):
    made = make(engine, ada, scope)
    prefix = "we_" if scope == "embed" else f"am_{scope}_"
    assert re.fullmatch(prefix + "[0-9A-Za-z]{38}", made.text)
    assert is_well_formed(made.text)
    assert made.row.hint == f"{prefix}…{made.text[-4:]}"
    assert holder_of(engine, made.text).account == ada


def test_every_single_wrong_letter_is_told_by_the_checksum(engine, ada):
    good = make(engine, ada).text
    for place in range(len(good)):
        wrong = good[:place] + ("A" if good[place] != "A" else "B") + good[place + 1 :]
        assert not is_well_formed(wrong), place
    assert not any(is_well_formed(good[:length]) for length in range(len(good)))
    assert not is_well_formed(good + "A")
    assert not is_well_formed(good.replace(good[-1], "\u0661"))


def test_no_two_tokens_are_alike(engine, ada):
    made = [make(engine, ada).text[8:-6] for _ in range(50)]
    assert len({token[:12] for token in made} | {token[-12:] for token in made}) == 100
    assert len(set("".join(made))) > 55


def test_nothing_of_a_token_is_kept_but_its_hash_and_four_letters(engine, ada):
    made = make(engine, ada, label="laptop")
    with reading(engine) as db:
        kept = str(db.execute(text("select * from api_token")).all()) + str(
            db.execute(text("select * from audit")).all()
        )
    assert made.text[-4:] in kept
    assert made.text[:-6] not in kept
    assert made.text[10:30] not in kept


def test_an_unknown_token_of_good_form_is_nobody(engine, ada):
    token = make(engine, ada)
    with writing(engine) as db:
        db.execute(text("delete from api_token"))
    with pytest.raises(NotSignedIn):
        holder_of(engine, token.text)


def test_a_malformed_token_is_not_even_looked_up(engine, ada):
    good = make(engine, ada).text
    with writing(engine) as db:
        db.execute(text("alter table api_token rename to away"))
    for wrong in (good[:-1] + "!", "am_read_", "we_", "am_" + "x" * 8000, "am_read_\u00e9"):
        with pytest.raises(NotSignedIn):
            holder_of(engine, wrong)


def test_a_token_stops_at_its_expiry(engine, ada):
    made = make(engine, ada, expires_at=datetime.now(UTC) + timedelta(milliseconds=300))
    assert holder_of(engine, made.text).token_id == made.row.id
    time.sleep(0.35)
    with pytest.raises(NotSignedIn, match="Invalid API key"):
        holder_of(engine, made.text)
    assert rows(engine, Scope(ada.id))[0].state(datetime.now(UTC)) == "expired"


def test_a_revoked_token_stops_at_once_and_stays_in_the_list(engine, ada):
    made = make(engine, ada)
    revoke(engine, Scope(ada.id), made.row.id, CLI)
    with pytest.raises(NotSignedIn, match="Invalid API key"):
        holder_of(engine, made.text)
    [row] = rows(engine, Scope(ada.id))
    assert row.state(datetime.now(UTC)) == "revoked"


def test_revoking_twice_changes_nothing(engine, ada):
    made = make(engine, ada)
    revoke(engine, Scope(ada.id), made.row.id, CLI)
    [first] = rows(engine, Scope(None))
    revoke(engine, Scope(ada.id), made.row.id, CLI)
    assert rows(engine, Scope(None)) == (first,)
    assert [action for action, _ in audit(engine)] == ["token.create", "token.revoke"]


def test_somebody_elses_token_is_no_token(engine, ada, ben):
    made = make(engine, ada)
    for token_id in (made.row.id, "absent", ""):
        with pytest.raises(NotFound, match="There is no such token"):
            revoke(engine, Scope(ben.id), token_id, CLI)
    assert holder_of(engine, made.text)
    assert rows(engine, Scope(ben.id)) == ()


def test_admins_see_everybodys_newest_first(engine, ada, ben):
    first, second = make(engine, ada), make(engine, ben)
    assert [row.id for row in rows(engine, Scope(None))] in (
        [second.row.id, first.row.id],
        [first.row.id, second.row.id],
    )
    assert {row.email for row in rows(engine, Scope(None))} == {"ada@example.com", "ben@example.com"}


def test_admin_includes_reading_sending_and_metrics(engine, ada):
    assert holder_of(engine, make(engine, ada, "admin").text).scopes == {"admin", "read", "ingest", "metrics"}
    assert holder_of(engine, make(engine, ada, "gateway", "read", "read").text).scopes == {"read", "gateway"}


def test_a_member_cannot_hold_admin(engine, ben):
    with pytest.raises(Forbidden):
        make(engine, ben, "read", "admin")
    assert rows(engine, Scope(None)) == ()


def test_an_admin_who_is_none_any_more_loses_what_admin_gave(engine, ada):
    alone, mixed = make(engine, ada, "admin"), make(engine, ada, "admin", "gateway")
    with writing(engine) as db:
        db.execute(text("update person set role = 'member'"))
    assert holder_of(engine, alone.text).scopes == frozenset()
    assert holder_of(engine, mixed.text).scopes == {"gateway"}


@pytest.mark.parametrize("scopes", [(), ("write",), ("read", ""), ("READ",), ("embed", "read"), ("read ingest",)])
def test_scopes_that_make_no_sense_are_refused(engine, ada, scopes):
    with pytest.raises(Invalid) as caught:
        issue(engine, ada.email, scopes, fixed=(), actor=CLI)
    assert caught.value.field == "scope"


@pytest.mark.parametrize("label", ["x" * 101, "a\x00b", "a\x1b[31mb", "a\u202eb"])
def test_a_label_that_cannot_be_shown_is_refused(engine, ada, label):
    with pytest.raises(Invalid) as caught:
        make(engine, ada, label=label)
    assert caught.value.field == "label"


def test_a_token_for_nobody_is_not_made(engine, ada, ben):
    with writing(engine) as db:
        db.execute(text("update person set disabled_at = 1 where email = 'ben@example.com'"))
    for email in ("ben@example.com", "nobody@example.com"):
        with pytest.raises(NotFound, match="There is no such person here"):
            issue(engine, email, ("read",), fixed=(), actor=CLI)
    with pytest.raises(Invalid):
        issue(engine, "no address", ("read",), fixed=(), actor=CLI)


def test_who_is_not_on_the_whitelist_gets_no_token(engine, ada, ben):
    whitelist.remove(engine, ben.email, (), CLI)
    with pytest.raises(Forbidden, match="whitelist"):
        make(engine, ben)
    assert issue(engine, ben.email, ["read"], fixed=("@example.com",), actor=CLI)


def test_no_token_made_meanwhile_outlives_the_rule_that_let_its_person_in(engine, ada, ben):
    for _ in range(10):
        with ThreadPoolExecutor(4) as pool:
            wanted = [pool.submit(make, engine, ben) for _ in range(3)]
            pool.submit(whitelist.remove, engine, ben.email, (), CLI).result()
        made = [future.result().text for future in wanted if not future.exception()]
        assert {type(future.exception()) for future in wanted} <= {type(None), Forbidden}
        for text_of_it in made:
            with pytest.raises(NotSignedIn):
                holder_of(engine, text_of_it)
        whitelist.add(engine, ben.email, CLI)


def test_an_expiry_in_the_past_is_refused(engine, ada):
    with pytest.raises(Invalid, match="past"):
        make(engine, ada, expires_at=datetime.now(UTC) - timedelta(seconds=1))


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        (None, None),
        ("", None),
        ("2030-01-31T12:00:00Z", datetime(2030, 1, 31, 12, tzinfo=UTC)),
        ("2030-01-31T12:00:00+02:00", datetime(2030, 1, 31, 10, tzinfo=UTC)),
        ("2030-01-31T12:00", datetime(2030, 1, 31, 12, tzinfo=UTC)),
        ("2030-01-31", datetime(2030, 2, 1, tzinfo=UTC)),
        (1_900_000_000, datetime.fromtimestamp(1_900_000_000, UTC)),
        (1_900_000_000_000, datetime.fromtimestamp(1_900_000_000, UTC)),
        (1_900_000_000_000_000, datetime.fromtimestamp(1_900_000_000, UTC)),
    ],
)
def test_an_expiry_is_read_in_every_accepted_form(given, meant):
    assert read_expiry(given) == meant


@pytest.mark.parametrize("given", ["soon", "2030-13-01", "9999-12-31", -1, 1e300, float("nan"), 9e17, "12:00"])
def test_an_expiry_that_is_no_time_is_refused(given):
    with pytest.raises(Invalid) as caught:
        read_expiry(given)
    assert caught.value.field == "expires_at"


def used_at(engine):
    with reading(engine) as db:
        return db.execute(text("select last_used_at from api_token")).scalar()


def test_the_last_use_is_written_once_a_minute_whoever_asks(engine, ada):
    made = make(engine, ada)
    assert api_tokens.is_worth_noting(holder_of(engine, made.text))
    mark_used(engine, made.row.id)
    first = used_at(engine)
    assert first is not None
    assert not api_tokens.is_worth_noting(holder_of(engine, made.text))
    time.sleep(0.005)
    mark_used(engine, made.row.id)  # another process that read the row before
    assert used_at(engine) == first
    with writing(engine) as db:
        db.execute(text("update api_token set last_used_at = last_used_at - 60001"))
    mark_used(engine, made.row.id)
    assert used_at(engine) > first


def test_noting_the_last_use_never_waits_for_another_writer(engine, ada):
    made = make(engine, ada)
    is_held, may_end = threading.Event(), threading.Event()

    def hold():
        with writing(engine) as db:
            db.execute(text("update api_token set label = 'held'"))
            is_held.set()
            may_end.wait(10)

    holder = threading.Thread(target=hold)
    holder.start()
    is_held.wait(10)
    started = time.monotonic()
    with pytest.raises(OperationalError):
        mark_used(engine, made.row.id)
    took_seconds = time.monotonic() - started
    may_end.set()
    holder.join()
    assert took_seconds < 0.5
    assert used_at(engine) is None
    mark_used(engine, made.row.id)
    assert used_at(engine) is not None


def test_after_such_a_note_a_writer_waits_again(engine, ada):
    """The connection that would not wait goes back to a pool where others want to."""
    made = make(engine, ada)
    for _ in range(20):
        mark_used(engine, made.row.id)

    def slowly(number):
        with writing(engine) as db:
            db.execute(text("update api_token set label = label || 'x'"))
            time.sleep(0.02)

    workers = [threading.Thread(target=slowly, args=(number,)) for number in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert rows(engine, Scope(None))[0].label == "x" * 8


def test_making_and_revoking_are_in_the_audit_log_without_the_secret(engine, ada):
    made = make(engine, ada, "read", "ingest", label="laptop")
    revoke(engine, Scope(None), made.row.id, CLI)
    assert [action for action, _ in audit(engine)] == ["token.create", "token.revoke"]
    with reading(engine) as db:
        everything = str([db.execute(text(f"select * from {name}")).all() for name in ("audit", "audit_private")])
    assert made.row.id in everything
    assert made.text not in everything
    assert made.text[-10:] not in everything


def test_no_token_is_made_when_it_cannot_be_put_into_the_audit_log(engine, ada):
    with writing(engine) as db:
        db.execute(text("alter table audit rename to away"))
    with pytest.raises(Exception, match="audit"):
        make(engine, ada)
    assert rows(engine, Scope(None)) == ()
