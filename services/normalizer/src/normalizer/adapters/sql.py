"""The normalizer's SQL. Every statement is one round trip for a whole batch.

Rows are written and locked in the order of (platform, inner_id) by code point (`COLLATE "C"`, as Python sorts):
two batches that share rows then wait for each other and never deadlock. Only a batch that looks for its poison inserts
after it has locked; it may deadlock with another, and is then landed again.
"""

from typing import Final

from normalizer.core.drift import MAX_WORDS
from normalizer.core.offers.record import FIELDS

RECORD_PAGES: Final = """
INSERT INTO feed_pages (platform, kind, position, run_id, message_id, status, fetched_at, records, quarantined, landed,
                        landed_at)
SELECT platform, kind, position, run_id, message_id, 'landed', fetched_at, records, quarantined, records - quarantined,
       now()
FROM unnest($1::text[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::timestamptz[], $7::int[], $8::int[])
     AS page(platform, kind, position, run_id, message_id, fetched_at, records, quarantined)
ORDER BY message_id COLLATE "C"
ON CONFLICT (message_id) DO UPDATE
SET status = 'landed', records = EXCLUDED.records, quarantined = EXCLUDED.quarantined, landed = EXCLUDED.landed,
    landed_at = now(), next_attempt_at = NULL, error = NULL
RETURNING message_id, id
"""
"""Mark pages landed, whether the fetcher wrote their rows already or not yet. Unique index on message_id."""

RAW_COLUMNS: Final = (
    ("platform", "text"),
    ("inner_id", "text"),
    ("source_id", "text"),
    ("change_type", "text"),
    ("created_at", "timestamptz"),
    ("data", "jsonb"),
    ("source", "text"),
    ("active_status", "smallint"),
    ("base_seq", "bigint"),
    ("base_sight", "bigint"),
    ("field_seq", "jsonb"),
    ("active_seq", "bigint"),
    ("max_seq", "bigint"),
    ("page_id", "bigint"),
)
_RAW_NAMES: Final = ", ".join(name for name, _ in RAW_COLUMNS)

INSERT_RAW: Final = f"""
INSERT INTO raw_data ({_RAW_NAMES}, is_processed)
SELECT {_RAW_NAMES}, $2::boolean FROM unnest($1::pg_temp.raw_row[])
ORDER BY platform COLLATE "C", inner_id COLLATE "C"
ON CONFLICT (platform, inner_id) DO NOTHING
RETURNING platform, inner_id
"""  # noqa: S608 - built from the constants above
"""Insert whole rows of unknown offers, flag included; known ones are left alone. Unique (platform, inner_id)."""

UNKNOWN: Final = """
SELECT platform, inner_id FROM unnest($1::text[], $2::text[]) AS wanted(platform, inner_id)
WHERE (
    SELECT false FROM raw_data WHERE raw_data.platform = wanted.platform AND raw_data.inner_id = wanted.inner_id
) IS NULL
"""
"""Offers without a row, one look each; whoever says only what is new of an offer nearly always has one. Unique
(platform, inner_id)."""

_LOCK: Final = f"""
SELECT {", ".join(f"raw_data.{name}" for name, _ in RAW_COLUMNS if name != "data")},
       CASE WHEN is_excerpt THEN (SELECT jsonb_object_agg(name, data -> name) FROM unnest($4::text[]) AS name)
            ELSE data END AS data,
       NOT is_processed AND error_count = 0 AS waits, is_excerpt
FROM raw_data
     JOIN unnest($1::text[], $2::text[], $3::boolean[]) AS wanted(platform, inner_id, in_part)
          USING (platform, inner_id)
     CROSS JOIN LATERAL (
         SELECT wanted.in_part AND raw_data.is_processed AND NOT coalesce(raw_data.field_seq ? 'loose', false)
     ) AS read(is_excerpt)
WHERE {{condition}}
ORDER BY raw_data.platform COLLATE "C", raw_data.inner_id COLLATE "C"
FOR UPDATE OF raw_data
"""  # noqa: S608 - as above
LOCK_RAW: Final = _LOCK.format(condition="true")
"""Read and lock known rows, documents whole or the fields $4 of them. Unique (platform, inner_id)."""
LOCK_UNPROCESSED: Final = _LOCK.format(condition="NOT raw_data.is_processed")
"""The same, of those rows that wait to be normalised."""

SNAPSHOTS_ON_THEIR_WAY: Final = """
SELECT page.platform, array_agg(DISTINCT run.start_change_id) AS versions
FROM feed_pages AS page JOIN fetch_runs AS run USING (run_id)
WHERE page.platform = ANY($1::text[]) AND page.status = 'fetched' AND run.start_change_id IS NOT NULL
GROUP BY page.platform
"""
"""Versions of snapshots with messages that were sent and have not landed. feed_pages_open_idx, primary key."""

UPDATE_RAW: Final = f"""
UPDATE raw_data
SET {", ".join(f"{name} = fresh.{name}" for name, _ in RAW_COLUMNS[2:] if name != "data")},
    data = coalesce(fresh.data, raw_data.data || fresh.news, raw_data.data), last_updated_at = now(),
    is_processed = $2::boolean, error_count = 0, last_error = NULL
FROM unnest($1::pg_temp.raw_row[]) AS fresh
WHERE raw_data.platform = fresh.platform AND raw_data.inner_id = fresh.inner_id
"""  # noqa: S608 - as above
"""Write rows that this transaction holds locked; of a document all, what is new, or nothing: it then stays as stored,
neither compressed nor written again. Unique (platform, inner_id)."""

MARK_PROCESSED: Final = """
UPDATE raw_data SET is_processed = true, error_count = 0, last_error = NULL
FROM unnest($1::text[], $2::text[]) AS done(platform, inner_id)
WHERE raw_data.platform = done.platform AND raw_data.inner_id = done.inner_id
"""
"""Flag rows that this transaction holds locked. Unique (platform, inner_id)."""

MARK_ERROR: Final = """
UPDATE raw_data SET error_count = error_count + 1, last_error = $3
WHERE platform = $1 AND inner_id = $2 AND NOT is_processed
"""
"""Count an error; the row waits until it changes or somebody asks. Unique (platform, inner_id)."""

PENDING: Final = """
SELECT id, platform, inner_id FROM raw_data WHERE NOT is_processed AND id > $1 ORDER BY id LIMIT $2
"""
"""Rows that wait to be normalised, in pages. Partial index raw_data_unprocessed_idx."""

LANDED: Final = """
SELECT landed.*, shown.*
FROM (
    SELECT id, platform, inner_id, data, active_status = 0 AND base_seq IS NOT NULL AS is_visible, is_processed
    FROM raw_data
    WHERE id > $1 AND ($3::text IS NULL OR platform = $3) AND ($4::text IS NULL OR inner_id = $4) ORDER BY id LIMIT $2
) AS landed
LEFT JOIN LATERAL (
    SELECT normalized_data AS document, active_status = 0 AND is_complete AS is_shown FROM processed_data
    WHERE platform = landed.platform AND inner_id = landed.inner_id OFFSET 0
) AS shown ON true
ORDER BY id
"""
"""Landed rows in pages, each beside its catalogue row, which OFFSET makes no plan read in any other way than one by
one. Primary key, for one offer unique (platform, inner_id); unique (platform, inner_id) of processed_data."""

REPLAYED_TO: Final = "SELECT position FROM replays WHERE platform = $1 AND inner_id = $2 AND mapping = $3"
"""Position of a replay under the same mapping that did not end; empty text stands for all. Primary key."""

SAVE_REPLAY: Final = """
INSERT INTO replays (platform, inner_id, mapping, position) VALUES ($1, $2, $3, $4)
ON CONFLICT (platform, inner_id) DO UPDATE
   SET position = EXCLUDED.position, mapping = EXCLUDED.mapping, updated_at = now()
"""
"""Keep how far a replay is, in the transaction of its rows. Primary key."""

END_REPLAY: Final = "DELETE FROM replays WHERE platform = $1 AND inner_id = $2"
"""A replay has ended; repeatable. Primary key."""

LISTED: Final = """
SELECT platform, inner_id, normalized_data, active_status = 0 AND is_complete AS is_visible
FROM processed_data JOIN unnest($1::text[], $2::text[]) AS wanted(platform, inner_id) USING (platform, inner_id)
"""
"""What the catalogue holds of offers whose raw rows are locked. Unique (platform, inner_id)."""
LISTED_PRICES: Final = LISTED.replace(
    "normalized_data,",
    "jsonb_build_object('price', normalized_data -> 'price', 'currency', normalized_data -> 'currency'),",
)
"""The same, of the documents no more than the price and what it is in."""

TYPE_OF_FIELD: Final = {
    "year": "smallint",
    "first_registration": "date",
    "price": "double precision",
    "km_age": "int",
    "displacement_l": "double precision",
    "power_hp": "double precision",
    "power_kw": "double precision",
    "is_dealer": "boolean",
    "offer_created": "date",
}
"""Type of a column where it is not text. A double carries the 14 digits of numeric(14,2) exactly."""

LISTS: Final = ("images", "options")
"""Columns that are taken out of the document, which has the same lists: they are neither sent nor read twice."""
OFFER_FIELDS: Final = tuple(name for name in FIELDS if name not in LISTS)
CATALOGUE_COLUMNS: Final = (
    ("platform", "text"),
    ("inner_id", "text"),
    ("normalized_data", "jsonb"),
    ("active_status", "smallint"),
    ("is_complete", "boolean"),
    ("source_created_at", "timestamptz"),
    ("max_seq", "bigint"),
    *((name, TYPE_OF_FIELD.get(name, "text")) for name in OFFER_FIELDS),
)
_SENT: Final = ", ".join(name for name, _ in CATALOGUE_COLUMNS)
_TAKEN: Final = ", ".join(f"coalesce(normalized_data -> '{name}', '[]')" for name in LISTS)
_WRITTEN: Final = (*(name for name, _ in CATALOGUE_COLUMNS), *LISTS)
CHANGE_COLUMNS: Final = (("platform", "text"), ("inner_id", "text"), ("change_type", "text"), ("diff", "jsonb"))
NEWS_COLUMNS: Final = (*CATALOGUE_COLUMNS[:7], ("price", TYPE_OF_FIELD["price"]))

ROW_TYPES: Final = "; ".join(
    f"CREATE TYPE pg_temp.{name} AS ({', '.join(' '.join(column) for column in columns)})"
    for name, columns in (
        ("raw_row", (*RAW_COLUMNS, ("news", "jsonb"))),
        ("catalogue_row", CATALOGUE_COLUMNS),
        ("catalogue_news", NEWS_COLUMNS),
        ("change_row", CHANGE_COLUMNS),
    )
)
"""The rows that are sent whole. Each session names them for itself, so that they are always what this code sends.

As one array for each column they would cost a third more: asyncpg asks of every value whether it is an array again.
"""

WRITE_CATALOGUE: Final = f"""
INSERT INTO processed_data ({", ".join(_WRITTEN)})
SELECT {_SENT}, {_TAKEN} FROM unnest($1::pg_temp.catalogue_row[])
ON CONFLICT (platform, inner_id) DO UPDATE
SET {", ".join(f"{name} = EXCLUDED.{name}" for name in _WRITTEN[2:])}, updated_at = now()
"""  # noqa: S608 - as above
"""Insert or replace catalogue rows whose raw rows are locked. Unique (platform, inner_id)."""

UPDATE_CATALOGUE: Final = f"""
UPDATE processed_data
SET {", ".join(f"{name} = fresh.{name}" for name, _ in NEWS_COLUMNS[3:])}, updated_at = now(),
    normalized_data = coalesce(processed_data.normalized_data || fresh.normalized_data, processed_data.normalized_data)
FROM unnest($1::pg_temp.catalogue_news[]) AS fresh
WHERE processed_data.platform = fresh.platform AND processed_data.inner_id = fresh.inner_id
"""  # noqa: S608 - as above
"""Write a new price, or only whether an offer is active, of catalogue rows whose raw rows are locked; a document of
which nothing is new stays as stored. Unique (platform, inner_id)."""

LOCK_CHANGES: Final = "SELECT pg_advisory_xact_lock(7311144301)"
"""Held from before the ids of changes are drawn until after the commit: ids become visible in their order."""

LOG_CHANGES: Final = """
INSERT INTO catalog_changes (platform, inner_id, change_type, diff)
SELECT platform, inner_id, change_type, diff FROM unnest($1::pg_temp.change_row[])
"""
"""Append to the downstream feed."""

NOTE_DRIFT: Final = f"""
WITH met AS (
    SELECT fresh.*, drift.word IS NOT NULL AS is_kept,
           row_number() OVER (PARTITION BY platform, field, reason, drift.word IS NULL ORDER BY word) AS place
    FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[])
         AS fresh(platform, field, reason, word, times)
         LEFT JOIN drift USING (platform, field, reason, word)
), placed AS (
    SELECT platform, field, reason, times,
           CASE WHEN is_kept OR place + (
               SELECT count(*) FROM drift
               WHERE (drift.platform, drift.field, drift.reason) = (met.platform, met.field, met.reason)
           ) <= {MAX_WORDS} THEN word ELSE '' END AS word
    FROM met
)
INSERT INTO drift (platform, field, reason, word, seen)
SELECT platform, field, reason, word, sum(times) FROM placed GROUP BY 1, 2, 3, 4
ORDER BY platform COLLATE "C", field COLLATE "C", reason COLLATE "C", word COLLATE "C"
ON CONFLICT (platform, field, reason, word) DO UPDATE
SET seen = drift.seen + EXCLUDED.seen, last_seen_at = greatest(drift.last_seen_at, now())
"""  # noqa: S608 - a number of our own
"""Count what was met; words beyond those that are kept are counted under the empty word. Primary key of drift."""

QUARANTINE: Final = """
INSERT INTO quarantine (platform, inner_id, message_id, record_index, reason, detail, body, page_id)
SELECT reject.*, feed_pages.id
FROM unnest($1::text[], $2::text[], $3::text[], $4::int[], $5::text[], $6::text[], $7::bytea[])
     AS reject(platform, inner_id, message_id, record_index, reason, detail, body)
LEFT JOIN feed_pages USING (message_id)
ON CONFLICT (message_id, record_index, reason) DO NOTHING
"""
"""Keep rejected records once. Unique (message_id, record_index, reason)."""

RECORD_OPERATION: Final = """
INSERT INTO operations_log (operation_type, started_at, duration, status, details, platform, counts)
VALUES ('normalization', $1, $2, $3, $4, $5, $6)
"""
"""Add a row to the diary."""
