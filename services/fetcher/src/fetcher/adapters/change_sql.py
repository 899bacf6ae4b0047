"""The statements that follow a feed of changes, each with its promise and the index that it relies on."""

from typing import Final

SYNC_STATE: Final = "SELECT last_change_id, last_successful_date FROM sync_state WHERE platform = $1"
"""How far the platform has been followed; primary key."""

SAVE_CHANGES: Final = """
WITH held AS (
  SELECT run_id, platform, position IS DISTINCT FROM $3 AS is_new
    FROM fetch_runs
   WHERE run_id = $1 AND status = 'running' AND (position IS NOT DISTINCT FROM $2 OR position = $3)
     FOR UPDATE
), moved AS (
  UPDATE fetch_runs
     SET pages = pages + 1, records = records + $5, position = $3, next_position = $4, updated_at = now()
    FROM held WHERE fetch_runs.run_id = held.run_id AND held.is_new
), ledger AS (
  INSERT INTO feed_pages (platform, kind, position, run_id, message_id, status, records, attempts, fetched_at)
  SELECT held.platform, $10, $3, $1, message.id, 'fetched', message.records, $8, $9
    FROM held, unnest($6::text[], $7::int[]) AS message (id, records)
   ORDER BY message.id COLLATE "C"
  ON CONFLICT (message_id) DO UPDATE
     SET status = CASE WHEN feed_pages.status = 'landed' THEN 'landed' ELSE 'fetched' END,
         records = EXCLUDED.records, attempts = EXCLUDED.attempts, fetched_at = EXCLUDED.fetched_at,
         next_attempt_at = NULL, error = NULL
), followed AS (
  INSERT INTO sync_state (platform, last_change_id, moved_at, last_added_at)
  SELECT platform, $4, $9, CASE WHEN $12 > 0 THEN $9::timestamptz END FROM held WHERE is_new
  ON CONFLICT (platform) DO UPDATE
     SET last_change_id = EXCLUDED.last_change_id, updated_at = now(),
         moved_at = GREATEST(sync_state.moved_at, EXCLUDED.moved_at),
         last_added_at = GREATEST(sync_state.last_added_at, EXCLUDED.last_added_at)
   WHERE sync_state.last_change_id IS NULL OR sync_state.last_change_id < EXCLUDED.last_change_id
), counted AS (
  INSERT INTO feed_days (platform, day, kind, added, changed, removed)
  SELECT platform, $11, $10, $12, $13, $14 FROM held WHERE is_new
  ON CONFLICT (platform, day, kind) DO UPDATE
     SET added = feed_days.added + EXCLUDED.added, changed = feed_days.changed + EXCLUDED.changed,
         removed = feed_days.removed + EXCLUDED.removed
)
SELECT count(*) FROM held
"""
"""Move the run from position $2 to $3, the platform's cursor to $4, and write the page's ledger rows: all or nothing.

0 rows: the run is elsewhere. Repeatable: a run that stands at $3 already is left as it is, and nothing is counted
twice. A replay of old days leaves the cursor where it is. Primary keys; feed_pages_message_id_key.
"""

SAVE_DAY: Final = """
INSERT INTO sync_state (platform, last_successful_date) VALUES ($1, $2)
ON CONFLICT (platform) DO UPDATE SET last_successful_date = EXCLUDED.last_successful_date, updated_at = now()
 WHERE sync_state.last_successful_date IS NULL OR sync_state.last_successful_date < EXCLUDED.last_successful_date
"""
"""Note a day of which everything was confirmed; repeatable; primary key."""

FINISH_CHANGES: Final = """
WITH done AS (
  UPDATE fetch_runs SET status = 'done', updated_at = now(), finished_at = now()
   WHERE run_id = $1 AND status = 'running'
)
DELETE FROM feed_pages WHERE platform = $2 AND kind = $4 AND status = 'gap' AND position <= $3
"""
"""Mark the run done and close the gaps that it has passed; repeatable. Primary key; feed_pages_open_idx."""
