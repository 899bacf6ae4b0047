"""What the sweeps under way have seen of each list."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

STATEMENTS = (
    """
    CREATE TABLE sweep_sights (
        platform TEXT NOT NULL,
        inner_id TEXT NOT NULL,
        CONSTRAINT sweep_sights_pkey PRIMARY KEY (platform, inner_id)
    )
    """,
    "COMMENT ON TABLE sweep_sights IS 'Offers that the sweeps under way have seen; empty between two reconciliations'",
)


def upgrade() -> None:
    """Add it."""
    for statement in STATEMENTS:
        op.execute(statement)
