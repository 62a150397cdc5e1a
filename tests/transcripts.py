"""Lines as Claude Code writes them, and what is read of them."""

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from meter.logs.claude_code import FileState, Reader, Reading
from meter.logs.drafts import CallDraft

DATA = Path(__file__).parent / "data" / "transcripts"
NOON = datetime(2026, 6, 15, 12, tzinfo=UTC)
NOON_MS = 1_781_524_800_000
FOLDER = "/home/ada/shop"
PROJECT = "-home-ada-shop"
SESSION = "6da7d497-00e2-460d-a6b4-d280e0314cfd"
FORK = "fed8ce56-bc79-401f-a83e-af084253362f"
MODEL = "claude-opus-4-6"
MACHINE = "box"
USAGE = {
    "input_tokens": 3,
    "cache_creation_input_tokens": 5000,
    "cache_read_input_tokens": 20000,
    "cache_creation": {"ephemeral_5m_input_tokens": 1000, "ephemeral_1h_input_tokens": 4000},
    "output_tokens": 100,
    "service_tier": "standard",
    "inference_geo": "not_available",
}
COUNTS = (3, 100, 20000, 1000, 4000, 5000, 0)  # what USAGE is as CallDraft.counts


def message_id(name: object = "first") -> str:
    """An id as Anthropic makes them, always the same for the same name."""
    return "msg_01" + hashlib.sha256(str(name).encode()).hexdigest()[:22]


def stamp(seconds: float = 0) -> str:
    """A time as Claude Code writes it, so many seconds after noon."""
    return (NOON + timedelta(seconds=seconds)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def usage(**changes: Any) -> dict[str, Any]:
    """USAGE with some fields changed."""
    return {**USAGE, **changes}


def tool_use(id_: str, name: str) -> dict[str, Any]:
    return {"type": "tool_use", "id": id_, "name": name, "input": {"path": "x"}}


def answer(name: object = "first", seconds: float = 0, *, message: Any = None, **line: Any) -> dict[str, Any]:
    """An assistant's line; `message` and the keywords change fields of the message and of the line."""
    whole = {
        "model": MODEL,
        "id": message_id(name),
        "type": "message",
        "role": "assistant",
        "content": [{"type": "text", "text": "Done."}],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": USAGE,
        **(message or {}),
    }
    return {
        "parentUuid": None,
        "isSidechain": False,
        "userType": "external",
        "cwd": FOLDER,
        "sessionId": SESSION,
        "version": "2.1.44",
        "gitBranch": "main",
        "message": whole,
        "requestId": f"req_{name}",
        "type": "assistant",
        "uuid": "0b8a3a6e-3d3f-4b7e-9d51-2f3c6f1f8f11",
        "timestamp": stamp(seconds),
        **line,
    }


def progress(inner: dict[str, Any], agent_id: str = "a1b2c3d") -> dict[str, Any]:
    """The line in a session's own file that shows a subagent's answer."""
    seen = {name: inner[name] for name in ("type", "timestamp", "message", "requestId", "uuid")}
    around = {name: value for name, value in inner.items() if name not in ("message", "requestId")}
    data = {"message": seen, "normalizedMessages": [], "type": "agent_progress", "prompt": "", "agentId": agent_id}
    return {**around, "type": "progress", "data": data, "toolUseID": "agent_msg_01", "parentToolUseID": "toolu_01"}


def user(**line: Any) -> dict[str, Any]:
    """A user's line."""
    return {"type": "user", "sessionId": SESSION, "message": {"role": "user", "content": "go"}, **line}


def line(record: dict[str, Any] | bytes) -> bytes:
    """One line without its newline; bytes stay as they are."""
    return record if isinstance(record, bytes) else json.dumps(record, separators=(",", ":")).encode()


def lines(*records: dict[str, Any] | bytes) -> bytes:
    """Complete lines."""
    return b"".join(line(record) + b"\n" for record in records)


def read(path: Path, before: FileState | None = None) -> Reading:
    """What a reader makes of a file."""
    reader = Reader(MACHINE)
    reader.read_file(str(path), PROJECT, before)
    return reader.take()


def read_bytes(folder: Path, content: bytes) -> Reading:
    """What a reader makes of a file with this content."""
    path = folder / "transcript.jsonl"
    path.write_bytes(content)
    return read(path)


def read_lines(folder: Path, *records: dict[str, Any] | bytes) -> Reading:
    """What a reader makes of these lines."""
    return read_bytes(folder, lines(*records))


def only_call(reading: Reading) -> CallDraft:
    """The one call of a reading that met nothing bad."""
    assert reading.problems == []
    (call,) = reading.calls.values()
    return call


def reasons(reading: Reading) -> list[tuple[int, str]]:
    """Line and reason of every problem."""
    return [(problem.line, problem.reason) for problem in reading.problems]


@contextmanager
def nobody() -> Iterator[None]:
    """As somebody without special rights, so that permissions count; for root no file is unreadable."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


class Projects:
    """A `projects` folder that grows."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir(parents=True, exist_ok=True)

    def path(self, name: str = SESSION, project: str = PROJECT) -> Path:
        path = self.root / project / f"{name}.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def write(self, *records: dict[str, Any] | bytes, name: str = SESSION, project: str = PROJECT) -> Path:
        """A transcript of these lines, in place of what was there."""
        path = self.path(name, project)
        path.write_bytes(lines(*records))
        return path

    def add(self, content: bytes, name: str = SESSION, project: str = PROJECT) -> Path:
        """Bytes more at the end of a transcript."""
        path = self.path(name, project)
        with path.open("ab") as file:
            file.write(content)
        return path
