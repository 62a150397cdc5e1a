"""Sums of calls, kept in the same transaction as the calls they sum.

Buckets are whole numbers since the epoch in UTC: `quarter` (of an hour), `hour`, `day`, `month` (year*12 + month-1).
Rows with `owner_id` 0 sum over everybody. Every table can be recomputed from `call` (meter/rollups.py).
"""

from sqlalchemy import Index
from sqlmodel import SQLModel

from models.types import key, whole


class Sums(SQLModel):
    """The nine additive measures of some calls."""

    calls: int = whole()
    input_tokens: int = whole()
    output_tokens: int = whole()
    cache_read_tokens: int = whole()
    cache_write_5m_tokens: int = whole()
    cache_write_1h_tokens: int = whole()
    web_searches: int = whole()
    cost_nanousd: int = whole()
    unpriced_calls: int = whole()


_NO_ROWID = {"sqlite_with_rowid": False}  # the primary key is the table: one B-tree, read in order


class UsageQuarter(Sums, table=True):
    """Every dimension at once, by quarter of an hour: ragged edges, zones with :30 and :45, active sessions."""

    __tablename__ = "usage_quarter"
    __table_args__ = (
        Index("usage_quarter_by_session", "owner_id", "agent_session_id", "quarter"),
        _NO_ROWID,
    )
    owner_id: int = key()
    quarter: int = key()
    agent_session_id: int = key()
    machine_id: int = key()
    project_id: int = key()
    llm_model_id: int = key()


class UsageHour(Sums, table=True):
    """Sums by hour and model, per owner and for everybody."""

    __tablename__ = "usage_hour"
    __table_args__ = (_NO_ROWID,)
    owner_id: int = key()
    hour: int = key()
    llm_model_id: int = key()


class UsageDay(Sums, table=True):
    """Sums by UTC day and model, per owner and for everybody."""

    __tablename__ = "usage_day"
    __table_args__ = (_NO_ROWID,)
    owner_id: int = key()
    day: int = key()
    llm_model_id: int = key()


class UsageMonth(Sums, table=True):
    """Sums by UTC month and model, per owner and for everybody."""

    __tablename__ = "usage_month"
    __table_args__ = (_NO_ROWID,)
    owner_id: int = key()
    month: int = key()
    llm_model_id: int = key()


class PlaceHour(Sums, table=True):
    """Sums by project, hour, machine and model: pages narrowed to a project or a machine."""

    __tablename__ = "place_hour"
    __table_args__ = (_NO_ROWID,)
    owner_id: int = key()
    project_id: int = key()
    hour: int = key()
    machine_id: int = key()
    llm_model_id: int = key()


class PlaceDay(Sums, table=True):
    """Sums by project, UTC day, machine and model."""

    __tablename__ = "place_day"
    __table_args__ = (_NO_ROWID,)
    owner_id: int = key()
    project_id: int = key()
    day: int = key()
    machine_id: int = key()
    llm_model_id: int = key()


class MachineDay(Sums, table=True):
    """Sums by UTC day and machine."""

    __tablename__ = "machine_day"
    __table_args__ = (_NO_ROWID,)
    owner_id: int = key()
    machine_id: int = key()
    day: int = key()


class MachineMonth(Sums, table=True):
    """Sums by UTC month and machine."""

    __tablename__ = "machine_month"
    __table_args__ = (_NO_ROWID,)
    owner_id: int = key()
    machine_id: int = key()
    month: int = key()


class ProjectDay(Sums, table=True):
    """Sums by UTC day and project."""

    __tablename__ = "project_day"
    __table_args__ = (_NO_ROWID,)
    owner_id: int = key()
    project_id: int = key()
    day: int = key()


class ProjectMonth(Sums, table=True):
    """Sums by UTC month and project."""

    __tablename__ = "project_month"
    __table_args__ = (_NO_ROWID,)
    owner_id: int = key()
    project_id: int = key()
    month: int = key()


class SessionActive(SQLModel, table=True):
    """Distinct sessions made additive: sessions active in `hour` whose previous active hour was `previous_hour`.

    `previous_hour` is 0 for a session's first hour. Distinct sessions in [a, b) = sum over hours in [a, b)
    of the rows with previous_hour < a.
    """

    __tablename__ = "session_active"
    __table_args__ = (_NO_ROWID,)
    owner_id: int = key()
    hour: int = key()
    previous_hour: int = key()
    sessions: int = whole()


class ProjectActive(SQLModel, table=True):
    """The same within one project: `previous_hour` is the session's last hour before in that project."""

    __tablename__ = "project_active"
    __table_args__ = (_NO_ROWID,)
    owner_id: int = key()
    project_id: int = key()
    hour: int = key()
    previous_hour: int = key()
    sessions: int = whole()


class ToolHour(SQLModel, table=True):
    """Tool uses by hour and project; per owner only."""

    __tablename__ = "tool_hour"
    __table_args__ = (_NO_ROWID,)
    owner_id: int = key()
    hour: int = key()
    project_id: int = key()
    tool_id: int = key()
    uses: int = whole()


class ToolDay(SQLModel, table=True):
    """Tool uses by UTC day."""

    __tablename__ = "tool_day"
    __table_args__ = (_NO_ROWID,)
    owner_id: int = key()
    day: int = key()
    tool_id: int = key()
    uses: int = whole()


class ProjectToolDay(SQLModel, table=True):
    """Tool uses by project and UTC day."""

    __tablename__ = "project_tool_day"
    __table_args__ = (_NO_ROWID,)
    owner_id: int = key()
    project_id: int = key()
    day: int = key()
    tool_id: int = key()
    uses: int = whole()
