"""What was used: machines, projects, agent sessions, calls, and the names they share.

`owner_id` (a person) leads every key, so that a large installation can spread its tables by owner.
Ids of machines, projects and sessions count up per owner; they mean nothing without the owner.
"""

from datetime import datetime

from sqlalchemy import Index, UniqueConstraint
from sqlmodel import SQLModel

from models.types import key, moment, whole, words


class LlmModel(SQLModel, table=True):
    """A model name as agents write it, with its family and provider. Shared by all owners."""

    __tablename__ = "llm_model"
    id: int = key()
    name: str = words(unique=True)
    family: str = words()
    provider: str = words()


class Tool(SQLModel, table=True):
    """A tool's name as agents write it, e.g. `Bash` or `mcp__github__get_issue`. Shared by all owners."""

    id: int = key()
    name: str = words(unique=True)


class Machine(SQLModel, table=True):
    """A computer that agents ran on; `machine_key` is its identity, `name` may change."""

    __table_args__ = (UniqueConstraint("owner_id", "machine_key", name="machine_by_key"),)
    owner_id: int = key()
    id: int = key()
    machine_key: str = words()
    name: str = words()
    first_seen_at: datetime = moment()


class Project(SQLModel, table=True):
    """A folder that agents worked in.

    `project_key` is the agent's own name of it (Claude Code: the folder below `projects/`), `path` the
    working directory as the agent wrote it, `label` the end of it that tells it from the owner's other projects.
    """

    __table_args__ = (
        UniqueConstraint("owner_id", "project_key", name="project_by_key"),
        Index("project_by_path", "owner_id", "path"),
    )
    owner_id: int = key()
    id: int = key()
    project_key: str = words()
    path: str = words()
    label: str = words()


class AgentSession(SQLModel, table=True):
    """One conversation with an agent, with the sums of its counted calls.

    `finest_source` is the smallest source rank that reported calls (see meter/ingest.py); coarser reports of
    the session stay stored but are superseded. Times are epoch milliseconds, null while nothing counts.
    """

    __tablename__ = "agent_session"
    __table_args__ = (
        UniqueConstraint("owner_id", "source_agent", "session_key", name="agent_session_by_key"),
        Index("agent_session_by_public_id", "public_id"),
        Index("agent_session_by_start", "owner_id", "first_ms"),
        Index("agent_session_by_end", "owner_id", "last_ms"),
    )
    owner_id: int = key()
    id: int = key()
    public_id: str = words()
    source_agent: str = words()
    session_key: str = words()
    machine_id: int = whole()
    project_id: int = whole()
    agent_version: str = words()
    finest_source: int = whole()
    first_ms: int | None = whole(nullable=True, default=None)
    last_ms: int | None = whole(nullable=True, default=None)
    calls: int = whole()
    input_tokens: int = whole()
    output_tokens: int = whole()
    cache_read_tokens: int = whole()
    cache_write_5m_tokens: int = whole()
    cache_write_1h_tokens: int = whole()
    web_searches: int = whole()
    cost_nanousd: int = whole()
    unpriced_calls: int = whole()


class SessionLink(SQLModel, table=True):
    """`session_id` repeats calls that `origin_session_id` owns: a resumed, forked or branched session."""

    __tablename__ = "session_link"
    owner_id: int = key()
    session_id: int = key()
    origin_session_id: int = key()


class Call(SQLModel, table=True):
    """One answer of a model: the unit that is counted and priced.

    `call_key` is the provider's message id, or what stands in for it. `cache_write_5m_tokens` is what is
    counted; `stated_*` keep the largest figures that copies stated, so that merging stays order-independent.
    `tools` holds `id-tail name` of its tool uses, one a line. `speed`, `service_tier` and `inference_geo` are part of
    the price and empty where they are the standard.
    `rate_id` is the rate row the cost came from; null: unpriced (or the client's own figure counts).
    """

    __table_args__ = (
        Index("call_by_session", "owner_id", "agent_session_id", "at_ms"),
        Index("call_by_time", "owner_id", "at_ms"),
    )
    owner_id: int = key()
    call_key: str = words(primary_key=True)
    at_ms: int = whole()
    agent_session_id: int = whole()
    machine_id: int = whole()
    project_id: int = whole()
    llm_model_id: int = whole()
    input_tokens: int = whole()
    output_tokens: int = whole()
    cache_read_tokens: int = whole()
    cache_write_5m_tokens: int = whole()
    cache_write_1h_tokens: int = whole()
    web_searches: int = whole()
    cost_nanousd: int = whole()
    rate_id: int | None = whole(nullable=True)
    client_cost_nanousd: int | None = whole(nullable=True)
    stated_5m_tokens: int = whole()
    stated_write_tokens: int = whole()
    speed: str = words()
    service_tier: str = words()
    inference_geo: str = words()
    source: int = whole()
    is_superseded: int = whole()
    is_sidechain: int = whole()
    is_copy: int = whole()
    request_id: str = words()
    agent_id: str = words()
    git_branch: str = words()
    stop_reason: str = words()
    tools: str = words()
    received_ms: int = whole()
