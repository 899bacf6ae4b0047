"""The parameters of `/info`, checked by pydantic: every fault is said by its name."""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Annotated, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from gateway.core.errors import Fault
from gateway.core.parameters import Parameter, Whole, printable, reversed_ranges, shown, unknown
from gateway.core.product_query import FILTERS, SORT, ProductQuery, ProductSort, product_query
from gateway.core.query import DEFAULT_LIMIT, OfferQuery, Sort, read_query, words

MAX_PAGE: Final = 500
PAGE: Final = Parameter("page", Whole(1, MAX_PAGE), "Page of products, from 1.", 1, 1)
OFFERS_PAGE: Final = Parameter("offers_page", Whole(1, MAX_PAGE), "Page of offers, from 1.", 1, 1)
PARAMETERS: Final[Mapping[str, Parameter]] = {p.name: p for p in (*FILTERS[1:], SORT, PAGE, OFFERS_PAGE)}
_OF_PRODUCTS_ONLY: Final = ("category", "on_main")


def _read_as(name: str) -> BeforeValidator:
    """Let a field be read as everywhere else in the API, so that what is wrong is said in the same words."""
    kind = PARAMETERS[name].kind
    return BeforeValidator(lambda text: kind.read(printable(text)))


class InfoQuery(BaseModel):
    """What the page shows; a field that is left empty is as if it were not there."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str | None, _read_as("name")] = None
    category: Annotated[str | None, _read_as("category")] = None
    mark: Annotated[str | None, _read_as("mark")] = None
    price_from: Annotated[Decimal | None, _read_as("price_from")] = None
    price_to: Annotated[Decimal | None, _read_as("price_to")] = None
    on_main: Annotated[str | None, _read_as("on_main")] = None
    sort: Annotated[ProductSort, _read_as("sort")] = ProductSort.NEWEST
    page: Annotated[int, _read_as("page")] = 1
    offers_page: Annotated[int, _read_as("offers_page")] = 1

    @property
    def products(self) -> ProductQuery:
        """The products that are asked for."""
        return product_query(self.model_dump(exclude_none=True))

    @property
    def offers(self) -> OfferQuery:
        """The offers that are asked for, by what offers have too; in another order than by price, the newest first."""
        values = {
            "q": self.name if words(self.name or "") else None,
            "mark": self.mark,
            "price_from": self.price_from,
            "price_to": self.price_to,
            "sort": self.sort if self.sort in {ProductSort.PRICE, ProductSort.PRICE_DESC} else Sort.NEWEST,
            "limit": DEFAULT_LIMIT,
            "page": self.offers_page,
        }
        return read_query(
            (name, format(value, "f") if isinstance(value, Decimal) else str(value))
            for name, value in values.items()
            if value is not None
        )[0]

    @property
    def not_for_offers(self) -> list[str]:
        """The filters that are set and that offers do not know."""
        return [name for name in _OF_PRODUCTS_ONLY if getattr(self, name) is not None]


def read_info_query(pairs: Iterable[tuple[str, str]]) -> tuple[InfoQuery, list[Fault]]:
    """Return the query and what is wrong with it; with faults, the query is what the page shows without any."""
    given: dict[str, str] = {}
    faults: list[Fault] = []
    for name, text in pairs:
        if name in given:
            faults.append(Fault(shown(name), "given more than once"))
        elif text.strip():
            given[name] = text.strip()
    try:
        query = InfoQuery.model_validate(given)
    except ValidationError as error:
        faults += [_fault(item) for item in error.errors(include_url=False, include_context=False, include_input=False)]
    else:
        faults += reversed_ranges(query.model_dump(exclude_none=True))
    return (InfoQuery(), faults) if faults else (query, faults)


def _fault(item: ErrorDetails) -> Fault:
    name = str(item["loc"][0])
    if item["type"] == "extra_forbidden":
        return Fault(shown(name), unknown(name, PARAMETERS))
    return Fault(name, item["msg"].removeprefix("Value error, "))
