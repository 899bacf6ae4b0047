"""What the page `/info` says, whoever it is written for."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from math import ceil
from typing import Any

Item = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Loaded:
    """How much of something is there, and since when: the end of the last run that brought it, None if unknown."""

    number: int
    what: str
    updated_at: datetime | None = None

    @property
    def updated(self) -> str:
        """That moment as people write it: `2026-11-21 06:24 UTC`; nothing where it is not known."""
        return "" if self.updated_at is None else f"{self.updated_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


@dataclass(frozen=True, slots=True)
class Info:
    """All that is shown: how much there is, one page of products, and one of offers.

    Attributes:
        loaded: What there is in all, whatever the filters.
        products: As in `/products`; None: they could not be read.
        total: Products that meet the filters.
        page: Number of the page of products, from 1.
        page_size: Products on a page.
        offers: As in `/offers`; None: they could not be read.
        offers_page: Number of the page of offers, from 1.
        offers_follow: Whether others follow these offers.
        categories: As in `/categories`.
        missing: What could not be read.
        not_for_offers: Filters that are set and that offers do not know.
    """

    loaded: Sequence[Loaded]
    products: Sequence[Item] | None
    total: int
    page: int
    page_size: int
    offers: Sequence[Item] | None
    offers_page: int
    offers_follow: bool
    categories: Sequence[Item]
    missing: Sequence[str]
    not_for_offers: Sequence[str]

    @property
    def pages(self) -> int:
        """How many pages of products there are, at least one."""
        return max(1, ceil(self.total / self.page_size))

    @property
    def marks(self) -> Collection[str]:
        """The marks of what is shown."""
        of_products = {str(m["name"]) for product in self.products or () for m in product["marks"] if m["name"]}
        return of_products | {str(offer["mark"]) for offer in self.offers or () if offer["mark"]}


def price(value: float | Decimal | None, currency: str | None) -> str:
    """Return a price as people write it: `6,500 RUB`; nothing where there is none."""
    if value is None:
        return ""
    return f"{value:,.2f}".removesuffix(".00") + (f" {currency}" if currency else "")


def names(items: Sequence[Item]) -> Sequence[str]:
    """Return the names of categories or marks, each once."""
    return list(dict.fromkeys(str(item["name"]) for item in items if item["name"]))


def title(offer: Item) -> str:
    """Return what an offer is called."""
    return str(offer["title"] or make(offer) or offer["inner_id"])


def make(offer: Item) -> str:
    """Return mark and model, which are in English more often than the title is."""
    return " ".join(str(offer[name]) for name in ("mark", "model") if offer[name])


def kilometres(offer: Item) -> str:
    """Return the mileage."""
    return "" if offer["km_age"] is None else f"{offer['km_age']:,} km"


def loaded(status: Mapping[str, Any], products: int | None, categories: int | None) -> Sequence[Loaded]:
    """Return what there is; `status` is as in `/status`, a number None where it could not be counted."""
    updated: dict[str, datetime] = {}
    for run in status["runs"]:
        if run["finished_at"] and run["status"] == "done":
            source = "shop" if run["kind"] == "snapshot" else run["platform"]
            ended = datetime.fromisoformat(run["finished_at"])
            updated[source] = max(ended, updated.get(source, ended))
    found = [
        Loaded(int(row["active"]), f"offers of {row['platform']}", updated.get(row["platform"]))
        for row in status["offers"]
    ]
    if products is not None:
        found.append(Loaded(products, "products", updated.get("shop")))
    if categories is not None:
        found.append(Loaded(categories, "categories"))
    return found
