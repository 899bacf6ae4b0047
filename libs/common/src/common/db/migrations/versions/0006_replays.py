"""Where a replay of the normalising stands."""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

STATEMENTS = (
    """
    CREATE TABLE replays (
        platform TEXT NOT NULL,
        inner_id TEXT NOT NULL,
        position BIGINT NOT NULL,
        started_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        CONSTRAINT replays_pkey PRIMARY KEY (platform, inner_id)
    )
    """,
    "COMMENT ON TABLE replays IS 'Replays that have not ended'",
    "COMMENT ON COLUMN replays.platform IS 'empty: all'",
    "COMMENT ON COLUMN replays.inner_id IS 'empty: all'",
    "COMMENT ON COLUMN replays.position IS 'raw_data.id up to which rows were normalised anew'",
)


def upgrade() -> None:
    """Add it."""
    for statement in STATEMENTS:
        op.execute(statement)
