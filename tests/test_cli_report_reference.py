"""Reports over real transcripts beside what ccusage and an independent count say of them: every difference is known.

The reasons are those of docs/counting.md, "Beside ccusage"; the figures on that page are computed here.
"""

import csv
import json
import re
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from click.testing import CliRunner

from routes._cli import cli
from stored import kept_database

PAGE = (Path(__file__).parents[1] / "docs/counting.md").read_text()
ZONES = {"UTC": "utc", "America/Los_Angeles": "los-angeles", "Asia/Kolkata": "kolkata"}
COUNTED = {"UTC": "by_day_utc", "America/Los_Angeles": "by_day_los_angeles", "Asia/Kolkata": "by_day_kolkata"}
TOKENS = ("input_tokens", "output_tokens", "cache_creation_tokens", "cache_read_tokens")
NOTHING = (0, 0, 0, 0, Decimal(0))
HAIKU = {"claude-haiku-4-5-20251001"}  # the one model of the calls that only progress lines tell of


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def report(request, tmp_path_factory, shared):
    """Ask for a report over all real transcripts: report("daily", "--tz", "UTC") is its JSON."""
    folder = tmp_path_factory.mktemp("reference")
    with kept_database(request, request.param, folder) as url:

        def run(*command):
            environment = {"AGENTMETER_DATABASE_URL": url, "AGENTMETER_HOME": str(folder)}
            result = CliRunner().invoke(cli, [*command, "--json"], env=environment)
            assert result.exit_code == 0, result.output
            return json.loads(result.stdout, parse_float=Decimal)

        run("user", "add", "ada@example.com", "--admin")
        run("sync", "--root", str(shared / "transcripts"))
        yield lambda *arguments: run("report", *arguments)


@pytest.fixture(scope="module")
def ccusage(shared):
    """A list of ccusage's own answer: ccusage("daily-utc", "daily")."""

    def read(name, part):
        return json.loads((shared / f"expected/claude/ccusage-20.0.24/{name}.json").read_text(), parse_float=Decimal)[
            part
        ]

    return read


@pytest.fixture(scope="module")
def messages(shared):
    with (shared / "expected/claude/messages.csv").open(newline="") as file:
        return [row for row in csv.DictReader(file) if row["model"] != "<synthetic>"]


def ours(row):
    return (*(row[name] for name in TOKENS), row["cost_usd"])


def theirs(row):
    names = ("inputTokens", "outputTokens", "cacheCreationTokens", "cacheReadTokens")
    return (*(row[name] for name in names), row["totalCost"])


def theirs_in_block(row):
    names = ("inputTokens", "outputTokens", "cacheCreationInputTokens", "cacheReadInputTokens")
    return (*(row["tokenCounts"][name] for name in names), row["costUSD"])


def of_message(row):
    """Tokens and cost of a message of Haiku 4.5, by its list price."""
    assert row["model"] in HAIKU
    figures = [int(row[name]) for name in ("input", "output", "cache_creation", "cache_read")]
    write_1h = int(row["cache_1h"] or 0)
    units = figures[0] + 5 * figures[1] + Decimal("0.1") * figures[3] + 2 * write_1h
    return (*figures, (units + Decimal("1.25") * (figures[2] - write_1h)) / 1_000_000)


def grouped(pairs):
    """Figures added up by key."""
    found = {}
    for key, figures in pairs:
        found[key] = tuple(one + other for one, other in zip(found.get(key, NOTHING), figures, strict=True))
    return found


def progress_by(messages, key):
    """What only progress lines tell of."""
    return [(key(row), of_message(row)) for row in messages if row["source"] == "progress"]


def exact(found):
    """Costs to the nano-dollar: ccusage adds floats."""
    return {key: (*tokens, round(Decimal(cost), 9)) for key, (*tokens, cost) in found.items()}


def utc_day(row):
    return date.fromisoformat(row["timestamp"][:10])


@pytest.mark.parametrize("zone", ZONES)
def test_every_day_is_that_of_ccusage(report, ccusage, zone):
    told = report("daily", "--tz", zone)
    rows = ccusage(f"daily-{ZONES[zone]}", "daily")
    assert exact({row["date"]: ours(row) for row in told["rows"]}) == exact({row["date"]: theirs(row) for row in rows})
    models = {row["date"]: set(row["modelsUsed"]) for row in rows}
    assert {row["date"]: set(row["models"]) for row in told["rows"]} == models
    whole = {"all": theirs(ccusage(f"daily-{ZONES[zone]}", "totals"))}
    assert exact({"all": ours(told["totals"])}) == exact(whole)


def test_every_model_of_every_day_is_that_of_ccusage(report, ccusage):
    found = {
        (row["date"], part["model"]): ours(part)
        for row in report("daily", "--tz", "UTC", "--breakdown")["rows"]
        for part in row["breakdown"]
    }
    expected = {
        (row["date"], part["modelName"]): theirs({**part, "totalCost": part["cost"]})
        for row in ccusage("daily-utc", "daily")
        for part in row["modelBreakdowns"]
    }
    assert exact(found) == exact(expected)


@pytest.mark.parametrize("zone", ZONES)
def test_every_day_is_that_of_the_independent_count_and_the_progress_lines(report, shared, messages, zone):
    counted = json.loads((shared / "expected/claude/COUNTS.json").read_text())[COUNTED[zone]]
    kinds = ("messages", "input", "output", "cacheCreation", "cacheRead")
    expected = {day: [row[kind] for kind in kinds] for day, row in counted.items()}
    expected["2026-01-07"][0] -= 1  # the one <synthetic> line, 15:34 UTC
    for row in messages:
        if row["source"] == "progress":
            day = str(datetime.fromisoformat(row["timestamp"]).astimezone(ZoneInfo(zone)).date())
            more = (1, *of_message(row)[:4])
            expected[day] = [one + other for one, other in zip(expected[day], more, strict=True)]
    rows = report("daily", "--tz", zone)["rows"]
    assert {row["date"]: [row["calls"], *(row[name] for name in TOKENS)] for row in rows} == expected


def test_months_are_those_of_ccusage_and_the_progress_lines(report, ccusage, messages):
    expected = [(row["month"], theirs(row)) for row in ccusage("monthly-utc", "monthly")]
    expected += progress_by(messages, lambda row: row["timestamp"][:7])
    assert exact({row["month"]: ours(row) for row in report("monthly", "--tz", "UTC")["rows"]}) == exact(
        grouped(expected)
    )


def test_weeks_are_those_of_ccusage_which_begin_on_sunday_and_the_progress_lines(report, ccusage, messages):
    def sunday(on):
        return str(on - timedelta(days=on.isoweekday() % 7))

    def monday(on):
        return str(on - timedelta(days=on.weekday()))

    days = [(date.fromisoformat(row["date"]), ours(row)) for row in report("daily", "--tz", "UTC")["rows"]]
    expected = [(row["week"], theirs(row)) for row in ccusage("weekly-utc", "weekly")]
    expected += progress_by(messages, lambda row: sunday(utc_day(row)))
    assert exact(grouped((sunday(on), figures) for on, figures in days)) == exact(grouped(expected))
    weeks = {row["week"]: ours(row) for row in report("weekly", "--tz", "UTC")["rows"]}
    assert weeks == grouped((monday(on), figures) for on, figures in days)


def test_sessions_are_those_of_ccusage_with_their_subagents_and_the_progress_lines(report, ccusage, messages):
    session_of = {Path(row["first_file"]).stem: row["session_id"] for row in messages}
    expected = [(session_of[row["sessionId"]], theirs(row)) for row in ccusage("session-utc", "sessions")]
    expected += progress_by(messages, lambda row: row["session_id"])
    assert exact({row["session_id"]: ours(row) for row in report("session")["rows"]}) == exact(grouped(expected))


def test_blocks_are_those_of_ccusage_and_the_progress_lines(report, ccusage, messages):
    blocks = [row for row in ccusage("blocks-utc", "blocks") if not row["isGap"]]
    starts = sorted(row["startTime"].replace(".000Z", "Z") for row in blocks)
    expected = list(zip(starts, map(theirs_in_block, sorted(blocks, key=lambda row: row["startTime"])), strict=True))
    expected += progress_by(
        messages, lambda row: max(start for start in starts if start <= row["timestamp"][:19] + "Z")
    )
    rows = report("blocks")["rows"]
    assert [row["block_start"] for row in rows] == starts
    assert exact({row["block_start"]: ours(row) for row in rows}) == exact(grouped(expected))


def test_projects_are_the_folders_of_ccusage_by_their_working_directory(report, ccusage, shared):
    folders = exact(
        grouped(
            (name, theirs(row)) for name, rows in ccusage("daily-by-project-utc", "projects").items() for row in rows
        )
    )
    found = exact({row["project"]: ours(row) for row in report("projects")["rows"]})
    assert sorted(found.values()) == sorted(folders.values())
    for path, figures in found.items():
        [folder] = [name for name, expected in folders.items() if expected == figures]
        files = (shared / "transcripts/projects" / folder).rglob("*.jsonl")
        written = {json.loads(one) for file in files for one in re.findall(r'"cwd":("[^"]*")', file.read_text())}
        assert path in written


def test_models_and_totals_of_every_kind_agree(report):
    daily = report("daily", "--tz", "Asia/Kolkata", "--breakdown")
    for kind in ("weekly", "monthly", "session", "blocks", "models", "projects"):
        assert report(kind, "--breakdown")["totals"] == daily["totals"]
    models = {row["model"]: ours(row) for row in report("models")["rows"]}
    assert models == grouped((part["model"], ours(part)) for row in daily["rows"] for part in row["breakdown"])


def test_the_page_says_what_the_reports_say(report, ccusage):
    """Rows and dollars of the table "Beside ccusage"."""
    lines = PAGE.splitlines()
    start = lines.index("| report | rows | rows of ccusage | $ | $ of ccusage | why |") + 2
    table = [line.strip("|").split("|") for line in lines[start : lines.index("", start)]]
    blocks = [row for row in ccusage("blocks-utc", "blocks") if not row["isGap"]]
    known = {"blocks": (len(blocks), sum(row["costUSD"] for row in blocks))}
    for kind, name, part in (("weekly", "weekly-utc", "weekly"), ("monthly", "monthly-utc", "monthly"),
                             ("session", "session-utc", "sessions"),
                             ("projects", "daily-by-project-utc", "projects")):  # fmt: skip
        known[kind] = len(ccusage(name, part)), ccusage(name, "totals")["totalCost"]
    for zone, name in ZONES.items():
        known[f"daily --tz {zone}"] = (
            len(ccusage(f"daily-{name}", "daily")),
            ccusage(f"daily-{name}", "totals")["totalCost"],
        )
    assert {row[0].strip(" `") for row in table} == set(known)
    for asked, *figures, _ in table:
        kind, *options = asked.strip(" `").split()
        told = report(kind, *(options or ["--tz", "UTC"]))
        count, cost_usd = known[asked.strip(" `")]
        computed = [len(told["rows"]), count, told["totals"]["cost_usd"], round(cost_usd, 9)]
        assert [Decimal(figure.strip()) for figure in figures] == computed, asked
