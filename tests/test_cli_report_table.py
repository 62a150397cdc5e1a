"""`agentmeter report` on a terminal: a table as wide as that, safe to print whatever a folder is called."""

import os
import pty
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from calls import OPUS, SONNET, UNPRICED, book_calls, call
from routes._cli_table import Column, printable, table_lines, text_width

ROOT = Path(__file__).parents[1]
NOON = datetime(2026, 6, 15, 12, tzinfo=UTC)
COLUMNS = (
    Column("Project", least=6, keeps_end=True),
    Column("Calls", is_number=True),
    Column("Models", least=8, is_optional=True),
)
ROWS = (("/home/ada/shop", "1,204", "opus, sonnet, haiku"), ("/x", "7", ""))


@pytest.fixture
def database(sqlite):
    """The terminal knows nothing of databases: one will do."""
    return sqlite


@pytest.fixture
def months(database, owned):
    """A month of two models in three projects, a call of the next month, and one without a price."""
    times = [NOON + number * timedelta(hours=7) for number in range(9)]
    drafts = [
        call(
            at,
            llm_model=(OPUS, SONNET)[number % 2],
            output_tokens=99 * number,
            project=f"/home/ada/{'abc'[number % 3]}",
        )
        for number, at in enumerate(times)
    ]
    for draft in drafts:
        draft.counts = (*draft.counts[:6], 2)
    later = [call(NOON + timedelta(days=30), llm_model=name) for name in (OPUS, SONNET)]
    book_calls(database, 1, *drafts, *later, call(NOON, llm_model=UNPRICED, project="/home/ada/odd"))


def on_a_terminal(environment, columns, *arguments):
    """What a terminal of so many columns shows, line by line."""
    ours, theirs = pty.openpty()
    command = [sys.executable, ROOT, "report", *arguments]
    with subprocess.Popen(
        command, stdout=theirs, stderr=theirs, env={**os.environ, **environment, "COLUMNS": str(columns)}
    ) as process:
        os.close(theirs)
        shown = b""
        try:
            while chunk := os.read(ours, 65536):
                shown += chunk
        except OSError:  # how Linux says that nobody writes any more
            pass
        os.close(ours)
    assert process.returncode == 0, shown
    return shown.decode().splitlines()


def test_a_terminal_shows_a_table_that_fits(environment, months):
    caption, _, header, rule, *rows, last_rule, total, note = on_a_terminal(environment, 120, "projects")
    assert caption == "Calls of everybody, days of UTC"
    assert header.split() == ["Project", "Calls", "Input", "Output", "Cache", "write", "Cache", "read", "Searches",
                              "Cost", "Models"]  # fmt: skip
    assert set(rule) == set(last_rule) == {"─"}
    assert all(len(line) <= 120 for line in (header, rule, *rows, total))
    assert [row.split()[0] for row in rows] == [
        "/home/ada/shop",
        "/home/ada/c",
        "/home/ada/b",
        "/home/ada/a",
        "/home/ada/odd",
    ]
    assert len({row.index("$") for row in rows}) <= 2
    assert rows[-1].split()[-2] == "$0.00*"
    assert total.startswith("Total")
    assert UNPRICED in note


def test_a_terminal_shows_each_model_under_its_row(environment, months):
    lines = on_a_terminal(environment, 100, "monthly", "--breakdown")
    names = [line.split()[0] for line in lines[4:-3]]
    assert names == ["2026-06", OPUS, SONNET, UNPRICED, "2026-07", OPUS, SONNET]
    assert all(len(line) <= 100 for line in lines)


def test_a_terminal_shows_windows_in_the_zone_and_which_one_runs(environment, database, owned):
    now = datetime.now(UTC)
    book_calls(database, 1, call(NOON), call(now))
    lines = on_a_terminal(environment, 80, "blocks", "--tz", "Asia/Kolkata")
    assert lines[4].startswith("2026-06-15 17:30–22:30 ")
    assert " now " in lines[5]
    assert "runs until" in lines[-1]


@pytest.mark.parametrize("width", [200, 60, 40, 34, 30, 20])
def test_a_table_is_cut_to_the_width_down_to_what_must_be_seen(width):
    title, rule, first, second = table_lines(COLUMNS, ROWS, width)
    assert max(map(text_width, (title, first, second))) <= len(rule) <= width
    assert title.index("Calls") + 5 == first.index("1,204") + 5 == second.index("7") + 1
    assert "1,204" in first
    assert first.split()[0].endswith("shop")
    assert second.split()[:2] == ["/x", "7"]


def test_what_is_optional_goes_before_what_is_not():
    assert "Models" in table_lines(COLUMNS, ROWS, 33)[0]
    assert "sonnet" not in "".join(table_lines(COLUMNS, ROWS, 33))
    assert "Models" not in table_lines(COLUMNS, ROWS, 27)[0]
    assert "/home/ada/shop" in table_lines(COLUMNS, ROWS, 27)[2]
    assert table_lines(COLUMNS, ROWS, 18)[2].startswith("…e/ada/shop ")


def test_wide_and_combining_characters_keep_the_columns():
    rows = (("项目/ábc", "1", ""), ("cafe\u0301", "22", ""), ("/home/ada", "333", ""))
    _, _, *lines = table_lines(COLUMNS[:2], [row[:2] for row in rows], 80)
    assert len({text_width(line) for line in lines}) == 1


def test_no_name_steers_the_terminal():
    assert printable("a\x1b[2J\tb\u202ec\n") == "a\\x1b[2J\\tb\\u202ec\\n"
    assert printable("/home/ada/Ünï 项目") == "/home/ada/Ünï 项目"
    assert "\x1b" not in "".join(table_lines(COLUMNS, [("\x1b]0;x\x07", "1", "\x9b2J")], 80))
