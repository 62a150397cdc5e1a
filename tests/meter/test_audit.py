"""The audit log: every act is in it, nothing else, and whoever changes it behind the program's back is found out."""

import json
import random
import threading

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DatabaseError

from meter import audit
from meter.audit import ACTIONS, CLI, Actor, AuditFilters
from meter.people import add_person
from models.db import reading, writing

ADA = Actor(7, None, "ada@example.com", "192.0.2.7")
TRIGGERS = ("audit_keeps", "audit_stays", "audit_private_keeps", "audit_private_stays")


def act(engine, action="token.create", actor=ADA, **given):
    with writing(engine) as db:
        audit.record(db, action, actor=actor, **given)


def listed(engine, **given):
    with reading(engine) as db:
        return audit.entries(db, **given)


def check(engine):
    with reading(engine) as db:
        return audit.verify(db)


def forget(engine, actor=CLI, person_id=7, email="ada@example.com"):
    with writing(engine) as db:
        audit.forget(db, "person.delete", actor=actor, person_id=person_id, email=email)


def stored(engine):
    """All that the three tables hold, as one text."""
    with reading(engine) as db:
        tables = ("audit", "audit_private", "audit_head")
        return "\n".join(repr(tuple(row)) for table in tables for row in db.execute(text(f"select * from {table}")))


@pytest.fixture
def tamper(engine):
    """Change the log behind the program's back, as somebody with the database's password can."""
    is_sqlite = engine.dialect.name == "sqlite"

    def run(*statements):
        with writing(engine) as db:
            for name in TRIGGERS:
                table = "audit_private" if "private" in name else "audit"
                db.execute(text(f"drop trigger {name}" if is_sqlite else f"alter table {table} disable trigger {name}"))
            for statement in statements:
                db.execute(text(statement))

    yield run
    if not is_sqlite:
        with writing(engine) as db:
            for table in ("audit", "audit_private"):
                db.execute(text(f"alter table {table} enable trigger all"))


def test_an_act_is_listed_as_it_was_told(engine):
    act(
        engine,
        actor=Actor(7, "t-1", "ada@example.com", "192.0.2.7"),
        target="t-2",
        meta={"scope": "read", "label": "ci"},
    )
    [entry] = listed(engine)
    assert (entry.action, entry.user, entry.user_id, entry.token_id) == ("token.create", "ada@example.com", 7, "t-1")
    assert (entry.target, entry.ip, entry.meta) == ("t-2", "192.0.2.7", {"scope": "read", "label": "ci"})


def test_an_empty_log_is_whole(engine):
    assert check(engine) == audit.AuditCheck(ok=True, entries=0, first_bad=None)
    assert listed(engine) == ()


def test_an_act_and_its_row_are_there_together_or_not_at_all(engine):
    with reading(engine) as db:  # a transaction that is given up
        audit.record(db, "logout", actor=ADA)
    act(engine)
    assert [entry.id for entry in listed(engine)] == [1]
    assert check(engine).ok


def test_an_unknown_action_is_a_mistake_in_the_program(engine):
    with pytest.raises(ValueError, match="no such action"):
        act(engine, "token.steal")
    assert {"account.delete", "export", "price.override"} <= ACTIONS


@pytest.mark.parametrize(
    "statement",
    [
        "update audit set action = 'export' where id = 1",
        "delete from audit where id = 1",
        "delete from audit_private",
        "update audit_private set content = '{}'",
        "update audit_private set content = '', salt = '', erased_by = 1",
        "update audit_private set about_id = 3, content = '', salt = '', erased_by = 9",
    ],
)
def test_the_database_refuses_to_change_the_log(engine, statement):
    act(engine)
    before = stored(engine)
    with pytest.raises(DatabaseError, match="can only be added to"), writing(engine) as db:
        db.execute(text(statement))
    assert stored(engine) == before


def test_a_row_cannot_be_replaced_or_the_table_emptied_either(engine):
    act(engine)
    copy = "insert or replace into audit select * from audit" if engine.dialect.name == "sqlite" else "truncate audit"
    with pytest.raises(DatabaseError, match="can only be added to"), writing(engine) as db:
        db.execute(text(copy))


def test_every_kind_of_change_is_found_and_the_first_bad_row_named(engine, tamper):
    generator = random.Random(53)
    for number in range(12):
        act(engine, target=f"token {number}", meta={"scope": "read", "label": f"label {number}"})
    last = 12
    changes = {
        "action": lambda row: f"update audit set action = 'export' where id = {row}",
        "actor": lambda row: f"update audit set actor_id = 8 where id = {row}",
        "time": lambda row: f"update audit set at = at - 1 where id = {row}",
        "meta": lambda row: f"update audit set meta = '{{}}' where id = {row}",
        "token": lambda row: f"update audit set token_id = 'x' where id = {row}",
        "words": lambda row: f'update audit_private set content = \'{{"target":"other"}}\' where audit_id = {row}',
        "no words": lambda row: f"delete from audit_private where audit_id = {row} and part = 'actor'",
        "hidden words": lambda row: (
            f"update audit_private set content = '', salt = '', erased_by = 99 where audit_id = {row}"
        ),
        "row": lambda row: f"delete from audit where id = {row}",
    }
    tamper()
    copies = ("audit", "audit_private", "audit_head")
    with writing(engine) as db:
        for table in copies:
            db.execute(text(f"create table copy_of_{table} as select * from {table}"))
    found = 0
    for round_ in range(100):
        row = generator.randint(1, last)
        with writing(engine) as db:
            db.execute(text(generator.choice(list(changes.values()))(row)))
        found += check(engine).first_bad == row
        with writing(engine) as db:
            for table in copies:
                db.execute(text(f"delete from {table}"))
                db.execute(text(f"insert into {table} select * from copy_of_{table}"))
        assert check(engine).ok, round_
    with writing(engine) as db:
        for table in copies:
            db.execute(text(f"drop table copy_of_{table}"))
    assert found == 100


def test_rows_that_changed_places_are_found(engine, tamper):
    for number in range(6):
        act(engine, target=f"token {number}")
    tamper(
        "update audit set id = 100 where id = 3",
        "update audit set id = 3 where id = 5",
        "update audit set id = 5 where id = 100",
    )
    assert (check(engine).ok, check(engine).first_bad) == (False, 3)


def test_a_row_written_by_hand_is_found(engine, tamper):
    act(engine)
    columns = "at, action, actor_id, token_id, target_id, meta, actor_seal, target_seal, previous_hash, hash"
    tamper(f"insert into audit (id, {columns}) select 2, {columns} from audit")
    assert check(engine).first_bad == 2


def test_a_last_row_that_is_missing_is_found(engine, tamper):
    for _ in range(3):
        act(engine)
    tamper("delete from audit where id = 3")
    assert (check(engine).entries, check(engine).first_bad) == (2, 3)


def test_a_deleted_person_leaves_a_number_behind_and_the_chain_whole(engine):
    act(engine, "login.denied", Actor(None, None, "anonymous", "198.51.100.7"), target="ada@example.com")
    act(engine, meta={"scope": "read", "label": "CANARY"})
    act(engine, "whitelist.add", Actor(8, None, "ben@example.com", "192.0.2.8"), target="ada@example.com")
    act(engine, "role.change", Actor(8, None, "ben@example.com", "192.0.2.8"), target="cyd@example.com")
    forget(engine, actor=ADA)
    text_now = stored(engine)
    assert not [word for word in ("ada@", "192.0.2.7", "198.51.100.7", "CANARY") if word in text_now]
    assert "192.0.2.8" in text_now
    assert [(entry.user, entry.target) for entry in listed(engine)] == [
        ("unknown", "forgotten"),
        ("deleted person 7", "forgotten"),
        ("ben@example.com", "forgotten"),
        ("ben@example.com", "cyd@example.com"),
        ("deleted person 7", "deleted person 7"),
    ]
    assert check(engine).ok


def test_words_taken_away_under_cover_of_a_deletion_are_found(engine, tamper):
    act(engine)
    act(engine, actor=Actor(8, None, "ben@example.com", ""))
    forget(engine)
    assert check(engine).ok
    tamper("update audit_private set content = '', salt = '', erased_by = 3 where audit_id = 2")
    assert not check(engine).ok


def test_a_person_named_by_mail_is_noted_by_number(engine):
    ada = add_person(engine, "ada@example.com", "admin")
    act(engine, "role.change", CLI, target="ada@example.com", meta={"role": "member"})
    assert listed(engine)[-1].target_id == ada.id
    assert "ada@example.com" not in stored(engine).partition("\n('")[0].split("{")[0]


def test_the_rows_themselves_name_nobody(engine):
    add_person(engine, "ada@example.com", "admin", "Ada Lovelace")
    act(engine, "person.disable", target="ada@example.com", meta={"label": "words", "sessions": 2})
    with reading(engine) as db:
        rows = "".join(repr(tuple(row)) for row in db.execute(text("select * from audit")))
    assert not [word for word in ("ada", "Ada", "192.0.2", "words") if word in rows]


def test_the_number_of_a_deleted_person_is_not_given_again(engine):
    add_person(engine, "ada@example.com", "admin")
    ben = add_person(engine, "ben@example.com")
    with writing(engine) as db:
        db.execute(text("delete from person where id = 2"))
    assert (ben.id, add_person(engine, "cyd@example.com").id) == (2, 3)


def test_control_characters_become_visible(engine):
    act(engine, target="a\x1b[31mred\r\nnext\u202e\x00", meta={"label": "\ud800 lone"})
    [entry] = listed(engine)
    assert entry.target == r"a\x1b[31mred\r\nnext\u202e\x00"
    assert entry.meta == {"label": r"\ud800 lone"}


def test_a_secret_that_comes_by_mistake_is_not_kept(engine):
    secrets = (
        "am_read_" + "a1B2" * 9,
        "we_" + "a1B2" * 9,
        "sb_" + "a1B2" * 10,
        "claim-" + "a1B2" * 8,
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl",
        "a1-2" * 10 + "xyz",
        "ImFkYUBleGFtcGxlLmNvbSI.aR7x2w.Zm9vYmFyYmF6cXV4Zm9vYmFyYmE",
    )
    for secret in secrets:
        act(engine, target=secret, meta={"label": f"it was {secret}!"})
    text_now = stored(engine)
    assert not [secret for secret in secrets if secret in text_now]
    assert all(entry.target == "[secret]" for entry in listed(engine))


def test_acts_at_once_stand_one_behind_the_other(engine):
    def many(number):
        for _ in range(25):
            act(engine, actor=Actor(number, None, f"person{number}@example.com", ""))

    threads = [threading.Thread(target=many, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert check(engine) == audit.AuditCheck(True, 200, None, check(engine).head)


def test_entries_are_found_by_time_action_and_person(engine):
    for number in range(5):
        act(engine, target=f"t{number}")
    act(engine, "logout")
    act(engine, "token.revoke", Actor(8, None, "ben@example.com", ""), target="t9")
    rows = listed(engine)
    assert [entry.id for entry in rows] == list(range(1, 8))
    assert [entry.id for entry in listed(engine, limit=2)] == [6, 7]
    assert [entry.id for entry in listed(engine, since=rows[0].at, limit=2)] == [1, 2]
    assert [entry.id for entry in listed(engine, filters=AuditFilters(action="token"))] == [1, 2, 3, 4, 5, 7]
    assert [entry.id for entry in listed(engine, filters=AuditFilters(action="logout"))] == [6]
    assert [entry.id for entry in listed(engine, filters=AuditFilters(person_id=8))] == [7]
    assert [entry.id for entry in listed(engine, limit=2, filters=AuditFilters(before_id=6))] == [4, 5]
    assert listed(engine, filters=AuditFilters(action="tok%")) == ()


def test_meta_is_json_of_sorted_names(engine):
    act(engine, meta={"scope": "read", "calls": 3, "role": None})
    with reading(engine) as db:
        meta = db.execute(text("select meta from audit")).scalar_one()
    assert meta == '{"calls":3,"role":null,"scope":"read"}'
    assert listed(engine)[0].meta == json.loads(meta)
