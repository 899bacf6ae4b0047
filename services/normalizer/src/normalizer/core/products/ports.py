"""What the rules of the shop need from a database, named for its role."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from normalizer.core.products.record import Product
from normalizer.core.products.shared import Ref, Shared


class ProductShelf(Protocol):
    """The shop tables within an open transaction. Every method raises `TransientError` or `PoisonError`."""

    async def lock(self, platform: str) -> None:
        """Wait until no other transaction writes this shop, and keep it so until the end of this one.

        Called after the raw rows are locked, and once for each shop in the order of their names.
        """
        ...

    async def products(self, platform: str, product_ids: Sequence[str]) -> Mapping[str, Product]:
        """Return those of the products that are there, with all that belongs to them."""
        ...

    async def shared(self, platform: str) -> Shared:
        """Return all categories and marks."""
        ...

    async def write_shared(self, platform: str, news: Shared) -> None:
        """Insert or replace categories and marks."""
        ...

    async def write_products(self, platform: str, products: Mapping[str, Product]) -> None:
        """Make products and all that belongs to them what is given; rows that are so already are not written.

        The categories and marks of the products are there.
        """
        ...

    async def remove_products(self, platform: str, product_ids: Sequence[str]) -> None:
        """Delete products with all that belongs to them."""
        ...

    async def remove_unused(self, platform: str, refs: Sequence[Ref]) -> None:
        """Delete those of the categories and marks that no product has."""
        ...
