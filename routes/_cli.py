"""The command line. Only click and the settings are imported here; every command imports the rest when it runs.

Exit codes: 0 done, 1 found something wrong, 2 wrong use.
"""

import os
from typing import Any

import click

from meter.version import VERSION
from routes import _cli_audit, _cli_data, _cli_demo, _cli_people, _cli_report, _cli_tokens
from routes._cli_base import Commands, json_option, print_json, read_settings


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Settings come from AGENTMETER_* variables; `agentmeter config` lists them with help.",
)
@click.version_option(VERSION, message="agentmeter %(version)s")
def cli() -> None:
    """What coding agents use, and what it costs.

    Without a command it serves: reads the transcripts agents leave on this machine, keeps reading as they grow, and
    shows them on http://127.0.0.1:6387.
    """


@cli.command()
@click.option("--bind", metavar="HOST:PORT", help="Listen there instead of AGENTMETER_BIND; port 0 takes a free one.")
@click.option("--no-open", is_flag=True, help="Do not open the browser.")
@click.option("--no-sync", is_flag=True, help="Do not read this machine's transcripts.")
@click.pass_obj
def serve(make_app: Any, bind: str | None, no_open: bool, no_sync: bool) -> None:
    """Read this machine's transcripts, now and as they grow, and show them.

    Prints the address and, while the server has no owner, the link to claim it: whoever opens that link becomes the
    first admin. The secret in it is new at every start and stops working once used. Without a terminal, add the first
    person by `agentmeter user add EMAIL --admin` instead.

    Ctrl-C or SIGTERM ends it within seconds; nothing that was acknowledged is lost.
    """
    from routes._serve import greet_owner
    from routes._serve import serve as run

    run(make_app, read_settings(bind=bind), greet_owner, opens_browser=not no_open, syncs=not no_sync)


@cli.command()
@json_option
@click.option("--markdown", is_flag=True, help="Print the page docs/config.md instead.")
def config(as_json: bool, markdown: bool) -> None:
    """Show every setting: what is in force, where it came from, what it does. Secrets are masked."""
    from meter import settings_table

    if markdown:
        click.echo(settings_table.as_markdown(), nl=False)
        return
    rows = settings_table.table(read_settings())
    if as_json:
        print_json({"settings": [row._asdict() for row in rows]})
        return
    for row in rows:
        click.echo(f"{row.name} = {row.value or '(unset)'}   [{row.source}]")
        click.echo(click.wrap_text(row.help, 100, "    ", "    ") + "\n")


@cli.command()
@json_option
def doctor(as_json: bool) -> None:
    """Check that everything Agentmeter needs is in order, and say what to do where it is not.

    With --json: {ok, checks: [{name, ok, detail}]}. Exit code 1 when a check fails.
    """
    from meter.doctor import examine

    checks = examine(os.environ)
    is_ok = all(check.ok for check in checks)
    if as_json:
        print_json({"ok": is_ok, "checks": [check._asdict() for check in checks]})
    for check in () if as_json else checks:
        click.echo(f"{'ok  ' if check.ok else 'FAIL'}  {check.name}: {check.detail}")
    raise SystemExit(0 if is_ok else 1)


for command in (
    *_cli_data.COMMANDS,
    *_cli_report.COMMANDS,
    *_cli_people.COMMANDS,
    *_cli_tokens.COMMANDS,
    *_cli_demo.COMMANDS,
    *_cli_audit.COMMANDS,
):
    cli.add_command(command)
