"""The words of an offer as a column: made once when it is written, not again for each row that a search looks at.

PostgreSQL writes the table anew for it: some 10 s for 250,000 offers, during which nobody reads them.
"""

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

STATEMENTS = (
    "DROP INDEX processed_data_words_idx",
    "DROP STATISTICS processed_data_words_stat",
    """
    ALTER TABLE processed_data
    ADD COLUMN words tsvector GENERATED ALWAYS AS (offer_words(mark, model, title)) STORED
    """,
    "COMMENT ON COLUMN processed_data.words IS 'what q searches'",
    """
    CREATE INDEX processed_data_words_idx ON processed_data USING gin (words)
    WHERE active_status = 0 AND is_complete
    """,
)


def upgrade() -> None:
    """Add it."""
    for statement in STATEMENTS:
        op.execute(statement)
