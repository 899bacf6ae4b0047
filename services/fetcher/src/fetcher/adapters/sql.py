"""The fetcher's statements, each with its promise and the index that it relies on."""

from typing import Final

_RUN: Final = """
SELECT run_id, platform, start_change_id, kind, position, next_position, pages, records, status, started_at, finished_at
  FROM fetch_runs
"""

LATEST_RUN: Final = f"{_RUN} WHERE platform = $1 AND kind = $2 ORDER BY started_at DESC LIMIT 1"
"""The newest run of a kind; fetch_runs_platform_idx."""

PREVIOUS_TOTAL: Final = """
SELECT records FROM fetch_runs
 WHERE platform = $1 AND kind = $2 AND status = 'done' ORDER BY started_at DESC LIMIT 1
"""
"""Records of the last run of a kind that reached the end; fetch_runs_platform_idx."""

START_RUN: Final = """
INSERT INTO fetch_runs (run_id, platform, kind, status, start_change_id, started_at)
VALUES ($1, $2, $5, 'running', $3,
        GREATEST($4, (SELECT max(started_at) + interval '1 microsecond' FROM fetch_runs WHERE platform = $2)))
ON CONFLICT (run_id) DO NOTHING
"""
"""Save a new run, begun after all others of its platform whatever clocks say; repeatable; fetch_runs_platform_idx."""

REOPEN_RUN: Final = (
    "UPDATE fetch_runs SET status = 'running', updated_at = now() WHERE run_id = $1 AND status <> 'done'"
)
"""An unfinished run goes on; primary key."""

FAIL_RUN: Final = """
UPDATE fetch_runs SET status = 'failed', updated_at = now() WHERE run_id = $1 AND status = 'running'
"""
"""A run stops by an error and can be resumed; primary key."""

_PAGES: Final = """
WITH page AS (
  SELECT * FROM unnest($2::bigint[], $3::bigint[], $4::int[], $5::timestamptz[])
      AS page (position, records, attempts, fetched_at)
)"""
"""Pages that were confirmed."""

_LEDGER: Final = """
), ledger AS (
  INSERT INTO feed_pages (platform, kind, position, run_id, message_id, status, records, attempts, fetched_at)
  SELECT moved.platform, $9, page.position, $1, message.id, 'fetched', message.records, page.attempts, page.fetched_at
    FROM moved, page
    JOIN unnest($6::text[], $7::int[], $8::bigint[]) AS message (id, records, position) USING (position)
   ORDER BY message.id COLLATE "C"
  ON CONFLICT (message_id) DO UPDATE
     SET status = CASE WHEN feed_pages.status = 'landed' THEN 'landed' ELSE 'fetched' END,
         records = EXCLUDED.records, attempts = EXCLUDED.attempts, fetched_at = EXCLUDED.fetched_at,
         next_attempt_at = NULL, error = NULL
), settled AS (
  DELETE FROM feed_pages USING moved
   WHERE run_id = $1 AND feed_pages.position = ANY ($2::bigint[]) AND status <> 'landed'
     AND NOT message_id = ANY ($6::text[])
)
SELECT count(*) FROM moved
"""
"""Where a run is `moved`, write the rows of the pages. The normalizer may have landed them before: landed stays landed.

A page that had more messages once, or was a gap and came back empty, leaves no row behind that nobody will land.
"""

SAVE_PAGES: Final = f"""{_PAGES}, moved AS (
  UPDATE fetch_runs
     SET pages = pages + (SELECT count(*) FROM page WHERE page.position > coalesce(fetch_runs.position, -1)),
         records = fetch_runs.records + (
           SELECT coalesce(sum(page.records), 0) FROM page WHERE page.position > coalesce(fetch_runs.position, -1)
         ),
         next_position = CASE WHEN position IS NULL OR position <= $11 THEN $12 ELSE next_position END,
         position = GREATEST(position, $11),
         updated_at = now()
   WHERE run_id = $1 AND status = 'running' AND (position IS NOT DISTINCT FROM $10 OR position = $11)
  RETURNING platform
{_LEDGER}"""  # noqa: S608 - constants
"""Move the run from position $10 to $11 and write the ledger rows of the pages between, all or nothing.

0 rows: the run is elsewhere. Repeatable: a run that stands at $11 already is left as it is. Primary key;
feed_pages_message_id_key; feed_pages_run_idx.
"""

CLOSE_GAP: Final = f"""{_PAGES}, gap AS (
  SELECT count(*) > 0 AS is_open FROM page JOIN feed_pages USING (position) JOIN fetch_runs AS run USING (run_id)
   WHERE run_id = $1 AND feed_pages.status = 'gap' AND page.position <= run.position
), moved AS (
  UPDATE fetch_runs
     SET pages = pages + is_open::int,
         records = fetch_runs.records + CASE WHEN is_open THEN page.records ELSE 0 END, updated_at = now()
    FROM gap, page WHERE run_id = $1
  RETURNING platform
{_LEDGER}"""  # noqa: S608 - constants
"""Write the ledger rows of a page that is here after all; a gap that closes counts, once. The position stays.

One that the run has not passed is read again when the run goes on, and counts then.

Repeatable. Primary key; feed_pages_message_id_key; feed_pages_run_idx.
"""

SAVE_FAILURE: Final = """
INSERT INTO feed_pages
       (platform, kind, position, run_id, message_id, status, attempts, created_at, next_attempt_at, error)
VALUES ($1, $9, $2, $3, $4, 'gap', $5, $6, $7, $8)
ON CONFLICT (message_id) DO UPDATE
   SET attempts = EXCLUDED.attempts, created_at = EXCLUDED.created_at, next_attempt_at = EXCLUDED.next_attempt_at,
       error = EXCLUDED.error
 WHERE feed_pages.status = 'gap'
"""
"""Note a page that waits (next_attempt_at) or is dead (null); a row that was fetched stays so.

`created_at` is when the page's window began. feed_pages_message_id_key.
"""

OPEN_FAILURES: Final = """
SELECT position, message_id, attempts, created_at, next_attempt_at, error
  FROM feed_pages WHERE run_id = $1 AND status = 'gap' ORDER BY position
"""
"""Pages of a run that are not here yet; feed_pages_run_idx."""

MISSING_PAGES: Final = f"""
WITH last_landed AS (
  SELECT max(fetched_at) AS fetched_at FROM feed_pages WHERE platform = $1 AND status = 'landed'
), missing AS (
  SELECT DISTINCT ON (run_id, position) run_id, position AS page, message_id, attempts, created_at, error
    FROM feed_pages
   WHERE platform = $1 AND kind = $2
     AND (status = 'gap'
          OR status = 'fetched' AND fetched_at < $3 AND fetched_at < (SELECT fetched_at FROM last_landed))
   ORDER BY run_id, position, id
)
SELECT missing.*, run.* FROM missing JOIN ({_RUN}) AS run USING (run_id) ORDER BY run.started_at, missing.page
"""  # noqa: S608 - a constant
"""Pages that failed for good, and pages confirmed before $3 that did not land although later ones did, with their runs.

feed_pages_open_idx; the moment of the last landing is found by reading the ledger once.
"""

FORGET_LOST: Final = """
DELETE FROM feed_pages
 WHERE platform = $1 AND kind = $2 AND status = 'fetched' AND fetched_at < $3
   AND fetched_at < (SELECT max(fetched_at) FROM feed_pages WHERE platform = $1 AND status = 'landed')
"""
"""Forget messages confirmed before $3 that did not land although later ones did; feed_pages_open_idx, and as above."""

FINISH_RUN: Final = """
WITH done AS (
  UPDATE fetch_runs SET status = 'done', next_position = NULL, updated_at = now(), finished_at = now()
   WHERE run_id = $1 AND status = 'running'
  RETURNING platform, start_change_id, kind
)
INSERT INTO sync_state (platform, last_change_id)
SELECT platform, start_change_id FROM done WHERE kind = 'initial_load'
ON CONFLICT (platform) DO UPDATE SET last_change_id = EXCLUDED.last_change_id, updated_at = now()
 WHERE sync_state.last_change_id IS NULL
"""
"""Mark the run done; after a first load let the platform's changes begin at S0 unless they have begun.

Repeatable. Primary keys.
"""

RECORD_OPERATION: Final = """
INSERT INTO operations_log (operation_type, started_at, duration, status, details, platform, counts)
VALUES ('data_fetch', $1, $2, $3, $4, $5, $6)
"""
"""Add a row to the diary."""
