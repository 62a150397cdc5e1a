"""`agentmeter doctor`: is everything in order that Agentmeter needs?"""

import os
import sys
import tempfile
from collections.abc import Callable, Mapping
from typing import NamedTuple

from meter import database, home, local
from meter.errors import AgentmeterError, NotFound
from meter.logs.claude_code import transcript_roots
from meter.settings import Settings, load, unknown_names


class Check(NamedTuple):
    """One thing looked at; `detail` says what was found or what to do."""

    name: str
    ok: bool
    detail: str


def examine(environ: Mapping[str, str]) -> list[Check]:
    """All checks, in the order in which one builds on the other. Without usable settings the rest is left out."""
    checks = [_python(), *_names(environ)]
    try:
        settings = load(environ)
    except AgentmeterError as error:
        return [*checks, Check("settings", False, error.message)]
    checks.append(Check("settings", True, "all can be used; `agentmeter config` lists them"))
    parts: tuple[Callable[[Settings], Check], ...] = (
        _home_folder,
        _secret_key,
        _database,
        _owner,
        _transcripts,
        _public_url,
    )
    return checks + [check(settings) for check in parts]


def _python() -> Check:
    version = ".".join(str(part) for part in sys.version_info[:3])
    return Check("python", sys.version_info >= (3, 11), f"{version}; 3.11 or newer is needed")


def _names(environ: Mapping[str, str]) -> list[Check]:
    strange = unknown_names(environ)
    return [Check("names", False, f"{name} is no setting; nearest: {near or 'none'}") for name, near in strange]


def _home_folder(settings: Settings) -> Check:
    try:
        with tempfile.TemporaryFile(dir=home.prepare_home(settings.home)):
            return Check("home", True, f"{settings.home} can be written")
    except (OSError, AgentmeterError) as error:
        return Check("home", False, f"{settings.home} cannot be written: {error}")


def _secret_key(settings: Settings) -> Check:
    path = settings.home / "secret_key"
    if settings.secret_key:
        return Check("secret key", True, "given by AGENTMETER_SECRET_KEY")
    if not path.exists():
        return Check("secret key", True, "will be made at the first start")
    if os.name == "posix" and path.stat().st_mode & 0o077:
        return Check("secret key", False, f"{path} can be read by others; chmod 600 it")
    return Check("secret key", True, f"{path}, readable by its owner only")


def _database(settings: Settings) -> Check:
    try:
        with database.database(settings):
            return Check("database", True, "opens and has the newest schema")
    except AgentmeterError as error:
        return Check("database", False, error.message)


def _owner(settings: Settings) -> Check:
    try:
        with local.writer(settings) as store:
            local.owner_of(store, settings)
    except NotFound as error:
        return Check("owner", True, error.message)
    except AgentmeterError as error:
        return Check("owner", False, error.message)
    return Check("owner", True, "there is somebody to book transcripts to")


def _transcripts(settings: Settings) -> Check:
    folders = transcript_roots(settings.log_roots, os.environ)
    absent = [str(folder) for folder in folders if not folder.is_dir()]
    if settings.log_roots and absent:
        return Check("transcripts", False, f"AGENTMETER_LOG_ROOTS: no such folder: {', '.join(absent)}")
    present = [str(folder) for folder in folders if folder.is_dir()]
    found = ", ".join(present) if present else f"no agent has left any yet; looked in {', '.join(absent)}"
    return Check("transcripts", True, found)


def _public_url(settings: Settings) -> Check:
    if settings.is_local or settings.public_url:
        return Check("address", True, f"links begin with {settings.base_url}")
    return Check("address", False, f"bound to {settings.bind}: set AGENTMETER_PUBLIC_URL to the address others use")
