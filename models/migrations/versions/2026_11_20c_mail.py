"""Tables of mail."""

revision = "2026_11_20c"
down_revision = "2026_11_20b"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    raise NotImplementedError("restore a backup instead")
