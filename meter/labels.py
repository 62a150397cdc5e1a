"""Short names for projects: the end of the path, as long as it must be to tell one project from another."""

from collections import Counter
from collections.abc import Iterable
from pathlib import PurePosixPath, PureWindowsPath

_WORKTREE_FOLDERS = frozenset((".worktrees", "worktrees", ".claude"))
_PARTS_MAX = 4


def short_labels(paths: Iterable[str]) -> dict[str, str]:
    """Path -> label. A worktree is shown under its repository: `/src/api/.worktrees/fix` becomes `api/fix`."""
    tails = {path: _parts(path) for path in paths}
    labels = {path: _tail(parts, least) for path, (parts, least) in tails.items()}
    for length in range(2, _PARTS_MAX + 1):
        shared = {label for label, count in Counter(labels.values()).items() if count > 1}
        if not shared:
            break
        for path, (parts, least) in tails.items():
            if labels[path] in shared:
                labels[path] = _tail(parts, max(least, length))
    return labels


def _parts(path: str) -> tuple[list[str], int]:
    """The parts of a path without folders that only hold worktrees, and how many a label needs at least."""
    pure = PureWindowsPath(path) if "\\" in path else PurePosixPath(path)
    parts = [part for part in pure.parts if part not in ("/", pure.anchor)]
    kept = [part for part in parts if part not in _WORKTREE_FOLDERS]
    is_worktree = len(parts) > 1 and parts[-2] in _WORKTREE_FOLDERS
    return kept or parts or [path], 2 if is_worktree else 1


def _tail(parts: list[str], length: int) -> str:
    return "/".join(parts[-length:])
