"""`agentmeter report`: what scripts read of it, what people see, and that every way of asking adds up to the same."""

import csv
import io
import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from calls import MILLION, OPUS, SONNET, UNPRICED, book_calls, call

KEYS = {
    "daily": "date",
    "weekly": "week",
    "monthly": "month",
    "session": "session_id",
    "blocks": "block_start",
    "models": "model",
    "projects": "project",
}
COUNTS = (
    "calls", "input_tokens", "output_tokens", "cache_creation_tokens", "cache_creation_5m_tokens",
    "cache_creation_1h_tokens", "cache_read_tokens", "web_searches", "cost_usd",
)  # fmt: skip
NOON = datetime(2026, 6, 15, 12, tzinfo=UTC)  # a Monday
HOUR = timedelta(hours=1)
CHEAPEST = "claude-haiku-5-5"  # $0.01 a million tokens read from the cache
# Zones whose clocks change by an hour, by an hour at midnight, by half an hour, and on other days than the others.
CLOCK_CHANGES = {
    "Europe/Berlin": {date(2026, 3, 29): 23, date(2026, 10, 25): 25},
    "America/Los_Angeles": {date(2026, 3, 8): 23, date(2026, 11, 1): 25},
    "America/Santiago": {date(2026, 9, 6): 23, date(2026, 4, 4): 25},
    "Australia/Lord_Howe": {date(2026, 10, 4): 23.5, date(2026, 4, 5): 24.5},
}


@pytest.fixture
def book(database, owned):
    """Store calls of the person with this number; ada has 1."""
    return lambda *drafts, owner=1: book_calls(database, owner, *drafts)


@pytest.fixture
def ask(run):
    """The object that `report ... --json` prints."""

    def call(*arguments, **changes):
        result = run("report", *arguments, "--json", **changes)
        assert result.exit_code == 0, result.output
        [line] = result.stdout.splitlines()
        return json.loads(line, parse_float=Decimal)

    return call


@pytest.fixture
def months(book):
    """Two months of two models, three projects and seven sessions, one call of them unpriced."""
    drafts = []
    for number in range(90):
        drafts.append(
            call(
                NOON + number * timedelta(hours=7, minutes=13),
                llm_model=(OPUS, SONNET)[number % 2],
                input_tokens=number,
                output_tokens=1 + 7 * number,
                cache_read_tokens=101 * number,
                project=f"/home/ada/{'abc'[number % 3]}",
                session=f"s{number % 7}",
            )
        )
        drafts[-1].counts = (*drafts[-1].counts[:3], 11, 13, 24 + number % 2, number % 3)
    book(*drafts, call(NOON, llm_model=UNPRICED, session="odd"))
    return drafts


def added(rows):
    return {name: sum(row[name] for row in rows) for name in COUNTS}


def counts_of(row):
    return {name: row[name] for name in COUNTS}


def test_rows_have_what_is_promised_and_add_up(ask, months):
    for kind, key in KEYS.items():
        told = ask(kind)
        more = {"is_running"} if kind == "blocks" else set()
        assert set(told) == {"rows", "totals"}
        assert all(set(row) == {key, *COUNTS, "models", *more} for row in told["rows"])
        assert len({row[key] for row in told["rows"]}) == len(told["rows"]) > 1
        assert set(told["totals"]) == {*COUNTS, "models"}
        assert added(told["rows"]) == counts_of(told["totals"])
        assert told["totals"]["calls"] == 91
        assert set(told["totals"]["models"]) == {OPUS, SONNET, UNPRICED}


def test_a_breakdown_takes_each_row_and_the_total_apart(ask, months):
    for kind in KEYS:
        plain, parted = ask(kind), ask(kind, "--breakdown")
        for row, whole in zip([*parted["rows"], parted["totals"]], [*plain["rows"], plain["totals"]], strict=True):
            parts = row.pop("breakdown")
            assert row == whole
            assert all(set(part) == {"model", *COUNTS} for part in parts)
            assert [part["model"] for part in parts] == row["models"]
            assert added(parts) == counts_of(row)


def test_every_kind_comes_to_the_same_total_wherever_the_range_is_cut(ask, months):
    for options in ((), ("--since", "2026-06-18"), ("--since", "2026-06-19", "--until", "2026-06-23")):
        totals = [ask(kind, *options, "--tz", "Asia/Kathmandu")["totals"] for kind in KEYS]
        assert all(total == totals[0] for total in totals)
        assert 0 < totals[0]["calls"] <= 91


def test_both_ends_of_a_range_are_whole_days_of_the_zone(ask, book):
    zone = ZoneInfo("Asia/Kolkata")
    first, behind = (datetime(2026, 6, day, tzinfo=zone) for day in (15, 17))
    moment = timedelta(milliseconds=1)
    book(*(call(at) for at in (first - moment, first, behind - moment, behind)))
    told = ask("daily", "--since", "2026-06-15", "--until", "2026-06-16", "--tz", "Asia/Kolkata")
    assert [(row["date"], row["calls"]) for row in told["rows"]] == [("2026-06-15", 1), ("2026-06-16", 1)]


@pytest.mark.parametrize("zone", CLOCK_CHANGES)
def test_days_on_which_clocks_change_hold_their_calls_and_add_up(ask, book, zone):
    """A call every half hour around both changes: 46, 48 and 50 a day, or 47 and 49."""
    times = [
        datetime(on.year, on.month, on.day, 12, tzinfo=UTC) + number * HOUR / 2
        for on in CLOCK_CHANGES[zone]
        for number in range(-96, 96)
    ]
    book(*(call(at) for at in times))
    told = ask("daily", "--tz", zone)
    per_day = {row["date"]: row["calls"] for row in told["rows"]}
    for on, hours in CLOCK_CHANGES[zone].items():
        neighbours = [per_day[str(on + timedelta(days=by))] for by in (-1, 0, 1)]
        assert neighbours == [48, 2 * hours, 48]
    assert added(told["rows"]) == counts_of(told["totals"])
    assert told["totals"]["calls"] == len(times)
    assert ask("monthly", "--tz", zone)["totals"] == ask("weekly", "--tz", zone)["totals"] == told["totals"]


def test_weeks_begin_on_monday_and_months_on_the_first(ask, book):
    sunday, monday = datetime(2026, 5, 31, 23, 59, tzinfo=UTC), datetime(2026, 6, 1, tzinfo=UTC)
    book(call(sunday), call(monday))
    assert [row["week"] for row in ask("weekly")["rows"]] == ["2026-05-25", "2026-06-01"]
    assert [row["month"] for row in ask("monthly")["rows"]] == ["2026-05", "2026-06"]
    [row] = ask("weekly", "--tz", "America/Los_Angeles")["rows"]
    assert (row["week"], row["calls"]) == ("2026-05-25", 2)


def test_sessions_and_projects_are_named_as_the_agent_names_them(ask, book):
    book(
        call(NOON, session="later", project="D:\\shop"),
        call(NOON - HOUR, session="6da7d497-00e2-460d-a6b4-d280e0314cfd", project="/home/ada/my-shop"),
        call(NOON + HOUR, session="later", project="D:\\shop"),
    )
    assert [row["session_id"] for row in ask("session")["rows"]] == ["6da7d497-00e2-460d-a6b4-d280e0314cfd", "later"]
    assert [(row["project"], row["calls"]) for row in ask("projects")["rows"]] == [
        ("D:\\shop", 2),
        ("/home/ada/my-shop", 1),
    ]


def test_blocks_begin_with_the_hour_and_last_five_of_them(ask, book):
    minutes = (17, 299, 300, 599, 1000)
    book(*(call(NOON + timedelta(minutes=at)) for at in minutes))
    assert [(row["block_start"], row["calls"], row["is_running"]) for row in ask("blocks")["rows"]] == [
        ("2026-06-15T12:00:00Z", 2, False),
        ("2026-06-15T17:00:00Z", 2, False),
        ("2026-06-16T04:00:00Z", 1, False),
    ]
    [row] = ask("blocks", "--since", "2026-06-16")["rows"]
    assert row["block_start"] == "2026-06-16T04:00:00Z"


def test_a_block_that_reaches_into_the_range_counts_with_its_calls_inside(ask, book):
    book(*(call(datetime(2026, 6, 15, 22, tzinfo=UTC) + hours * HOUR) for hours in range(4)))
    [row] = ask("blocks", "--since", "2026-06-16")["rows"]
    assert (row["block_start"], row["calls"]) == ("2026-06-15T22:00:00Z", 2)


def test_the_running_block_is_marked(run, ask, book):
    now = datetime.now(UTC)
    book(call(now - timedelta(days=1)), call(now - timedelta(seconds=1)))
    assert [row["is_running"] for row in ask("blocks")["rows"]] == [False, True]
    result = run("report", "blocks", "--json")
    assert "runs until" in result.stderr
    assert "runs until" not in run("report", "daily", "--json").stderr


def test_it_is_about_the_person_asked_for_else_the_owner_else_everybody(run, ask, book):
    run("user add", "ben@example.com", "--timezone", "Asia/Tokyo")
    book(call(NOON), owner=1)
    book(call(NOON + 5 * HOUR), call(NOON + 6 * HOUR), owner=2)
    bens = {"AGENTMETER_OWNER": "ben@example.com"}
    for kind in KEYS:
        assert ask(kind)["totals"]["calls"] == 3
        assert ask(kind, **bens)["totals"]["calls"] == 2
        assert ask(kind, "--user", "Ada@Example.com", **bens)["totals"]["calls"] == 1


def test_people_who_share_a_session_or_a_folder_share_its_row(run, ask, book):
    run("user add", "ben@example.com")
    for owner in (1, 2):
        book(call(NOON + owner * HOUR), owner=owner)
    for kind in ("session", "projects", "models", "blocks"):
        assert [row["calls"] for row in ask(kind)["rows"]] == [2]


def test_days_are_those_of_the_persons_zone_unless_told(run, ask, book):
    run("user add", "ben@example.com", "--timezone", "Asia/Tokyo")
    book(call(datetime(2026, 6, 15, 20, tzinfo=UTC)), owner=2)
    days = [
        ask("daily", "--user", "ben@example.com"),
        ask("daily", AGENTMETER_OWNER="ben@example.com"),
        ask("daily", AGENTMETER_TIMEZONE="Asia/Tokyo"),
        ask("daily", "--tz", "Asia/Tokyo"),
    ]
    assert [told["rows"][0]["date"] for told in days] == ["2026-06-16"] * 4
    assert ask("daily", "--user", "ben@example.com", "--tz", "UTC")["rows"][0]["date"] == "2026-06-15"


WRONG = (
    ("--since", "daily", "--since", "15.06.2026"),
    ("--since", "daily", "--since", "2026-02-30"),
    ("--since", "daily", "--since", ""),
    ("--until", "daily", "--until", "20260615"),
    ("--until", "daily", "--until", "9999-12-31"),
    ("--until", "daily", "--since", "2026-06-15", "--until", "2026-06-14"),
    ("--tz", "daily", "--tz", "Mars/Base"),
    ("--tz", "daily", "--tz", ""),
    ("--tz", "daily", "--tz", "../../etc/passwd"),
    ("--user", "daily", "--user", "eve@example.com"),
    ("--user", "daily", "--user", "nobody"),
    ("--user", "daily", "--user", ""),
    ("--csv", "daily", "--json", "--csv"),
    ("KIND", "yearly"),
    ("KIND",),
)


def test_wrong_use_is_2_and_names_the_option(run):
    for named, *arguments in WRONG:
        result = run("report", *arguments)
        assert (result.exit_code, result.stdout) == (2, ""), arguments
        assert named in result.stderr, arguments


def test_an_owner_nobody_knows_is_wrong_use(run, owned):
    result = run("report", "daily", AGENTMETER_OWNER="eve@example.com")
    assert result.exit_code == 2
    assert result.stderr.startswith("agentmeter: AGENTMETER_OWNER: ")


def test_an_empty_database_has_no_rows_and_a_total_of_nothing(run, ask):
    nothing = {**dict.fromkeys(COUNTS, 0), "models": []}
    for kind, key in KEYS.items():
        more = ["is_running"] if kind == "blocks" else []
        assert ask(kind) == {"rows": [], "totals": nothing}
        assert ask(kind, "--breakdown") == {"rows": [], "totals": {**nothing, "breakdown": []}}
        assert run("report", kind, "--csv").stdout == ",".join([key, *COUNTS, *more, "models"]) + "\n"
        plain = run("report", kind)
        assert [line.split("\t")[0] for line in plain.stdout.splitlines()] == [key, "total"]
        assert plain.stderr == "No calls in that time.\n"


def test_csv_reads_back_as_the_same_figures(run, ask, months):
    for kind, key in KEYS.items():
        result, told = run("report", kind, "--csv"), ask(kind)["rows"]
        rows = list(csv.DictReader(io.StringIO(result.stdout_bytes.decode(), newline="")))
        assert result.stdout_bytes.count(b"\r\n") == result.stdout_bytes.count(b"\n") == len(told) + 1
        assert [row[key] for row in rows] == [row[key] for row in told]
        assert [{name: Decimal(row[name]) for name in COUNTS} for row in rows] == [counts_of(row) for row in told]
        assert [row["models"].split("; ") for row in rows] == [row["models"] for row in told]


def test_csv_with_a_breakdown_has_a_line_for_each_model_of_a_row(run, ask, months):
    rows = list(csv.DictReader(run("report", "monthly", "--breakdown", "--csv").stdout.splitlines()))
    assert list(rows[0]) == ["month", "model", *COUNTS]
    told = [(row["month"], part) for row in ask("monthly", "--breakdown")["rows"] for part in row["breakdown"]]
    assert [(row["month"], row["model"], row["cost_usd"]) for row in rows] == [
        (month, part["model"], str(part["cost_usd"])) for month, part in told
    ]
    assert run("report", "models", "--breakdown", "--csv").stdout.startswith("model,calls,")


def test_csv_guards_text_that_looks_like_a_formula_and_leaves_numbers_alone(run, book):
    for number, folder in enumerate(("=1+1", "@x", "+x", "-x", "\tx", "a,b", 'a"b', "a\nb")):
        book(call(NOON + number * HOUR, project=folder))
    rows = list(csv.DictReader(io.StringIO(run("report", "projects", "--csv").stdout, newline="")))
    assert {row["project"] for row in rows} == {"'=1+1", "'@x", "'+x", "'-x", "'\tx", "a,b", 'a"b', "a\nb"}
    assert {row["output_tokens"] for row in rows} == {str(MILLION)}


def test_costs_have_all_nine_places_where_they_are_needed(run, ask, book):
    book(call(NOON, llm_model=CHEAPEST, output_tokens=0, cache_read_tokens=1))
    assert '"cost_usd":0.00000001,' in run("report", "daily", "--json").stdout
    assert "0.00000001" in run("report", "daily", "--csv").stdout
    book(*(call(NOON + number * HOUR, output_tokens=1000 * MILLION) for number in range(1, 49)))
    assert ask("monthly")["totals"]["cost_usd"] == Decimal("1200000.00000001")


def test_calls_without_a_price_are_named(run, ask, months):
    result = run("report", "daily", "--json")
    assert result.stderr == f"No price, so no cost counted: 1 call of {UNPRICED}.\n"
    assert [row["cost_usd"] for row in ask("models")["rows"] if row["model"] == UNPRICED] == [0]


def test_lines_in_a_pipe_have_tabs_and_cannot_be_broken_by_a_name(run, book):
    book(call(NOON, project="/home/ada/a\tb\nc\x1b[31m"))
    header, row, total = (line.split("\t") for line in run("report", "projects").stdout.splitlines())
    assert header == ["project", *COUNTS, "models"]
    assert row == ["/home/ada/a\\tb\\nc\\x1b[31m", "1", "0", str(MILLION), "0", "0", "0", "0", "0", "25.00", OPUS]
    assert total[:2] == ["total", "1"]
