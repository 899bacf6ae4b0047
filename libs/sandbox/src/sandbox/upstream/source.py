"""What a stand-in serves, apart from how: generated and recorded sources answer the same questions."""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import NamedTuple, Protocol

from sandbox.upstream.filters import OfferFilter

PAGE_SIZE = 20


class ChangesEnd(StrEnum):
    """How `/changes` says that there is no more; all were seen or are tolerated by clients (UPSTREAMS.md §1.6)."""

    EMPTY_NULL = "empty-null"
    EMPTY_SAME = "empty-same"
    EMPTY_ABSENT = "empty-absent"
    LAST_NULL = "last-null"
    ROTATE = "rotate"
    """Another of the above each time that somebody has come to the end."""


class OfferPage(NamedTuple):
    """Rows of `/offers` as JSON, and whether another page follows."""

    rows: list[bytes]
    has_next: bool


class ChangePage(NamedTuple):
    """Events of `/changes` as JSON, the id after the last one (None if there are none), and whether more follow."""

    rows: list[bytes]
    next_id: int | None
    has_next: bool


class TruthPage(NamedTuple):
    """True final states as JSON objects, and where to go on (None at the end)."""

    rows: list[bytes]
    next_after: str | None


@dataclass(frozen=True, slots=True)
class Summary:
    """Counts of the truth: all offers ever known, those active, those that lists show, rows of lists, events."""

    known: int
    active: int
    listed: int
    list_rows: int
    events: int


class Source(Protocol):
    """The offers of some platforms and their history. Every method takes a platform of `platforms`."""

    @property
    def platforms(self) -> frozenset[str]:
        """Slugs that are served."""
        ...

    def filters(self, platform: str) -> bytes:
        """Return the body of `/filters`."""
        ...

    def offers(self, platform: str, page: int, wish: OfferFilter) -> OfferPage:
        """Return page `page` (from 1); behind the end it is empty."""
        ...

    def offer(self, platform: str, inner_id: str) -> bytes | None:
        """Return the body of `/offer`, None if the offer is unknown or gone."""
        ...

    def change_id(self, platform: str, day: date) -> int:
        """Return the id of the first event of a day, or the last id there is when the day has none."""
        ...

    def changes(self, platform: str, change_id: int) -> ChangePage:
        """Return the events from `change_id` on, inclusive."""
        ...

    def shift(self, platform: str, count: int) -> None:
        """Put `count` new offers in front of the list and their `added` events at the end of the feed."""
        ...

    def advance(self, platform: str, events: int) -> None:
        """Let the next `events` events of the platform happen."""
        ...

    def truth(self, platform: str, after: str, limit: int) -> TruthPage:
        """Return up to `limit` final states in the order of `inner_id`, those behind `after` ("" = from the start)."""
        ...

    def summary(self, platform: str) -> Summary:
        """Return the counts of the truth."""
        ...
