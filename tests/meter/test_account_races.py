"""Deleting somebody while others write, leave, or take them for the one in charge."""

import json
import time

import pytest
from sqlalchemy import text

from leaving import CANARY, EMAIL, canaries, history, in_threads, oneself, out, rows_of, write_now
from meter import api_tokens, audit, login
from meter.account import delete_account
from meter.audit import CLI
from meter.errors import Conflict, Forbidden, NotFound
from meter.ingest import TRANSCRIPT, write_calls
from meter.live import LiveSync
from meter.local import LocalSyncer
from meter.people import add_person
from meter.sessions import Browser
from models.bulk import open_store
from models.db import reading, writing
from stored import differences, usage_of
from transcripts import answer


@pytest.fixture
def ben(engine):
    """An admin who stays."""
    return add_person(engine, "ben@example.com", "admin", "Ben")


@pytest.fixture
def ada(engine, ben):
    """Who is deleted."""
    return add_person(engine, EMAIL, "member", CANARY)


def test_two_last_admins_cannot_both_go_at_once(engine, ben, ada):
    for _ in range(5):
        dan = add_person(engine, "dan@example.com", "admin")
        refused = []

        def leave(person, refused=refused):
            def run():
                try:
                    delete_account(engine, person.id, oneself(person))
                except Conflict:
                    refused.append(person)

            return run

        in_threads(leave(ben), leave(dan))
        assert len(refused) == 1
        ben = refused[0]
        if ben.email == "dan@example.com":
            with writing(engine) as db:
                db.execute(text("update person set email = 'ben@example.com' where email = 'dan@example.com'"))
                db.execute(text("delete from allowed_email"))


@pytest.mark.parametrize("drafts", [[], [out(5, 0, "late", session_key="s", llm_model="claude-opus-4-6")]])
def test_calls_of_nobody_are_refused(store, book, drafts):
    with pytest.raises(NotFound), store.writing(99):
        write_calls(store, 99, drafts, agent="claude-code", source=TRANSCRIPT, book=book, now_ms=1)
    assert store.rows("select * from machine") == store.rows("select * from call") == []


def test_the_live_loop_goes_on_for_the_next_admin(engine, settings, transcripts, store, ben):
    cyd = add_person(engine, "cyd@example.com", "admin")
    live = LiveSync(LocalSyncer(settings))
    live.start()
    try:
        wait_until(lambda: usage_of(store, ben.id)["calls"] == 2)
        delete_account(engine, ben.id, oneself(ben))
        (transcripts / "another.jsonl").write_text(json.dumps(answer("third", 90)) + "\n")
        wait_until(lambda: usage_of(store, cyd.id)["calls"] == 3)
    finally:
        live.stop()
    assert rows_of(engine, ben.id) == {}
    assert differences(store) == []


def wait_until(holds, seconds=30):
    """Wait for something another thread does."""
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.05)


def test_writers_racing_with_the_deletion_leave_nothing(engine, database, store, book, ben):
    """Two writers of the deleted person and one of another go on while the deletion happens, four times."""
    history(store, book, ben.id)
    for round_ in range(4):
        ada = add_person(engine, EMAIL)
        history(store, book, ada.id, times=6)
        refused = []

        def work(owner, place, round_=round_, refused=refused):
            def run():
                own = open_store(database)
                try:
                    for number in range(25):
                        name = f"{owner}-{round_}-{place}-{number}"
                        with own.writing(owner):
                            write_now(own, book, owner, name)
                except NotFound:
                    refused.append(place)
                finally:
                    own.close()

            return run

        def leave(ada=ada, round_=round_):
            time.sleep(0.02 * round_)
            delete_account(engine, ada.id, oneself(ada))

        in_threads(work(ada.id, 1), work(ada.id, 2), work(ben.id, 3), leave)
        assert 3 not in refused
        assert rows_of(engine, ada.id) == {}
    assert usage_of(store, 0) == usage_of(store, ben.id)
    assert differences(store) == []
    assert canaries(engine) == set()


def test_signing_in_while_being_deleted_leaves_no_session(engine, settings, ben):
    keys = ("k" * 40,)
    for round_ in range(6):
        ada = add_person(engine, EMAIL)

        def sign_in(ada=ada):
            for _ in range(10):
                try:
                    link = login.make_login_link(engine, keys, ada.email)
                    login.redeem(engine, settings, keys, link.token, Browser("agent", "ip"))
                    api_tokens.issue(engine, ada.email, ["read"], fixed=(), actor=CLI)
                except (NotFound, Forbidden):
                    pass  # of two links at once one is void; and then there is nobody any more

        def leave(ada=ada, round_=round_):
            time.sleep(0.01 * round_)
            delete_account(engine, ada.id, oneself(ada))

        in_threads(sign_in, sign_in, leave)
        assert rows_of(engine, ada.id) == {}
        assert canaries(engine) == set()
    with reading(engine) as db:
        assert audit.verify(db).ok


def test_several_people_go_at_once_while_others_write(engine, database, store, book, ben):
    history(store, book, ben.id)
    leaving = [add_person(engine, f"p{number}@example.com") for number in range(4)]
    for person in leaving:
        history(store, book, person.id, times=5)

    def leave(person):
        return lambda: delete_account(engine, person.id, oneself(person))

    def stay():
        own = open_store(database)
        for number in range(20):
            with own.writing(ben.id):
                write_now(own, book, ben.id, f"ben{number}")
        own.close()

    in_threads(*(leave(person) for person in leaving), stay)
    assert usage_of(store, 0) == usage_of(store, ben.id)
    assert differences(store) == []
    with reading(engine) as db:
        assert audit.verify(db).ok
