"""A database clock that is set back makes no backlog longer than the burst, so it refuses no token for so long.

No decision makes one longer, so what lies further ahead comes from another time of the clock.
"""

from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

STATEMENT = """
    CREATE OR REPLACE FUNCTION take_quota(
        token BIGINT, burst INTEGER, interval_s DOUBLE PRECISION, give_back INTEGER, wanted INTEGER,
        OUT granted INTEGER, OUT backlog_s DOUBLE PRECISION
    )
    LANGUAGE plpgsql
    AS $$
    DECLARE
      before TIMESTAMP WITH TIME ZONE;
      moment TIMESTAMP WITH TIME ZONE;
      is_ahead BOOLEAN;
    BEGIN
      INSERT INTO rate_limits AS known (token_id, full_at) VALUES (token, clock_timestamp()) ON CONFLICT DO NOTHING;
      SELECT full_at INTO STRICT before FROM rate_limits WHERE token_id = token FOR NO KEY UPDATE;
      moment := clock_timestamp();
      backlog_s := extract(epoch FROM before - moment);
      is_ahead := backlog_s > burst * interval_s;
      backlog_s := greatest(0, least(backlog_s, burst * interval_s) - give_back * interval_s);
      granted := greatest(0, least(wanted, floor(burst - backlog_s / interval_s + 1e-6)));
      backlog_s := backlog_s + granted * interval_s;
      IF granted > 0 OR give_back > 0 OR is_ahead THEN
        UPDATE rate_limits SET full_at = moment + make_interval(secs => backlog_s) WHERE token_id = token;
      END IF;
    END
    $$
"""


def upgrade() -> None:
    """Write the function anew."""
    op.execute(STATEMENT)
