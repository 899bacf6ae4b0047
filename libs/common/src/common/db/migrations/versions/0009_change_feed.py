"""Indexes by which the change feed is read: of one platform, and from a day on."""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

STATEMENTS = (
    "CREATE INDEX catalog_changes_platform_idx ON catalog_changes (platform, change_id)",
    "CREATE INDEX catalog_changes_changed_at_idx ON catalog_changes USING brin (changed_at)",
)


def upgrade() -> None:
    """Add them."""
    for statement in STATEMENTS:
        op.execute(statement)
