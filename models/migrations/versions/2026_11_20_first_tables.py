"""The first tables."""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_20"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    _usage()
    _sync()
    _people()
    _rollups()
    _prices()


def _sums() -> list[sa.Column[int]]:
    """The nine measures of a table of sums.

    They stand behind the key: SQLite 3.40 takes a table without rowid whose key is not in front for a broken one.
    """
    names = (
        "calls",
        "input_tokens",
        "output_tokens",
        "cache_read_tokens",
        "cache_write_5m_tokens",
        "cache_write_1h_tokens",
        "web_searches",
        "cost_nanousd",
        "unpriced_calls",
    )
    return [sa.Column(name, sa.BigInteger(), nullable=False) for name in names]


def _usage() -> None:
    op.create_table(
        "agent_session",
        sa.Column("owner_id", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("id", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("public_id", sa.Text(), nullable=False),
        sa.Column("source_agent", sa.Text(), nullable=False),
        sa.Column("session_key", sa.Text(), nullable=False),
        sa.Column("machine_id", sa.BigInteger(), nullable=False),
        sa.Column("project_id", sa.BigInteger(), nullable=False),
        sa.Column("agent_version", sa.Text(), nullable=False),
        sa.Column("finest_source", sa.BigInteger(), nullable=False),
        sa.Column("first_ms", sa.BigInteger(), nullable=True),
        sa.Column("last_ms", sa.BigInteger(), nullable=True),
        sa.Column("calls", sa.BigInteger(), nullable=False),
        sa.Column("input_tokens", sa.BigInteger(), nullable=False),
        sa.Column("output_tokens", sa.BigInteger(), nullable=False),
        sa.Column("cache_read_tokens", sa.BigInteger(), nullable=False),
        sa.Column("cache_write_5m_tokens", sa.BigInteger(), nullable=False),
        sa.Column("cache_write_1h_tokens", sa.BigInteger(), nullable=False),
        sa.Column("web_searches", sa.BigInteger(), nullable=False),
        sa.Column("cost_nanousd", sa.BigInteger(), nullable=False),
        sa.Column("unpriced_calls", sa.BigInteger(), nullable=False),
        sa.UniqueConstraint("owner_id", "source_agent", "session_key", name="agent_session_by_key"),
        sa.PrimaryKeyConstraint("owner_id", "id"),
    )
    op.create_index("agent_session_by_end", "agent_session", ["owner_id", "last_ms"], unique=False)
    op.create_index("agent_session_by_public_id", "agent_session", ["public_id"], unique=False)
    op.create_index("agent_session_by_start", "agent_session", ["owner_id", "first_ms"], unique=False)
    op.create_table(
        "call",
        sa.Column("owner_id", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("call_key", sa.Text(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("agent_session_id", sa.BigInteger(), nullable=False),
        sa.Column("machine_id", sa.BigInteger(), nullable=False),
        sa.Column("project_id", sa.BigInteger(), nullable=False),
        sa.Column("llm_model_id", sa.BigInteger(), nullable=False),
        sa.Column("input_tokens", sa.BigInteger(), nullable=False),
        sa.Column("output_tokens", sa.BigInteger(), nullable=False),
        sa.Column("cache_read_tokens", sa.BigInteger(), nullable=False),
        sa.Column("cache_write_5m_tokens", sa.BigInteger(), nullable=False),
        sa.Column("cache_write_1h_tokens", sa.BigInteger(), nullable=False),
        sa.Column("web_searches", sa.BigInteger(), nullable=False),
        sa.Column("cost_nanousd", sa.BigInteger(), nullable=False),
        sa.Column("rate_id", sa.BigInteger(), nullable=True),
        sa.Column("client_cost_nanousd", sa.BigInteger(), nullable=True),
        sa.Column("stated_5m_tokens", sa.BigInteger(), nullable=False),
        sa.Column("stated_write_tokens", sa.BigInteger(), nullable=False),
        sa.Column("speed", sa.Text(), nullable=False),
        sa.Column("service_tier", sa.Text(), nullable=False),
        sa.Column("inference_geo", sa.Text(), nullable=False),
        sa.Column("source", sa.BigInteger(), nullable=False),
        sa.Column("is_superseded", sa.BigInteger(), nullable=False),
        sa.Column("is_sidechain", sa.BigInteger(), nullable=False),
        sa.Column("is_copy", sa.BigInteger(), nullable=False),
        sa.Column("request_id", sa.Text(), nullable=False),
        sa.Column("agent_id", sa.Text(), nullable=False),
        sa.Column("git_branch", sa.Text(), nullable=False),
        sa.Column("stop_reason", sa.Text(), nullable=False),
        sa.Column("tools", sa.Text(), nullable=False),
        sa.Column("received_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("owner_id", "call_key"),
    )
    op.create_index("call_by_session", "call", ["owner_id", "agent_session_id", "at_ms"], unique=False)
    op.create_index("call_by_time", "call", ["owner_id", "at_ms"], unique=False)
    op.create_table(
        "llm_model",
        sa.Column("id", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("family", sa.Text(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("name"),
    )
    op.create_table(
        "machine",
        sa.Column("owner_id", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("id", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("machine_key", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("first_seen_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("owner_id", "id"),
        sa.UniqueConstraint("owner_id", "machine_key", name="machine_by_key"),
    )
    op.create_table(
        "project",
        sa.Column("owner_id", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("id", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("project_key", sa.Text(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.UniqueConstraint("owner_id", "project_key", name="project_by_key"),
        sa.PrimaryKeyConstraint("owner_id", "id"),
    )
    op.create_index("project_by_path", "project", ["owner_id", "path"], unique=False)
    op.create_table(
        "session_link",
        sa.Column("owner_id", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("session_id", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("origin_session_id", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.PrimaryKeyConstraint("owner_id", "session_id", "origin_session_id"),
    )
    op.create_table(
        "tool",
        sa.Column("id", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.UniqueConstraint("name"),
        sa.PrimaryKeyConstraint("id"),
    )


def _sync() -> None:
    op.create_table(
        "change_count",
        sa.Column("owner_id", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("changes", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("owner_id"),
    )
    op.create_table(
        "file_cursor",
        sa.Column("owner_id", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("modified_ns", sa.BigInteger(), nullable=False),
        sa.Column("inode", sa.BigInteger(), nullable=False),
        sa.Column("offset_bytes", sa.BigInteger(), nullable=False),
        sa.Column("head_hash", sa.Text(), nullable=False),
        sa.Column("lines_skipped", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("owner_id", "path"),
    )
    op.create_table(
        "lease",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("holder", sa.Text(), nullable=False),
        sa.Column("expires_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "sync_run",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("started_ms", sa.BigInteger(), nullable=False),
        sa.Column("finished_ms", sa.BigInteger(), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("files", sa.BigInteger(), nullable=False),
        sa.Column("bytes_read", sa.BigInteger(), nullable=False),
        sa.Column("calls_new", sa.BigInteger(), nullable=False),
        sa.Column("calls_grown", sa.BigInteger(), nullable=False),
        sa.Column("calls_unchanged", sa.BigInteger(), nullable=False),
        sa.Column("lines_skipped", sa.BigInteger(), nullable=False),
        sa.Column("errors", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("sync_run_by_start", "sync_run", ["started_ms"], unique=False)


def _people() -> None:
    op.create_table(
        "installation",
        sa.Column("id", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("claim_hash", sa.Text(), nullable=False),
        sa.Column("claimed_at", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "person",
        sa.Column("id", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("timezone", sa.Text(), nullable=False),
        sa.Column("theme", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("disabled_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("email"),
    )
    op.create_table(
        "browser_session",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("person_id", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("last_seen_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("user_agent", sa.Text(), nullable=False),
        sa.Column("ip", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], ondelete="CASCADE"),
    )
    op.create_index("browser_session_by_person", "browser_session", ["person_id"], unique=False)
    op.create_table(
        "login_link",
        sa.Column("token_hash", sa.Text(), nullable=False),
        sa.Column("person_id", sa.BigInteger(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("used_at", sa.BigInteger(), nullable=True),
        sa.Column("asked_from", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("token_hash"),
    )
    op.create_index("login_link_by_person", "login_link", ["person_id"], unique=False)


def _rollups() -> None:
    for table, *key in (
        ("machine_day", "machine_id", "day"),
        ("machine_month", "machine_id", "month"),
        ("place_day", "project_id", "day", "machine_id", "llm_model_id"),
        ("place_hour", "project_id", "hour", "machine_id", "llm_model_id"),
        ("project_day", "project_id", "day"),
        ("project_month", "project_id", "month"),
        ("usage_day", "day", "llm_model_id"),
        ("usage_hour", "hour", "llm_model_id"),
        ("usage_month", "month", "llm_model_id"),
        ("usage_quarter", "quarter", "agent_session_id", "machine_id", "project_id", "llm_model_id"),
    ):
        _keyed(table, key, _sums())
    for table, counted, *key in (
        ("project_active", "sessions", "project_id", "hour", "previous_hour"),
        ("project_tool_day", "uses", "project_id", "day", "tool_id"),
        ("session_active", "sessions", "hour", "previous_hour"),
        ("tool_day", "uses", "day", "tool_id"),
        ("tool_hour", "uses", "hour", "project_id", "tool_id"),
    ):
        _keyed(table, key, [sa.Column(counted, sa.BigInteger(), nullable=False)])
    op.create_index("usage_quarter_by_session", "usage_quarter", ["owner_id", "agent_session_id", "quarter"])


def _keyed(table: str, key: list[str], measures: list[sa.Column[int]]) -> None:
    """A table whose rows lie in the order of its key: the owner, then `key`."""
    names = ("owner_id", *key)
    columns = [sa.Column(name, sa.BigInteger(), nullable=False, autoincrement=False) for name in names]
    op.create_table(table, *columns, *measures, sa.PrimaryKeyConstraint(*names), sqlite_with_rowid=False)


def _prices() -> None:
    op.create_table(
        "model_alias",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("llm_model", sa.Text(), nullable=False),
        sa.Column("is_override", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "price_list_version",
        sa.Column("id", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "rate",
        sa.Column("id", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("llm_model", sa.Text(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("variant", sa.Text(), nullable=False),
        sa.Column("geo", sa.Text(), nullable=False),
        sa.Column("valid_from_ms", sa.BigInteger(), nullable=False),
        sa.Column("valid_to_ms", sa.BigInteger(), nullable=True),
        sa.Column("prompt_above_tokens", sa.BigInteger(), nullable=False),
        sa.Column("input_pico", sa.BigInteger(), nullable=False),
        sa.Column("output_pico", sa.BigInteger(), nullable=False),
        sa.Column("cache_read_pico", sa.BigInteger(), nullable=False),
        sa.Column("cache_write_5m_pico", sa.BigInteger(), nullable=False),
        sa.Column("cache_write_1h_pico", sa.BigInteger(), nullable=False),
        sa.Column("web_search_nano", sa.BigInteger(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("checked_on", sa.Text(), nullable=False),
        sa.Column("is_override", sa.BigInteger(), nullable=False),
        sa.Column("is_current", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("rate_by_model", "rate", ["llm_model"], unique=False)


def downgrade() -> None:
    raise NotImplementedError("restore a backup instead")
