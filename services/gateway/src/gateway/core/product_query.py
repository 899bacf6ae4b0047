"""What may be asked of the list of products: the filters, the orders, and one request read from its parameters."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from gateway.core import parameters
from gateway.core.parameters import Choice, Money, Parameter, PlatformName, Value, Whole, Words, meaning
from gateway.core.query import DEFAULT_LIMIT, MAX_LIMIT

MAX_KEY: Final = 100
"""So many characters of a name decide its place in an order."""
MAX_CURSOR: Final = 2000


class ProductSort(StrEnum):
    """The orders; a minus in front means the greatest first. Products without the value come last in both."""

    NEWEST = "newest"
    NAME = "name"
    NAME_DESC = "-name"
    PRICE = "price"
    PRICE_DESC = "-price"

    @property
    def descending(self) -> bool:
        """Whether the greatest, or newest, comes first."""
        return self is ProductSort.NEWEST or self.value.startswith("-")


PLATFORM: Final = Parameter("platform", PlatformName(), "Shop that the product comes from.", "bot_igor")
FILTERS: Final = (
    PLATFORM,
    Parameter("name", Words(), "Part of the name; upper and lower case are alike.", "sunflower"),
    Parameter(
        "category", Words(), "A category by its name, upper and lower case being alike, or by its id.", "Bouquets"
    ),
    Parameter("mark", Words(), "A mark by its name, likewise, or by its id.", "new"),
    Parameter("price_from", Money(), "Least price, included.", 1000),
    Parameter("price_to", Money(), "Greatest price, included.", 5000),
    Parameter("on_main", Choice(["true", "false"]), "Whether it stands on the shop's main page.", "true"),
)
SORT: Final = Parameter(
    "sort",
    Choice([sort.value for sort in ProductSort]),
    "Order. `newest`: by the shop's own time of creation. Products without the value come last.",
    "price",
    ProductSort.NEWEST.value,
)
LIMIT: Final = Parameter("limit", Whole(1, MAX_LIMIT), "Products on a page.", DEFAULT_LIMIT, DEFAULT_LIMIT)
CURSOR: Final = Parameter(
    "cursor",
    Words(MAX_CURSOR),
    "`next_cursor` of the page before; everything but `limit` must stay as it was.",
)
PARAMETERS: Final[Mapping[str, Parameter]] = {p.name: p for p in (*FILTERS, SORT, LIMIT, CURSOR)}
PLATFORM_ONLY: Final[Mapping[str, Parameter]] = {PLATFORM.name: PLATFORM}


@dataclass(frozen=True, slots=True)
class ProductQuery:
    """One page asked for; conditions are names of `FILTERS` with their values, in that order.

    The price of a product is the lowest of what can be ordered of it.
    """

    conditions: tuple[tuple[str, Value], ...] = ()
    sort: ProductSort = ProductSort.NEWEST
    limit: int = DEFAULT_LIMIT

    @property
    def identity(self) -> str:
        """What a cursor is bound to: the order and what the conditions mean, not their letters nor the page size."""
        named = [f"{name}={meaning(value)}" for name, value in self.conditions]
        return "\x1f".join(["products", self.sort.value, *named])


@dataclass(frozen=True, slots=True)
class ProductPosition:
    """The last product of a page: the sort's value as text (None: it has none), and its identity."""

    key: str | None
    platform: str
    product_id: str


def read_product_query(pairs: Iterable[tuple[str, str]]) -> tuple[ProductQuery, str | None]:
    """Return the query and the cursor as it was sent.

    Raises:
        InvalidParametersError: With every fault of the request.
    """
    values = parameters.read(pairs, PARAMETERS)
    cursor = values.get(CURSOR.name)
    return product_query(values), None if cursor is None else str(cursor)


def product_query(values: Mapping[str, Value]) -> ProductQuery:
    """Return the query that these values, checked already, ask."""
    conditions = tuple((p.name, values[p.name]) for p in FILTERS if p.name in values)
    sort = ProductSort(str(values.get(SORT.name, ProductSort.NEWEST)))
    return ProductQuery(conditions, sort, int(values.get(LIMIT.name, DEFAULT_LIMIT)))
