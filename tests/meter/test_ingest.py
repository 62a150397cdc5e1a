"""The one writer of calls: merged, priced, superseded, rolled up, all or nothing, on both databases."""

import random
import threading
from itertools import permutations, product

import pytest

from meter.ingest import EVENT, GATEWAY, MESSAGES, OTLP, TRANSCRIPT, UPLOAD, Ingested, write_calls
from meter.logs.drafts import CallDraft, call_key, storable
from models.bulk import open_store
from stored import a_call, calls, content, differences, links, merged, usage_of, write
from transcripts import FORK, MODEL, NOON_MS, PROJECT, SESSION

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS


def out(output, ms=0, name="first", **fields):
    return a_call(name, ms, counts=(3, output), **fields)


def outputs(store, owner=1):
    """Output tokens of every stored call, counted or not: {(output, superseded), ...}."""
    return {(row["output_tokens"], row["is_superseded"]) for row in calls(store, owner)}


def test_a_batch_says_what_became_of_its_calls(store, book):
    assert write(store, book, out(5), out(6, name="b")) == Ingested(calls_new=2)
    assert write(store, book, out(5), out(9, name="b"), out(7, name="c")) == Ingested(1, 1, 1)
    assert write(store, book) == Ingested()
    assert usage_of(store)["output_tokens"] == 5 + 9 + 7
    assert differences(store) == []


def test_three_streamed_lines_in_any_order_replayed_twice_are_one_message(store, book):
    for owner, order in enumerate(permutations((1, 2, 250)), start=1):
        lines = [out(output if output > 2 else 1, ms=output) for output in order]
        for line in (*lines, *lines, *lines):
            write(store, book, line, owner=owner)
        assert (usage_of(store, owner)["calls"], usage_of(store, owner)["output_tokens"]) == (1, 250)
        assert calls(store, owner)[0]["at_ms"] == NOON_MS + 1
    assert differences(store) == []


def test_a_replay_changes_nothing_at_all(store, book):
    drafts = [
        out(5, tools={"a": "Bash"}, client_cost_nanousd=7),
        out(6, 9, "b", also_in=(FORK,), stop_reason="end_turn"),
    ]
    write(store, book, *drafts)
    before = content(store), store.rows("select * from change_count order by 1")
    for draft in drafts:
        assert write(store, book, draft) == Ingested(calls_unchanged=1)
    assert (content(store), store.rows("select * from change_count order by 1")) == before


def test_a_late_smaller_copy_changes_nothing(store, book):
    write(store, book, out(250))
    before = content(store)
    assert write(store, book, out(1, 60_000)) == Ingested(calls_unchanged=1)
    assert content(store) == before


def test_every_count_keeps_its_own_maximum_over_batches(store, book):
    write(store, book, a_call(counts=(9, 1, 7, 0, 0, 10, 0)))
    write(store, book, a_call(ms=1, counts=(3, 8, 1, 0, 0, 20, 2)))
    found = usage_of(store)
    assert [found[name] for name in ("input_tokens", "output_tokens", "cache_read_tokens")] == [9, 8, 7]
    assert (found["cache_write_5m_tokens"], found["web_searches"]) == (20, 2)


def test_a_total_without_split_and_later_splits_come_to_the_same_writes(store, book):
    for owner, order in enumerate(permutations(((0, 0, 5000), (0, 4000, 0), (500, 0, 4500))), start=1):
        for writes in order:
            write(store, book, a_call(counts=(1, 1, 0, *writes, 0)), owner=owner)
        found = usage_of(store, owner)
        assert (found["cache_write_5m_tokens"], found["cache_write_1h_tokens"]) == (1000, 4000)
    assert differences(store) == []


def test_the_same_ids_of_another_owner_do_not_matter(store, book):
    write(store, book, a_call(counts=(0, 0)), owner=2)
    before = content(store, 2)
    assert write(store, book, out(250), owner=1) == Ingested(calls_new=1)
    assert usage_of(store, 1)["output_tokens"] == 250
    assert content(store, 2) == before
    assert usage_of(store, 0)["calls"] == 2
    assert differences(store) == []


def test_a_call_found_to_be_earlier_leaves_its_old_hour_day_and_month(store, book):
    write(store, book, out(5, tools={"a": "Bash"}))
    write(store, book, out(5, -20 * DAY_MS))
    found = content(store)
    day = NOON_MS // DAY_MS - 20
    assert [row[0] for row in found["usage_day"]] == [day]
    assert [row[0] for row in found["tool_day"]] == [day]
    assert [row[:2] for row in found["session_active"]] == [(day * 24 + 12, 0)]
    assert len(found["usage_month"]) == len(found["usage_quarter"]) == 1
    assert differences(store) == []


def test_a_call_found_to_belong_to_another_session_leaves_the_one_before(store, book):
    write(store, book, out(5), out(6, 5, "b"))
    write(store, book, out(5, -HOUR_MS, session_key=FORK, machine_key="other", project_key="-q", project_path="/q"))
    sessions = {row[0]: row[2:6] for row in content(store)["agent_session"]}
    assert sessions[SESSION] == (NOON_MS + 5, NOON_MS + 5, 1, 3)
    assert sessions[FORK] == (NOON_MS - HOUR_MS, NOON_MS - HOUR_MS, 1, 3)
    assert links(store) == [(SESSION, FORK)]
    assert differences(store) == []


def test_a_session_that_lost_its_first_call_began_with_the_next(store, book):
    first = {"machine_key": "laptop", "project_key": "-p", "project_path": "/p"}
    write(store, book, out(5, **first), out(6, 5, "b", machine_key="desk", project_key="-q", project_path="/q"))
    assert content(store)["began"] == [(SESSION, "laptop", "-p")]
    write(store, book, out(5, -1, session_key=FORK, **first))
    assert content(store)["began"] == [(SESSION, "desk", "-q"), (FORK, "laptop", "-p")]


def test_a_session_that_lost_all_its_calls_has_neither_sums_nor_ends(store, book):
    write(store, book, out(5))
    write(store, book, out(5, -1, session_key=FORK))
    assert [row[0] for row in content(store)["agent_session"]] == [FORK]
    assert store.rows("select first_ms, last_ms from agent_session where calls = 0") == [(None, None)]


def test_a_session_knows_its_first_and_last_call_and_where_it_began(store, book):
    write(store, book, out(5, 50, "b", machine_key="desk"))
    write(store, book, out(6, 20, "a", machine_key="laptop"), out(7, 90, "c"))
    (row,) = content(store)["agent_session"]
    assert row[2:6] == (NOON_MS + 20, NOON_MS + 90, 3, 9)
    assert content(store)["began"] == [(SESSION, "laptop", PROJECT)]


def test_tool_uses_are_counted_once_each_over_batches(store, book):
    write(store, book, out(5, tools={"a": "Bash", "b": "Bash"}), out(5, 1, "b", tools={"a": "Read"}))
    write(store, book, out(5, tools={"b": "Bash", "c": "Edit"}))
    assert [row[1:] for row in content(store)["tool_day"]] == [("Bash", 2), ("Edit", 1), ("Read", 1)]
    assert differences(store) == []


def test_the_finest_source_of_a_session_counts_whichever_came_first(store, book):
    cases = product((TRANSCRIPT, GATEWAY, MESSAGES), (OTLP, EVENT, UPLOAD), (1, -1))
    for owner, (fine, coarse, order) in enumerate(cases, start=1):
        reports = [(fine, out(5)), (coarse, out(900, 1, "whole", tools={"x": "Bash"}))]
        for source, draft in reports[::order]:
            write(store, book, draft, source=source, owner=owner)
        assert usage_of(store, owner)["output_tokens"] == 5
        assert outputs(store, owner) == {(5, 0), (900, 1)}
        assert content(store, owner)["tool_day"] == []
    assert differences(store) == []


def test_of_several_coarse_sources_the_finest_counts_until_a_finer_one_comes(store, book):
    counted = []
    for source, output in ((UPLOAD, 900), (EVENT, 90), (OTLP, 9), (EVENT, 91), (TRANSCRIPT, 5), (UPLOAD, 901)):
        write(store, book, out(output, output, output), source=source)
        counted.append(usage_of(store)["output_tokens"])
        assert differences(store) == []
    assert counted == [900, 90, 9, 9, 5, 5]


def test_sources_of_the_same_fineness_add_up(store, book):
    for number, source in enumerate((TRANSCRIPT, GATEWAY, MESSAGES)):
        write(store, book, out(5, number, number), source=source)
    assert usage_of(store)["output_tokens"] == 15


def test_another_session_is_not_superseded(store, book):
    write(store, book, out(900, name="whole", session_key=FORK), source=UPLOAD)
    write(store, book, out(5))
    assert usage_of(store)["output_tokens"] == 905


def test_a_superseded_report_that_grows_stays_superseded(store, book):
    write(store, book, out(900, 1, "whole"), source=UPLOAD)
    write(store, book, out(5))
    assert write(store, book, out(950, 1, "whole"), source=UPLOAD) == Ingested(calls_grown=1)
    assert usage_of(store)["output_tokens"] == 5
    assert outputs(store) == {(5, 0), (950, 1)}
    assert differences(store) == []


@pytest.mark.parametrize("order", [(OTLP, TRANSCRIPT), (TRANSCRIPT, OTLP)])
def test_one_call_told_by_two_sources_is_one_call_of_the_finer(store, book, order):
    for source in order:
        write(store, book, out(5 + source), source=source)
    (row,) = calls(store)
    assert (row["output_tokens"], row["source"], row["is_superseded"]) == (5 + OTLP, TRANSCRIPT, 0)
    assert differences(store) == []


def test_a_copy_in_another_session_does_not_revive_a_superseded_call(store, book):
    write(store, book, out(900, name="whole"), source=OTLP)
    write(store, book, out(5))
    write(store, book, out(950, 9, "whole", session_key=FORK), source=OTLP)
    assert usage_of(store)["output_tokens"] == 5
    assert differences(store) == []


def test_a_session_of_which_only_copies_are_known_supersedes_its_coarser_reports(store, book):
    for number, batches in enumerate(([out(5), out(5, 1, session_key=FORK)], [out(5, also_in=(FORK,))]), start=1):
        write(store, book, out(900, name="whole", session_key=FORK), source=UPLOAD, owner=number)
        for draft in batches:
            write(store, book, draft, owner=number)
        assert usage_of(store, number)["output_tokens"] == 5
    assert differences(store) == []


def test_a_model_without_a_price_is_unpriced_and_costs_nothing(store, book):
    write(store, book, out(5, llm_model="claude-opus-9"))
    assert (usage_of(store)["cost_nanousd"], usage_of(store)["unpriced_calls"]) == (0, 1)


def test_the_clients_cost_counts_only_where_there_is_no_price(store, book):
    write(store, book, out(5, llm_model="claude-opus-9"), out(0, 1, "b", client_cost_nanousd=999))
    assert usage_of(store)["unpriced_calls"] == 1
    write(store, book, out(5, llm_model="claude-opus-9", client_cost_nanousd=123))
    assert usage_of(store)["unpriced_calls"] == 0
    assert usage_of(store)["cost_nanousd"] == 123 + 3 * 5000
    assert differences(store) == []


def test_a_call_that_grows_over_a_prompt_size_costs_the_higher_rate(store, book):
    haiku = {"llm_model": "claude-haiku-5-5"}
    write(store, book, a_call(counts=(100_000, 1000), **haiku))
    assert usage_of(store)["cost_nanousd"] == 10_500_000
    write(store, book, a_call(counts=(100_001, 1000), **haiku))
    assert usage_of(store)["cost_nanousd"] == 52_500_500
    assert differences(store) == []


def test_a_call_of_a_session_this_batch_did_not_name_leaves_that_session_as_it_began(store, book):
    here, there = {"project_key": "-p", "project_path": "/p"}, {"project_key": "-q", "project_path": "/q"}
    write(store, book, out(1, agent_version="2.1", **here), out(5, 10, "b", agent_version="2.2", **there))
    write(store, book, out(9, 20, "b", session_key=FORK, **here))
    assert content(store)["began"] == [(SESSION, "box", "-p")]
    assert store.rows("select agent_version from agent_session where session_key = ?", (SESSION,)) == [("2.1",)]
    assert differences(store) == []


def test_a_session_whose_coarse_report_was_superseded_began_with_a_counted_call(store, book):
    write(store, book, out(900, -50, "whole", machine_key="laptop"), source=UPLOAD)
    write(store, book, out(5, machine_key="desk"))
    assert content(store)["began"] == [(SESSION, "desk", PROJECT)]


def test_a_project_is_called_by_its_folder_as_soon_as_that_is_known(store, book):
    for path in ("", "/home/ada/elsewhere", "/home/ada/shop", "/home/ada/later"):
        write(store, book, out(5, name=path, project_path=path))
    assert store.rows("select path from project") == [("/home/ada/shop",)]


def test_an_error_leaves_nothing_behind_and_the_connection_usable(store, book):
    write(store, book, out(1, name="kept", session_key=FORK))
    before = content(store), content(store, 0)

    def break_off():
        with store.writing(1):
            write_calls(store, 1, [out(5)], agent="claude-code", source=TRANSCRIPT, book=book, now_ms=1)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        break_off()
    assert (content(store), content(store, 0)) == before
    assert write(store, book, out(5)) == Ingested(calls_new=1)
    assert differences(store) == []


UGLY = (
    "é" * 10,
    "日本語/プロジェクト",
    "a\u2028b",
    "‮x",
    "\x1b[31m",
    "'; drop table call; --",
    "%s %(x)s ?",
    "{keys}",
    " ",
)


def test_any_text_is_stored_as_it_is_on_both_databases(store, book):
    for owner, ugly in enumerate(UGLY, start=1):
        texts = {"session_key": ugly, "machine_key": ugly, "project_key": ugly, "project_path": ugly, "llm_model": ugly}
        more = dict.fromkeys(("request_id", "agent_id", "git_branch", "agent_version", "stop_reason", "speed"), ugly)
        write(store, book, out(5, tools={"tail": ugly}, **texts, **more), owner=owner)
        write(store, book, out(9, tools={"tail": ugly}, **texts, **more), owner=owner)
        (row,) = calls(store, owner)
        places = ("agent_session_id", "machine_id", "project_id", "llm_model_id")
        assert {row[name] for name in (*places, "speed", "request_id", "agent_id", "git_branch", "stop_reason")} == {
            ugly
        }
        assert content(store, owner)["tool_day"] == [(NOON_MS // DAY_MS, ugly, 1)]
    assert differences(store) == []


def test_the_longest_texts_that_readers_keep_can_be_stored(store, book):
    """A B-tree page of PostgreSQL takes 2,704 bytes that cannot be packed, fewer than 1,000 characters may have."""
    rng = random.Random(1)
    long = storable("".join(chr(rng.randrange(0x1F300, 0x1F900)) for _ in range(5000)))
    key = call_key("x" + long, long, long, NOON_MS, long, ())
    texts = {"session_key": long, "project_path": long, "llm_model": long, "request_id": long}
    write(store, book, CallDraft(key, NOON_MS, machine_key="box", project_key=PROJECT, counts=(1,) * 7, **texts))
    assert usage_of(store)["calls"] == 1


def test_long_keys_that_begin_alike_stand_for_two_calls():
    long = "x" * 2000
    assert call_key(long + "a", SESSION, "", 1, MODEL, ()) != call_key(long + "b", SESSION, "", 1, MODEL, ())


def in_threads(*jobs):
    """Run jobs at the same time; the first error of any comes out here."""
    errors = []

    def run(job):
        try:
            job()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


@pytest.mark.parametrize("owners", [(1, 2, 3, 4), (1, 1, 1, 1)])
def test_writers_at_the_same_time_all_get_through_and_the_sums_are_exact(database, store, book, owners):
    """Four writers, each in its own order, every call told by two of them."""
    drafts = [
        out(
            number,
            number * 700_000,
            number,
            session_key=f"s{number % 7}",
            llm_model=f"model-{number}",
            tools={"t": f"T{number}"},
        )
        for number in range(60)
    ]

    def job(place, owner):
        mine = [drafts[(place * 17 + step * 7) % 60] for step in range(60)]

        def run():
            own = open_store(database)
            for at in range(0, 60, 6):
                write(own, book, *mine[at : at + 6], owner=owner)
            own.close()

        return run

    in_threads(*(job(place, owner) for place, owner in enumerate(owners)))
    for owner in set(owners):
        assert usage_of(store, owner)["output_tokens"] == sum(range(60))
    assert usage_of(store, 0)["calls"] == 60 * len(set(owners))
    assert differences(store) == []


def test_merging_leaves_the_drafts_given_alone():
    first, second = out(5), out(9)
    assert merged([first, second])[0].counts[1] == 9
    assert (first.counts[1], second.counts[1]) == (5, 9)
