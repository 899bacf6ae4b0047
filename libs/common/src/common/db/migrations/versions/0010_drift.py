"""Words and keys of the upstreams that the normalizer did not know."""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

STATEMENTS = (
    """
    CREATE TABLE drift (
        platform TEXT NOT NULL,
        field TEXT NOT NULL,
        reason TEXT NOT NULL,
        word TEXT NOT NULL,
        seen BIGINT NOT NULL,
        first_seen_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        last_seen_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        CONSTRAINT drift_pkey PRIMARY KEY (platform, field, reason, word)
    ) WITH (fillfactor = 70)
    """,
    "COMMENT ON TABLE drift IS 'What the normalizer met and did not know'",
    "COMMENT ON COLUMN drift.field IS 'empty: a key of the record itself'",
    "COMMENT ON COLUMN drift.reason IS 'unmapped | unreadable | conflict | unknown_key'",
    "COMMENT ON COLUMN drift.word IS 'as it came; empty: words beyond those that are kept'",
    "COMMENT ON COLUMN drift.seen IS 'how often a record came with it'",
)


def upgrade() -> None:
    """Add it."""
    for statement in STATEMENTS:
        op.execute(statement)
