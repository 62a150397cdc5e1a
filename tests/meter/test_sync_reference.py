"""Real transcripts and a made corpus: every figure as independent tools and the corpus itself state it."""

import csv
import json
import random
import shutil
import subprocess
import sys
from collections import Counter
from datetime import datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from meter.ingest import Ingested
from meter.logs import jobs
from meter.sync import Syncer
from models.bulk import open_store
from models.db import make_engine, reading
from models.queries.scope import Bucket, Filters, Scope
from models.queries.usage import series, totals
from models.types import to_ms
from stored import add_owner, calls, content, differences, kept_database, usage_of
from transcripts import DATA

KINDS = ("messages", "input", "output", "cacheCreation", "cacheRead")


def sync(store, root, book, **options):
    return Syncer(store, 1, [root], book, may_fork=False).run(**options)


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def imported(request, tmp_path_factory, shared, book):
    """A store with all real transcripts, read once for the module."""
    with kept_database(request, request.param, tmp_path_factory.mktemp("imported")) as url:
        store = open_store(url)
        with store.writing():
            for owner in (1, 2):
                add_owner(store, owner)
        store.url, store.report = url, sync(store, shared / "transcripts" / "projects", book)
        yield store
        store.close()


@pytest.fixture(scope="module")
def counts(shared):
    return json.loads((shared / "expected/claude/COUNTS.json").read_text())


@pytest.fixture(scope="module")
def messages(shared):
    with (shared / "expected/claude/messages.csv").open(newline="") as file:
        return [row for row in csv.DictReader(file) if row["model"] != "<synthetic>"]


def numbers(row):
    """A row of messages.csv in the kinds of COUNTS.json."""
    return Counter(
        messages=1,
        input=int(row["input"]),
        output=int(row["output"]),
        cacheCreation=int(row["cache_creation"]),
        cacheRead=int(row["cache_read"]),
    )


def stored_numbers(usage):
    writes = usage["cache_write_5m_tokens"] + usage["cache_write_1h_tokens"]
    kinds = (usage["calls"], usage["input_tokens"], usage["output_tokens"], writes, usage["cache_read_tokens"])
    return Counter(dict(zip(KINDS, kinds, strict=True)))


def expected(counts, messages, part, of_progress):
    """COUNTS.json by some part, with the calls added that only progress lines tell of, which it leaves out."""
    found = {key: Counter(row) for key, row in counts[part].items() if key != "<synthetic>"}
    for row in messages:
        if row["source"] == "progress":
            found[of_progress(row)] = found.get(of_progress(row), Counter()) + numbers(row)
    return without_synthetic({key: Counter({kind: row[kind] for kind in KINDS}) for key, row in found.items()})


def without_synthetic(parts):
    """The one local error text counts as a message there; its day, project and session are not told apart."""
    return {key: Counter({kind: n for kind, n in row.items() if kind != "messages"}) for key, row in parts.items()}


def stored_by(store, column):
    found = {}
    for row in calls(store):
        found[row[column]] = found.get(row[column], Counter()) + stored_numbers({**row, "calls": 1})
    return without_synthetic(found)


def test_all_files_are_read_without_a_complaint(imported, counts):
    assert (imported.report.files, imported.report.bytes) == (counts["counts"]["files"], counts["counts"]["bytes"])
    assert (imported.report.errors, imported.report.lines_skipped) == ([], 0)
    assert differences(imported) == []


def test_totals_are_those_of_the_reference_and_what_only_progress_lines_tell(imported, counts):
    found = stored_numbers(usage_of(imported))
    assert found["messages"] == counts["unique_messages"] - 1 + counts["messages_only_in_progress_lines"]
    for kind in KINDS[1:]:
        assert found[kind] == counts["totals"][kind] + counts["totals_of_progress_only"][kind]


def test_every_model_project_and_session_is_exact(imported, counts, messages):
    parts = (
        ("by_model", "llm_model_id", lambda row: row["model"]),
        ("by_project_dir", "project_id", lambda row: row["first_file"].split("/")[1]),
        ("by_session_id", "agent_session_id", lambda row: row["session_id"]),
    )
    for part, column, of_progress in parts:
        assert stored_by(imported, column) == expected(counts, messages, part, of_progress)


@pytest.mark.parametrize(
    ("part", "zone"),
    [("by_day_utc", "UTC"), ("by_day_los_angeles", "America/Los_Angeles"), ("by_day_kolkata", "Asia/Kolkata")],
)
def test_every_day_is_exact_in_every_zone(imported, counts, messages, part, zone):
    zone = ZoneInfo(zone)

    def day_of(row):
        return str(datetime.fromisoformat(row["timestamp"]).astimezone(zone).date())

    days = expected(counts, messages, part, day_of)
    midnights = [datetime.fromisoformat(min(days)).replace(tzinfo=zone)]
    while str(midnights[-1].date()) <= max(days):
        midnights.append(midnights[-1] + timedelta(days=1))
    buckets = [Bucket(start, end) for start, end in pairwise(midnights)]
    engine = make_engine(imported.url)
    with reading(engine) as db:
        filters = Filters(midnights[0], midnights[-1])
        points = series(db, Scope(1), filters, buckets, "llm_model")
        assert totals(db, Scope(1), filters).usage.calls == 2155
    engine.dispose()
    found = {}
    for point in points:
        day = str(midnights[point.bucket].date())
        found[day] = found.get(day, Counter()) + stored_numbers(vars(point.usage))
    assert without_synthetic(found) == days


def test_every_message_is_exact_and_where_it_belongs(imported, messages):
    rows = {row["call_key"]: row for row in calls(imported)}
    assert rows.keys() == {row["message_id"] for row in messages}
    for told in messages:
        row = rows[told["message_id"]]
        assert stored_numbers({**row, "calls": 1}) == numbers(told)
        if told["cache_1h"]:
            assert row["cache_write_1h_tokens"] == int(told["cache_1h"])
        assert row["at_ms"] == to_ms(datetime.fromisoformat(told["timestamp"]))
        assert (row["llm_model_id"], row["agent_session_id"]) == (told["model"], told["session_id"])
        assert row["project_id"] == told["first_file"].split("/")[1]


def test_every_cost_is_that_of_the_clients_own_prices(imported, counts, messages):
    """The client prices Opus 4 as an unknown model; its list price is taken instead, as the reference says."""
    prices = json.loads((DATA.parent / "prices-claude-code-2.1.328.json").read_text())["models"]
    opus_4 = {"input": 15, "output": 75, "cache_write_5m": 18.75, "cache_write_1h": 30, "cache_read": 1.5}
    rows = {row["call_key"]: row for row in calls(imported)}
    for told in messages:
        price = opus_4 if told["model"] == "claude-opus-4-20250514" else prices[told["model"]]
        write_1h = int(told["cache_1h"] or 0)
        cost_usd = 1e-6 * (
            int(told["input"]) * price["input"]
            + int(told["output"]) * price["output"]
            + int(told["cache_read"]) * price["cache_read"]
            + write_1h * price["cache_write_1h"]
            + (int(told["cache_creation"]) - write_1h) * price["cache_write_5m"]
        )
        assert rows[told["message_id"]]["cost_nanousd"] / 1e9 == pytest.approx(cost_usd, abs=1e-6)
    stated = counts["cost_usd"]["total"] + counts["cost_usd"]["progress_only_total"]
    assert usage_of(imported)["cost_nanousd"] / 1e9 == pytest.approx(stated, abs=2e-6)


def test_a_second_and_a_full_run_change_nothing(imported, shared, book):
    before = content(imported)
    assert sync(imported, shared / "transcripts/projects", book).bytes == 0
    assert sync(imported, shared / "transcripts/projects", book, full=True).ingested == Ingested(calls_unchanged=2155)
    assert content(imported) == before


def test_files_in_any_order_come_to_the_same_and_stay_when_they_are_deleted(imported, shared, book, tmp_path):
    source, root = shared / "transcripts/projects", tmp_path / "projects"
    files = sorted(source.rglob("*.jsonl"))
    random.Random(11).shuffle(files)
    for start in range(0, len(files), 17):
        for path in files[start : start + 17]:
            copy = root / path.relative_to(source)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)
        Syncer(imported, 2, [root], book, may_fork=False).run()
    assert content(imported, 2) == content(imported, 1)
    shutil.rmtree(root)
    root.mkdir()
    assert Syncer(imported, 2, [root], book, may_fork=False).run().files == 0
    assert content(imported, 2) == content(imported, 1)
    assert differences(imported) == []


def test_files_caught_while_growing_come_to_the_same_at_every_point(store, owners, shared, book, tmp_path):
    growing = json.loads((shared / "transcripts/growing.json").read_text())["files"]
    syncer = Syncer(store, 1, [tmp_path / "projects"], book, may_fork=False)
    for step in range(1 + max(map(len, growing.values()))):
        for name, points in growing.items():
            whole, copy = (shared / "transcripts" / name).read_bytes(), tmp_path / name
            copy.parent.mkdir(parents=True, exist_ok=True)
            size = points[step]["bytes"] if step < len(points) else len(whole)
            if not copy.exists() or copy.stat().st_size < size:
                copy.write_bytes(whole[:size])
        assert syncer.run().errors == []
    grown = content(store)
    assert sync(store, tmp_path / "projects", book, full=True).ingested.calls_grown == 0
    with store.writing():
        store.run("delete from file_cursor")
    sync(store, tmp_path / "projects", book)
    assert content(store) == grown
    assert differences(store) == []
    Syncer(store, 2, [tmp_path / "projects"], book, may_fork=False).run()
    assert content(store, 2) == grown


def test_the_small_real_transcripts_beside_the_tests_are_exact(store, owners, book):
    report = sync(store, DATA / "projects", book)
    with (DATA / "messages.csv").open(newline="") as file:
        told = {row["message_id"]: row for row in csv.DictReader(file)}
    rows = {row["call_key"]: row for row in calls(store)}
    assert (report.ingested, report.errors) == (Ingested(calls_new=len(told)), [])
    assert rows.keys() == told.keys()
    for key, row in rows.items():
        assert stored_numbers({**row, "calls": 1}) == numbers(told[key])
        assert (row["llm_model_id"], row["agent_session_id"]) == (told[key]["model"], told[key]["session_id"])
    assert sync(store, DATA / "projects", book, full=True).ingested == Ingested(calls_unchanged=len(told))
    assert differences(store) == []


@pytest.fixture(scope="module")
def make_corpus(shared):
    """Run the corpus maker."""

    def make(*arguments):
        command = [sys.executable, shared / "corpus/make_corpus.py", *map(str, arguments)]
        subprocess.run(command, check=True, capture_output=True)

    return make


@pytest.fixture(scope="module")
def made_corpus(make_corpus, tmp_path_factory):
    """Some megabytes of made transcripts with everything that can go wrong, and their exact totals."""
    folder = tmp_path_factory.mktemp("corpus")
    make_corpus(folder, "--size", "5M", "--projects", 5, "--days", 40, "--sessions", 60)
    return folder


@pytest.fixture
def corpus(made_corpus, tmp_path):
    """A copy that may grow."""
    return shutil.copytree(made_corpus, tmp_path / "corpus")


def corpus_cells(store):
    """(day, model, project) -> the figures of truth.json's cells."""
    found = {}
    for row in calls(store):
        day = str(datetime.fromtimestamp(row["at_ms"] // 1000, ZoneInfo("UTC")).date())
        cell = found.setdefault((day, row["llm_model_id"], row["project_id"]), [0] * 8)
        kinds = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_5m_tokens", "cache_write_1h_tokens")
        for place, value in enumerate((1, *(row[kind] for kind in kinds), row["web_searches"], row["cost_nanousd"])):
            cell[place] += value
    return found


def check_corpus(store, folder):
    truth = json.loads((folder / "truth.json").read_text())
    assert corpus_cells(store) == {tuple(cell[:3]): cell[3:] for cell in truth["cells"]}
    uses = store.rows("select n.name, cast(sum(t.uses) as bigint) from tool_day t join tool n on n.id = t.tool_id"
                      " where t.owner_id = 1 group by 1")  # fmt: skip
    assert dict(uses) == truth["by_tool"]
    assert differences(store) == []
    return truth["counts"]


def test_a_made_corpus_is_exact_cell_by_cell_and_after_it_grew(store, owners, book, corpus, make_corpus):
    report = sync(store, corpus / "projects", book)
    facts = check_corpus(store, corpus)
    assert report.lines_skipped == facts.get("malformed_lines", 0)
    make_corpus(corpus, "--grow", 8)
    report = sync(store, corpus / "projects", book)
    assert report.ingested == Ingested(calls_new=8 * 3)
    check_corpus(store, corpus)


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_worker_processes_come_to_the_same(store, owners, book, corpus, monkeypatch):
    monkeypatch.setattr(jobs, "WORKERS_FROM_BYTES", 0)
    monkeypatch.setattr(jobs, "JOB_BYTES", 500_000)
    (corpus / "projects" / "odd").symlink_to("/")
    report = Syncer(store, 1, [corpus / "projects"], book, may_fork=True).run()
    facts = check_corpus(store, corpus)
    assert (report.files, report.lines_skipped) == (facts["files"], facts.get("malformed_lines", 0))
    assert len(report.errors) == report.lines_skipped + 1
