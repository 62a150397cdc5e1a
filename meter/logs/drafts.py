"""The call draft: what every reader makes out of a log line, before anything is known of the database.

Standard library only, so that the same readers also run inside the push agent.
"""

from __future__ import annotations

import dataclasses
import hashlib
from operator import attrgetter
from typing import TYPE_CHECKING, Any, get_type_hints

try:
    import msgspec
except ImportError:
    msgspec = None  # type: ignore[assignment]

# A provider's id alone identifies a call; these begin one, followed by a long random part.
_ID_PREFIXES = ("msg_", "chatcmpl-", "resp_", "gen-")
_RANDOM_PART_MIN = 16
_DISTINCT_MIN = 5
TEXT_MAX = 1000  # characters of a name, a path or an id that are kept
TEXT_BYTES_MAX = 2000  # and bytes of them: an index of PostgreSQL takes 2,704
KEY_MAX = 400  # characters of a call's key; of a longer one the hash is kept
TOOL_NAME_MAX = 200
TOOL_ID_TAIL = 12  # characters of a tool-use id that tell the uses within one call apart


class _Fields:
    """What a draft is made of. `counts` are input, output, cache read, stated 5-minute writes, 1-hour writes, stated
    total of writes (tokens), and web searches."""

    call_key: str
    at_ms: int
    session_key: str
    machine_key: str
    project_key: str
    project_path: str
    llm_model: str
    counts: tuple[int, ...]
    client_cost_nanousd: int | None = None
    speed: str = ""
    service_tier: str = ""
    inference_geo: str = ""
    is_sidechain: int = 0
    is_copy: int = 0
    request_id: str = ""
    agent_id: str = ""
    git_branch: str = ""
    agent_version: str = ""
    stop_reason: str = ""
    tools: dict[str, str] | None = None
    also_in: tuple[str, ...] = ()

    if TYPE_CHECKING:

        def __init__(self, *values: Any, **named: Any) -> None: ...


_NAMES = tuple(_Fields.__annotations__)
if not TYPE_CHECKING:
    if msgspec is not None:  # made and sent between processes several times as fast
        _kinds = get_type_hints(_Fields)
        _specs = [
            (name, _kinds[name], *([getattr(_Fields, name)] if hasattr(_Fields, name) else [])) for name in _NAMES
        ]
        _Fields = msgspec.defstruct("_Fields", _specs, gc=False, array_like=True)
    else:
        _Fields = dataclasses.dataclass(_Fields)


class CallDraft(_Fields):
    """One model call as a log tells it; several drafts of one call merge into one.

    Times are epoch milliseconds UTC. `tools` maps the tail of a tool-use id to the tool's name, or is None.
    `client_cost_nanousd` is the agent's own figure, or None. `also_in`: further sessions that repeat the call.
    """

    def as_tuple(self) -> tuple[Any, ...]:
        """The values in the order of the fields."""
        values: tuple[Any, ...] = _all_values(self)
        return values

    def owner_rank(self) -> tuple[Any, ...]:
        """The smallest rank among the copies of a call owns it: first in time, then the original, then by name."""
        where = (self.session_key, self.project_key, self.machine_key, self.agent_id)
        return (self.at_ms, self.is_copy, self.is_sidechain, *where, self.llm_model, self.request_id, self.git_branch)

    def merge(self, other: CallDraft) -> None:
        """Take in another copy of the same call; any order of copies gives the same result."""
        self.grow(other.counts)
        if other.client_cost_nanousd is not None:
            self.client_cost_nanousd = max(self.client_cost_nanousd or 0, other.client_cost_nanousd)
        for name in ("speed", "service_tier", "inference_geo", "stop_reason"):
            if getattr(other, name) > getattr(self, name):
                setattr(self, name, getattr(other, name))
        if other.tools:
            self.tools = {**other.tools, **(self.tools or {})}
        sessions = {self.session_key, other.session_key, *self.also_in, *other.also_in}
        if other.owner_rank() < self.owner_rank():
            for name in _OWNED:
                setattr(self, name, getattr(other, name))
        if len(sessions) > 1:
            self.also_in = tuple(sorted(sessions - {self.session_key}))

    def grow(self, counts: tuple[int, ...]) -> None:
        """Field-wise maximum with the counts of another copy."""
        self.counts = tuple(map(max, self.counts, counts))


def storable(text: str) -> str:
    """Text that every database takes: NUL and lone surrogates become U+FFFD; cut at `TEXT_MAX` and `TEXT_BYTES_MAX`."""
    if text.isascii() and len(text) <= TEXT_MAX and "\x00" not in text:
        return text
    units = text[:TEXT_MAX].replace("\x00", "\ufffd").encode("utf-16-le", "surrogatepass")
    return units.decode("utf-16-le", "replace").encode()[:TEXT_BYTES_MAX].decode("utf-8", "ignore")


def split_writes(stated_5m: int, write_1h: int, stated_total: int) -> tuple[int, int]:
    """Five-minute and one-hour cache writes that count: what a total leaves beyond its parts is five-minute."""
    return max(stated_5m, stated_total - write_1h), write_1h


# What the owning copy decides about a call, beside its counts.
_OWNED = (
    "at_ms",
    "session_key",
    "machine_key",
    "project_key",
    "project_path",
    "llm_model",
    "is_sidechain",
    "is_copy",
    "request_id",
    "agent_id",
    "git_branch",
    "agent_version",
)
_all_values = attrgetter(*_NAMES)


def is_provider_id(message_id: str) -> bool:
    """True for an id that a provider made: known prefix and a long random part, so that it is unique by itself."""
    for prefix in _ID_PREFIXES:
        if message_id.startswith(prefix):
            rest = message_id[len(prefix) :]
            return len(rest) >= _RANDOM_PART_MIN and len(set(rest[-_RANDOM_PART_MIN:])) >= _DISTINCT_MIN
    return False


def call_key(message_id: str, session_key: str, request_id: str, at_ms: int, llm_model: str, counts: Any) -> str:
    """The key of a call within its owner.

    A provider's id stands alone. Some relays send one constant id: any other id is scoped to its session and
    request (or time). Without any id the call's own facts are hashed, and so is an id too long for an index.
    """
    if is_provider_id(message_id):
        facts = message_id
    elif message_id or request_id:
        facts = f"{session_key}|{request_id or at_ms}|{message_id}"
    else:
        facts = repr((session_key, at_ms, llm_model, tuple(counts)))
    if (message_id or request_id) and len(facts) <= KEY_MAX:
        return storable(facts)
    return "hash:" + hashlib.blake2b(facts.encode("utf-8", "replace"), digest_size=16).hexdigest()
