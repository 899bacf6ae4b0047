"""Three reference tables, which the gateway asks at once; each may be moved to a database of its own."""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

RANGES = {
    "source_1": ((1, 10), (31, 40)),
    "source_2": ((11, 20), (41, 50)),
    "source_3": ((21, 30), (51, 60)),
}
CREATE = "CREATE TABLE {0} (id INTEGER NOT NULL, name TEXT NOT NULL, CONSTRAINT {0}_pkey PRIMARY KEY (id))"
DESCRIBE = "COMMENT ON TABLE {0} IS 'A reference source of /collect-data'"
FILL = "INSERT INTO {0} SELECT n, 'Test ' || n FROM generate_series({1}, {2}) AS n"


def upgrade() -> None:
    """Add and fill them."""
    for table, ranges in RANGES.items():
        op.execute(CREATE.format(table))
        op.execute(DESCRIBE.format(table))
        for first, last in ranges:
            op.execute(FILL.format(table, first, last))
