"""People may switch the one-key shortcuts off."""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_20e"
down_revision = "2026_11_20d"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("person", sa.Column("shortcuts_off_at", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    raise NotImplementedError("restore a backup instead")
