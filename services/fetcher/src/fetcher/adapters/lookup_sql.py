"""The statements about single offers, each with its promise and the index that it relies on."""

from typing import Final

DUE_LOOKUPS: Final = """
WITH forgotten AS (
  DELETE FROM lookups
   WHERE platform = $1 AND reason = 'complete'
     AND NOT EXISTS (SELECT FROM raw_data AS raw
                      WHERE raw.platform = lookups.platform AND raw.inner_id = lookups.inner_id
                        AND raw.base_seq IS NULL AND raw.active_status = 0)
)
SELECT raw.inner_id, coalesce(kept.missed, 0) AS missed, kept.first_missed_at
  FROM raw_data AS raw LEFT JOIN lookups AS kept USING (platform, inner_id)
 WHERE raw.platform = $1 AND raw.base_seq IS NULL AND raw.active_status = 0
   AND (kept.next_attempt_at IS NULL OR kept.next_attempt_at <= $2)
 ORDER BY kept.next_attempt_at NULLS FIRST, raw.inner_id
 LIMIT $3
"""
"""Active offers known only from partial events, due by $2; forget what is complete by now. raw_data_incomplete_idx."""

SAVE_LOOKUPS: Final = """
WITH told AS (
  SELECT * FROM unnest($9::text[], $10::int[], $11::timestamptz[], $12::timestamptz[], $13::text[])
             AS result (inner_id, missed, first_missed_at, next_attempt_at, error)
), kept AS (
  INSERT INTO lookups (platform, inner_id, reason, missed, first_missed_at, next_attempt_at, error)
  SELECT $1, inner_id, 'complete', missed, first_missed_at, next_attempt_at, error
    FROM told ORDER BY inner_id COLLATE "C"
  ON CONFLICT (platform, inner_id) DO UPDATE
     SET missed = EXCLUDED.missed, first_missed_at = EXCLUDED.first_missed_at,
         next_attempt_at = EXCLUDED.next_attempt_at, error = EXCLUDED.error
), ledger AS (
  INSERT INTO feed_pages (platform, kind, position, run_id, message_id, status, records, attempts, fetched_at)
  SELECT $1, $4, $3, $2, message.id, 'fetched', message.records, 1, $7
    FROM unnest($5::text[], $6::int[]) AS message (id, records)
   ORDER BY message.id COLLATE "C"
  ON CONFLICT (message_id) DO UPDATE SET records = EXCLUDED.records, fetched_at = EXCLUDED.fetched_at
)
INSERT INTO feed_days (platform, day, kind, added, changed, removed)
SELECT $1, $8, $4, $14, 0, $15
 WHERE NOT EXISTS (SELECT FROM lookups AS before JOIN told USING (inner_id, next_attempt_at) WHERE before.platform = $1)
ON CONFLICT (platform, day, kind) DO UPDATE
   SET added = feed_days.added + EXCLUDED.added, removed = feed_days.removed + EXCLUDED.removed
"""
"""Keep what some look-ups gave, and write their message's ledger rows: all or nothing.

Repeatable: look-ups that are kept with the very moment of their next attempt have been counted. Primary keys;
feed_pages_message_id_key.
"""
