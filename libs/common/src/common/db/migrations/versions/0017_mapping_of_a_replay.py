"""Under which mapping a replay stands where it stands: under another one, it begins at the first row."""

from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

STATEMENTS = (
    "ALTER TABLE replays ADD COLUMN mapping TEXT DEFAULT '' NOT NULL",
    "COMMENT ON COLUMN replays.mapping IS 'digest of the mapping; empty: not known'",
)


def upgrade() -> None:
    """Add it."""
    for statement in STATEMENTS:
        op.execute(statement)
