"""The commands `audit` and those of `user` that change people."""

import json

import pytest
from sqlalchemy import text

from models.db import make_engine, writing


@pytest.fixture
def sql(database):
    """Change the database behind the program's back."""
    engine = make_engine(database)

    def run(*statements):
        with writing(engine) as db:
            for statement in statements:
                db.execute(text(statement))

    yield run
    engine.dispose()


@pytest.fixture
def without_triggers(sql, database):
    if database.startswith("sqlite"):
        sql("drop trigger audit_keeps", "drop trigger audit_stays")
        yield
    else:
        sql("alter table audit disable trigger user")
        yield
        sql("alter table audit enable trigger user")


def test_an_untouched_log_is_whole(run, owned):
    done = run("audit verify")
    assert (done.exit_code, done.stdout) == (0, "")
    assert "All 1 rows are as they were written. Newest hash: " in done.stderr


def test_before_anything_was_done_it_is_whole_too(run):
    done = run("audit verify", "--json")
    assert json.loads(done.stdout) == {"ok": True, "entries": 0, "first_bad": None, "head": None}


def test_a_changed_row_is_named_and_the_exit_code_says_so(run, owned, sql, without_triggers):
    run("user add", "ben@example.com")
    sql("update audit set action = 'export' where id = 2")
    done = run("audit verify")
    assert done.exit_code == 1
    assert "Row 2 is not as it was written" in done.stderr
    done = run("audit verify", "--json")
    assert done.exit_code == 1
    assert {**json.loads(done.stdout), "head": ""} == {"ok": False, "entries": 1, "first_bad": 2, "head": ""}


def test_the_list_shows_who_did_what(run, owned):
    run("user add", "ben@example.com")
    lines = run("audit list").stdout.splitlines()
    assert len(lines) == 2
    assert all(word in lines[1] for word in ("person.add", "cli", "ben@example.com", "role=member"))
    [entry] = json.loads(run("audit list", "--json", "--limit", "1").stdout)["entries"]
    assert (entry["action"], entry["user"], entry["target"]) == ("person.add", "cli", "ben@example.com")


def test_the_list_is_narrowed(run, owned):
    run("login-link", "ada@example.com")
    assert len(run("audit list", "--action", "person").stdout.splitlines()) == 1
    assert len(run("audit list", "--since", "2026-01-01").stdout.splitlines()) == 2
    assert run("audit list", "--since", "2090-01-01").stdout == ""


def test_a_bad_time_is_named(run, owned):
    done = run("audit list", "--since", "yesterday")
    assert (done.exit_code, "--since" in done.stderr) == (2, True)
    assert run("audit list", "--limit", "0").exit_code == 2


def test_making_a_link_is_in_the_log_without_the_link(run, owned):
    link = run("login-link", "ada@example.com").stdout.strip()
    listed = run("audit list", "--json").stdout
    assert json.loads(listed)["entries"][-1]["action"] == "login.link"
    assert link.rpartition("/")[2] not in listed


def test_people_are_listed(run, owned):
    run("user add", "ben@example.com", "--name", "Ben")
    assert run("user list").stdout.splitlines() == ["ada@example.com  ada  admin", "ben@example.com  Ben  member"]
    people = json.loads(run("user list", "--json").stdout)["people"]
    assert [(one["email"], one["role"], one["disabled"]) for one in people] == [
        ("ada@example.com", "admin", False),
        ("ben@example.com", "member", False),
    ]


def test_people_change_and_the_log_says_so(run, owned):
    run("user add", "ben@example.com")
    assert run("user role", "Ben@example.com", "admin").exit_code == 0
    assert run("user disable", "ben@example.com").exit_code == 0
    assert run("user list").stdout.splitlines()[1] == "ben@example.com  ben  admin, disabled"
    assert run("user enable", "ben@example.com").exit_code == 0
    actions = [entry["action"] for entry in json.loads(run("audit list", "--json").stdout)["entries"]]
    assert actions[-3:] == ["role.change", "person.disable", "person.enable"]


def test_the_last_admin_stays(run, owned):
    for command in ("user disable ada@example.com", "user role ada@example.com member"):
        done = run(command)
        assert (done.exit_code, "admin" in done.stderr) == (1, True)


def test_somebody_unknown_and_a_wrong_role(run, owned):
    assert run("user disable", "nobody@example.com").exit_code == 1
    assert run("user role", "ada@example.com", "owner").exit_code == 2
