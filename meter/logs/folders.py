"""Where Claude Code's transcripts lie, and which files below a folder are transcripts."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


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
    return list(found)


def walk(root: Path) -> Iterator[tuple[str, str, os.stat_result] | Problem]:
    """Every transcript below `root` as (path, project key, stat), and a Problem for what must not or cannot be read."""
    base = os.path.realpath(root)
    stack = [(str(root), "")]
    while stack:
        folder, project_key = stack.pop()
        try:
            entries = os.scandir(folder)
        except OSError as problem:
            yield Problem(folder, 0, problem.strerror or str(problem))
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
                        if stat.S_ISREG(facts.st_mode):
                            yield entry.path, project_key or root.name, facts
                        else:
                            yield Problem(entry.path, 0, "not a regular file")
                except OSError as problem:
                    yield Problem(entry.path, 0, problem.strerror or str(problem))


def _judge_link(entry: os.DirEntry[str], base: str) -> Problem | None:
    """A link inside the tree is nothing (its target is read on its own); one that leaves it is a problem."""
    target = os.path.realpath(entry.path)
    inside = os.path.commonpath([target, base]) == base
    if inside or not (entry.name.endswith(".jsonl") or os.path.isdir(target)):
        return None
    return Problem(entry.path, 0, "a link out of the transcripts' folder is not followed")
