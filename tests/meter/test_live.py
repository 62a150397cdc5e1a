"""The live loop: what grew is in the database within two seconds, and looking for it costs next to nothing."""

import time

import pytest

from meter import live
from meter.live import LiveSync
from meter.sync import Syncer
from models.bulk import Store, open_store
from stored import usage_of
from transcripts import answer, lines

pytestmark = pytest.mark.usefixtures("owners")


@pytest.fixture
def make(database, book, projects):
    """Make a syncer with a connection of its own, as the server does."""
    return lambda: Syncer(open_store(database), 1, [projects.root], book, may_fork=False)


@pytest.fixture
def quick(monkeypatch):
    """Look twenty times a second, where the time itself is not what is looked at."""
    monkeypatch.setattr(live, "LOOK_SECONDS", 0.05)
    monkeypatch.setattr(live, "LOOK_SECONDS_MAX", 0.05)


@pytest.fixture
def run_live():
    """Start a live loop that ends with the test."""
    started = []

    def run(make):
        loop = LiveSync(make)
        loop.start()
        started.append(loop)
        return loop

    yield run
    for loop in started:
        loop.stop()


def seconds_until(condition, at_most=10.0):
    """How long a condition takes to come true."""
    started = time.monotonic()
    while not condition():
        assert time.monotonic() - started < at_most, "it never came true"
        time.sleep(0.01)
    return time.monotonic() - started


def test_a_grown_file_is_in_the_database_within_two_seconds(store, projects, make, run_live):
    projects.write(answer("a"))
    loop = run_live(make)
    assert seconds_until(lambda: usage_of(store)["calls"] == 1) < 2
    projects.add(lines(answer("b", 1)))  # at once: it waits longest for what comes right after a look
    assert seconds_until(lambda: usage_of(store)["calls"] == 2) < 2
    assert loop.failure is None
    assert loop.checked_at is not None


def test_a_new_project_folder_is_noticed(store, projects, make, run_live, quick):
    projects.root.rmdir()
    run_live(make)
    time.sleep(0.2)
    projects.write(answer("a"), project="-new")
    seconds_until(lambda: usage_of(store)["calls"] == 1)


def test_the_loop_asks_again_until_there_is_somebody_to_sync_for(store, projects, make, run_live, quick):
    projects.write(answer("a"))
    answers = [None, None]
    loop = run_live(lambda: answers.pop() if answers else make())
    seconds_until(lambda: usage_of(store)["calls"] == 1)
    assert (answers, loop.failure) == ([], None)


def test_the_loop_stands_back_while_another_process_syncs(store, projects, make, run_live, quick):
    with store.writing():
        store.run("insert into lease (name, holder, expires_ms) values ('sync', 'elsewhere:1:x', ?)", (1 << 60,))
    projects.write(answer("a"))
    loop = run_live(make)
    seconds_until(lambda: loop.failure is not None)
    assert (loop.failure, usage_of(store)["calls"]) == ("another sync is running", 0)
    with store.writing():
        store.run("delete from lease")
    seconds_until(lambda: usage_of(store)["calls"] == 1)
    seconds_until(lambda: loop.failure is None)


def test_the_loop_outlives_a_broken_connection(store, projects, make, run_live, quick, caplog):
    made = []

    def remember():
        made.append(make())
        return made[-1]

    loop = run_live(remember)
    seconds_until(lambda: loop.checked_at)
    made[0].store.close()
    projects.write(answer("a"))
    seconds_until(lambda: usage_of(store)["calls"] == 1)
    seconds_until(lambda: loop.failure is None)
    assert len(made) == 2
    assert "live sync failed" in caplog.text


def test_the_loop_ends_when_told_and_closes_its_connection(projects, make, run_live, quick):
    made = make()
    loop = run_live(lambda: made)
    seconds_until(lambda: loop.checked_at)
    started = time.monotonic()
    loop.stop()
    assert time.monotonic() - started < 1
    with pytest.raises(Exception, match="closed"):
        made.store.rows("select 1")


class Counting:
    """A connection that counts what is asked of it."""

    def __init__(self, connection):
        self.connection, self.asked = connection, 0

    def __getattr__(self, name):
        if name in ("execute", "executemany", "cursor"):
            self.asked += 1
        return getattr(self.connection, name)


def test_looking_at_unchanged_files_asks_the_database_nothing(database, projects, make_syncer):
    for number in range(500):
        projects.write(answer(number), name=f"s{number}", project=f"-p{number % 20}")
    plain = open_store(database)
    counting = Counting(plain.connection)
    syncer = make_syncer(Store(counting, plain.is_sqlite))
    assert syncer.run().files == 500
    counting.asked = 0
    for _ in range(3):
        assert not syncer.has_news()
        assert (syncer.run().files, syncer.run().bytes) == (500, 0)
    assert counting.asked == 0
    plain.close()
