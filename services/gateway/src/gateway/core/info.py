"""What the page `/info` says, whoever it is written for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from math import ceil
from typing import Any

Item = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Info:
    """All that is shown: one page of products, the newest offers, and how much there is.

    Attributes:
        products: As in `/products`.
        total: Products that meet the filters.
        page: Number of the page, from 1.
        page_size: Products on a page.
        offers: As in `/offers`.
        counts: Platform → active offers.
        categories: As in `/categories`.
        missing: What could not be read.
    """

    products: Sequence[Item]
    total: int
    page: int
    page_size: int
    offers: Sequence[Item]
    counts: Mapping[str, int]
    categories: Sequence[Item]
    missing: Sequence[str]

    @property
    def pages(self) -> int:
        """How many pages of products there are, at least one."""
        return max(1, ceil(self.total / self.page_size))


def price(value: float | Decimal | None, currency: str | None) -> str:
    """Return a price as people write it: `6,500 RUB`; nothing where there is none."""
    if value is None:
        return ""
    return f"{value:,.2f}".removesuffix(".00") + (f" {currency}" if currency else "")


def names(items: Sequence[Item]) -> str:
    """Return the names of categories or marks in one line."""
    return ", ".join(str(item["name"]) for item in items if item["name"])


def title(offer: Item) -> str:
    """Return what an offer is called."""
    return str(offer["title"] or " ".join(str(offer[name]) for name in ("mark", "model") if offer[name]))


def kilometres(offer: Item) -> str:
    """Return the mileage."""
    return "" if offer["km_age"] is None else f"{offer['km_age']:,} km"
