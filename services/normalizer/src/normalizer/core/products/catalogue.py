"""From landed rows of a shop to its tables, and what the downstream feed says of it."""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Final

import msgspec

from common.events import LISTS_ID, ChangeType
from normalizer.core.errors import PoisonError
from normalizer.core.merge import RawRow
from normalizer.core.ports import CatalogueChange, Key, Transaction
from normalizer.core.products.normalise import ListsRead, ProductRead, normalise_lists, normalise_product
from normalizer.core.products.ports import ProductShelf
from normalizer.core.products.record import Category, Mark, Product, ShopProfile
from normalizer.core.products.shared import Shared, carried, difference, listed, unlisted

_encode: Final = msgspec.json.Encoder(decimal_format="number").encode


async def write_shops(
    transaction: Transaction, profiles: Mapping[str, ShopProfile], rows: Sequence[RawRow], *, counts: Counter[str]
) -> list[CatalogueChange]:
    """Normalise rows of shops, write them to the shop tables, and return what changed for their readers.

    Args:
        transaction: Holds the rows locked.
        profiles: Platform → what its fields mean.
        rows: Of these platforms only.
        counts: Gets `odd.<object>.<field>:<reason>` for values that could not be read.

    Raises:
        PoisonError: A row cannot be normalised; its text names the product.
        TransientError: As the transaction says.
    """
    changes: list[CatalogueChange] = []
    for platform, group in groupby(sorted(rows, key=_key), key=lambda row: row.platform):
        shop = _Shop(transaction.products, platform, profiles[platform])
        changes += await shop.write(list(group), counts)
    return changes


def change_of(key: Key, old: Product | None, new: Product | None) -> CatalogueChange | None:
    """Return what readers see change: a product comes, goes, or differs; None: nothing."""
    if new is None:
        return None if old is None else CatalogueChange(key, ChangeType.REMOVED.value, b"{}")
    if old is None:
        return CatalogueChange(key, ChangeType.ADDED.value, b"{}")
    diff = {name: [getattr(old, name), getattr(new, name)] for name in Product.__struct_fields__}
    diff = {name: pair for name, pair in diff.items() if pair[0] != pair[1]}
    return CatalogueChange(key, ChangeType.CHANGED.value, _encode(diff)) if diff else None


class _Shop:
    def __init__(self, shelf: ProductShelf, platform: str, profile: ShopProfile) -> None:
        self._shelf = shelf
        self._platform = platform
        self._profile = profile

    async def write(self, rows: Sequence[RawRow], counts: Counter[str]) -> list[CatalogueChange]:
        """Write what is new in raw rows of this shop."""
        wanted = [row.inner_id for row in rows if row.inner_id != LISTS_ID]
        reads = [(row, self._read(row)) for row in rows if row.active and row.is_complete]
        for _, read in reads:
            counts.update(f"odd.{name}" for name in read.odd)
        new: dict[str, Product] = {row.inner_id: read.product for row, read in reads if isinstance(read, ProductRead)}
        await self._shelf.lock(self._platform)
        old = await self._shelf.products(self._platform, wanted)
        before = await self._shelf.shared(self._platform)
        after = _shared(before, reads)
        await self._write_shared({key: said for key, said in after.items() if before.get(key) != said})
        await self._write_products(old, new)
        left = await self._without_unused(after)
        changes = [change_of(self._key(inner_id), old.get(inner_id), new.get(inner_id)) for inner_id in wanted]
        return [change for change in (self._change_of_lists(before, left), *changes) if change is not None]

    async def _write_shared(self, news: Shared) -> None:
        if news:
            await self._shelf.write_shared(self._platform, news)

    async def _write_products(self, old: Mapping[str, Product], new: Mapping[str, Product]) -> None:
        gone = [inner_id for inner_id in old if inner_id not in new]
        if gone:
            await self._shelf.remove_products(self._platform, gone)
        changed = {inner_id: product for inner_id, product in new.items() if old.get(inner_id) != product}
        if changed:
            await self._shelf.write_products(self._platform, changed)

    async def _without_unused(self, known: Shared) -> Shared:
        """Delete what neither the shop's own lists nor a product has; return what is left."""
        candidates = unlisted(known)
        if not candidates:
            return known
        await self._shelf.remove_unused(self._platform, candidates)
        return await self._shelf.shared(self._platform)

    def _change_of_lists(self, before: Shared, after: Shared) -> CatalogueChange | None:
        diff = difference(before, after)
        if not diff:
            return None
        if not before:
            return CatalogueChange(self._key(LISTS_ID), ChangeType.ADDED.value, b"{}")
        return CatalogueChange(self._key(LISTS_ID), ChangeType.CHANGED.value, _encode(diff))

    def _read(self, row: RawRow) -> ListsRead | ProductRead:
        try:
            if row.inner_id == LISTS_ID:
                return normalise_lists(row.data)
            return normalise_product(row.data, self._profile, product_id=row.inner_id)
        except Exception as error:
            # Whatever a value makes our code do, it must cost that one record and never the queue.
            raise PoisonError(f"{row.platform}/{row.inner_id}: {type(error).__name__}: {error}") from error

    def _key(self, inner_id: str) -> Key:
        return Key(self._platform, inner_id)


def _shared(known: Shared, reads: Sequence[tuple[RawRow, ListsRead | ProductRead]]) -> Shared:
    for row, read in reads:
        if isinstance(read, ListsRead):
            known = listed(known, [*read.categories, *read.marks], seq=row.base_seq)
    brought: list[tuple[int, Category | Mark]] = []
    for row, read in reads:
        if isinstance(read, ProductRead):
            brought += [(row.base_seq, item) for item in read.categories]
            brought += [(row.base_seq, item) for item in read.marks]
    return carried(known, brought)


def _key(row: RawRow) -> Key:
    return Key(row.platform, row.inner_id)
