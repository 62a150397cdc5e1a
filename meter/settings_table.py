"""The settings as people see them: the table of `agentmeter config` and the page docs/config.md."""

import os
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit, urlunsplit

from meter.settings import Settings, environment_name


class Knob(NamedTuple):
    """One line of the table of settings; `value` and `default` as text, secrets masked."""

    name: str
    value: str
    default: str
    source: str  # environment, file or default
    help: str


def table(settings: Settings, environ: Mapping[str, str] | None = None) -> list[Knob]:
    """All settings as they are shown to people."""
    environ = os.environ if environ is None else environ
    rows = []
    for item in fields(Settings):
        name = environment_name(item)
        source = "environment" if environ.get(name) else "default"
        if item.metadata["secret"] and environ.get(name + "_FILE"):
            source = "file"
        text = _as_given(getattr(settings, item.name))
        if item.metadata["secret"]:
            text = masked(text)
        rows.append(Knob(name, text, item.metadata["default"], source, item.metadata["help"]))
    return rows


def _as_given(value: object) -> str:
    """A value as its variable spells it: folders are parted as in PATH, other lists by commas."""
    if not isinstance(value, tuple):
        return str(value)
    between = os.pathsep if any(isinstance(part, Path) for part in value) else ","
    return between.join(str(part) for part in value)


def masked(text: str) -> str:
    """A secret as it may be shown: an address keeps everything but its password, anything else becomes dots."""
    if "://" not in text:
        return "••••••••" if text else ""
    parts = urlsplit(text)
    if parts.password is None:
        return text
    user, _, host = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=f"{user.split(':')[0]}:••••••••@{host}"))


def as_markdown() -> str:
    """The page docs/config.md."""
    secrets = ", ".join(f"`{environment_name(item)}`" for item in fields(Settings) if item.metadata["secret"])
    lines = [CONFIG_PAGE_HEAD.replace("SECRETS", secrets)]
    for item in fields(Settings):
        default = item.metadata["default"]
        shown = f"`{default}`" if default else "unset"
        lines.append(f"| `{environment_name(item)}` | {shown} | {item.metadata['help'].replace('|', chr(92) + '|')} |")
    return "\n".join(lines) + "\n"


CONFIG_PAGE_HEAD = """\
# Settings

Agentmeter reads its settings once, at the start, from the environment. A value that cannot be used stops the start and
names the setting; an `AGENTMETER_` name that is no setting is reported with the nearest one that is. An empty variable
counts as unset. `agentmeter config` shows what is in force (`--json` for programs), secrets masked.

Secrets may be kept in a file instead: set the name with `_FILE` behind it to the file's path. They are SECRETS.

The home folder is `instance/` in a checkout. For an installed package it is `$XDG_DATA_HOME/agentmeter` or
`~/.local/share/agentmeter` on Linux, `~/Library/Application Support/agentmeter` on macOS and
`%LOCALAPPDATA%\\agentmeter` on Windows.

`CLAUDE_CONFIG_DIR` is honoured as Claude Code itself honours it.

<!-- Made by `make docs` from meter/settings.py; edit there. -->

| Setting | Default | What it does |
|---|---|---|"""
