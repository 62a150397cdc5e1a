"""Where Claude Code's transcripts lie, and which files below a folder are transcripts."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PATH_BYTES_MAX = 2000  # an index of PostgreSQL takes 2,704


@dataclass(slots=True)
class Problem:
    """A place that could not be read: file, line (0: the file itself) and why."""

    path: str
    line: int
    reason: str


def transcript_roots(configured: tuple[Path, ...], environment: dict[str, str] | os._Environ[str]) -> list[Path]:
    """The `projects` folders to read: those configured, else the usual ones; each once, resolved, existing or not."""
    if configured:
        folders = list(configured)
    else:
        folders = [Path(part.strip()) for part in environment.get("CLAUDE_CONFIG_DIR", "").split(",") if part.strip()]
        folders = folders or [Path.home() / ".claude", Path.home() / ".config" / "claude"]
    found: dict[Path, None] = {}
    for folder in folders:
        folder = folder.expanduser()
        inner = folder / "projects"
        found[(inner if inner.is_dir() else folder).resolve()] = None
    # A root within another is read with it; one that is not there stays, so that its absence is told.
    return [root for root in found if not root.is_dir() or found.keys().isdisjoint(root.parents)]


def walk(root: Path) -> Iterator[tuple[str, str, os.stat_result] | Problem]:
    """Every transcript below `root` as (path, project key, stat), and a Problem for what must not or cannot be read."""
    base = os.path.realpath(root)
    stack = [(str(root), "")]
    while stack:
        folder, project_key = stack.pop()
        try:
            entries = os.scandir(folder)
        except OSError as error:
            yield _problem(folder, error.strerror or str(error))
            continue
        with entries:
            for entry in entries:
                try:
                    if entry.is_dir(follow_symlinks=False):
                        stack.append((entry.path, project_key or entry.name))
                    elif entry.is_symlink():
                        if left := _judge_link(entry, base):
                            yield left
                    elif entry.name.endswith(".jsonl"):
                        facts = entry.stat(follow_symlinks=False)
                        if not stat.S_ISREG(facts.st_mode):
                            yield _problem(entry.path, "not a regular file")
                        elif reason := _unstorable(entry.path):
                            yield _problem(entry.path, reason)
                        else:
                            yield entry.path, project_key or root.name, facts
                except OSError as error:
                    yield _problem(entry.path, error.strerror or str(error))


def _judge_link(entry: os.DirEntry[str], base: str) -> Problem | None:
    """A link inside the tree is nothing (its target is read on its own); one that leaves it is a problem."""
    target = os.path.realpath(entry.path)
    inside = os.path.commonpath([target, base]) == base
    if inside or not (entry.name.endswith(".jsonl") or os.path.isdir(target)):
        return None
    return _problem(entry.path, "a link out of the transcripts' folder is not followed")


def _unstorable(path: str) -> str:
    """Why no database takes this path; empty if it does."""
    if path.isascii() and len(path) <= PATH_BYTES_MAX:
        return ""
    try:
        return "" if len(path.encode()) <= PATH_BYTES_MAX else f"a path of more than {PATH_BYTES_MAX} bytes"
    except UnicodeEncodeError:
        return "a name that is not UTF-8"


def _problem(path: str, reason: str) -> Problem:
    return Problem(os.fsencode(path).decode(errors="replace"), 0, reason)
