"""What following a feed of changes needs from the outside, besides `core.ports`."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Protocol

from common.events import ChangeId, ChangeType
from fetcher.core.feed import SourceRow
from fetcher.core.ports import Run


@dataclass(frozen=True, slots=True)
class SyncState:
    """How far a platform has been followed.

    Attributes:
        last_change_id: Where the next update begins: everything below was confirmed; 0 is a valid id; None: nowhere.
        last_successful_date: The last day of which everything was confirmed.
    """

    last_change_id: ChangeId | None = None
    last_successful_date: date | None = None


@dataclass(frozen=True, slots=True)
class Kinds:
    """Records by what they say; any other word is counted nowhere, and ends in quarantine."""

    added: int = 0
    changed: int = 0
    removed: int = 0

    @classmethod
    def of(cls, rows: Iterable[SourceRow]) -> "Kinds":
        """Count rows."""
        found = Counter(row.change_type for row in rows)
        return cls(found[ChangeType.ADDED], found[ChangeType.CHANGED], found[ChangeType.REMOVED])

    def __add__(self, other: "Kinds") -> "Kinds":
        return Kinds(self.added + other.added, self.changed + other.changed, self.removed + other.removed)


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedChanges:
    """A page of changes whose messages the broker confirmed, about to be saved.

    Attributes:
        position: The change id that was asked.
        next_position: Where the feed goes on.
        messages: `message_id` → records, for each message of the page.
        attempts: Long tries that it took.
        fetched_at: When the upstream's answer was complete.
        day: The day of that moment where the platform's days are counted.
        kinds: Its records by what they say.
    """

    position: ChangeId
    next_position: ChangeId
    messages: Mapping[str, int]
    attempts: int
    fetched_at: datetime
    day: date
    kinds: Kinds

    @property
    def records(self) -> int:
        """Records of the page."""
        return sum(self.messages.values())

    def applied_to(self, run: Run) -> Run:
        """Return the run with the page saved; a page saved before changes nothing."""
        if run.position == self.position:
            return run
        return replace(
            run,
            position=self.position,
            next_position=self.next_position,
            pages=run.pages + 1,
            records=run.records + self.records,
        )


class ChangeStore(Protocol):
    """How far a platform has been followed. Every method raises UnavailableError while the database is away.

    A write is made once, however often it is repeated after such an error.
    """

    async def sync_state(self, platform: str) -> SyncState:
        """Return how far the platform has been followed."""
        ...

    async def save_changes(self, run: Run, page: SavedChanges) -> None:
        """Save ledger rows, the run's position, the platform's cursor and the day's counts in one transaction.

        A row that has landed stays landed; the cursor never goes back, and neither do the moments of its last move
        and of the last offer that was added; a page saved before is not counted again.

        Raises:
            RunTakenOverError: The run is no longer at `run.position`.
        """
        ...

    async def save_day(self, platform: str, day: date) -> None:
        """Note that everything of a day was confirmed; never goes back."""
        ...

    async def finish_changes(self, run: Run, cursor: ChangeId) -> None:
        """Mark the run done; gaps below the cursor or at it are closed, whatever run had left them."""
        ...
