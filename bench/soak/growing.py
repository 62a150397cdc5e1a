"""Files read at many stages of their growth, cut anywhere, end up exactly as if read once."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from random import Random

from bench import places, truth
from bench.measure import Table
from bench.places import Home
from models.bulk import open_store

STEPS = 12
CUT_BYTES = 30_000_000  # of made transcripts
_CALLS = (
    "select c.call_key, c.at_ms, s.session_key, p.project_key, p.path, l.name, c.input_tokens, c.output_tokens,"
    " c.cache_read_tokens, c.cache_write_5m_tokens, c.cache_write_1h_tokens, c.web_searches, c.cost_nanousd, c.tools,"
    " c.is_sidechain, c.is_copy, c.request_id, c.git_branch, c.stop_reason, s.calls, s.first_ms, s.last_ms from call c"
    " join agent_session s on s.owner_id = c.owner_id and s.id = c.agent_session_id"
    " join project p on p.owner_id = c.owner_id and p.id = c.project_id"
    " join llm_model l on l.id = c.llm_model_id order by 1"
)

Stages = dict[Path, list[int]]  # file below the folder -> its lengths, the last its whole


def tables(scratch: Path) -> Iterator[Table]:
    """Made transcripts cut at random bytes; recorded ones at the stages they were caught in."""
    table = Table(f"Transcripts of {CUT_BYTES / 1e6:.0f} MB cut at random bytes, synced {STEPS} times")
    source = places.kept_corpus(CUT_BYTES)
    for kind in _kinds(table):
        with places.home(kind, scratch) as home:
            _replay(home, source, _random_stages(source, Random(1)), STEPS, scratch)
            table.check(
                f"{kind}: truth", len(truth.wrong_places(home.url, source)), f"{truth.cell_count(source)} cells"
            )
            table.check(f"{kind}: sums against calls", _differences(home))
    yield table

    recorded = places.SHARED / "transcripts"
    table = Table("Recorded transcripts at the stages they were caught in (growing.json), against reading them once")
    if not (recorded / "growing.json").is_file():
        table.remark(f"NO RECORDINGS at {recorded}: left out; set AGENTMETER_SHARED.")
        yield table
        return
    stages = _recorded_stages(recorded)
    for kind in _kinds(table):
        with places.home(kind, scratch) as home:
            _replay(home, recorded, stages, max(map(len, stages.values())), scratch)
            replayed = _calls(home)
            home.clear()
            home.ask("sync", "--root", recorded / "projects")
            once = _calls(home)
            table.check(f"{kind}: calls", len(set(replayed) ^ set(once)), f"{len(once)} calls")
            table.check(f"{kind}: sums against calls", _differences(home))
    yield table


def _kinds(table: Table) -> tuple[str, ...]:
    return ("sqlite", "postgresql") if places.has_postgres(table) else ("sqlite",)


def _replay(home: Home, source: Path, stages: Stages, steps: int, scratch: Path) -> None:
    """Write each file up to its next length, sync, and so on until all are whole."""
    folder = scratch / "growing"
    for step in range(steps):
        for path, lengths in stages.items():
            length = lengths[min(step, len(lengths) - 1)]
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("ab") as file:
                written = file.tell()
                file.write((source / path).read_bytes()[written:length])
        home.ask("sync", "--root", folder / "projects")
    shutil.rmtree(folder)


def _random_stages(source: Path, random: Random) -> Stages:
    stages: Stages = {}
    for path in sorted((source / "projects").rglob("*.jsonl")):
        size = path.stat().st_size
        cuts = sorted(random.randrange(size + 1) for _ in range(STEPS - 1))
        stages[path.relative_to(source)] = [*cuts, size]
    return stages


def _recorded_stages(source: Path) -> Stages:
    """The growth points of the files that have them; the other files are whole from the start."""
    caught = json.loads((source / "growing.json").read_text())["files"]
    stages: Stages = {}
    for path in sorted((source / "projects").rglob("*.jsonl")):
        name, size = path.relative_to(source), path.stat().st_size
        stages[name] = [*(stage["bytes"] for stage in caught.get(name.as_posix(), ())), size]
    return stages


def _calls(home: Home) -> list[tuple[object, ...]]:
    store = open_store(home.url)
    try:
        return store.rows(_CALLS)
    finally:
        store.close()


def _differences(home: Home) -> int:
    found = home.ask("verify")["differences"]
    assert isinstance(found, int)
    return found
