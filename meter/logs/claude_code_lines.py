"""Decoding one line of a Claude Code transcript: typed and quick where possible, patient where needed.

The typed decoder refuses what is not exactly as expected (a null or textual count, two objects on one line); the
patient one then takes what can be taken and says what could not. Without msgspec every line is read patiently.
"""

from __future__ import annotations

import json
import math
from typing import Any

try:
    import msgspec
except ImportError:  # the push agent runs on the standard library alone
    msgspec = None  # type: ignore[assignment]

if msgspec is not None:

    class _Split(msgspec.Struct, gc=False):
        ephemeral_5m_input_tokens: int = 0
        ephemeral_1h_input_tokens: int = 0

    class _ServerTools(msgspec.Struct, gc=False):
        web_search_requests: int = 0

    class _Iteration(msgspec.Struct, gc=False):
        type: str = ""
        model: str = ""
        input_tokens: int = 0
        output_tokens: int = 0
        cache_read_input_tokens: int = 0
        cache_creation_input_tokens: int = 0
        cache_creation: _Split | None = None
        server_tool_use: _ServerTools | None = None

    class _Usage(msgspec.Struct, gc=False):
        input_tokens: int = 0
        output_tokens: int = 0
        cache_read_input_tokens: int = 0
        cache_creation_input_tokens: int = 0
        cache_creation: _Split | None = None
        server_tool_use: _ServerTools | None = None
        service_tier: str | None = None
        speed: str | None = None
        inference_geo: str | None = None
        iterations: list[_Iteration] | None = None

    class _Block(msgspec.Struct, gc=False):
        type: str = ""
        id: str = ""
        name: str = ""

    class _Message(msgspec.Struct, gc=False):
        id: str | None = None
        model: str | None = None
        stop_reason: str | None = None
        usage: _Usage | None = None
        content: list[_Block] | str | None = None

    class _Inner(msgspec.Struct, gc=False):
        type: str = ""
        timestamp: str = ""
        requestId: str | None = None
        isSidechain: bool | None = None
        message: _Message | None = None

    class _Progress(msgspec.Struct, gc=False):
        message: _Inner | None = None
        agentId: str | None = None

    class _Line(msgspec.Struct, gc=False):
        type: str = ""
        timestamp: str = ""
        requestId: str | None = None
        sessionId: str | None = None
        cwd: str | None = None
        gitBranch: str | None = None
        version: str | None = None
        agentId: str | None = None
        isSidechain: bool | None = None
        costUSD: float | None = None
        forkedFrom: msgspec.Raw | None = None
        message: _Message | None = None
        data: _Progress | None = None

    decode_line = msgspec.json.Decoder(_Line).decode
else:

    def decode_line(raw: Any) -> Any:
        raise ValueError("no typed decoder")


class PatientLine:
    """A decoded object that answers None for what is missing or of the wrong type; nested objects alike."""

    __slots__ = ("_fields",)

    def __init__(self, fields: dict[str, Any]) -> None:
        self._fields = fields

    def __getattr__(self, name: str) -> Any:
        value = self._fields.get(name)
        if name in _COUNTS:
            return _count(value)
        if name in _OBJECTS:
            return PatientLine(value) if isinstance(value, dict) else None
        if name in _LISTS:
            return [PatientLine(item) for item in value if isinstance(item, dict)] if isinstance(value, list) else None
        if name == "costUSD":
            good = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
            return value if good else None
        if name == "isSidechain":
            return value is True
        if name == "timestamp":
            return value if isinstance(value, (str, int, float)) else None
        return clean(value) if isinstance(value, str) else None


_COUNTS = frozenset(
    (
        "input_tokens",
        "output_tokens",
        "cache_read_input_tokens",
        "cache_creation_input_tokens",
        "ephemeral_5m_input_tokens",
        "ephemeral_1h_input_tokens",
        "web_search_requests",
    )
)
_OBJECTS = frozenset(("message", "usage", "cache_creation", "server_tool_use", "data", "forkedFrom"))
_LISTS = frozenset(("iterations", "content"))


def _count(value: Any) -> int:
    """A count out of whatever stands there; nothing is 0; no count is -1, so that the reader leaves it out."""
    if value is None:
        return 0
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 10:
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else -1


def clean(text: str) -> str:
    """Text without lone surrogates, which nothing else can encode."""
    return text if text.isascii() else text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def decode_patiently(raw: bytes) -> tuple[list[PatientLine], str | None]:
    """The objects on a line, however many there are, and what is wrong with the rest (None: nothing).

    Half a line of a process that was killed is followed by the whole lines of the next one.
    """
    text = raw.decode("utf-8", "replace").strip(_IDLE)
    found: list[PatientLine] = []
    complaint, position, in_vain = None, 0, 0
    while 0 <= position < len(text):
        try:
            value, position = _DECODER.raw_decode(text, position)
        except (ValueError, RecursionError) as error:
            complaint = "not JSON"
            in_vain += getattr(error, "pos", len(text))
            position = text.find('{"', position + 1) if in_vain < IN_VAIN_MAX * len(text) else -1
            continue
        if isinstance(value, dict):
            found.append(PatientLine(value))
        else:
            complaint = complaint or "not a JSON object"
        while position < len(text) and text[position] in _IDLE:
            position += 1
        if complaint and position < len(text) and text[position] != "{":
            position = text.find('{"', position)  # a part of something cut: on to where an object may begin
    return found, complaint


IN_VAIN_MAX = 20  # lengths of the line that are decoded in vain before the rest is given up
_IDLE = "\x00 \t\r\n\ufeff"
_DECODER = json.JSONDecoder()
