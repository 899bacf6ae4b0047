"""What the use cases need from the outside, by role."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from enum import StrEnum
from random import Random
from typing import Final, Protocol

from common.events import ChangeId, PageFetched, PageKind
from fetcher.core.feed import UpstreamPage
from fetcher.core.progress import Progress


class ChangeFeed(Protocol):
    """The changes of a marketplace. One request per call; no retry inside."""

    async def change_id(self, day: date) -> ChangeId:
        """Return the id at which the changes of `day` begin; of a day without events, the last id there is.

        Raises:
            UpstreamError: The answer cannot be used.
        """
        ...

    async def changes(self, change_id: ChangeId) -> UpstreamPage:
        """Return the events from `change_id` on, inclusive; a page without rows is the end.

        Raises:
            UpstreamError: The answer cannot be used, or its cursor does not grow.
        """
        ...


class Upstream(ChangeFeed, Protocol):
    """A marketplace of the auto-api family: its changes and its list. One request per call; no retry inside."""

    async def offers(self, page: int) -> UpstreamPage:
        """Return page number `page`, 1-based.

        Raises:
            UpstreamError: The answer cannot be used.
        """
        ...


class PagePublisher(Protocol):
    """The way to the broker."""

    async def publish(self, page: PageFetched) -> None:
        """Return once the broker has taken the message on disk.

        Raises:
            UnavailableError: No confirm came: the message may or may not be there. Publish it again.
            TopologyError: No queue takes it, or this user may not send it; sending again will not help.
        """
        ...


class RunKind(StrEnum):
    """What a run walks."""

    INITIAL_LOAD = "initial_load"
    DAILY_UPDATE = "daily_update"
    SWEEP = "sweep"
    SNAPSHOT = "snapshot"

    @property
    def page_kind(self) -> PageKind:
        """Return the kind of its pages."""
        return _PAGE_KINDS[self]


_PAGE_KINDS: Final = {
    RunKind.INITIAL_LOAD: PageKind.PAGE,
    RunKind.DAILY_UPDATE: PageKind.CHANGE,
    RunKind.SWEEP: PageKind.PAGE,
    RunKind.SNAPSHOT: PageKind.SNAPSHOT,
}


class RunStatus(StrEnum):
    """Where a run stands."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Run:
    """One walk as the database knows it.

    Attributes:
        run_id: Stays the same when the run is resumed.
        platform: Whose data.
        start_change_id: Change id that was known before the walk; S0 of a first load, taken before page 1.
        kind: What it walks.
        position: Last page, or change id asked, whose messages were confirmed; None before the first.
        next_position: What that page named as next; None where it named none.
        pages: Pages confirmed.
        records: Records confirmed.
        status: Whether it goes on, has reached the last page, or stopped by an error.
        finished_at: When it reached the last page; None before.
        started_at: When it began, and not when it was resumed.
    """

    run_id: str
    platform: str
    start_change_id: ChangeId
    kind: RunKind = RunKind.INITIAL_LOAD
    position: int | None = None
    next_position: int | None = None
    pages: int = 0
    records: int = 0
    status: RunStatus = RunStatus.RUNNING
    finished_at: datetime | None = None
    started_at: datetime = field(kw_only=True)

    @classmethod
    def begun(cls, platform: str, start: ChangeId, kind: RunKind, *, now: datetime, chance: Random) -> "Run":
        """Return a new run, with an id that begins with its second."""
        return cls(f"{now:%Y%m%dT%H%M%S}-{chance.getrandbits(24):06x}", platform, start, kind, started_at=now)

    def after(self, page: "SavedPage") -> "Run":
        """Return the run with a page saved; a page read again changes nothing."""
        if self.position is not None and page.position <= self.position:
            return self
        return replace(
            self,
            position=page.position,
            next_position=page.next_position,
            pages=self.pages + 1,
            records=self.records + page.records,
        )

    def with_gap_closed(self, page: "SavedPage") -> "Run":
        """Return the run with a page behind its position that was missing and is here now."""
        return replace(self, pages=self.pages + 1, records=self.records + page.records)


@dataclass(frozen=True, slots=True)
class SavedPage:
    """A page whose messages the broker confirmed, about to be saved.

    Attributes:
        position: Its number.
        next_position: The number that it named as next.
        messages: `message_id` → records, for each message of the page; empty for an empty page.
        attempts: Long tries that it took.
        fetched_at: When the upstream's answer was complete.
    """

    position: int
    next_position: int | None
    messages: Mapping[str, int]
    attempts: int
    fetched_at: datetime

    @property
    def records(self) -> int:
        """Records of the page."""
        return sum(self.messages.values())


@dataclass(frozen=True, slots=True)
class FailedPage:
    """A page that failed.

    Attributes:
        position: Its number.
        message_id: Of the page's first message, the ledger's key.
        attempts: Long tries that failed.
        first_try_at: When its window began.
        next_attempt_at: When it is tried again; None: its window is used up, it is a gap.
        error: The last cause, without address or key.
    """

    position: int
    message_id: str
    attempts: int
    first_try_at: datetime
    next_attempt_at: datetime | None
    error: str


class LoadStore(Protocol):
    """Runs and the page ledger. Every method raises UnavailableError while the database is away.

    A write is made once, however often it is repeated after such an error.
    """

    async def latest_run(self, platform: str, kind: RunKind) -> Run | None:
        """Return the platform's newest run of a kind; None where there was none."""
        ...

    async def previous_total(self, platform: str, kind: RunKind) -> int | None:
        """Return the records of the last run that reached the end; None where there was none."""
        ...

    async def start_run(self, run: Run) -> None:
        """Save a new run before its first page.

        It is held as begun after every other run of its platform, even where a clock has been put back since.
        """
        ...

    async def reopen_run(self, run_id: str) -> None:
        """Mark an unfinished run as running again."""
        ...

    async def save_pages(self, run: Run, pages: Sequence[SavedPage]) -> None:
        """Save the position behind pages that follow each other, at least one, and their ledger rows, all or nothing.

        A row that has landed stays landed.

        The run's position never goes back, and a page read again is not counted again.

        Raises:
            RunTakenOverError: The run is no longer at `run.position`.
        """
        ...

    async def save_failure(self, run: Run, page: FailedPage) -> None:
        """Note a page that waits for its next try, or a gap."""
        ...

    async def open_failures(self, run_id: str) -> Sequence[FailedPage]:
        """Return the run's pages that failed and were not fetched since, in order of position."""
        ...

    async def missing_pages(
        self, platform: str, kind: PageKind, *, lost_before: datetime
    ) -> Sequence[tuple[Run, FailedPage]]:
        """Return the gaps of all runs, and the pages that were lost on the way, each with its run, oldest first.

        Lost is what was confirmed before `lost_before` and has not landed although something fetched later has.
        """
        ...

    async def forget_lost(self, platform: str, kind: PageKind, *, lost_before: datetime) -> None:
        """Forget the pages of a kind that were lost on the way, and that are made anew by themselves."""
        ...

    async def close_gap(self, run: Run, page: SavedPage) -> None:
        """Note that a missing page was fetched after all, whatever has become of its run; the run's position stays.

        A page that is no gap any more, or that the run will come to again, changes no counts.
        """
        ...

    async def finish_run(self, run: Run) -> None:
        """Mark the run done; after a first load the platform's changes begin at S0, unless they have begun already."""
        ...

    async def fail_run(self, run_id: str) -> None:
        """Mark the run failed; it can be resumed."""
        ...


@dataclass(frozen=True, slots=True)
class Operation:
    """A row of `operations_log`.

    Attributes:
        platform: Whose data.
        started_at: When it began.
        duration_s: How long it took.
        is_ok: Nothing is missing.
        details: One sentence for people.
        counts: Numbers by name.
    """

    platform: str
    started_at: datetime
    duration_s: float
    is_ok: bool
    details: str
    counts: Mapping[str, int]


class OperationsLog(Protocol):
    """The diary of operations."""

    async def record(self, operation: Operation) -> None:
        """Add a row of type `data_fetch`.

        Raises:
            UnavailableError: The database is away.
        """
        ...


class ProgressDisplay(Protocol):
    """Where people see how far the load is."""

    def show(self, progress: Progress) -> None:
        """Take note of the progress; what is drawn, and how often, is the display's choice."""
        ...

    def close(self) -> None:
        """Show the last state and leave the terminal tidy."""
        ...
