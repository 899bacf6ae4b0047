"""The catalogue in PostgreSQL: JSON is made by the server and passed through as text."""

from collections.abc import Sequence
from typing import Any

from gateway.adapters.database import Database
from gateway.adapters.offer_sql import FIND, FIND_ANYWHERE, stretches
from gateway.adapters.search_sql import offers_with
from gateway.core.ports import OfferPage, StoredItem
from gateway.core.query import OfferQuery, Position
from gateway.core.search import Search


class PostgresOffers:
    """OfferReader on `processed_data`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(self, query: OfferQuery, after: Position | None) -> OfferPage:
        """Return one page; a row more than asked for tells whether others follow."""
        rows: list[Any] = []
        for stretch in stretches(query, after):
            rows += await self._database.fetch(stretch.sql, *stretch.values, query.limit + 1 - len(rows))
            if len(rows) > query.limit:
                break
        shown = rows[: query.limit]
        last = _position(query, shown[-1]) if len(rows) > len(shown) else None
        return OfferPage([row["body"] for row in shown], last)

    async def find(self, inner_id: str, platform: str | None) -> Sequence[StoredItem]:
        """Return the offers with this id."""
        if platform is None:
            rows = await self._database.fetch(FIND_ANYWHERE, inner_id)
        else:
            rows = await self._database.fetch(FIND, inner_id, platform)
        return [StoredItem(row["platform"], row["body"]) for row in rows]

    async def search(self, search: Search) -> Sequence[str]:
        """Return the newest listed offers with all words."""
        rows = await self._database.fetch(offers_with(search.words), search.limit, *search.words)
        return [row["body"] for row in rows]


def _position(query: OfferQuery, row: Any) -> Position:
    has_value = query.sort.field is not None and row["key"] is not None
    return Position(str(row["key"]) if has_value else None, row["id"])
