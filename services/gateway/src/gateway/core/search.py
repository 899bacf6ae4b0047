"""One search through everything: words, and how many of each kind are wanted."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from gateway.core import parameters
from gateway.core.parameters import Parameter, Whole
from gateway.core.query import FILTERS, Condition, Match, OfferQuery, SearchWords, words
from gateway.core.reference import ReferenceRecord

MAX_WORDS: Final = 10
MAX_FOUND: Final = 50
DEFAULT_FOUND: Final = 10
PARAMETERS: Final[Mapping[str, Parameter]] = {
    parameter.name: parameter
    for parameter in (
        Parameter(
            "q",
            SearchWords(),
            "Words that all must occur, in any order and any case: in offers as beginnings of words, like `q` of"
            f" `/offers`, elsewhere as any part of the name; the first {MAX_WORDS} count.",
            "bmw 125i",
            required=True,
        ),
        Parameter("limit", Whole(1, MAX_FOUND), "How many of each kind.", DEFAULT_FOUND, DEFAULT_FOUND),
    )
}


@dataclass(frozen=True, slots=True)
class Search:
    """What is looked for; words in small letters, at least one."""

    words: tuple[str, ...]
    limit: int = DEFAULT_FOUND


def read_search(pairs: Iterable[tuple[str, str]]) -> Search:
    """Return the search.

    Raises:
        InvalidParametersError: With every fault of the request.
    """
    values = parameters.read(pairs, PARAMETERS)
    return Search(tuple(str(values["q"]).lower().split()[:MAX_WORDS]), int(values.get("limit", DEFAULT_FOUND)))


def offers_asked(search: Search) -> OfferQuery | None:
    """Return the search as a list of offers; None: no word has a letter or digit, so none is found."""
    asked = words(" ".join(search.words))
    if not asked:
        return None
    by_words = next(known for known in FILTERS if known.match is Match.WORDS)
    return OfferQuery((Condition(by_words, " ".join(asked)),), limit=search.limit)


def found(search: Search, records: Iterable[ReferenceRecord]) -> Sequence[ReferenceRecord]:
    """Return the first records, in their order, whose names hold all words."""
    met = [record for record in records if all(word in record.name.lower() for word in search.words)]
    return met[: search.limit]
