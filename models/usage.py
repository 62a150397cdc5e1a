"""What was used: machines, projects, agent sessions, calls, and the names they share.

`owner_id` (a person) leads every key, so that a large installation can spread its tables by owner.
Ids of machines, projects and sessions count up per owner; they mean nothing without the owner.
"""

from datetime import datetime

from sqlalchemy import BigInteger, Index, Text, UniqueConstraint
from sqlmodel import Field, SQLModel

from models.types import UTCDateTime


def _int(**kw: object) -> int:
    return Field(sa_type=BigInteger, **kw)  # SQLModel's plain int is 32 bits on PostgreSQL


def _id() -> int:
    return Field(sa_type=BigInteger, primary_key=True, sa_column_kwargs={"autoincrement": False})


def _text(**kw: object) -> str:
    return Field(sa_type=Text, **kw)


class LlmModel(SQLModel, table=True):
    """A model name as agents write it, with its family and provider. Shared by all owners."""

    __tablename__ = "llm_model"
    id: int = _id()
    name: str = _text(unique=True)
    family: str = _text()
    provider: str = _text()


class Tool(SQLModel, table=True):
    """A tool's name as agents write it, e.g. `Bash` or `mcp__github__get_issue`. Shared by all owners."""

    id: int = _id()
    name: str = _text(unique=True)


class Machine(SQLModel, table=True):
    """A computer that agents ran on; `machine_key` is its identity, `name` may change."""

    __table_args__ = (UniqueConstraint("owner_id", "machine_key", name="machine_by_key"),)
    owner_id: int = _id()
    id: int = _id()
    machine_key: str = _text()
    name: str = _text()
    first_seen_at: datetime = Field(sa_type=UTCDateTime)


class Project(SQLModel, table=True):
    """A folder that agents worked in.

    `project_key` is the agent's own name of it (Claude Code: the folder below `projects/`), `path` the
    working directory as the agent wrote it, `label` its last part.
    """

    __table_args__ = (
        UniqueConstraint("owner_id", "project_key", name="project_by_key"),
        Index("project_by_path", "owner_id", "path"),
    )
    owner_id: int = _id()
    id: int = _id()
    project_key: str = _text()
    path: str = _text()
    label: str = _text()


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
    owner_id: int = _id()
    id: int = _id()
    public_id: str = _text()
    source_agent: str = _text()
    session_key: str = _text()
    machine_id: int = _int()
    project_id: int = _int()
    agent_version: str = _text()
    finest_source: int = _int()
    first_ms: int | None = _int(nullable=True, default=None)
    last_ms: int | None = _int(nullable=True, default=None)
    calls: int = _int()
    input_tokens: int = _int()
    output_tokens: int = _int()
    cache_read_tokens: int = _int()
    cache_write_5m_tokens: int = _int()
    cache_write_1h_tokens: int = _int()
    web_searches: int = _int()
    cost_nanousd: int = _int()
    unpriced_calls: int = _int()


class SessionLink(SQLModel, table=True):
    """`session_id` repeats calls that `origin_session_id` owns: a resumed, forked or branched session."""

    __tablename__ = "session_link"
    owner_id: int = _id()
    session_id: int = _id()
    origin_session_id: int = _id()


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
    owner_id: int = _id()
    call_key: str = Field(sa_type=Text, primary_key=True)
    at_ms: int = _int()
    agent_session_id: int = _int()
    machine_id: int = _int()
    project_id: int = _int()
    llm_model_id: int = _int()
    input_tokens: int = _int()
    output_tokens: int = _int()
    cache_read_tokens: int = _int()
    cache_write_5m_tokens: int = _int()
    cache_write_1h_tokens: int = _int()
    web_searches: int = _int()
    cost_nanousd: int = _int()
    rate_id: int | None = _int(nullable=True)
    client_cost_nanousd: int | None = _int(nullable=True)
    stated_5m_tokens: int = _int()
    stated_write_tokens: int = _int()
    speed: str = _text()
    service_tier: str = _text()
    inference_geo: str = _text()
    source: int = _int()
    is_superseded: int = _int()
    is_sidechain: int = _int()
    is_copy: int = _int()
    request_id: str = _text()
    agent_id: str = _text()
    git_branch: str = _text()
    stop_reason: str = _text()
    tools: str = _text()
    received_ms: int = _int()
