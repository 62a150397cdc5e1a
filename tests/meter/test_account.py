"""Deleting somebody: nothing of them stays, nothing of anybody else changes, and it is all or nothing."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Text, insert, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DatabaseError

from leaving import CANARY, EMAIL, canaries, history, oneself, rows_of
from meter import account, api_tokens, audit, roles, sessions
from meter.account import ELSEWHERE, NOBODYS, delete_account, preview_deletion
from meter.audit import CLI, Actor
from meter.errors import Conflict, Forbidden, Invalid, NotFound
from meter.people import add_person
from meter.sessions import Browser
from models.db import reading, writing
from models.tables import metadata
from models.types import UTCDateTime
from stored import content, differences, usage_of

SHARED_NAMES = ("llm_model", "tool")


@pytest.fixture
def ben(engine):
    """An admin who stays."""
    return add_person(engine, "ben@example.com", "admin", "Ben")


@pytest.fixture
def ada(engine, ben):
    """Who is deleted."""
    return add_person(engine, EMAIL, "member", CANARY)


def covered(table):
    return table.name in ELSEWHERE or {"owner_id", "person_id"} & {column.name for column in table.c}


def plant(engine, person):
    """A row of the person in every table that can hold one, with a canary in every text; the tables."""
    planted = {}
    with writing(engine) as db:
        for table in metadata.sorted_tables:
            texts = [column for column in table.c if isinstance(column.type, Text)]
            if covered(table) and texts and table.name not in ("person", "allowed_email"):  # there already
                row = {column.name: value_for(column, table, person, planted) for column in table.c}
                db.execute(insert(table).values(row))
                planted[table.name] = row
        db.execute(text("insert into sync_run values ('r', 1, 2, 'done', 1, 1, 1, 1, 1, 1, '[\"CANARY/path\"]')"))
    return planted


def value_for(column, table, person, planted):
    for key in column.foreign_keys:
        parent = key.column.table.name
        return person.id if parent == "person" else planted[parent][key.column.name]
    if column.name in ("owner_id", "person_id"):
        return person.id
    if column.name in ("email", "address", "rule"):
        return person.email
    if isinstance(column.type, Text):
        return f"{CANARY} {table.name}.{column.name}"
    return datetime.now(UTC) if isinstance(column.type, UTCDateTime) else 77


def test_every_table_either_holds_nothing_personal_or_is_covered():
    tables = {table.name: table for table in metadata.sorted_tables}
    forgotten = {name for name, table in tables.items() if not covered(table)} - NOBODYS
    assert not forgotten, "say in meter/account.py whose rows these are"
    assert set(ELSEWHERE) <= set(tables)
    assert not {name for name in NOBODYS & set(tables) if covered(tables[name])}


def test_nothing_of_a_deleted_person_stays_in_any_table(engine, store, book, ada):
    history(store, book, ada.id)
    plant(engine, ada)
    with writing(engine) as db:
        audit.record(db, "token.create", actor=oneself(ada), target="t", meta={"label": f"{CANARY} label"})
        audit.record(db, "role.change", actor=CLI, target=EMAIL, meta={"role": "member"})
    assert len(canaries(engine)) > 25
    delete_account(engine, ada.id, oneself(ada))
    assert canaries(engine) == set()
    assert rows_of(engine, ada.id) == {}
    with reading(engine) as db:
        assert audit.verify(db).ok
        assert audit.entries(db)[-1].action == "account.delete"


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_nothing_of_a_deleted_person_stays_in_the_file(engine, database, store, book, ada):
    history(store, book, ada.id, times=200)
    plant(engine, ada)
    store.close()
    delete_account(engine, ada.id, oneself(ada))
    path = Path(str(make_url(database).database))
    files = [file for file in path.parent.glob(path.name + "*") if file.is_file()]
    assert path in files
    assert not [
        file.name for file in files if CANARY.encode() in file.read_bytes() or EMAIL.encode() in file.read_bytes()
    ]


def test_the_figures_of_others_stay_and_the_sums_are_exact(engine, store, book, ben, ada):
    history(store, book, ben.id)
    before = content(store, ben.id), content(store, 0)
    history(store, book, ada.id)
    assert content(store, 0) != before[1]
    delete_account(engine, ada.id, oneself(ada))
    assert (content(store, ben.id), content(store, 0)) == before
    assert differences(store) == []
    assert usage_of(store, 0) == usage_of(store, ben.id)


def test_names_that_others_use_stay_the_rest_goes(engine, store, book, ben, ada):
    history(store, book, ben.id)
    history(store, book, ada.id)
    delete_account(engine, ada.id, oneself(ada))
    names = {row[0] for table in SHARED_NAMES for row in store.rows(f"select name from {table}")}
    assert names == {"Bash", "mcp__ben", "claude-opus-4-6", "model-ben", "old-ben"}


def test_the_counts_are_true_and_foretold(engine, store, book, ada):
    history(store, book, ada.id)
    plant(engine, ada)
    there = rows_of(engine, ada.id)
    with reading(engine) as db:
        foretold = preview_deletion(db, ada.id)
    deleted = delete_account(engine, ada.id, oneself(ada))
    assert deleted.counts == foretold.counts
    assert {name: deleted.of(name) for name in there} == there
    assert deleted.of("person") == deleted.of("mail") == deleted.of("allowed_email") == 1
    assert deleted.of("no_such_table") == 0


def test_credentials_are_dead_at_once(engine, ben, ada):
    session = sessions.open_session(engine, ada.id, Browser("agent", "ip"))
    token = api_tokens.issue(engine, EMAIL, ["read"], fixed=(), actor=CLI)
    delete_account(engine, ada.id, Actor(ben.id, None, ben.email, ""))
    with reading(engine) as db:
        assert_refused(sessions.find_session, db, session.secret)
        assert_refused(api_tokens.find_token, db, token.text)
        assert audit.entries(db)[-1].action == "person.delete"
        assert audit.entries(db)[-1].user == "ben@example.com"


def assert_refused(find, db, secret):
    with pytest.raises(Exception, match=r"Sign in first|Invalid API key"):
        find(db, secret)


def test_a_failure_at_the_very_end_leaves_everything_as_it_was(engine, store, book, ada):
    history(store, book, ada.id)
    before = content(store, ada.id), content(store, 0), rows_of(engine, ada.id)
    with writing(engine) as db:
        db.execute(text("update audit_head set entries = entries - 1"))  # the next row takes a number that is taken
    with pytest.raises(DatabaseError):
        delete_account(engine, ada.id, oneself(ada))
    assert (content(store, ada.id), content(store, 0), rows_of(engine, ada.id)) == before
    assert differences(store) == []


def test_somebody_who_comes_back_gets_a_new_number(engine, ada):
    delete_account(engine, ada.id, oneself(ada))
    assert add_person(engine, EMAIL).id == ada.id + 1


def test_nobody_is_deleted_twice(engine, ada):
    delete_account(engine, ada.id, oneself(ada))
    with pytest.raises(NotFound):
        delete_account(engine, ada.id, oneself(ada))
    with reading(engine) as db, pytest.raises(NotFound):
        preview_deletion(db, ada.id)


def test_the_last_admin_names_a_successor(engine, ben, ada):
    with pytest.raises(Conflict, match="successor"):
        delete_account(engine, ben.id, oneself(ben))
    delete_account(engine, ben.id, oneself(ben), EMAIL.upper())
    with reading(engine) as db:
        assert db.execute(text("select email, role from person")).all() == [(EMAIL, "admin")]
        assert [entry.action for entry in audit.entries(db)][-2:] == ["role.change", "account.delete"]
        assert audit.verify(db).ok


@pytest.mark.parametrize("successor", ["nobody@example.com", "ben@example.com", "dan@example.com", "no address"])
def test_a_successor_is_somebody_else_who_may_come_in(engine, ben, ada, successor):
    dan = add_person(engine, "dan@example.com")
    roles.disable_person(engine, dan.id, actor=CLI)
    with pytest.raises(Invalid) as caught:
        delete_account(engine, ben.id, oneself(ben), successor)
    assert caught.value.field == "successor"


def test_an_admin_who_is_shut_out_is_no_successor_by_themselves(engine, ben, ada):
    dan = add_person(engine, "dan@example.com", "admin")
    roles.disable_person(engine, dan.id, actor=CLI)
    with pytest.raises(Conflict):
        delete_account(engine, ben.id, oneself(ben))


def test_one_of_two_admins_may_go(engine, ben):
    dan = add_person(engine, "dan@example.com", "admin")
    delete_account(engine, ben.id, oneself(ben))
    with reading(engine) as db:
        assert db.execute(text("select id from person")).scalars().all() == [dan.id]


def test_whoever_is_alone_may_go_and_the_claim_stays_closed(engine, ben):
    delete_account(engine, ben.id, oneself(ben))
    with reading(engine) as db:
        assert db.execute(text("select count(*) from person")).scalar() == 0
        assert db.execute(text("select claimed_at from installation")).scalar() is not None


@pytest.mark.parametrize("typed", [EMAIL, EMAIL.upper(), f" {EMAIL} "])
def test_typing_the_own_address_confirms(typed):
    account.check_confirmation(EMAIL, typed, is_fresh=False)


@pytest.mark.parametrize("typed", ["", "yes", "ben@example.com", EMAIL.replace("a", "а")])
def test_anything_else_does_not_unless_the_login_is_fresh(typed):
    with pytest.raises(Forbidden):
        account.check_confirmation(EMAIL, typed, is_fresh=False)
    account.check_confirmation(EMAIL, typed, is_fresh=True)
