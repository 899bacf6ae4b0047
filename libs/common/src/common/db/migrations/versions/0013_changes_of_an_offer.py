"""An index by which the changes of one offer are found."""

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add it."""
    op.execute("CREATE INDEX catalog_changes_inner_id_idx ON catalog_changes (inner_id, change_id)")
