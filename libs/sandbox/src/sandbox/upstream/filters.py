"""The filters of `/offers` (UPSTREAMS.md §1.2); parameters that are not among them are ignored, as upstream does."""

from collections.abc import Mapping
from dataclasses import dataclass

WORDS = ("mark", "model", "transmission_type", "color", "body_type", "engine_type")
NUMBERS = ("year", "km_age", "price")
PLATFORM_WORDS: Mapping[str, tuple[str, ...]] = {
    "dongchedi": ("complectation", "drive_type"),
    "encar": ("configuration", "complectation"),
    "autoscout24": ("country",),
}


class BadParameterError(Exception):
    """A known parameter has no usable value; `name` says which."""

    def __init__(self, name: str) -> None:
        super().__init__(f"invalid {name}")
        self.name = name


@dataclass(frozen=True, slots=True)
class Facts:
    """What filters look at: the case-folded forms of each word, and the numbers that are known."""

    words: dict[str, frozenset[str]]
    numbers: dict[str, int | None]


@dataclass(frozen=True, slots=True)
class OfferFilter:
    """A wish: words to equal (case-folded) and inclusive bounds. Hashable, so that a search can be continued."""

    words: tuple[tuple[str, str], ...] = ()
    at_least: tuple[tuple[str, int], ...] = ()
    at_most: tuple[tuple[str, int], ...] = ()

    @classmethod
    def parse(cls, query: Mapping[str, str], platform: str) -> "OfferFilter":
        """Read the filters out of a query; empty values do not filter.

        Raises:
            BadParameterError: a bound is no integer.
        """
        names = (*WORDS, *PLATFORM_WORDS.get(platform, ()))
        words = tuple((name, query[name].casefold()) for name in names if query.get(name))
        return cls(words, _bounds(query, "from"), _bounds(query, "to"))

    @property
    def is_empty(self) -> bool:
        """Tell whether everything matches."""
        return not (self.words or self.at_least or self.at_most)

    def matches(self, facts: Facts) -> bool:
        """Tell whether an offer is wanted; an unknown number is within no bounds."""
        if any(value not in facts.words.get(name, ()) for name, value in self.words):
            return False
        for name, low in self.at_least:
            number = facts.numbers.get(name)
            if number is None or number < low:
                return False
        for name, high in self.at_most:
            number = facts.numbers.get(name)
            if number is None or number > high:
                return False
        return True


def _bounds(query: Mapping[str, str], end: str) -> tuple[tuple[str, int], ...]:
    found = []
    for name in NUMBERS:
        text = query.get(f"{name}_{end}")
        if not text:
            continue
        try:
            found.append((name, int(text)))
        except ValueError:
            raise BadParameterError(f"{name}_{end}") from None
    return tuple(found)
