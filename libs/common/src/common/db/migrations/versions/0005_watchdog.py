"""The watchdog: what is wrong with feeds that answer well, as a function of a moment."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

FEED_FINDINGS = """
CREATE FUNCTION feed_findings(moment TIMESTAMP WITH TIME ZONE)
RETURNS TABLE (platform TEXT, finding TEXT, since TIMESTAMP WITH TIME ZONE, detail TEXT)
LANGUAGE sql STABLE
AS $$
  WITH fetches AS MATERIALIZED (
    SELECT log.platform, min(log.started_at) AS first_at,
           max(log.started_at) FILTER (WHERE log.status = 'OK') AS ok_at
      FROM operations_log AS log
     WHERE log.operation_type = 'data_fetch' AND log.platform IS NOT NULL AND log.started_at <= moment
     GROUP BY log.platform
  ), feeds AS MATERIALIZED (
    SELECT state.platform, state.moved_at, fetches.ok_at,
           COALESCE(state.last_added_at, (
             SELECT min(run.finished_at) FROM fetch_runs AS run
              WHERE run.platform = state.platform AND run.kind = 'initial_load' AND run.status = 'done'
           )) AS added_at
      FROM sync_state AS state JOIN fetches ON fetches.platform = state.platform
     WHERE state.last_change_id IS NOT NULL
  ), shares AS MATERIALIZED (
    SELECT days.platform, days.day, days.removed::float8 / (days.added + days.changed + days.removed) AS share,
           days.added + days.changed + days.removed AS events
      FROM feed_days AS days
     WHERE days.kind = 'change' AND days.added + days.changed + days.removed > 0
       AND days.day BETWEEN (moment AT TIME ZONE 'UTC')::date - 8 AND (moment AT TIME ZONE 'UTC')::date - 1
  ), usual AS (
    SELECT shares.platform, avg(shares.share) AS share FROM shares
     WHERE shares.day < (moment AT TIME ZONE 'UTC')::date - 1 GROUP BY shares.platform
  )
  SELECT feeds.platform, 'no_added', feeds.added_at, 'runs succeed and bring no new offer' FROM feeds
   WHERE feeds.added_at < moment - interval '24 hours' AND feeds.ok_at > feeds.added_at
  UNION ALL
  SELECT feeds.platform, 'stalled_cursor', feeds.moved_at, 'runs succeed and the cursor stands still' FROM feeds
   WHERE feeds.moved_at < moment - interval '24 hours' AND feeds.ok_at > feeds.moved_at
  UNION ALL
  SELECT log.platform, 'stalled_cursor', min(log.started_at), 'the upstream names a cursor that does not grow'
    FROM operations_log AS log LEFT JOIN sync_state AS state ON state.platform = log.platform
   WHERE log.operation_type = 'data_fetch' AND log.status = 'ERROR' AND log.details LIKE '%stalled_cursor%'
     AND log.started_at BETWEEN COALESCE(state.moved_at, '-infinity') AND moment
   GROUP BY log.platform
  UNION ALL
  SELECT shares.platform, 'removed_share', shares.day::timestamp AT TIME ZONE 'UTC',
         format('%s %% of %s events removed an offer, usual are %s %%',
                round(100 * shares.share), shares.events, round(100 * usual.share))
    FROM shares JOIN usual ON usual.platform = shares.platform
   WHERE shares.day = (moment AT TIME ZONE 'UTC')::date - 1 AND shares.events >= 100
     AND shares.share > usual.share + 0.1
  UNION ALL
  SELECT page.platform, 'old_gap', min(page.created_at), format('%s pages could not be fetched', count(*))
    FROM feed_pages AS page
   WHERE page.status = 'gap' AND page.created_at < moment - interval '1 day' GROUP BY page.platform
  UNION ALL
  SELECT page.platform, 'not_landed', min(page.fetched_at), format('%s messages were sent and not landed', count(*))
    FROM feed_pages AS page
   WHERE page.status = 'fetched' AND page.fetched_at < moment - interval '1 day' GROUP BY page.platform
  UNION ALL
  SELECT fetches.platform, 'no_run', COALESCE(fetches.ok_at, fetches.first_at), 'no run has succeeded' FROM fetches
   WHERE COALESCE(fetches.ok_at, fetches.first_at) < moment - interval '26 hours'
$$
"""

COMMENT = """
COMMENT ON FUNCTION feed_findings IS
'What is wrong with feeds that answer well: no_added, stalled_cursor, removed_share, old_gap, not_landed, no_run'
"""


def upgrade() -> None:
    """Add it."""
    op.execute(FEED_FINDINGS)
    op.execute(COMMENT)
