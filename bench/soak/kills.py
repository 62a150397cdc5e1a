"""A sync is killed at random moments and started again until it is through: nothing is lost, nothing counted twice."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from random import Random

from bench import places, truth
from bench.measure import Table, say
from bench.places import Home
from meter import rollups
from models.bulk import open_store

ROUNDS_MAX = 1_000  # of imports from nothing; a machine so quick that no kill hits would never end


@dataclass
class Tally:
    """What happened so far. `halfway`: kills after which a part was stored, and not all."""

    kills: int = 0
    halfway: int = 0
    imports: int = 0
    wrong_sums: int = 0
    wrong_totals: int = 0


def table(kills: int, size_bytes: int, seed: int, scratch: Path) -> Table:
    """One line of sums and one of totals a database."""
    found = Table(f"A sync of {size_bytes / 1e6:,.0f} MB killed (kill -9) at {kills} random moments")
    folder = places.kept_corpus(size_bytes)
    for kind in ("sqlite", "postgresql") if places.has_postgres(found) else ("sqlite",):
        with places.home(kind, scratch) as home:
            tally = _kill_often(home, folder, kills, Random(seed))
        note = f"{tally.kills} kills, {tally.halfway} with a part stored, {tally.imports} imports brought to their end"
        found.check(f"{kind}: truth after each import", tally.wrong_totals, note)
        found.check(f"{kind}: sums against calls after each kill", tally.wrong_sums)
    return found


def _kill_often(home: Home, folder: Path, kills: int, random: Random) -> Tally:
    tally, seconds = Tally(), _seconds_of_a_sync(home, folder)
    while tally.kills < kills and tally.imports < ROUNDS_MAX:
        home.clear()
        while _sync_is_killed(home, folder, random.uniform(0.05, seconds), whole_group=random.random() < 0.5):
            tally.kills += 1
            tally.halfway += 0 < _stored_calls(home) < truth.message_count(folder)
            tally.wrong_sums += _wrong_sums(home)
            if tally.kills % 10 == 0:
                say(f"  {tally.kills} kills")
            if tally.kills >= kills:
                home.ask("sync", "--root", folder)
                break
        tally.imports += 1
        wrong = truth.wrong_places(home.url, folder)
        tally.wrong_totals += len(wrong)
        tally.wrong_sums += _wrong_sums(home)
        for place in wrong[:3]:
            say(f"  WRONG: {place}")
    return tally


def _seconds_of_a_sync(home: Home, folder: Path) -> float:
    started = time.perf_counter()
    home.ask("sync", "--root", folder)
    return time.perf_counter() - started


def _sync_is_killed(home: Home, folder: Path, after_seconds: float, *, whole_group: bool) -> bool:
    """Start a sync and kill it after a while: with its workers, or itself alone. False when it was through before."""
    process = subprocess.Popen(
        [sys.executable, str(places.ROOT), "sync", "--root", str(folder)],
        env={**os.environ, **home.environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        _, complaint = process.communicate(timeout=after_seconds)
    except subprocess.TimeoutExpired:
        if whole_group:
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
        process.wait()
        assert process.stderr is not None
        process.stderr.close()
        return True
    if process.returncode != 0:
        raise RuntimeError(f"a sync failed on its own: {complaint.decode(errors='replace')[-2000:]}")
    return False


def _stored_calls(home: Home) -> int:
    store = open_store(home.url)
    try:
        return int(store.rows("select count(*) from call")[0][0])
    finally:
        store.close()


def _wrong_sums(home: Home) -> int:
    store = open_store(home.url)
    try:
        with store.reading():
            return len(list(rollups.differences(store)))
    finally:
        store.close()
