"""The change feed in PostgreSQL; the ids of `catalog_changes` become visible in their order (ADR 6)."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from gateway.adapters.database import Readable
from gateway.core.change_feed import READING_BYTES, StoredChange
from gateway.core.errors import PositionGoneError


def _read(condition: str) -> str:
    return f"""
    SELECT change_id, platform, change_type, body FROM (
        SELECT written.*, sum(octet_length(body)) OVER (ORDER BY change_id) - octet_length(body) AS before
        FROM (
            SELECT c.change_id, c.platform, c.change_type, row_to_json(item)::text AS body
            FROM catalog_changes AS c CROSS JOIN LATERAL (
                SELECT c.change_id, c.platform, c.inner_id, c.change_type, c.changed_at, c.diff
            ) AS item
            WHERE {condition} ORDER BY c.change_id LIMIT $2
        ) AS written
    ) AS summed WHERE before < {READING_BYTES} ORDER BY change_id
"""  # noqa: S608 - made of constants


CHANGES: Final = _read("c.change_id >= $1")
"""Changes of all platforms, by the primary key."""

CHANGES_OF: Final = _read("c.platform = $3 AND c.change_id >= $1")
"""Changes of one platform, by `catalog_changes_platform_idx`."""

KEPT: Final = "SELECT removed_to, removed_until FROM retention WHERE table_name = 'catalog_changes'"
"""How far the beginning was removed: rows go in the order of their ids, in one transaction with this note."""

LAST: Final = """
    SELECT greatest((SELECT max(change_id) FROM catalog_changes),
                    (SELECT removed_to FROM retention WHERE table_name = 'catalog_changes'), 0) AS id
"""
"""The newest id that was ever given, also when its change is kept no longer."""

FIRST_SINCE: Final = """
    SELECT min(change_id) AS id FROM catalog_changes
    WHERE changed_at >= $1 AND changed_at < $2 AND ($3::text IS NULL OR platform = $3)
"""
"""The first of a stretch of time, by `catalog_changes_changed_at_idx`: times and ids do not grow quite alike."""

_DAY: Final = timedelta(days=1)
_END: Final = datetime(9999, 1, 1, tzinfo=UTC)


class PostgresChanges:
    """ChangeReader on `catalog_changes`."""

    def __init__(self, database: Readable) -> None:
        self._database = database

    async def changes(self, start: int, *, limit: int, platform: str | None) -> Sequence[StoredChange]:
        """Return changes in order."""
        if platform is None:
            rows = await self._database.fetch(CHANGES, start, limit)
        else:
            rows = await self._database.fetch(CHANGES_OF, start, limit, platform)
        if not rows or rows[0]["change_id"] != start:
            await self.ensure_kept(start)  # after the rows: what goes in between is noticed
        return [StoredChange(row["change_id"], row["platform"], row["change_type"], row["body"]) for row in rows]

    async def ensure_kept(self, start: int) -> None:
        """Return if every change from an id on is kept."""
        for row in await self._database.fetch(KEPT):
            if 0 < start <= row["removed_to"]:
                raise _gone(row["removed_to"])

    async def last_id(self) -> int:
        """Return the newest id."""
        last: int = (await self._database.fetch(LAST))[0]["id"]
        return last

    async def first_id_since(self, moment: datetime, platform: str | None) -> int | None:
        """Return the least id since a moment."""
        first = await self._first_since(moment, platform)
        for row in await self._database.fetch(KEPT):  # after the id, as above
            if moment <= row["removed_until"]:
                raise _gone(row["removed_to"])
        return first

    async def _first_since(self, moment: datetime, platform: str | None) -> int | None:
        """Look at a day first, as most days have changes."""
        for start, end in ((moment, moment + _DAY), (moment + _DAY, _END)):
            first: int | None = (await self._database.fetch(FIRST_SINCE, start, end, platform))[0]["id"]
            if first is not None:
                return first
        return None


def _gone(removed_to: int) -> PositionGoneError:
    return PositionGoneError(f"changes are kept from {removed_to + 1} on")
