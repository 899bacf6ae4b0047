"""The statements of a reconciliation, each with its promise and the index that it relies on."""

from typing import Final

SEE: Final = """
WITH page AS (
  SELECT DISTINCT inner_id FROM unnest($2::text[]) AS row (inner_id)
), seen AS (
  INSERT INTO sweep_sights (platform, inner_id)
  SELECT $1, inner_id FROM page ORDER BY inner_id COLLATE "C"
  ON CONFLICT DO NOTHING
)
SELECT inner_id FROM page
 WHERE NOT EXISTS (SELECT FROM raw_data AS raw
                    WHERE raw.platform = $1 AND raw.inner_id = page.inner_id
                      AND raw.base_seq IS NOT NULL AND raw.active_status = 0)
"""
"""Note offers as seen and return those not held complete and active. Primary key; raw_data_platform_inner_id_key."""

SIGHTS: Final = "SELECT count(*) FROM sweep_sights WHERE platform = $1"
"""Offers that the sweeps under way have seen; primary key."""

FORGET_SIGHTS: Final = "DELETE FROM sweep_sights WHERE platform = $1"
"""The sweeps are over; primary key."""

UNLANDED: Final = "SELECT count(*) FROM feed_pages WHERE platform = $1 AND status = 'fetched' AND fetched_at >= $2"
"""Messages that were confirmed since $2 and have not landed; feed_pages_open_idx."""

TAKEN: Final = """
SELECT count(*) FROM raw_data
 WHERE platform = $1 AND active_status = 0 AND base_seq = $2 AND active_seq = $2
   AND page_id IN (SELECT id FROM feed_pages WHERE run_id = $3)
"""
"""Active rows that stand as run $3 of version $2 has brought them; feed_pages_run_idx, and all rows of the platform."""

EARLIER_PAGES: Final = """
SELECT pages FROM fetch_runs
 WHERE platform = $1 AND run_id <> $2 AND kind IN ('initial_load', 'sweep') AND status = 'done'
 ORDER BY finished_at DESC LIMIT 1
"""
"""Pages of the last load or sweep that reached the end; fetch_runs_platform_idx."""

_UNSEEN: Final = """
raw.platform = $1 AND raw.active_status = 0 AND raw.base_seq IS NOT NULL AND raw.max_seq < $2
AND NOT EXISTS (SELECT FROM sweep_sights AS seen WHERE seen.platform = $1 AND seen.inner_id = raw.inner_id)
"""

_REMOVABLE: Final = "coalesce(raw.active_seq, raw.base_seq) < $2 - 1"

UNSEEN: Final = f"""
SELECT count(*) AS active,
       count(*) FILTER (WHERE {_UNSEEN}) AS unseen,
       count(*) FILTER (WHERE {_UNSEEN} AND {_REMOVABLE}) AS removable
  FROM raw_data AS raw
 WHERE raw.platform = $1 AND raw.active_status = 0
"""  # noqa: S608 - two constants
"""Active rows; those among them that no sweep has shown; and those whose removal just below $2 would be news."""

UNSEEN_AFTER: Final = f"""
SELECT raw.inner_id FROM raw_data AS raw
 WHERE {_UNSEEN} AND {_REMOVABLE} AND raw.inner_id > $3
 ORDER BY raw.inner_id LIMIT $4
"""  # noqa: S608 - two constants
"""Some of them, in the order of raw_data_platform_inner_id_key."""

IS_RECONCILED: Final = """
SELECT NOT EXISTS (SELECT FROM sweep_sights WHERE platform = $1)
   AND EXISTS (SELECT FROM fetch_runs
                WHERE platform = $1 AND kind = 'sweep' AND status = 'done' AND finished_at >= (
                      SELECT max(finished_at) FROM fetch_runs
                       WHERE platform = $1 AND kind = 'initial_load' AND status = 'done'))
"""
"""Whether sweeps were carried through since the last load ended; fetch_runs_platform_idx."""

FILTERS_FETCHED_AT: Final = "SELECT fetched_at FROM filters_reference WHERE platform = $1"
"""When the reference was fetched; primary key."""

SAVE_FILTERS: Final = """
INSERT INTO filters_reference (platform, data, fetched_at) VALUES ($1, $2::text::jsonb, $3)
ON CONFLICT (platform) DO UPDATE SET data = EXCLUDED.data, fetched_at = EXCLUDED.fetched_at
"""
"""Keep the reference in place of the one before; primary key."""
