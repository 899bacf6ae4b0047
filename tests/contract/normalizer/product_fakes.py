"""The shop tables in memory."""

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field

from normalizer.core.errors import PoisonError
from normalizer.core.products.record import Product
from normalizer.core.products.shared import Ref, Shared


@dataclass
class ShopTables:
    """What a transaction can change: products and what they share, by platform."""

    products: dict[str, dict[str, Product]] = field(default_factory=dict)
    shared: dict[str, Shared] = field(default_factory=dict)
    writes: int = 0

    def __copy__(self) -> "ShopTables":
        """Return a copy whose containers are its own."""
        return ShopTables({name: copy(rows) for name, rows in self.products.items()}, copy(self.shared), self.writes)


class FakeShelf:
    """The shop tables within a transaction; transactions run one after another, so a shop needs no lock."""

    def __init__(self, tables: ShopTables) -> None:
        self._tables = tables

    async def lock(self, platform: str) -> None:
        """Do nothing."""

    async def products(self, platform: str, product_ids: Sequence[str]) -> Mapping[str, Product]:
        """Return known products."""
        known = self._tables.products.get(platform, {})
        return {product_id: known[product_id] for product_id in product_ids if product_id in known}

    async def shared(self, platform: str) -> Shared:
        """Return all categories and marks."""
        return self._tables.shared.get(platform, {})

    async def write_shared(self, platform: str, news: Shared) -> None:
        """Insert or replace."""
        self._tables.writes += 1
        self._tables.shared[platform] = {**self._tables.shared.get(platform, {}), **news}

    async def write_products(self, platform: str, products: Mapping[str, Product]) -> None:
        """Replace products; what they share must be there."""
        self._tables.writes += 1
        known = self._tables.shared.get(platform, {})
        for product_id, product in products.items():
            if not _refs(product) <= known.keys():
                raise PoisonError("23503 a category is not there")
            self._tables.products.setdefault(platform, {})[product_id] = product

    async def remove_products(self, platform: str, product_ids: Sequence[str]) -> None:
        """Delete products."""
        self._tables.writes += 1
        for product_id in product_ids:
            self._tables.products.get(platform, {}).pop(product_id, None)

    async def remove_unused(self, platform: str, refs: Sequence[Ref]) -> None:
        """Delete those that no product has."""
        used = {key for product in self._tables.products.get(platform, {}).values() for key in _refs(product)}
        kept = self._tables.shared.get(platform, {}).items()
        self._tables.shared[platform] = {key: said for key, said in kept if key in used or key not in refs}


def _refs(product: Product) -> set[Ref]:
    return {Ref("categories", name) for name in product.categories} | {Ref("marks", name) for name in product.marks}
