"""What following a feed needs: days, look-ups, the reference, and when a cursor last moved."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

STATEMENTS = (
    "ALTER TABLE sync_state ADD COLUMN moved_at TIMESTAMP WITH TIME ZONE",
    "ALTER TABLE sync_state ADD COLUMN last_added_at TIMESTAMP WITH TIME ZONE",
    "ALTER TABLE sync_state ADD COLUMN paused_at TIMESTAMP WITH TIME ZONE",
    """
    CREATE INDEX raw_data_incomplete_idx ON raw_data (platform, inner_id)
     WHERE base_seq IS NULL AND active_status = 0
    """,
    """
    CREATE TABLE feed_days (
        platform TEXT NOT NULL,
        day DATE NOT NULL,
        kind TEXT NOT NULL,
        added BIGINT DEFAULT 0 NOT NULL,
        changed BIGINT DEFAULT 0 NOT NULL,
        removed BIGINT DEFAULT 0 NOT NULL,
        CONSTRAINT feed_days_pkey PRIMARY KEY (platform, day, kind)
    )
    """,
    "COMMENT ON TABLE feed_days IS 'Records whose messages the broker confirmed'",
    "COMMENT ON COLUMN feed_days.day IS 'day of the fetch, in the platform''s zone'",
    "COMMENT ON COLUMN feed_days.kind IS 'page | change | snapshot | lookup'",
    """
    CREATE TABLE lookups (
        platform TEXT NOT NULL,
        inner_id TEXT NOT NULL,
        reason TEXT NOT NULL,
        missed INTEGER DEFAULT 0 NOT NULL,
        first_missed_at TIMESTAMP WITH TIME ZONE,
        next_attempt_at TIMESTAMP WITH TIME ZONE,
        error TEXT,
        CONSTRAINT lookups_pkey PRIMARY KEY (platform, inner_id),
        CONSTRAINT lookups_reason_check CHECK (reason IN ('complete', 'retire'))
    )
    """,
    "COMMENT ON TABLE lookups IS 'Offers that /offer is asked about again'",
    "COMMENT ON COLUMN lookups.reason IS 'complete (only partly known) | retire (no sweep shows it)'",
    "COMMENT ON COLUMN lookups.missed IS 'times that /offer said 404'",
    """
    CREATE TABLE filters_reference (
        platform TEXT NOT NULL,
        data JSONB NOT NULL,
        fetched_at TIMESTAMP WITH TIME ZONE NOT NULL,
        CONSTRAINT filters_reference_pkey PRIMARY KEY (platform)
    )
    """,
    "COMMENT ON COLUMN filters_reference.data IS 'the answer of /filters as it came'",
)


def upgrade() -> None:
    """Add them."""
    for statement in STATEMENTS:
        op.execute(statement)
