"""The shops in PostgreSQL: JSON is made by the server and passed through as text."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from gateway.adapters.database import Readable
from gateway.adapters.product_sql import CATEGORIES, FIND, count, listed
from gateway.adapters.search_sql import products_with
from gateway.core.ports import NumberedProducts, ProductPage, StoredItem
from gateway.core.product_query import ProductPosition, ProductQuery
from gateway.core.search import Search


class PostgresProducts:
    """ProductReader on the tables of the shops."""

    def __init__(self, database: Readable) -> None:
        self._database = database

    async def page(self, query: ProductQuery, after: ProductPosition | None) -> ProductPage:
        """Return one page; a row more than asked for tells whether others follow."""
        sql, values = listed(query, after)
        rows = await self._database.fetch(sql, *values, query.limit + 1, 0)
        shown = rows[: query.limit]
        return ProductPage([row["body"] for row in shown], _position(shown[-1]) if len(rows) > len(shown) else None)

    async def numbered(self, query: ProductQuery, page: int) -> NumberedProducts:
        """Return a page by its number, from 1."""
        sql, values = listed(query, None)
        rows = await self._database.fetch(sql, *values, query.limit, (page - 1) * query.limit)
        sql, values = count(query)
        total: int = (await self._database.fetch(sql, *values))[0]["total"]
        return NumberedProducts([row["body"] for row in rows], total)

    async def find(self, product_id: str, platform: str | None) -> Sequence[StoredItem]:
        """Return the products with this id."""
        rows = await self._database.fetch(FIND, product_id, platform)
        return [StoredItem(row["platform"], row["body"]) for row in rows]

    async def categories(self, platform: str | None) -> Sequence[str]:
        """Return the categories."""
        return [row["body"] for row in await self._database.fetch(CATEGORIES, platform)]

    async def search(self, search: Search) -> Sequence[str]:
        """Return the newest products with all words."""
        rows = await self._database.fetch(products_with(search.words), search.limit, *search.words)
        return [row["body"] for row in rows]


def _position(row: Any) -> ProductPosition:
    key = row["key"]
    text = key.isoformat() if isinstance(key, datetime) else None if key is None else str(key)
    return ProductPosition(text, row["platform"], row["product_id"])
