"""Tables of tokens."""

revision = "2026_11_20b"
down_revision = "2026_11_20"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    raise NotImplementedError("restore a backup instead")
