"""What may be asked of the list of offers: the filters, the orders, and one request read from its parameters.

The names are those of the auto-api contract, which people know: `price_from`, `price_to`, `year_from`, `km_age_to`.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, assert_never

from gateway.core import parameters
from gateway.core.errors import Fault, InvalidParametersError
from gateway.core.parameters import (
    Choice,
    Choices,
    Flag,
    Kind,
    Money,
    Parameter,
    PlatformName,
    Value,
    Whole,
    Words,
    meaning,
)

MAX_INT: Final = 2**31 - 1
MAX_LIMIT: Final = 100
DEFAULT_LIMIT: Final = 20
MAX_SKIPPED: Final = 10_000
"""How many offers `page` may pass over; pages behind them are for cursors."""
_WORD: Final = re.compile(r"[^\W_]+")


FIELDS: Final = (
    *("platform", "inner_id", "mark", "model", "title", "complectation", "year", "first_registration", "price"),
    *("currency", "km_age", "color", "engine_type", "transmission_type", "body_type", "drive_type", "displacement_l"),
    *("power_hp", "power_kw", "province", "city", "seller_type", "is_dealer", "url", "images", "offer_created"),
    "updated_at",
)
"""What a list says of an offer, in this order."""


class Count(StrEnum):
    """Whether and how the offers of all pages are counted."""

    NONE = "none"
    ESTIMATED = "estimated"
    EXACT = "exact"


class Sort(StrEnum):
    """The orders; a minus in front means the greatest first. Offers without the value come last in both."""

    NEWEST = "newest"
    PRICE = "price"
    PRICE_DESC = "-price"
    YEAR = "year"
    YEAR_DESC = "-year"
    KM_AGE = "km_age"
    KM_AGE_DESC = "-km_age"

    @property
    def field(self) -> str | None:
        """The field whose value decides; None: only the order of arrival does."""
        return None if self is Sort.NEWEST else self.value.removeprefix("-")

    @property
    def descending(self) -> bool:
        """Whether the greatest, or newest, comes first."""
        return self is Sort.NEWEST or self.value.startswith("-")


class Match(StrEnum):
    """How a filter's value is compared with the offer's."""

    SAME = "same"
    SAME_LETTERS = "same_letters"
    WORDS = "words"
    AT_LEAST = "at_least"
    AT_MOST = "at_most"


@dataclass(frozen=True, slots=True)
class SearchWords:
    """Words to search, in 1 to `longest` characters."""

    longest: int = 100

    def read(self, text: str) -> str:
        """Return the text as it is."""
        if len(text) > self.longest or not words(text):
            raise ValueError(
                f"words of letters or digits are expected, such as bmw 125, in at most {self.longest} characters"
            )
        return text

    @property
    def schema(self) -> dict[str, object]:
        """The JSON schema of the text; it has no words for letters of all languages."""
        return Words(self.longest).schema


@dataclass(frozen=True, slots=True)
class Filter:
    """One condition that a caller may set: `parameter` is compared with `field` of the offer."""

    field: str
    match: Match
    parameter: Parameter


def _word(name: str, example: str, what: str) -> Filter:
    return Filter(
        name, Match.SAME_LETTERS, Parameter(name, Words(), f"{what}; upper and lower case are alike.", example)
    )


def _range(field: str, kind: Kind, examples: tuple[Value, Value], what: str) -> tuple[Filter, Filter]:
    least = Parameter(f"{field}_from", kind, f"Least {what}, included.", examples[0])
    most = Parameter(f"{field}_to", kind, f"Greatest {what}, included.", examples[1])
    return Filter(field, Match.AT_LEAST, least), Filter(field, Match.AT_MOST, most)


FILTERS: Final[tuple[Filter, ...]] = (
    Filter(
        "platform",
        Match.SAME,
        Parameter("platform", PlatformName(), "Marketplace that the offer comes from.", "che168"),
    ),
    _word("mark", "BMW", "Mark"),
    _word("model", "1 Series", "Model"),
    *_range("year", Whole(0, 9999), (2019, 2024), "model year"),
    *_range("price", Money(), (50_000, 150_000), "price, in the offer's own currency"),
    *_range("km_age", Whole(0, MAX_INT), (0, 60_000), "mileage in kilometres"),
    _word("engine_type", "gasoline", "Code of the engine (`/offers/facets` has them all)"),
    _word("transmission_type", "automatic", "Code of the transmission, likewise"),
    _word("body_type", "sedan", "Code of the body, likewise"),
    _word("drive_type", "fwd", "Code of the drive, likewise"),
    _word("color", "white", "Code of the colour, likewise"),
    _word("city", "Shanghai", "City"),
    Filter("is_dealer", Match.SAME, Parameter("is_dealer", Flag(), "Whether a dealer sells it.", example=True)),
    Filter(
        "words",
        Match.WORDS,
        Parameter("q", SearchWords(), "Beginnings of words in mark, model and title; all must be there.", "bmw 125"),
    ),
)
SEARCHED: Final = ("mark", "model", "title")
"""The fields whose words `q` searches."""
SEARCHED_CHARACTERS: Final = 500
"""How much of them, one after another, is searched."""
_SORT: Final = Parameter(
    "sort",
    Choice([sort.value for sort in Sort]),
    "Order. `newest`: the offers that came into the catalogue last come first. Offers without the value come last.",
    "-price",
    Sort.NEWEST.value,
)
_PAGE: Final = Parameter(
    "page",
    Whole(1, MAX_SKIPPED + 1),
    f"Number of the page, for people; up to {MAX_SKIPPED:,} offers can be skipped. Programs send `cursor`.",
    1,
)
_FIELDS: Final = Parameter("fields", Choices(FIELDS), "Only these fields of each offer.", "inner_id,price")
_COUNT: Final = Parameter(
    "count",
    Choice([count.value for count in Count]),
    "Whether `total` counts the offers of all pages: `estimated` counts up to 1,000 and estimates what is beyond.",
    "estimated",
    Count.NONE.value,
)
_LIMIT: Final = Parameter("limit", Whole(1, MAX_LIMIT), "Offers on a page.", DEFAULT_LIMIT, DEFAULT_LIMIT)
_CURSOR: Final = Parameter(
    "cursor",
    Words(200),
    "`next_cursor` of the page before; everything but `limit` must stay as it was.",
)
PARAMETERS: Final[Mapping[str, Parameter]] = {
    parameter.name: parameter
    for parameter in (*(f.parameter for f in FILTERS), _SORT, _LIMIT, _CURSOR, _PAGE, _FIELDS, _COUNT)
}
FILTERS_ONLY: Final[Mapping[str, Parameter]] = {f.parameter.name: f.parameter for f in FILTERS}
PLATFORM_ONLY: Final[Mapping[str, Parameter]] = {"platform": PARAMETERS["platform"]}


@dataclass(frozen=True, slots=True)
class Condition:
    """A filter with its value."""

    filter: Filter
    value: Value


@dataclass(frozen=True, slots=True)
class OfferQuery:
    """One page asked for; conditions stand in the order of `FILTERS`, `skip` is what earlier pages hold."""

    conditions: tuple[Condition, ...] = ()
    sort: Sort = Sort.NEWEST
    limit: int = DEFAULT_LIMIT
    skip: int = 0
    fields: tuple[str, ...] = FIELDS
    count: Count = Count.NONE

    @property
    def identity(self) -> str:
        """What a cursor is bound to: the order and what the conditions mean, not their letters nor the page size."""
        named = [f"{c.filter.parameter.name}={meaning(c.value)}" for c in self.conditions]
        return "\x1f".join([self.sort.value, *named])


@dataclass(frozen=True, slots=True)
class Position:
    """The last offer of a page in its order: the sort field's value as text (None: it has none), and the row's id."""

    key: str | None
    id: int


def read_query(pairs: Iterable[tuple[str, str]]) -> tuple[OfferQuery, str | None]:
    """Return the query and the cursor as it was sent.

    Raises:
        InvalidParametersError: With every fault of the request.
    """
    values = parameters.read(pairs, PARAMETERS)
    cursor, fields = values.get("cursor"), values.get("fields")
    limit = int(values.get("limit", DEFAULT_LIMIT))
    query = OfferQuery(
        conditions_of(values),
        Sort(str(values.get("sort", Sort.NEWEST))),
        limit,
        skip=_skipped(values, limit),
        fields=FIELDS if fields is None else tuple(str(fields).split(",")),
        count=Count(str(values.get("count", Count.NONE))),
    )
    return query, None if cursor is None else str(cursor)


def read_filters(pairs: Iterable[tuple[str, str]]) -> tuple[Condition, ...]:
    """Return the conditions, where nothing but filters may be said.

    Raises:
        InvalidParametersError: With every fault of the request.
    """
    return conditions_of(parameters.read(pairs, FILTERS_ONLY))


def conditions_of(values: Mapping[str, Value]) -> tuple[Condition, ...]:
    """Return the conditions among the values that were read."""
    return tuple(Condition(f, values[f.parameter.name]) for f in FILTERS if f.parameter.name in values)


def _skipped(values: Mapping[str, Value], limit: int) -> int:
    skip = (int(values.get("page", 1)) - 1) * limit
    if "page" in values and "cursor" in values:
        raise InvalidParametersError([Fault("page", "cannot be used together with cursor")])
    if skip > MAX_SKIPPED:
        raise InvalidParametersError([Fault("page", f"skips more than {MAX_SKIPPED} offers; go on with cursor")])
    return skip


def words(text: str) -> list[str]:
    """Return the words of a text, in lower case: runs of letters and digits."""
    return _WORD.findall(text.lower())


def matches(condition: Condition, actual: Value | None) -> bool:
    """Return whether an offer's value meets the condition; a missing value never does.

    The meaning that the SQL of the real reader must have; the fake reader runs on it.
    """
    if actual is None:
        return False
    match condition.filter.match:
        case Match.SAME:
            return actual == condition.value
        case Match.SAME_LETTERS:
            return str(actual).lower() == str(condition.value).lower()
        case Match.WORDS:
            there = words(str(actual))
            return all(any(word.startswith(start) for word in there) for start in words(str(condition.value)))
        case Match.AT_LEAST:
            return bool(actual >= condition.value)  # type: ignore[operator] # a range compares numbers only
        case Match.AT_MOST:
            return bool(actual <= condition.value)  # type: ignore[operator] # as above
        case _:
            assert_never(condition.filter.match)
