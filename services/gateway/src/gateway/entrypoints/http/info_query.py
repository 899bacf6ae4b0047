"""The parameters of `/info`, checked by pydantic: every fault is said by its name."""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from gateway.core.errors import Fault
from gateway.core.parameters import MAX_SHOWN_NAME, Parameter, Value, Whole, printable
from gateway.core.product_query import FILTERS, SORT, ProductQuery, ProductSort, product_query
from gateway.core.query import DEFAULT_LIMIT, OfferQuery, read_query

MAX_PAGE: Final = 500
PAGE: Final = Parameter("page", Whole(1, MAX_PAGE), "Page, from 1.", 1, 1)
PARAMETERS: Final[Mapping[str, Parameter]] = {p.name: p for p in (*FILTERS[1:], SORT, PAGE)}

Words = Annotated[str, Field(max_length=100), AfterValidator(printable)]
Money = Annotated[Decimal, Field(ge=0, max_digits=14, decimal_places=2, allow_inf_nan=False)]


class InfoQuery(BaseModel):
    """What the page shows; a field that is left empty is as if it were not there."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Words | None = None
    category: Words | None = None
    mark: Words | None = None
    price_from: Money | None = None
    price_to: Money | None = None
    on_main: Literal["true", "false"] | None = None
    sort: ProductSort = ProductSort.NEWEST
    page: Annotated[int, Field(ge=1, le=MAX_PAGE)] = 1

    @model_validator(mode="after")
    def _range_holds_something(self) -> Self:
        if self.price_from is not None and self.price_to is not None and self.price_from > self.price_to:
            raise ValueError("price_from is greater than price_to")
        return self

    @property
    def products(self) -> ProductQuery:
        """The products that are asked for."""
        values: dict[str, Value] = {name: value for name, value in self if name in PARAMETERS and value is not None}
        return product_query(values)

    @property
    def offers(self) -> OfferQuery:
        """The offers that are asked for: newest first, by what offers have too."""
        pairs = {"mark": self.mark, "price_from": self.price_from, "price_to": self.price_to, "limit": DEFAULT_LIMIT}
        return read_query(
            (name, format(value, "f") if isinstance(value, Decimal) else str(value))
            for name, value in pairs.items()
            if value is not None
        )[0]


def read_info_query(pairs: Iterable[tuple[str, str]]) -> tuple[InfoQuery, list[Fault]]:
    """Return the query and what is wrong with it; with faults, the query is what the page shows without any."""
    given: dict[str, str] = {}
    faults: list[Fault] = []
    for name, text in pairs:
        if name in given:
            faults.append(Fault(_shown(name), "given more than once"))
        elif text.strip():
            given[name] = text.strip()
    try:
        query = InfoQuery.model_validate(given)
    except ValidationError as error:
        for item in error.errors(include_url=False, include_context=False, include_input=False):
            reason = "unknown parameter" if item["type"] == "extra_forbidden" else item["msg"]
            name = str(item["loc"][0]) if item["loc"] else "price_from"
            faults.append(Fault(_shown(name), reason.removeprefix("Value error, ")))
    return (InfoQuery(), faults) if faults else (query, faults)


def _shown(name: str) -> str:
    return (name if name.isprintable() else ascii(name))[:MAX_SHOWN_NAME]
