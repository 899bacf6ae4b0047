"""A shop as the core sees it: two lists of products (UPSTREAMS §3), and the rules that make one snapshot of them.

All of it is pure: what is a product of both lists, what has gone, and when so much has gone that nobody believes it.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

import msgspec

from common.events import LISTS_ID, ChangeType
from fetcher.core.feed import RECORDS_PER_MESSAGE, SourceRow


class ListName(StrEnum):
    """The shop's two lists, by what is asked for."""

    MAIN = "on_main=true"
    OTHERS = "on_main=false"

    @property
    def is_main(self) -> bool:
        """Whether it is the list of the products on the main page."""
        return self is ListName.MAIN


class Product(msgspec.Struct, frozen=True, gc=False):
    """One product as a list shows it.

    Attributes:
        inner_id: Its `Product_ID` as text; None where it has none.
        on_main: What it says of itself; None: nothing that can be read.
        created_at: When the shop made it, as it was written.
        data: Its JSON, byte for byte.
        original: The same as it came, where it had to be repaired to be read.
    """

    inner_id: str | None
    on_main: bool | None
    created_at: str | None
    data: msgspec.Raw
    original: str | msgspec.UnsetType = msgspec.UNSET


@dataclass(frozen=True, slots=True)
class ListPage:
    """One answer of a shop.

    Attributes:
        products: In the shop's order.
        facts: What else stands at the top: categories, marks, special parameters.
        pages: How many pages the list has; 1 where the shop does not say.
        total: How many products the whole list has; None where the shop does not say.
        notes: What had to be repaired in the body to read it; empty as a rule.
    """

    products: Sequence[Product]
    facts: Mapping[str, msgspec.Raw]
    pages: int
    total: int | None
    notes: str = ""


class Shop(Protocol):
    """A shop. One request per call; no retry inside."""

    async def page(self, name: ListName, number: int) -> ListPage:
        """Return page `number` of a list, 1-based.

        Raises:
            UpstreamError: The answer cannot be used, or says itself that something is wrong.
        """
        ...


class KnownProducts(Protocol):
    """What earlier snapshots of a shop have brought.

    Every method raises UnavailableError while the database is away.
    """

    async def next_seq(self, platform: str) -> int:
        """Return a version above that of every snapshot begun and of every row landed."""
        ...

    async def active(self, platform: str) -> Mapping[str, bool | None]:
        """Return the products that are on sale as far as they have landed → whether they are on the main page."""
        ...


@dataclass(slots=True)
class ShopList:
    """What was read of one list.

    Attributes:
        failure: Why it is not whole; empty: it answered fully, and `ok`.
    """

    name: ListName
    products: list[Product] = field(default_factory=list)
    facts: Mapping[str, msgspec.Raw] = field(default_factory=dict)
    failure: str = ""
    _known: set[str | None] = field(default_factory=set)

    def add(self, page: ListPage, number: int) -> None:
        """Take page `number`; what the shop tells of the whole list is checked at its last page."""
        shown = {product.inner_id for product in page.products}
        is_repeated = bool(shown) and shown <= self._known and number < page.pages
        self._known |= inner_ids(page.products)
        self.products += page.products
        self.facts = self.facts or page.facts
        if is_repeated:  # a shop that knows no pages sends its first one for ever; what moves may fill a last page
            self.failure = f"{self.name}: page {number} of {page.pages} shows nothing that was not there before"
        elif number < page.pages and not page.products:
            self.failure = f"{self.name}: page {number} of {page.pages} is empty"
        elif number >= page.pages and page.total is not None and len(self.products) < page.total:
            self.failure = f"{self.name}: {len(self.products):,} products came, the shop counts {page.total:,}"

    def repeated(self) -> list[str]:
        """Return the identities that stand in it more than once."""
        counts = Counter(product.inner_id for product in self.products)
        return sorted(inner_id for inner_id, count in counts.items() if inner_id is not None and count > 1)


def inner_ids(products: Iterable[Product]) -> set[str]:
    """Return the identities of those that have one."""
    return {product.inner_id for product in products if product.inner_id is not None}


def joined(lists: Sequence[ShopList]) -> list[Product]:
    """Return every product once, in the lists' order.

    Of several with one id that one counts whose `OnMain` agrees with the list it stands in; of equals the last, which
    was read last. A product without an id is kept: it cannot be compared.
    """
    chosen: dict[str, tuple[bool, Product]] = {}
    nameless: list[Product] = []
    for one in lists:
        for product in one.products:
            if product.inner_id is None:
                nameless.append(product)
                continue
            agrees = product.on_main is one.name.is_main
            known = chosen.get(product.inner_id)
            if known is None or agrees >= known[0]:
                chosen[product.inner_id] = agrees, product
    return [product for _, product in chosen.values()] + nameless


def refusal(known: Mapping[str, bool | None], shown: Mapping[ListName, set[str]], *, most_gone: float) -> str | None:
    """Return why what neither list shows cannot all have gone; None: it can.

    A list's products are those that it shows now and those that say they were in it and stand in neither list: what
    moved to the other list is not missed, and an empty list is no news where it had nothing to lose.

    Args:
        known: The products that were on sale → whether they said that they are on the main page.
        shown: What each list shows.
        most_gone: The greatest share, of the products of either list and of all, that may go at once.
    """
    gone = known.keys() - set().union(*shown.values())
    groups = {
        name.value: (gone_of := {key for key in gone if known[key] is name.is_main}, shown[name] | gone_of)
        for name in ListName
    }
    for name, (lost, group) in {**groups, "both lists": (gone, known.keys())}.items():
        if len(lost) > most_gone * len(group):
            return f"{len(lost):,} of the {len(group):,} products of {name} would go, more than {most_gone:.0%}"
    return None


def lists_row(facts: Mapping[str, msgspec.Raw]) -> SourceRow:
    """Return the row of the shop's own lists and facts."""
    return SourceRow(LISTS_ID, ChangeType.ADDED.value, None, None, msgspec.Raw(msgspec.json.encode(facts)))


def product_row(product: Product) -> SourceRow:
    """Return the row of a product on sale."""
    added = ChangeType.ADDED.value
    return SourceRow(product.inner_id, added, None, product.created_at, product.data, product.original)


def slices(rows: Sequence[SourceRow]) -> Iterator[Sequence[SourceRow]]:
    """Return the rows in slices, each for one message."""
    for start in range(0, len(rows), RECORDS_PER_MESSAGE):
        yield rows[start : start + RECORDS_PER_MESSAGE]
