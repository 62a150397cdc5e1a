"""Sync runs: what is new is written once, whatever happens to the files and to the run."""

import json
import os
import time

import pytest

from meter import sync
from meter.ingest import Ingested
from stored import calls, content, differences, usage_of
from transcripts import FORK, PROJECT, SESSION, Projects, answer, line, lines, message_id, nobody, tool_use, usage

EVERY_TABLE = (
    "file_cursor",
    "sync_run",
    "lease",
    "change_count",
    "machine",
    "project",
    "agent_session",
    "tool",
    "call",
)

pytestmark = pytest.mark.usefixtures("owners")


def out(name, output):
    return answer(name, output, message={"usage": usage(output_tokens=output)})


def dump(store):
    """All that a run could change, row by row."""
    return {table: sorted(store.rows(f"select * from {table}"), key=repr) for table in EVERY_TABLE}, content(store, 0)


def figures(report):
    return {**report.as_dict(), "seconds": 0}


def test_a_run_says_what_it_found_and_did(projects, make_syncer, store):
    path = projects.write(out("a", 5), out("a", 9), b"rubbish", out("b", 6))
    report = make_syncer().run()
    assert figures(report) == {
        "files": 1,
        "bytes": path.stat().st_size,
        "calls_new": 2,
        "calls_grown": 0,
        "calls_unchanged": 0,
        "lines_skipped": 1,
        "errors": [{"path": str(path), "line": 3, "reason": "not JSON"}],
        "seconds": 0,
    }
    assert usage_of(store)["output_tokens"] == 15
    assert differences(store) == []


def test_the_report_of_a_run_is_kept(projects, make_syncer, store):
    projects.write(out("a", 5), b"rubbish")
    make_syncer().run()
    columns = "status, files, calls_new, calls_grown, calls_unchanged, lines_skipped, errors"
    ((*kept, errors),) = store.rows(f"select {columns} from sync_run")
    assert kept == ["done", 1, 1, 0, 0, 1]
    assert [error["line"] for error in json.loads(errors)] == [2]
    assert store.rows("select * from lease") == []


def test_a_second_run_has_nothing_to_do_and_changes_nothing(projects, make_syncer, store):
    projects.write(out("a", 5))
    make_syncer().run()
    before = dump(store)
    for syncer in (make_syncer(), make_syncer()):
        report = syncer.run()
        assert (report.files, report.bytes, report.ingested) == (1, 0, Ingested())
        assert not syncer.has_news()
    assert dump(store) == before


def test_a_grown_file_is_read_from_where_it_ended(projects, make_syncer, store):
    projects.write(out("a", 5), out("b", 1))
    syncer = make_syncer()
    syncer.run()
    more = lines(out("b", 9), out("c", 7))
    projects.add(more)
    assert syncer.has_news()
    report = syncer.run()
    assert (report.bytes, report.ingested) == (len(more), Ingested(calls_new=1, calls_grown=1))
    assert usage_of(store)["output_tokens"] == 21


def test_a_dry_run_changes_nothing_and_foretells_the_run(projects, make_syncer, store):
    projects.write(out("a", 5), b"rubbish")
    make_syncer().run()
    projects.add(lines(out("a", 9), out("b", 5), b"{cut"))
    projects.write(out("c", 5), name=FORK)
    projects.write(out("d", 5), name="d", project="-other")
    (projects.root / "odd.jsonl").symlink_to("/etc/passwd")
    before = dump(store)
    syncer = make_syncer()
    foretold = figures(syncer.run(dry_run=True))
    assert dump(store) == before
    assert foretold == figures(syncer.run())
    assert (foretold["calls_new"], foretold["calls_grown"], len(foretold["errors"])) == (3, 1, 2)


def test_a_dry_run_on_nothing_new_says_so(projects, make_syncer):
    report = make_syncer().run(dry_run=True)
    assert (report.files, report.ingested, report.errors, report.read_nothing) == (0, Ingested(), [], False)


def test_a_full_run_reads_everything_anew_and_changes_nothing(projects, make_syncer, store):
    path = projects.write(out("a", 5), b"rubbish", out("b", 6))
    make_syncer().run()
    before = content(store), content(store, 0), store.rows("select * from file_cursor")
    report = make_syncer().run(full=True)
    assert (report.bytes, report.ingested) == (path.stat().st_size, Ingested(calls_unchanged=2))
    assert (content(store), content(store, 0), store.rows("select * from file_cursor")) == before


@pytest.mark.parametrize("step", [7, 1000])
def test_a_file_that_grows_in_small_steps_comes_to_the_same(projects, make_syncer, store, step):
    if step < 100 and not store.is_sqlite:
        step = 97
    whole = lines(out("a", 5), out("a", 9), b"", out("b", 4)) + line(out("c", 1))
    syncer = make_syncer()
    for at in range(0, len(whole), step):
        projects.add(whole[at : at + step])
        syncer.run()
    assert usage_of(store)["output_tokens"] == 14
    assert differences(store) == []
    projects.write(out("a", 9), b"", out("b", 4), out("c", 1), name="copy")
    assert make_syncer().run().ingested == Ingested(calls_unchanged=3)


def test_history_stays_when_files_shrink_are_replaced_renamed_or_deleted(projects, make_syncer, store):
    path = projects.write(out("a", 5), out("b", 6))
    syncer = make_syncer()
    syncer.run()
    before = content(store)
    path.write_bytes(lines(out("a", 5)))
    assert syncer.run().ingested == Ingested(calls_unchanged=1)
    path = path.rename(path.with_name("renamed.jsonl"))
    assert syncer.run().ingested == Ingested(calls_unchanged=1)
    path.unlink()
    assert syncer.run().files == 0
    assert content(store) == before
    projects.write(out("c", 7))
    assert syncer.run().ingested == Ingested(calls_new=1)
    assert usage_of(store)["output_tokens"] == 18


def test_a_file_put_in_place_of_another_of_the_same_size_is_noticed(projects, make_syncer, store):
    path = projects.write(out("a", 5))
    facts, syncer = path.stat(), make_syncer()
    syncer.run()
    draft = path.with_suffix(".draft")
    draft.write_bytes(lines(out("b", 5)))
    os.utime(draft, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    draft.replace(path)
    assert syncer.run().ingested == Ingested(calls_new=1)


def test_two_owners_have_their_own_calls_and_cursors(projects, make_syncer, store):
    projects.write(out("a", 5))
    make_syncer(owner=1).run()
    assert make_syncer(owner=2).run().ingested == Ingested(calls_new=1)
    assert (usage_of(store, 1)["calls"], usage_of(store, 2)["calls"], usage_of(store, 0)["calls"]) == (1, 1, 2)


def test_a_missing_root_is_an_error_and_the_others_are_read(projects, book, store, tmp_path):
    projects.write(out("a", 5))
    report = sync.Syncer(store, 1, [tmp_path / "gone", projects.root], book, may_fork=False).run()
    assert [(error.path, error.line, error.reason) for error in report.errors] == [
        (str(tmp_path / "gone"), 0, "no such folder")
    ]
    assert (report.ingested, report.read_nothing) == (Ingested(calls_new=1), False)
    assert sync.Syncer(store, 1, [tmp_path / "gone"], book, may_fork=False).run().read_nothing


def test_a_bad_line_anywhere_does_not_make_its_file_unread(projects, make_syncer):
    projects.write(answer("a", timestamp="never"))
    projects.add(line(answer("b", timestamp="never")), name=FORK)
    report = make_syncer().run()
    assert (report.files, report.lines_skipped, report.read_nothing) == (2, 2, False)
    assert [error.line for error in report.errors] == [1, 1]


def test_odd_files_are_errors_and_the_rest_is_read(projects, make_syncer, store):
    projects.write(out("a", 5))
    os.mkfifo(projects.root / "fifo.jsonl")
    (projects.root / "out.jsonl").symlink_to("/etc/passwd")
    report = make_syncer().run()
    assert (report.files, report.ingested) == (1, Ingested(calls_new=1))
    assert {error.reason for error in report.errors} == {
        "not a regular file",
        "a link out of the transcripts' folder is not followed",
    }


def test_an_unreadable_file_is_an_error_until_it_can_be_read(tree, book, store):
    projects = Projects(tree)
    projects.write(out("a", 5))
    syncer = sync.Syncer(store, 1, [tree], book, may_fork=False)
    syncer.run()
    closed = projects.write(out("b", 6), name="closed")
    closed.chmod(0)
    for dry_run in (True, False):
        with nobody():
            report = syncer.run(dry_run=dry_run)
        assert [(error.path, error.line, error.reason) for error in report.errors] == [
            (str(closed), 0, "Permission denied")
        ]
        assert (report.files, report.ingested) == (1, Ingested())
    closed.chmod(0o644)
    assert syncer.run().ingested == Ingested(calls_new=1)


def test_a_file_that_stays_unreadable_is_not_tried_again_and_again(tree, book, store):
    closed = Projects(tree).write(out("b", 6))
    closed.chmod(0)
    syncer = sync.Syncer(store, 1, [tree], book, may_fork=False)
    with nobody():
        reports = [syncer.run() for _ in range(3)]
    assert [report.files for report in reports] == [0, 0, 0]
    assert all(report.read_nothing for report in reports)
    assert store.rows("select count(*) from sync_run") == [(1,)]


def test_names_that_no_database_takes_are_errors_and_the_rest_is_read(projects, make_syncer, store):
    """A name that is no UTF-8, and a path too long for an index: neither may stop everything else."""
    projects.write(out("a", 5))
    folder = os.fsencode(projects.root / PROJECT)
    for name in (b"bad\xff.jsonl", b"\xed\xa0\x80.jsonl"):
        with open(os.path.join(folder, name), "wb") as file:
            file.write(lines(out("b", 6)))
    deep = folder + b"".join(b"/" + os.urandom(100).hex().encode() for _ in range(15))
    os.makedirs(deep)
    with open(deep + b"/c.jsonl", "wb") as file:
        file.write(lines(out("c", 7)))
    report = make_syncer().run()
    assert (report.files, report.ingested) == (1, Ingested(calls_new=1))
    assert [error.line for error in report.errors] == [0, 0, 0]
    assert json.dumps(report.as_dict()).encode()
    assert "".join(error.path for error in report.errors).encode()
    assert usage_of(store)["calls"] == 1


def test_texts_no_database_takes_are_stored_alike_on_both(projects, make_syncer, store):
    bad = "a\x00b\ud800c"
    message = {"model": bad, "content": [tool_use("toolu_01AAAAAAAAAAAAAA", bad)], "stop_reason": bad}
    projects.write(
        answer(message=message, cwd=bad, gitBranch=bad, sessionId=bad, requestId=bad, agentId=bad, version=bad)
    )
    assert make_syncer().run().errors == []
    (row,) = calls(store)
    names = ("agent_session_id", "llm_model_id", "git_branch", "request_id", "agent_id", "stop_reason")
    assert {row[name] for name in names} == {"a\ufffdb\ufffdc"}
    assert row["tools"] == "AAAAAAAAAAAA a\ufffdb\ufffdc"
    assert store.rows("select path from project") == store.rows("select agent_version from agent_session")
    assert make_syncer().run(full=True).ingested == Ingested(calls_unchanged=1)
    assert differences(store) == []


def test_folders_with_other_letters_are_read(projects, make_syncer, store):
    for name in ("日本語", "naïve ✓", "a'b;--", "%s", "."):
        projects.write(out(name, 5), name=name, project=f"-{name}")
    assert make_syncer().run().ingested == Ingested(calls_new=5)
    assert make_syncer().run().bytes == 0


def test_runs_are_kept_up_to_a_limit(projects, make_syncer, store, monkeypatch):
    monkeypatch.setattr(sync, "RUNS_KEPT", 3)
    for number in range(6):
        projects.write(out(number, 5), name=str(number))
        make_syncer().run()
        time.sleep(0.002)
    assert 3 <= store.rows("select count(*) from sync_run")[0][0] <= 4


def test_forks_in_files_read_at_different_times_stay_with_their_first_session(projects, make_syncer, store):
    copies = [
        {**record, "sessionId": FORK, "forkedFrom": {"sessionId": SESSION}} for record in (out("a", 5), out("b", 6))
    ]
    projects.write(*copies, answer("c", 90, sessionId=FORK), name=FORK)
    make_syncer().run()
    projects.write(out("a", 5), out("b", 6))
    assert make_syncer().run().ingested == Ingested(calls_grown=2)
    assert [(row[0], row[4]) for row in content(store)["agent_session"]] == [(SESSION, 2), (FORK, 1)]
    assert content(store)["hang_together"] == [tuple(sorted((SESSION, FORK)))]
    assert differences(store) == []


def test_the_same_transcripts_from_two_machines_are_the_same_calls(projects, make_syncer, store):
    projects.write(out("a", 5), out("b", 6))
    make_syncer().run()
    elsewhere = make_syncer(owner=1)
    elsewhere.machine_key, before = "zz-other-machine", usage_of(store)
    assert elsewhere.run(full=True).ingested == Ingested(calls_unchanged=2)
    assert usage_of(store) == before


def test_calls_of_a_message_spread_over_files_are_one(projects, make_syncer, store):
    projects.write(out("a", 5), name="one")
    projects.write(out("a", 250), name="two", project="-other")
    assert make_syncer().run().ingested == Ingested(calls_new=1)
    assert content(store)["call"][0][0] == message_id("a")
    assert usage_of(store)["output_tokens"] == 250
