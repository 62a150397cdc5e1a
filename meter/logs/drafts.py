"""The call draft: what every reader makes out of a log line, before anything is known of the database.

Standard library only, so that the same readers also run inside the push agent.
"""

from __future__ import annotations

import hashlib
from operator import attrgetter
from typing import Any

# A provider's id alone identifies a call; these begin one, followed by a long random part.
_ID_PREFIXES = ("msg_", "chatcmpl-", "resp_", "gen-")
_RANDOM_PART_MIN = 16
_DISTINCT_MIN = 5
TEXT_MAX = 1000  # characters of a name, a path or an id that are kept
TOOL_NAME_MAX = 200
TOOL_ID_TAIL = 12  # characters of a tool-use id that tell the uses within one call apart


class CallDraft:
    """One model call as a log tells it; several drafts of one call merge into one.

    `counts` are input, output, cache read, stated 5-minute writes, 1-hour writes, stated total of writes (tokens), and
    web searches. Times are epoch milliseconds UTC. `tools` maps the tail of a tool-use id to the tool's name.
    `client_cost_nanousd` is the agent's own figure, or None. `also_in`: further sessions that repeat the call.
    """

    __slots__ = (
        "call_key",
        "at_ms",
        "session_key",
        "machine_key",
        "project_key",
        "project_path",
        "llm_model",
        "counts",
        "client_cost_nanousd",
        "speed",
        "service_tier",
        "inference_geo",
        "is_sidechain",
        "is_copy",
        "request_id",
        "agent_id",
        "git_branch",
        "agent_version",
        "stop_reason",
        "tools",
        "also_in",
    )

    def __init__(
        self,
        call_key: str,
        at_ms: int,
        session_key: str,
        machine_key: str,
        project_key: str,
        project_path: str,
        llm_model: str,
        counts: tuple[int, ...],
        client_cost_nanousd: int | None = None,
        speed: str = "",
        service_tier: str = "",
        inference_geo: str = "",
        is_sidechain: int = 0,
        is_copy: int = 0,
        request_id: str = "",
        agent_id: str = "",
        git_branch: str = "",
        agent_version: str = "",
        stop_reason: str = "",
        tools: dict[str, str] | None = None,
        also_in: tuple[str, ...] = (),
    ) -> None:
        self.call_key = call_key
        self.at_ms = at_ms
        self.session_key = session_key
        self.machine_key = machine_key
        self.project_key = project_key
        self.project_path = project_path
        self.llm_model = llm_model
        self.counts = counts
        self.client_cost_nanousd = client_cost_nanousd
        self.speed = speed
        self.service_tier = service_tier
        self.inference_geo = inference_geo
        self.is_sidechain = is_sidechain
        self.is_copy = is_copy
        self.request_id = request_id
        self.agent_id = agent_id
        self.git_branch = git_branch
        self.agent_version = agent_version
        self.stop_reason = stop_reason
        self.tools = {} if tools is None else tools
        self.also_in = also_in

    def as_tuple(self) -> tuple[Any, ...]:
        """The values in the order of `__init__`: what travels between processes."""
        return _all_values(self)

    def tidy(self) -> None:
        """Keep texts storable alike everywhere: no NUL, no lone surrogates, at most `TEXT_MAX` characters."""
        joined = f"{self.call_key}{self.session_key}{self.project_path}{self.llm_model}{self.request_id}{self.git_branch}"
        if len(joined) > TEXT_MAX or "\x00" in joined:
            for name in _TEXTS:
                setattr(self, name, storable(getattr(self, name)))

    def owner_rank(self) -> tuple[Any, ...]:
        """The smallest rank among the copies of a call owns it: first in time, then the original, then by name."""
        return (self.at_ms, self.is_copy, self.is_sidechain, self.session_key, self.project_key, self.machine_key)

    def merge(self, other: CallDraft) -> None:
        """Take in another copy of the same call; any order of copies gives the same result."""
        self.grow(other.counts)
        if other.client_cost_nanousd is not None:
            self.client_cost_nanousd = max(self.client_cost_nanousd or 0, other.client_cost_nanousd)
        for name in ("speed", "service_tier", "inference_geo", "stop_reason"):
            if getattr(other, name) > getattr(self, name):
                setattr(self, name, getattr(other, name))
        if other.tools:
            self.tools = {**other.tools, **self.tools}
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
    """Text without what a database refuses: NUL and lone surrogates become U+FFFD; cut at `TEXT_MAX`."""
    if "\x00" in text:
        text = text.replace("\x00", "\ufffd")
    return text[:TEXT_MAX].encode("utf-8", "replace").decode("utf-8")


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
_TEXTS = tuple(
    name
    for name in CallDraft.__slots__
    if name not in ("at_ms", "counts", "client_cost_nanousd", "is_sidechain", "is_copy", "tools", "also_in")
)
_all_values = attrgetter(*CallDraft.__slots__)


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
    request (or time). Without any id, the call's own facts are hashed.
    """
    if is_provider_id(message_id):
        return message_id
    if message_id or request_id:
        return f"{session_key}|{request_id or at_ms}|{message_id}"
    facts = repr((session_key, at_ms, llm_model, tuple(counts)))
    return "hash:" + hashlib.blake2b(facts.encode("utf-8", "replace"), digest_size=16).hexdigest()
