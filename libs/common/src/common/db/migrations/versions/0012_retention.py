"""What is removed by age, and autovacuum that keeps up with the tables that change most."""

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

VACUUMED_SOON = """
    autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000,
    autovacuum_vacuum_insert_scale_factor = 0.01,
    autovacuum_analyze_scale_factor = 0.01, autovacuum_analyze_threshold = 1000
"""
STATEMENTS = (
    """
    CREATE TABLE retention (
        table_name TEXT NOT NULL,
        removed BIGINT NOT NULL,
        removed_to BIGINT NOT NULL,
        removed_until TIMESTAMP WITH TIME ZONE NOT NULL,
        removed_at TIMESTAMP WITH TIME ZONE NOT NULL,
        CONSTRAINT retention_pkey PRIMARY KEY (table_name)
    )
    """,
    "COMMENT ON TABLE retention IS 'What has been removed by age; of catalog_changes everything up to removed_to'",
    "COMMENT ON COLUMN retention.removed IS 'rows, since the beginning'",
    "COMMENT ON COLUMN retention.removed_to IS 'greatest id among them'",
    *(
        f"ALTER TABLE {table} SET ({VACUUMED_SOON})"
        for table in ("raw_data", "processed_data", "feed_pages", "catalog_changes")
    ),
)


def upgrade() -> None:
    """Add and set them."""
    for statement in STATEMENTS:
        op.execute(statement)
