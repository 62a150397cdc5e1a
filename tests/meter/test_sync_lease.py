"""Sync runs that meet, break off, are killed or lose their claim: what was committed stays, nothing is done twice."""

import os
import random
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from meter import sync
from meter.errors import Conflict
from meter.ingest import Ingested
from meter.logs import jobs
from models.bulk import open_store
from stored import differences, usage_of
from transcripts import answer

pytestmark = pytest.mark.usefixtures("owners")


@pytest.fixture
def small_batches(monkeypatch):
    """A commit for every file."""
    monkeypatch.setattr(sync, "CALLS_PER_COMMIT", 1)
    monkeypatch.setattr(jobs, "JOB_BYTES", 1)


def five_files(projects):
    for number in range(5):
        projects.write(answer(number), name=str(number))


def test_progress_rises_to_the_end(projects, make_syncer, small_batches):
    five_files(projects)
    seen = []
    make_syncer().run(progress=lambda *state: seen.append(state))
    assert seen == sorted(seen)
    done_bytes, all_bytes, done_files, all_files = seen[-1]
    assert (done_bytes, done_files) == (all_bytes, all_files)
    assert all_files == 5


def test_a_run_that_breaks_off_keeps_what_it_committed_and_the_next_one_goes_on(
    projects, make_syncer, store, small_batches
):
    five_files(projects)

    def give_up(*state):
        if state[2] == 3:
            raise KeyboardInterrupt

    syncer = make_syncer()
    with pytest.raises(KeyboardInterrupt):
        syncer.run(progress=give_up)
    assert usage_of(store)["calls"] == store.rows("select count(*) from file_cursor")[0][0]
    assert 0 < usage_of(store)["calls"] < 5
    assert store.rows("select status from sync_run") == [("failed",)]
    syncer.run()
    assert usage_of(store)["calls"] == 5
    assert differences(store) == []


@pytest.fixture
def other(database):
    """A second connection to the test's database."""
    other = open_store(database)
    yield other
    other.close()


KILLED_RUN = """
import sys
from pathlib import Path
from meter import sync
from meter.logs import jobs
from meter.price_list import read_snapshot
from meter.pricing import PriceBook
from models.bulk import open_store

sync.CALLS_PER_COMMIT = jobs.JOB_BYTES = 1
store, prices = open_store(sys.argv[1]), read_snapshot()
book = PriceBook(prices.rates, prices.aliases)
syncer = sync.Syncer(store, int(sys.argv[3]), [Path(sys.argv[2])], book, may_fork=False)
print("now", flush=True)
syncer.run(wait_seconds=30)
print("done", flush=True)
"""


def test_runs_killed_at_any_moment_lose_nothing_and_count_nothing_twice(database, projects, make_syncer, store):
    """What is killed in the middle of a transaction, a checkpoint or a lease: the next run goes on from there."""
    for number in range(80):
        projects.write(*(answer((number, part), number) for part in range(5)), name=str(number))
    rng, interrupted, longest_seconds = random.Random(4), 0, 0.08 if store.is_sqlite else 0.3
    for owner in range(1, 7):
        command = [sys.executable, "-c", KILLED_RUN, database, projects.root, str(owner)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]) as process:
            assert process.stdout.readline() == b"now\n"
            time.sleep(rng.random() * longest_seconds)
            process.kill()
            interrupted += process.stdout.read() == b""
        with store.reading():
            checkpoints = store.rows("select count(*) from file_cursor where owner_id = ?", (owner,))[0][0]
            assert usage_of(store, owner)["calls"] == 5 * checkpoints
        make_syncer(owner=owner).run(wait_seconds=30)
        assert usage_of(store, owner)["calls"] == 400
    assert interrupted
    assert differences(store) == []


def test_two_runs_never_go_on_at_once(other, projects, make_syncer, store, small_batches):
    """Neither from two processes nor from two threads of one: both are syncers with connections of their own."""
    five_files(projects)
    refused = []

    def meanwhile(*state):
        with pytest.raises(Conflict) as problem:
            make_syncer(other).run(full=True)
        refused.append(problem.value.code)

    assert make_syncer().run(progress=meanwhile).ingested == Ingested(calls_new=5)
    assert set(refused) == {"SYNC_IN_PROGRESS"}
    assert make_syncer(other).run(full=True).ingested == Ingested(calls_unchanged=5)


def hold(store, holder, for_ms=3_600_000):
    with store.writing():
        store.run(
            "insert into lease (name, holder, expires_ms) values ('sync', ?, ?)", (holder, store.now_ms() + for_ms)
        )


def dead_process():
    """The id of a process that is no more."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_the_lease_of_a_dead_process_and_one_that_ran_out_are_taken_over(projects, make_syncer, store):
    holders = ((f"{socket.gethostname()}:{dead_process()}:17c0ffee", 3_600_000), ("elsewhere:1:17c0ffee", -1))
    for number, (holder, for_ms) in enumerate(holders):
        hold(store, holder, for_ms)
        projects.write(answer(number), name=str(number))
        assert make_syncer().run().ingested == Ingested(calls_new=1)
        assert store.rows("select * from lease") == []


def test_the_lease_of_a_living_process_and_of_another_machine_is_respected(projects, make_syncer, store):
    projects.write(answer("a"))
    for holder in (f"{socket.gethostname()}:{os.getppid()}:17c0ffee", "elsewhere:1:17c0ffee", "nonsense", ""):
        hold(store, holder)
        with pytest.raises(Conflict):
            make_syncer().run()
        with store.writing():
            assert store.run("delete from lease where holder = ?", (holder,)) == 1


def test_a_run_waits_for_another_one_as_long_as_it_is_told(projects, make_syncer, store):
    projects.write(answer("a"))
    hold(store, "elsewhere:1:17c0ffee", for_ms=300)
    started = time.monotonic()
    assert make_syncer().run(wait_seconds=20).ingested == Ingested(calls_new=1)
    assert 0.1 < time.monotonic() - started < 10


def test_a_run_that_lost_its_lease_writes_no_more(projects, make_syncer, store, small_batches):
    five_files(projects)

    def steal(*state):
        with store.writing():
            store.run("update lease set holder = 'elsewhere:1:17c0ffee'")

    with pytest.raises(Conflict):
        make_syncer().run(progress=steal)
    calls = usage_of(store)["calls"]
    assert calls == store.rows("select count(*) from file_cursor")[0][0] <= 1
    assert store.rows("select holder from lease") == [("elsewhere:1:17c0ffee",)]
    assert differences(store) == []
