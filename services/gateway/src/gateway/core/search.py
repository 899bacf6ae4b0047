"""One search through everything: words, and how many of each kind are wanted."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from gateway.core import parameters
from gateway.core.parameters import Parameter, Whole, Words
from gateway.core.reference import ReferenceRecord

MAX_WORDS: Final = 10
MAX_FOUND: Final = 50
DEFAULT_FOUND: Final = 10
PARAMETERS: Final[Mapping[str, Parameter]] = {
    parameter.name: parameter
    for parameter in (
        Parameter(
            "q",
            Words(pattern=r".*\S.*"),
            f"Words that all must occur, in any order, upper and lower case being alike; the first {MAX_WORDS} count.",
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


def found(search: Search, records: Iterable[ReferenceRecord]) -> Sequence[ReferenceRecord]:
    """Return the first records, in their order, whose names hold all words."""
    met = [record for record in records if all(word in record.name.lower() for word in search.words)]
    return met[: search.limit]
