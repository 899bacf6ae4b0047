"""What looking up single offers needs from the outside."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol

from common.events import InnerId
from fetcher.core.change_ports import Kinds
from fetcher.core.feed import SourceRow


class OfferSource(Protocol):
    """Single offers of a marketplace. One request per call; no retry inside."""

    async def offer(self, inner_id: InnerId) -> SourceRow | None:
        """Return an offer as a full record that has no event id; None where the upstream does not find it.

        Raises:
            UpstreamError: The answer cannot be used, or is about another offer.
        """
        ...


@dataclass(frozen=True, slots=True)
class DueLookup:
    """An offer to be asked about.

    Attributes:
        inner_id: Which one.
        missed: Times that the upstream did not find it.
        first_missed_at: When it was not found for the first time; None: never.
    """

    inner_id: InnerId
    missed: int = 0
    first_missed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class LookedUp:
    """What is kept of a look-up.

    Attributes:
        inner_id: Which offer.
        missed: Times that the upstream did not find it, this one included; 0 once it was found.
        first_missed_at: When it was not found for the first time.
        next_attempt_at: It is not asked about again before.
        error: Why no answer could be used; None: there was one.
    """

    inner_id: InnerId
    missed: int
    first_missed_at: datetime | None
    next_attempt_at: datetime
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedLookups:
    """Some look-ups whose message, if any, the broker confirmed, about to be saved.

    Attributes:
        platform: Whose offers.
        run_id: The run that they belong to.
        position: A number that grows within the run.
        messages: `message_id` → records; empty where nothing was worth a message.
        fetched_at: When the last answer was complete.
        day: The day of that moment where the platform's days are counted.
        kinds: The records by what they say.
        results: What is kept of each.
    """

    platform: str
    run_id: str
    position: int
    messages: Mapping[str, int]
    fetched_at: datetime
    day: date
    kinds: Kinds
    results: Sequence[LookedUp]


class LookupStore(Protocol):
    """Which offers are known only in part. Every method raises UnavailableError while the database is away.

    A write is made once, however often it is repeated after such an error.
    """

    async def due_lookups(self, platform: str, now: datetime, limit: int) -> Sequence[DueLookup]:
        """Return active offers known only from partial events whose next attempt is due; those never asked come first.

        What is kept of offers that have become complete, or inactive, is forgotten.
        """
        ...

    async def save_lookups(self, page: SavedLookups) -> None:
        """Save ledger rows, what is kept of each look-up, and the day's counts in one transaction."""
        ...
