"""`agentmeter report`: usage by day, week, month, session, five-hour window, model or project."""

import shutil
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from routes._cli_base import json_option, read_settings, say

if TYPE_CHECKING:  # imported when the command runs; the command line starts quicker without
    from meter.reports import Asked, Report
    from models.queries.reports import Row
    from models.queries.usage import Usage

KEYS = {
    "daily": "date",
    "weekly": "week",
    "monthly": "month",
    "session": "session_id",
    "blocks": "block_start",
    "models": "model",
    "projects": "project",
}
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")


@click.command()
@click.argument("kind", type=click.Choice(tuple(KEYS)), metavar="KIND")
@click.option("--since", metavar="YYYY-MM-DD", help="From the start of this day on; without it from the first call on.")
@click.option("--until", metavar="YYYY-MM-DD", help="To the end of this day; without it to the last call.")
@click.option("--tz", metavar="ZONE", help="Whose midnights count, such as Europe/Berlin; else the person's zone.")
@click.option(
    "--user", "email", metavar="EMAIL", help="This person's calls only; else AGENTMETER_OWNER's, or everybody's."
)
@click.option("--breakdown", is_flag=True, help="Take every row apart by model.")
@json_option
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV (RFC 4180) for spreadsheets.")
def report(
    kind: str,
    since: str | None,
    until: str | None,
    tz: str | None,
    email: str | None,
    breakdown: bool,
    as_json: bool,
    as_csv: bool,
) -> None:
    """Show what was used and what it cost, a row per KIND.

    \b
    daily      by day, from midnight to midnight of the zone
    weekly     by week, named by its Monday
    monthly    by month
    session    by session, named by the agent's id of it, in the order they began
    blocks     by window of five hours; the window that runs now is marked
    models     by model, most cost first
    projects   by project, the agent's working directory, most cost first

    Counts the calls of --user EMAIL; without it those of AGENTMETER_OWNER, or of everybody where that is not set.
    Days are those of --tz; without it those of that person's zone, or of AGENTMETER_TIMEZONE for everybody.

    A call counts on the day of its own time. --since and --until narrow the calls, not the rows: a week, session or
    window that reaches beyond them counts with its calls inside, so that every KIND comes to the same total. A window
    begins with the full hour (UTC) of a call and ends five hours later; the next call begins the next.

    On a terminal it prints a table, elsewhere lines with tabs between the cells. Costs are dollars at the price of
    the day of each call; calls of models without a price are named on standard error and add nothing to it.

    With --json: {rows, totals}. A row has its key (date, week, month, session_id, block_start, model or project),
    calls, input_tokens, output_tokens, cache_creation_tokens and of these cache_creation_5m_tokens and
    cache_creation_1h_tokens, cache_read_tokens, web_searches, cost_usd, models; --breakdown adds breakdown: [{model,
    the same counts}]; blocks add is_running. With --csv: the same columns, models parted by "; "; --breakdown gives
    a line for each model of a row instead.

    \b
    agentmeter report daily --since 2026-11-01
    agentmeter report monthly --breakdown --csv > months.csv
    agentmeter report session --json | jq '.rows | max_by(.cost_usd)'
    """
    if as_json and as_csv:
        raise click.UsageError("--json and --csv exclude each other.")
    asked, found = _ask(kind, since, until, tz, email)
    if as_json:
        _print_json(kind, found, breakdown)
    elif as_csv:
        _print_csv(kind, found, breakdown)
    elif sys.stdout.isatty():
        from routes._cli_report_table import report_lines

        click.echo("\n".join(report_lines(asked, found, breakdown, shutil.get_terminal_size().columns)))
    else:
        _print_lines(kind, found, breakdown)
    _say_what_else(asked, found)


def _ask(kind: str, since: str | None, until: str | None, tz: str | None, email: str | None) -> "tuple[Asked, Report]":
    """Read the options, then the database. Raises Invalid naming the option."""
    from datetime import UTC, datetime

    from meter.database import reader
    from meter.periods import read_day
    from meter.reports import Asked, make_report, whose

    since_on = None if since is None else read_day(since, "--since")
    until_on = None if until is None else read_day(until, "--until")
    zone = None if tz is None else _read_zone(tz, "--tz")
    settings = read_settings()
    with reader(settings) as db:
        owner = whose(db, email, settings.owner, settings.timezone)
        asked = Asked(kind, owner, zone or _read_zone(owner.timezone, "AGENTMETER_TIMEZONE"), since_on, until_on)
        return asked, make_report(db, asked, datetime.now(UTC))


def _read_zone(name: str, field: str) -> Any:
    from meter.errors import Invalid
    from meter.periods import read_zone

    try:
        return read_zone(name)
    except Invalid:
        raise Invalid(f"{field}: there is no time zone {name!r}; one is Europe/Berlin", field=field) from None


def _print_json(kind: str, found: "Report", breakdown: bool) -> None:
    """The one object. Costs are written digit by digit: a float loses places above a million and writes 1e-09."""
    import msgspec

    def as_number(answer: dict[str, Any]) -> dict[str, Any]:
        return {**answer, "cost_usd": msgspec.Raw(answer["cost_usd"].encode())}

    def as_object(row: "Row") -> dict[str, Any]:
        answer = {**as_number(_counts(row.usage)), "models": [part.llm_model for part in row.by_model]}
        if breakdown:
            answer["breakdown"] = [{"model": part.llm_model, **as_number(_counts(part.usage))} for part in row.by_model]
        return answer

    running = [{"is_running": row.key == found.running} if kind == "blocks" else {} for row in found.rows]
    rows = [{KEYS[kind]: row.key, **as_object(row), **more} for row, more in zip(found.rows, running, strict=True)]
    click.echo(msgspec.json.encode({"rows": rows, "totals": as_object(found.total)}).decode())


def _counts(usage: "Usage") -> dict[str, Any]:
    """The counts of a row by their promised names; the cost as exact text."""
    from meter.money import usd_text

    return {
        "calls": usage.calls,
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "cache_creation_tokens": usage.cache_write_tokens,
        "cache_creation_5m_tokens": usage.cache_write_5m_tokens,
        "cache_creation_1h_tokens": usage.cache_write_1h_tokens,
        "cache_read_tokens": usage.cache_read_tokens,
        "web_searches": usage.web_searches,
        "cost_usd": usd_text(usage.cost_nanousd),
    }


def _print_csv(kind: str, found: "Report", breakdown: bool) -> None:
    """RFC 4180: CRLF, a header in any case. Text that a spreadsheet would take for a formula gets a ' in front."""
    import csv
    import io

    header, *lines = _flat(kind, found, breakdown)
    counts = _counts(found.total.usage)
    is_text = [name not in counts for name in header]
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(header)
    for line in lines:
        writer.writerow(_guarded(cell) if text else cell for cell, text in zip(line, is_text, strict=True))
    click.echo(out.getvalue().encode(), nl=False)  # as bytes: nothing may turn CRLF into something else


def _guarded(text: str) -> str:
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text


def _print_lines(kind: str, found: "Report", breakdown: bool) -> None:
    """Tabs between the cells, one header, the total last."""
    from routes._cli_table import printable

    parted = [""] if breakdown and kind != "models" else []
    total = ["total", *parted, *_counts(found.total.usage).values()]
    for line in (*_flat(kind, found, breakdown), total):
        click.echo("\t".join(printable(str(cell)) for cell in line))


def _flat(kind: str, found: "Report", breakdown: bool) -> Iterator[list[Any]]:
    """A header, then a line for each row, or with `breakdown` for each model of each row."""
    key, counts = KEYS[kind], _counts(found.total.usage)
    if breakdown:
        parted = [] if key == "model" else ["model"]
        yield [key, *parted, *counts]
        for row in found.rows:
            for part in row.by_model:
                yield [row.key, *(part.llm_model for _ in parted), *_counts(part.usage).values()]
        return
    is_blocks = kind == "blocks"
    yield [key, *counts, *(["is_running"] if is_blocks else []), "models"]
    for row in found.rows:
        running = [str(row.key == found.running).lower()] if is_blocks else []
        yield [row.key, *_counts(row.usage).values(), *running, "; ".join(part.llm_model for part in row.by_model)]


def _say_what_else(asked: "Asked", found: "Report") -> None:
    """What the figures alone do not tell."""
    from meter.reports import block_end
    from routes._format import clock, plural

    if not found.rows:
        say("No calls in that time.")
    if found.running:
        say(f"The last window runs until {clock(block_end(found.running), asked.zone)} in {asked.zone.key}.")
    for part in found.total.by_model:
        if part.usage.unpriced_calls:
            say(f"No price, so no cost counted: {plural(part.usage.unpriced_calls, 'call')} of {part.llm_model}.")


COMMANDS: tuple[click.Command, ...] = (report,)
