"""A shop made from a seed: every day is arithmetic on its number."""

from functools import lru_cache

from sandbox.upstream.rotation import AffinePermutation
from sandbox.upstream.shop import words
from sandbox.upstream.shop.products import Draft, a_product
from sandbox.upstream.shop.snapshot import Entity, Snapshot

_MAIN_SHARE = 3
"""One product in so many is on the main list."""
_BOTH_LISTS = 40
"""One product in so many stands in both lists."""
_DAYS_ON_A_LIST = 11
_DAILY_CHANGE = 100
"""One product in so many goes each day, and as many come."""
_DAYS_PER_NEW_CATEGORY = 3
_DAYS_PER_GONE_CATEGORY = 5
_PRODUCTS_PER_CATEGORY = 8
_FEWEST_CATEGORIES = 5
_MIXED = 0x9E3779B97F4A7C15


class GeneratedShop:
    """A shop that opens with `products` products and keeps about as many."""

    def __init__(self, *, products: int, seed: int) -> None:
        self._products = products
        self._seed = seed
        self._daily = -(-products // _DAILY_CHANGE)
        self._block = AffinePermutation.of(max(1, products // 4))
        self._categories = max(_FEWEST_CATEGORIES, products // _PRODUCTS_PER_CATEGORY)
        self._made = lru_cache(maxsize=1)(self._make)

    def snapshot(self, day: int) -> Snapshot:
        """Return the shop of a day; the last one made is kept."""
        return self._made(day)

    def _make(self, day: int) -> Snapshot:
        categories = self._categories_of(day)
        main: list[Entity] = []
        other: list[Entity] = []
        for number in self._on_sale(day):
            is_main = self._is_main(number, day)
            own = self._categories_for(number, categories)
            product = a_product(Draft(self._seed, number, day), is_main=is_main, categories=own)
            (main if is_main else other).append(product)
            if number % _BOTH_LISTS == 1:
                (other if is_main else main).append(product)
        beside = {"categories": categories, "product_marks": [dict(mark) for mark in words.MARKS]}
        return Snapshot(main, other, beside | words.beside(day))

    def _on_sale(self, day: int) -> list[int]:
        """Return who has come and not gone: each day the next few go, in the order of their block."""
        gone = self._daily * day
        block, position = divmod(gone, self._block.size)
        first = block * self._block.size
        left = [first + offset for offset in range(self._block.size) if self._block.position_of(offset) >= position]
        return [*left, *range(first + self._block.size, self._products + gone)][: self._products]

    @staticmethod
    def _is_main(number: int, day: int) -> bool:
        """Tell on which list a product stands; each moves every now and then."""
        return (number + (day + number) // _DAYS_ON_A_LIST) % _MAIN_SHARE == 0

    def _categories_of(self, day: int) -> list[Entity]:
        """Return the categories of a day, the newest on top; each new one renumbers all others."""
        end = self._categories + day // _DAYS_PER_NEW_CATEGORY
        return [_category(number, sort_order=end - number) for number in range(day // _DAYS_PER_GONE_CATEGORY, end)]

    def _categories_for(self, number: int, categories: list[Entity]) -> list[Entity]:
        """Return one to three categories of a product, which stay its own for as long as they exist."""
        ranked = sorted(categories, key=lambda category: _mixed(number, int(category["Category_ID"])))
        return [dict(category) for category in ranked[: 1 + number % 3]]


def _category(number: int, *, sort_order: int) -> Entity:
    name = words.CATEGORIES[number % len(words.CATEGORIES)]
    return {
        "Category_ID": number + 1,
        "Category_Name": name if number < len(words.CATEGORIES) else f"{name} {number}",
        "Category_Image": "" if number % 7 else f"{words.SITE}/menu/{number}.png",
        "sort_order": sort_order,
    }


def _mixed(first: int, second: int) -> int:
    mixed = (first * 1_000_003 + second) * _MIXED & 0xFFFFFFFFFFFFFFFF
    return (mixed ^ mixed >> 31) * _MIXED & 0xFFFFFFFFFFFFFFFF
