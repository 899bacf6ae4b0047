"""Indexes for the other filters of the list: words by their beginnings, and equal values in any combination."""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

STATEMENTS = (
    """
    CREATE FUNCTION offer_words(mark text, model text, title text) RETURNS tsvector
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$
      SELECT array_to_tsvector(array_remove(regexp_split_to_array(
          lower(left(coalesce(mark, '') || ' ' || coalesce(model, '') || ' ' || coalesce(title, ''), 500)),
          '[^[:alnum:]]+'), ''))
    $$
    """,
    """
    COMMENT ON FUNCTION offer_words IS
        'Words that q searches, lower case; of 500 characters, so that no word is longer than a tsvector allows'
    """,
    """
    CREATE FUNCTION offer_tags(
        platform text, model text, engine_type text, transmission_type text, body_type text, drive_type text,
        color text, city text, is_dealer boolean
    ) RETURNS text[]
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$
      SELECT ARRAY[
          'platform ' || left(lower(platform), 200), 'model ' || left(lower(model), 200),
          'engine_type ' || left(lower(engine_type), 200), 'transmission_type ' || left(lower(transmission_type), 200),
          'body_type ' || left(lower(body_type), 200), 'drive_type ' || left(lower(drive_type), 200),
          'color ' || left(lower(color), 200), 'city ' || left(lower(city), 200),
          CASE WHEN is_dealer THEN 'is_dealer true' WHEN NOT is_dealer THEN 'is_dealer false' END
      ]
    $$
    """,
    """
    COMMENT ON FUNCTION offer_tags IS
        'Values that filters compare for equality: name and value in lower case, of at most 200 characters each'
    """,
    """
    CREATE INDEX processed_data_words_idx ON processed_data USING gin (offer_words(mark, model, title))
    WHERE active_status = 0 AND is_complete
    """,
    """
    CREATE INDEX processed_data_tags_idx ON processed_data USING gin (offer_tags(
        platform, model, engine_type, transmission_type, body_type, drive_type, color, city, is_dealer
    )) WHERE active_status = 0 AND is_complete
    """,
    # The planner does not look at the statistics of partial indexes, so these are gathered for the expressions.
    "CREATE STATISTICS processed_data_words_stat ON (offer_words(mark, model, title)) FROM processed_data",
    """
    CREATE STATISTICS processed_data_tags_stat ON (offer_tags(
        platform, model, engine_type, transmission_type, body_type, drive_type, color, city, is_dealer
    )) FROM processed_data
    """,
    "CREATE STATISTICS processed_data_mark_stat ON (lower(mark)) FROM processed_data",
    "CREATE STATISTICS processed_data_model_stat ON (lower(model)) FROM processed_data",
)


def upgrade() -> None:
    """Add them."""
    for statement in STATEMENTS:
        op.execute(statement)
