"""The limit of each token, shared by all gateways."""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

STATEMENTS = (
    """
    CREATE UNLOGGED TABLE rate_limits (
        token_id BIGINT NOT NULL,
        full_at TIMESTAMP WITH TIME ZONE NOT NULL,
        CONSTRAINT rate_limits_pkey PRIMARY KEY (token_id)
    ) WITH (fillfactor = 50)
    """,
    "COMMENT ON TABLE rate_limits IS 'Of each token, for all gateways; only take_quota() writes it'",
    "COMMENT ON COLUMN rate_limits.full_at IS 'when all that was spent is earned back'",
    """
    CREATE FUNCTION take_quota(
        token BIGINT, burst INTEGER, interval_s DOUBLE PRECISION, give_back INTEGER, wanted INTEGER,
        OUT granted INTEGER, OUT backlog_s DOUBLE PRECISION
    )
    LANGUAGE plpgsql
    AS $$
    DECLARE
      before TIMESTAMP WITH TIME ZONE;
      moment TIMESTAMP WITH TIME ZONE;
    BEGIN
      INSERT INTO rate_limits AS known (token_id, full_at) VALUES (token, clock_timestamp()) ON CONFLICT DO NOTHING;
      SELECT full_at INTO STRICT before FROM rate_limits WHERE token_id = token FOR NO KEY UPDATE;
      moment := clock_timestamp();
      backlog_s := greatest(0, extract(epoch FROM before - moment) - give_back * interval_s);
      granted := greatest(0, least(wanted, floor(burst - backlog_s / interval_s + 1e-6)));
      backlog_s := backlog_s + granted * interval_s;
      IF granted > 0 OR give_back > 0 THEN
        UPDATE rate_limits SET full_at = moment + make_interval(secs => backlog_s) WHERE token_id = token;
      END IF;
    END
    $$
    """,
    "COMMENT ON FUNCTION take_quota IS 'GCRA: gives back and takes requests of a token; decided under its row lock'",
)


def upgrade() -> None:
    """Add it."""
    for statement in STATEMENTS:
        op.execute(statement)
