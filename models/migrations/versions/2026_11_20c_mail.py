"""The whitelist, links for people who are not here yet, mail, and counts of tries."""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_20c"
down_revision = "2026_11_20b"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _people()
    _mail()
    _rate_limits()


def _people() -> None:
    op.add_column("person", sa.Column("session_epoch", sa.BigInteger(), nullable=False, server_default="0"))
    op.add_column("browser_session", sa.Column("kind", sa.Text(), nullable=False, server_default="browser"))
    op.create_table(
        "allowed_email",
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("added_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("rule"),
    )
    op.execute("insert into allowed_email (rule, added_at) select email, created_at from person")
    op.drop_table("login_link")  # a link lives for ten minutes; whoever waits for one asks again
    op.create_table(
        "login_link",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("token_hash", sa.Text(), nullable=True),
        sa.Column("person_id", sa.BigInteger(), nullable=True),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("session_epoch", sa.BigInteger(), nullable=False),
        sa.Column("made_by", sa.Text(), nullable=False),
        sa.Column("asked_from", sa.Text(), nullable=False),
        sa.Column("asked_ip", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("used_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("login_link_by_email", "login_link", ["email", "purpose"], unique=True)
    op.create_index("login_link_by_person", "login_link", ["person_id"], unique=False)


def _mail() -> None:
    op.create_table(
        "mail",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("facts", sa.Text(), nullable=False),
        sa.Column("link_id", sa.Text(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("next_try_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("leased_until", sa.BigInteger(), nullable=True),
        sa.Column("tries", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("mail_by_address", "mail", ["address"], unique=False)
    op.create_index("mail_by_time", "mail", ["next_try_at"], unique=False)


def _rate_limits() -> None:
    op.create_table(
        "rate_limit",
        sa.Column("bucket", sa.Text(), nullable=False),
        sa.Column("tries", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("bucket"),
    )
    op.create_table(
        "rate_limit_try",
        sa.Column("bucket", sa.Text(), nullable=False),
        sa.Column("slot", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("bucket", "slot"),
    )


def downgrade() -> None:
    raise NotImplementedError("restore a backup instead")
