"""The records as their platforms gave them, changes merged in, for those who know auto-api's contract.

Offers are those of our catalogue; their `data` comes from `raw_data`, by its unique (platform, inner_id).
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from gateway.adapters.database import Readable
from gateway.adapters.offer_filters import LISTED, where
from gateway.core.autoapi import PAGE, Dialect, Event
from gateway.core.contacts import without_contacts
from gateway.core.query import Condition

_MOMENT: Final = """to_char({0} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')"""

CHANGES: Final = f"""
    SELECT c.change_id AS id, c.inner_id, c.change_type, {_MOMENT.format("c.changed_at")} AS created_at,
           c.diff - 'price' = '{{}}' AS is_price, r.data::text AS data, (
               SELECT jsonb_object_agg(named.new, r.data -> named.old)::text
               FROM unnest($3::text[], $4::text[]) AS named (new, old) WHERE r.data ? named.old
           ) AS changed
    FROM (
        SELECT * FROM catalog_changes WHERE platform = $1 AND change_id >= $2 ORDER BY change_id LIMIT {PAGE}
    ) AS c LEFT JOIN raw_data AS r ON r.platform = $1 AND r.inner_id = c.inner_id
    ORDER BY c.change_id
"""  # noqa: S608 - made of constants
"""Changes of a platform, by `catalog_changes_platform_idx`, with the record as it is now."""

OFFER: Final = f"""
    SELECT r.data::text AS data
    FROM processed_data AS p JOIN raw_data AS r ON r.platform = p.platform AND r.inner_id = p.inner_id
    WHERE p.platform = $1 AND p.inner_id = $2 AND {LISTED}
"""  # noqa: S608 - made of constants
"""The record of a listed offer, by the unique (platform, inner_id) of both tables."""

FILTERS: Final = "SELECT data::text AS data FROM filters_reference WHERE platform = $1"
"""The platform's reference, by the primary key."""


def _offers(conditions: Sequence[Condition]) -> tuple[str, list[object]]:
    """Walk `processed_data_listed_idx` from the oldest on; pages are counted in the index alone."""
    values: list[object] = []

    def bound(value: object) -> str:
        values.append(value)
        return f"${len(values) + 2}"

    sql = f"""
        SELECT p.id, p.inner_id, 'added' AS change_type, r.data::text AS data,
               {_MOMENT.format("coalesce(r.created_at, r.first_loaded_at)")} AS created_at
        FROM (
            SELECT p.id FROM processed_data AS p
            WHERE p.platform = $1 AND {" AND ".join(where(conditions, bound))}
            ORDER BY p.id LIMIT {PAGE + 1} OFFSET $2
        ) AS shown JOIN processed_data AS p USING (id)
        JOIN raw_data AS r ON r.platform = p.platform AND r.inner_id = p.inner_id
        ORDER BY p.id
    """  # noqa: S608 - made of constants, values are bound
    return sql, values


class PostgresRecords:
    """RecordReader on `raw_data` and the catalogue; `dialects` by platform."""

    def __init__(self, database: Readable, *, dialects: Mapping[str, Dialect]) -> None:
        self._database = database
        self._dialects = dialects

    async def offers(self, platform: str, page: int, conditions: Sequence[Condition]) -> Sequence[Event]:
        """Return one page and, where others follow, one row more."""
        sql, values = _offers(conditions)
        rows = await self._database.fetch(sql, platform, (page - 1) * PAGE, *values)
        return [self._shown(platform, _event(row)) for row in rows]

    async def offer(self, platform: str, inner_id: str) -> str | None:
        """Return the record of a listed offer."""
        rows = await self._database.fetch(OFFER, platform, inner_id)
        return self._record(platform, rows[0]["data"]) if rows else None

    async def changes(self, platform: str, start: int) -> Sequence[Event]:
        """Return one page of events."""
        named = self._dialects[platform].changed_fields
        rows = await self._database.fetch(CHANGES, platform, start, list(named), list(named.values()))
        return [self._shown(platform, _change(row)) for row in rows]

    async def filters(self, platform: str) -> str | None:
        """Return the platform's own reference."""
        rows = await self._database.fetch(FILTERS, platform)
        return rows[0]["data"] if rows else None

    def _shown(self, platform: str, event: Event) -> Event:
        return event if event.data is None else replace(event, data=self._record(platform, event.data))

    def _record(self, platform: str, record: str) -> str:
        field = self._dialects[platform].extras_field
        return record if field is None else without_contacts(record, field)


def _event(row: Any) -> Event:
    return Event(row["id"], row["inner_id"], row["change_type"], row["created_at"], row["data"])


def _change(row: Any) -> Event:
    """Return an event: the contract's `changed` knows prices only, so whatever else changed comes as a full record."""
    if row["change_type"] == "removed" or row["data"] is None:
        return Event(row["id"], row["inner_id"], "removed", row["created_at"], None)
    if row["change_type"] == "changed" and row["is_price"] and row["changed"] is not None:
        return Event(row["id"], row["inner_id"], "changed", row["created_at"], row["changed"])
    return Event(row["id"], row["inner_id"], "added", row["created_at"], row["data"])
