"""Removing old rows in PostgreSQL. `retention` says what has gone, in the same transaction."""

from datetime import datetime
from typing import Final

from fetcher.adapters.session import PlatformSession

_REMOVE: Final = """
WITH {old}, gone AS (
  DELETE FROM {table} WHERE {id} IN (SELECT {id} FROM old) RETURNING {id} AS id, {moment} AS moment
), noted AS (
  INSERT INTO retention (table_name, removed, removed_to, removed_until, removed_at)
  SELECT '{table}', count(*), max(id), max(moment), now() FROM gone HAVING count(*) > 0
  ON CONFLICT (table_name) DO UPDATE
     SET removed = retention.removed + EXCLUDED.removed, removed_at = EXCLUDED.removed_at,
         removed_to = greatest(retention.removed_to, EXCLUDED.removed_to),
         removed_until = greatest(retention.removed_until, EXCLUDED.removed_until)
)
SELECT count(*) FROM gone
"""
"""Remove the rows that `old` names and note it. `$1` is the moment before which rows are old, `$2` how many at most."""

_OLD_CHANGES: Final = """
oldest AS (
  SELECT change_id, changed_at FROM catalog_changes
   WHERE change_id > coalesce((SELECT removed_to FROM retention WHERE table_name = 'catalog_changes'), 0)
   ORDER BY change_id LIMIT $2
), old AS (
  SELECT change_id FROM oldest
   WHERE change_id < coalesce((SELECT min(change_id) FROM oldest WHERE changed_at >= $1), 9223372036854775807)
)
"""
"""The beginning of the feed, up to the first change that is not old: what is left has no hole. Primary key."""

_OLD_PAGES: Final = """
old AS (
  SELECT page.id FROM feed_pages AS page
   WHERE page.status = 'landed' AND page.landed_at < $1
     AND NOT EXISTS (SELECT FROM fetch_runs AS run
                      WHERE run.run_id = page.run_id AND run.status <> 'done' AND run.updated_at >= $1)
   ORDER BY page.id LIMIT $2
)
"""
"""Pages that have landed, and not of a run that may still go on; what is missing stays. Primary key."""

_OLD: Final = "old AS (SELECT id FROM {table} WHERE {moment} < $1 ORDER BY id LIMIT $2)"
"""Whatever is old. Primary key: ids grow with time, so the walk is short."""

STATEMENTS: Final = {
    "catalog_changes": _REMOVE.format(table="catalog_changes", id="change_id", moment="changed_at", old=_OLD_CHANGES),
    "feed_pages": _REMOVE.format(table="feed_pages", id="id", moment="landed_at", old=_OLD_PAGES),
    **{
        table: _REMOVE.format(table=table, id="id", moment=moment, old=_OLD.format(table=table, moment=moment))
        for table, moment in (("operations_log", "started_at"), ("quarantine", "created_at"))
    },
}
"""Table → statement that removes its oldest rows."""


class PostgresAttic:
    """`Attic` over a session of the service's own."""

    def __init__(self, session: PlatformSession) -> None:
        self._session = session

    async def remove_older(self, table: str, moment: datetime, *, most: int) -> int:
        """Remove the oldest rows of a table."""
        statement = STATEMENTS[table]
        removed: int = await self._session.call(lambda session: session.fetchval(statement, moment, most))
        return removed
