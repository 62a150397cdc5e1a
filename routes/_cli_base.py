"""What the commands share: settings, output for programs and for people, progress, errors as one sentence.

Standard output carries what a program would read (`--json`: exactly one object), standard error everything else.
"""

import json
import os
import sys
import time
from typing import Any

import click

from meter import settings as settings_module
from meter.errors import AgentmeterError, Invalid
from meter.settings import Settings

BAR_WIDTH = 30
REDRAW_SECONDS = 0.1
LINE_SECONDS = 5.0  # without a terminal: a plain line this often


class CommandFailed(click.ClickException):
    """An error of ours as the command line tells it: one sentence, and 2 for wrong use, else 1."""

    def __init__(self, error: AgentmeterError) -> None:
        super().__init__(error.message)
        self.exit_code = 2 if isinstance(error, Invalid) else 1  # type: ignore[misc]

    def show(self, file: Any = None) -> None:
        click.echo(f"agentmeter: {self.message}", err=True)


class Commands(click.Group):
    """The command group: without a command it serves; what goes wrong by name becomes one sentence."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args or (args[0].startswith("-") and args[0] not in ("--help", "-h", "--version")):
            args = ["serve", *args]
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except AgentmeterError as error:
            raise CommandFailed(error) from error


def read_settings(**changes: str | None) -> Settings:
    """The settings of the environment with options of the command line over them; names nobody knows are reported."""
    given = {settings_module.PREFIX + name.upper(): text for name, text in changes.items() if text}
    for name, nearest in settings_module.unknown_names():
        say(f"agentmeter: {name} is no setting" + (f"; {nearest} is" if nearest else ""))
    replaced = {name + "_FILE" for name in given}
    return settings_module.load({**{name: os.environ[name] for name in os.environ if name not in replaced}, **given})


def print_json(answer: dict[str, Any]) -> None:
    """The one object of `--json`."""
    click.echo(json.dumps(answer, ensure_ascii=False))


def say(line: str) -> None:
    """A line for people."""
    click.echo(line, err=True)


class Progress:
    """How far long work is: a bar on a terminal, elsewhere a plain line every few seconds; on standard error."""

    def __init__(self, title: str) -> None:
        self.title = title
        self.is_terminal = sys.stderr.isatty()
        self.pause_seconds = REDRAW_SECONDS if self.is_terminal else LINE_SECONDS
        self.shown_at = time.monotonic()
        self.has_bar = False

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *_error: object) -> None:
        if self.has_bar:
            click.echo("\r\033[K", err=True, nl=False)

    def at(self, done: int, total: int, words: str) -> None:
        """`done` of `total` of any unit; `words` say it in another."""
        now = time.monotonic()
        if now - self.shown_at < self.pause_seconds:
            return
        self.shown_at = now
        share = done / total if total else 1.0
        line = f"{self.title}: {share:4.0%}, {words}"
        if not self.is_terminal:
            say(line)
            return
        self.has_bar = True
        filled = round(share * BAR_WIDTH)
        click.echo(f"\r\033[K{'█' * filled}{'░' * (BAR_WIDTH - filled)} {line}", err=True, nl=False)


json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object for programs.")
