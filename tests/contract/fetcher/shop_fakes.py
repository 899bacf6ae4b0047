"""The ports of a shop in memory."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from fetcher.core.shop import ListName, ListPage, Product


def a_product(inner_id: str | None = "813", *, on_main: bool | None = True, **fields: object) -> Product:
    """Return a product whose data say the same as its other fields."""
    data = {"Product_ID": inner_id, "OnMain": on_main, **fields}
    return Product(inner_id, on_main, None, msgspec.Raw(json.dumps(data).encode()))


@dataclass
class FakeShop:
    """Two lists of ids; `failures[name]` are used up first, one per request. `asked` holds each request.

    With `page_size` a list has pages, and says how many products it has in all. What stands in `later[name]` is what
    the list shows from its second reading on.
    """

    main: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    facts: dict[str, msgspec.Raw] = field(default_factory=lambda: {"categories": msgspec.Raw(b"[]")})
    page_size: int | None = None
    failures: dict[ListName, list[BaseException]] = field(default_factory=dict)
    later: dict[ListName, list[str]] = field(default_factory=dict)
    asked: list[tuple[ListName, int]] = field(default_factory=list)

    async def page(self, name: ListName, number: int) -> ListPage:
        """Return a page, or fail as told."""
        self.asked.append((name, number))
        if self.failures.get(name):
            raise self.failures[name].pop(0)
        shown = self.main if name.is_main else self.others
        if name in self.later and self.asked.count((name, number)) > 1:
            shown = self.later[name]
        products = [a_product(inner_id, on_main=name.is_main) for inner_id in shown]
        facts = self.facts if name.is_main else {}
        if self.page_size is None:
            return ListPage(products, facts, 1, None)
        pages = -(-len(products) // self.page_size)
        start = (number - 1) * self.page_size
        return ListPage(products[start : start + self.page_size], facts, pages, len(products))


@dataclass
class FakeKnown:
    """Products on sale → whether on the main page, and the newest version."""

    products: dict[str, bool | None] = field(default_factory=dict)
    newest: int = 0

    async def next_seq(self, platform: str) -> int:
        """Return a greater version each time."""
        del platform
        self.newest += 1
        return self.newest

    async def active(self, platform: str) -> Mapping[str, bool | None]:
        """Return the products."""
        del platform
        return self.products
