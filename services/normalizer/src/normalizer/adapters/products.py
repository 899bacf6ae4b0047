"""The shop tables on PostgreSQL. Rows travel as one JSON array for each table, and only what differs is written."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import asyncpg
import msgspec

from normalizer.adapters import product_sql as sql
from normalizer.adapters.failures import translated
from normalizer.core.products.record import LINKS, Category, Mark, Product
from normalizer.core.products.shared import Ref, Said, Shared
from normalizer.core.products.values import decoded

_KINDS: Final[Mapping[str, type[Category | Mark]]] = {"categories": Category, "marks": Mark}
_encode: Final = msgspec.json.Encoder(decimal_format="number").encode


class PostgresShelf:
    """The shop tables within the transaction that is open on a connection.

    Args:
        connection: JSON goes over it as bytes.
    """

    def __init__(self, connection: "asyncpg.Connection[Any]") -> None:
        self._connection = connection

    async def lock(self, platform: str) -> None:
        """Wait for the shop's turn."""
        await self._execute(sql.LOCK_SHOP, platform)

    async def products(self, platform: str, product_ids: Sequence[str]) -> Mapping[str, Product]:
        """Return known products."""
        with translated():
            rows = await self._connection.fetch(sql.PRODUCTS, platform, product_ids)
        return {row[0]: msgspec.convert(decoded(row[1]), Product) for row in rows}

    async def shared(self, platform: str) -> Shared:
        """Return all categories and marks."""
        with translated():
            rows = await self._connection.fetch(sql.SHARED, platform)
        return {Ref(table, row_id): _said(table, decoded(row)) for table, row_id, row in rows}

    async def write_shared(self, platform: str, news: Shared) -> None:
        """Insert or replace categories and marks."""
        for table, statement in sql.WRITE_SHARED.items():
            rows = [
                {"platform": platform, **_columns(said.row), "is_listed": said.is_listed, "seq": said.seq}
                for key, said in news.items()
                if key.table == table
            ]
            if rows:
                await self._execute(statement, _encode(rows))

    async def write_products(self, platform: str, products: Mapping[str, Product]) -> None:
        """Make products what is given. What may be referred to is written first and deleted last."""
        ids = list(products)
        owners = [({"platform": platform, "product_id": product_id}, products[product_id]) for product_id in ids]
        rows = [owner | {name: getattr(product, name) for name in sql.PRODUCT_COLUMNS} for owner, product in owners]
        await self._execute(sql.WRITE_PRODUCTS, _encode(rows))
        for field, (delete, insert) in sql.REPLACE_LINKS.items():
            key = LINKS[field][1]
            links = _encode([owner | {key: shared} for owner, product in owners for shared in getattr(product, field)])
            await self._execute(delete, platform, ids, links)
            await self._execute(insert, links)
        children = {
            table: _encode([owner | _columns(row) for owner, product in owners for row in getattr(product, table)])
            for table in sql.REPLACE_CHILDREN
        }
        for table, (_, upsert) in sql.REPLACE_CHILDREN.items():
            await self._execute(upsert, children[table])
        for table, (delete, _) in reversed(sql.REPLACE_CHILDREN.items()):
            await self._execute(delete, platform, ids, children[table])

    async def remove_products(self, platform: str, product_ids: Sequence[str]) -> None:
        """Delete products with all that belongs to them."""
        await self._execute(sql.REMOVE_PRODUCTS, platform, product_ids)

    async def remove_unused(self, platform: str, refs: Sequence[Ref]) -> None:
        """Delete those that no product has."""
        for table, statement in sql.REMOVE_UNUSED.items():
            ids = [key.id for key in refs if key.table == table]
            if ids:
                await self._execute(statement, platform, ids)

    async def _execute(self, statement: str, *arguments: Any) -> None:
        with translated():
            await self._connection.execute(statement, *arguments)


def _columns(row: msgspec.Struct) -> dict[str, Any]:
    return {name: getattr(row, name) for name in row.__struct_fields__}


def _said(table: str, row: dict[str, Any]) -> Said:
    return Said(msgspec.convert(row, _KINDS[table]), is_listed=row["is_listed"], seq=int(row["seq"]))
