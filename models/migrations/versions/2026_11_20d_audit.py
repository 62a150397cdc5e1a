"""Tables of the audit log, which can only be added to, and of the setup."""

import sqlalchemy as sa
from alembic import op

from models.db import kind_of

revision = "2026_11_20d"
down_revision = "2026_11_20c"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _tables()
    for statement in TRIGGERS[kind_of(op.get_bind())]:
        op.execute(statement)


def _tables() -> None:
    op.create_table(
        "audit",
        sa.Column("id", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("actor_id", sa.BigInteger(), nullable=True),
        sa.Column("token_id", sa.Text(), nullable=False),
        sa.Column("target_id", sa.BigInteger(), nullable=True),
        sa.Column("meta", sa.Text(), nullable=False),
        sa.Column("actor_seal", sa.Text(), nullable=False),
        sa.Column("target_seal", sa.Text(), nullable=False),
        sa.Column("previous_hash", sa.Text(), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("audit_by_time", "audit", ["at"], unique=False)
    op.create_index("audit_by_actor", "audit", ["actor_id"], unique=False)
    op.create_index("audit_by_target", "audit", ["target_id"], unique=False)
    op.create_table(
        "audit_private",
        sa.Column("audit_id", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("part", sa.Text(), nullable=False),
        sa.Column("about_id", sa.BigInteger(), nullable=True),
        sa.Column("salt", sa.Text(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("erased_by", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("audit_id", "part"),
    )
    op.create_index("audit_private_by_person", "audit_private", ["about_id"], unique=False)
    op.create_table(
        "audit_head",
        sa.Column("id", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("entries", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "setup_value",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )


REFUSAL = "the audit log can only be added to"
# All that may happen to a private part: it is blanked, once, by a deletion that comes after it.
ERASES = """
    new.audit_id = old.audit_id and new.part = old.part and new.about_id {same} old.about_id
    and old.erased_by is null and new.erased_by > old.audit_id and new.salt = '' and new.content = ''
"""


def _sqlite_trigger(name: str, moment: str, table: str, condition: str = "1") -> str:
    refuse = f"select raise(abort, '{REFUSAL}')"
    return f"create trigger {name} before {moment} on {table} when {condition} begin {refuse}; end"


def _postgres_trigger(name: str, moment: str, table: str, condition: str = "true") -> str:
    when = "" if moment == "truncate" else f"for each row when ({condition})"
    return f"create trigger {name} before {moment} on {table} {when} execute function refuse_audit_change()"


# SQLite replaces a row (insert or replace) without asking the trigger of deletions: such an insert is refused as well.
TRIGGERS = {
    "sqlite": (
        _sqlite_trigger("audit_keeps", "update", "audit"),
        _sqlite_trigger("audit_stays", "delete", "audit"),
        _sqlite_trigger("audit_adds", "insert", "audit", "exists (select 1 from audit where id = new.id)"),
        _sqlite_trigger("audit_private_keeps", "update", "audit_private", f"not ({ERASES.format(same='is')})"),
        _sqlite_trigger("audit_private_stays", "delete", "audit_private"),
        _sqlite_trigger(
            "audit_private_adds",
            "insert",
            "audit_private",
            "exists (select 1 from audit_private where audit_id = new.audit_id and part = new.part)",
        ),
    ),
    "postgresql": (
        "create function refuse_audit_change() returns trigger language plpgsql as"
        f" $$ begin raise exception '{REFUSAL}'; end $$",
        _postgres_trigger("audit_keeps", "update", "audit"),
        _postgres_trigger("audit_stays", "delete", "audit"),
        _postgres_trigger("audit_whole", "truncate", "audit"),
        _postgres_trigger(
            "audit_private_keeps",
            "update",
            "audit_private",
            f"({ERASES.format(same='is not distinct from')}) is not true",
        ),
        _postgres_trigger("audit_private_stays", "delete", "audit_private"),
        _postgres_trigger("audit_private_whole", "truncate", "audit_private"),
    ),
}


def downgrade() -> None:
    raise NotImplementedError("restore a backup instead")
