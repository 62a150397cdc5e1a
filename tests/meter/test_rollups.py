"""The sums: every wrong number in them is found and named, and summing anew repairs them."""

import random
from itertools import product

import pytest

from meter import rollups
from meter.logs.drafts import CallDraft
from meter.rollups import ROLLUPS, SUMS, TALLIES, Difference
from stored import content, differences, write
from transcripts import NOON_MS, message_id

KEYS = {
    **{rollup.table: ("owner_id", *(name for name, _ in rollup.key)) for rollup in ROLLUPS},
    **{tally.table: ("owner_id", *tally.key) for tally in TALLIES},
    "agent_session": ("owner_id", "id"),
}
VALUES = {
    **{rollup.table: SUMS for rollup in ROLLUPS},
    **{tally.table: (tally.counted,) for tally in TALLIES},
    "agent_session": ("first_ms", "last_ms", *SUMS),
}


@pytest.fixture
def filled(store, book):
    """Two owners with sixty calls each over three months."""
    rng = random.Random(5)
    for owner in (1, 2):
        drafts = [
            CallDraft(
                message_id(number),
                NOON_MS + rng.randrange(90 * 86_400_000),
                f"s{number % 9}",
                rng.choice(("laptop", "desk")),
                rng.choice(("-p", "-q")),
                "",
                rng.choice(("claude-opus-4-6", "claude-opus-9")),
                tuple(rng.randrange(1, 5000) for _ in range(7)),
                tools={f"t{use}": rng.choice(("Bash", "Read")) for use in range(number % 3)},
            )
            for number in range(60)
        ]
        write(store, book, *drafts, owner=owner)
    return store


def some_row(store, table):
    """Key and values of a row."""
    columns = (*KEYS[table], *VALUES[table])
    row = store.rows(f"select {', '.join(columns)} from {table} where owner_id = 1 order by 1, 2, 3")[3]
    return row[: len(KEYS[table])], row[len(KEYS[table]) :]


def spoil(store, table, key, change, *values):
    """Change one row behind everybody's back."""
    where = " and ".join(f"{name} = ?" for name in KEYS[table])
    with store.writing():
        store.run(f"update {table} set {change} where {where}", (*values, *key))


def test_sums_made_by_the_writer_have_no_differences(filled):
    assert differences(filled) == []
    with filled.reading():
        assert rollups.checked_count(filled) > 300


def test_a_wrong_number_is_found_and_nothing_else(filled):
    for table in KEYS:
        key, values = some_row(filled, table)
        for place, name in enumerate(VALUES[table]):
            spoil(filled, table, key, f"{name} = {name} + 1")
            wrong = (*values[:place], values[place] + 1, *values[place + 1 :])
            assert differences(filled) == [Difference(table, key, wrong, values)]
            spoil(filled, table, key, f"{name} = {name} - 1")
    assert differences(filled) == []


def test_a_row_that_lost_its_numbers_is_found(filled):
    for table in KEYS:
        key, values = some_row(filled, table)
        names = [name for name in VALUES[table] if not name.endswith("_ms")]
        spoil(filled, table, key, ", ".join(f"{name} = 0" for name in names))
        (found,) = differences(filled)
        assert (found.table, found.key, found.counted) == (table, key, values)
        spoil(filled, table, key, ", ".join(f"{name} = ?" for name in names), *values[-len(names) :])


def test_a_row_that_should_not_be_is_found_whichever_number_it_holds(filled):
    for table, name in product([rollup.table for rollup in ROLLUPS], SUMS):
        row = {**dict.fromkeys(KEYS[table], 77), **dict.fromkeys(SUMS, 0), name: 5}
        marks = ", ".join("?" * len(row))
        with filled.writing():
            filled.run(f"insert into {table} ({', '.join(row)}) values ({marks})", tuple(row.values()))
        (found,) = differences(filled)
        assert (found.table, found.key, found.counted) == (table, (77,) * len(KEYS[table]), None)
        with filled.writing():
            filled.run(f"delete from {table} where owner_id = 77")


def test_a_session_without_calls_that_has_numbers_is_found(filled):
    lost = tuple(filled.rows("select owner_id, id from agent_session order by 1, 2")[0])
    with filled.writing():
        filled.run("update agent_session set id = 777 where owner_id = ? and id = ?", lost)
        filled.run("update agent_session set calls = 0 where id = 777")
    assert {found.key for found in differences(filled)} == {lost, (lost[0], 777)}


def test_a_session_without_its_first_and_last_time_is_found(filled):
    key, values = some_row(filled, "agent_session")
    spoil(filled, "agent_session", key, "first_ms = null")
    assert differences(filled) == [Difference("agent_session", key, (None, *values[1:]), values)]


def test_a_tool_that_lost_its_name_is_found(filled):
    with filled.writing():
        filled.run("update tool set name = 'Gone' where name = 'Bash'")
    assert {found.table for found in differences(filled)} == {"tool_hour", "tool_day", "project_tool_day"}


def test_a_call_changed_behind_the_sums_is_found_in_all_of_them(filled):
    with filled.writing():
        filled.run(
            "update call set output_tokens = output_tokens + 5 where owner_id = 1 and call_key = ?", (message_id(7),)
        )
    found = differences(filled)
    assert {each.table for each in found} == {*(rollup.table for rollup in ROLLUPS), "agent_session"}
    assert len(found) == len(ROLLUPS) + 1 + 3  # three tables also sum everybody


def test_summing_anew_gives_what_the_writer_gave(filled):
    before = content(filled, 0), content(filled, 1), content(filled, 2)
    rollups.rebuild(filled)
    assert (content(filled, 0), content(filled, 1), content(filled, 2)) == before
    assert differences(filled) == []


def test_summing_anew_repairs_everything_and_tells_the_pages(filled):
    before = content(filled, 0), content(filled, 1)
    changes = filled.rows("select changes from change_count order by owner_id")
    for table in KEYS:
        key, _ = some_row(filled, table)
        spoil(filled, table, key, ", ".join(f"{name} = {name} + 3" for name in VALUES[table]))
    with filled.writing():
        filled.run("delete from usage_day where owner_id = 0")
        filled.run("update agent_session set first_ms = null, last_ms = null where id = 2")
    assert len(differences(filled)) > len(KEYS)
    rollups.rebuild(filled)
    assert (content(filled, 0), content(filled, 1)) == before
    assert differences(filled) == []
    assert filled.rows("select changes from change_count order by owner_id") == [(count + 1,) for (count,) in changes]


def test_summing_anew_where_there_is_nothing_is_nothing(store):
    rollups.rebuild(store)
    assert differences(store) == []


def test_writing_goes_on_after_summing_anew(filled, book):
    rollups.rebuild(filled)
    moved = CallDraft(message_id(7), NOON_MS - 5, "s0", "desk", "-p", "", "claude-opus-4-6", (9999,) * 7)
    write(filled, book, moved)
    assert differences(filled) == []
