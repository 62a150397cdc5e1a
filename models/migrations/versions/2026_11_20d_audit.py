"""Tables of audit."""

revision = "2026_11_20d"
down_revision = "2026_11_20c"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    raise NotImplementedError("restore a backup instead")
