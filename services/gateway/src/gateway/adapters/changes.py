"""The change feed in PostgreSQL; the ids of `catalog_changes` become visible in their order (ADR 6)."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from gateway.adapters.database import Database
from gateway.core.change_feed import StoredChange

_BODY: Final = """
    SELECT c.change_id, c.platform, c.change_type, row_to_json(item)::text AS body
    FROM catalog_changes AS c CROSS JOIN LATERAL (
        SELECT c.change_id, c.platform, c.inner_id, c.change_type, c.changed_at, c.diff
    ) AS item
"""
CHANGES: Final = f"{_BODY} WHERE c.change_id >= $1 ORDER BY c.change_id LIMIT $2"
"""Changes of all platforms, by the primary key."""

CHANGES_OF: Final = f"{_BODY} WHERE c.platform = $3 AND c.change_id >= $1 ORDER BY c.change_id LIMIT $2"
"""Changes of one platform, by `catalog_changes_platform_idx`."""

LAST: Final = "SELECT coalesce(max(change_id), 0) AS id FROM catalog_changes"

FIRST_SINCE: Final = """
    SELECT min(change_id) AS id FROM catalog_changes
    WHERE changed_at >= $1 AND changed_at < $2 AND ($3::text IS NULL OR platform = $3)
"""
"""The first of a stretch of time, by `catalog_changes_changed_at_idx`: times and ids do not grow quite alike."""

_DAY: Final = timedelta(days=1)
_END: Final = datetime(9999, 1, 1, tzinfo=UTC)


class PostgresChanges:
    """ChangeReader on `catalog_changes`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def changes(self, start: int, *, limit: int, platform: str | None) -> Sequence[StoredChange]:
        """Return changes in order."""
        if platform is None:
            rows = await self._database.fetch(CHANGES, start, limit)
        else:
            rows = await self._database.fetch(CHANGES_OF, start, limit, platform)
        return [StoredChange(row["change_id"], row["platform"], row["change_type"], row["body"]) for row in rows]

    async def last_id(self) -> int:
        """Return the newest id."""
        last: int = (await self._database.fetch(LAST))[0]["id"]
        return last

    async def first_id_since(self, moment: datetime, platform: str | None) -> int | None:
        """Return the least id since a moment: most days have changes, so a day is looked at first."""
        for start, end in ((moment, moment + _DAY), (moment + _DAY, _END)):
            first: int | None = (await self._database.fetch(FIRST_SINCE, start, end, platform))[0]["id"]
            if first is not None:
                return first
        return None
