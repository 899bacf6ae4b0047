"""Walking the pages of one run: ask, publish, confirm, save.

One page is asked for while those before it are published and those before that are saved; with more pages in flight,
the next ones are asked for as well. Messages and positions keep their order whatever comes back first, and a position
is saved only after the messages of its page, and of every page before it, were confirmed. Pages that come fast are
published together: the broker then writes its log once for all of them.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum, auto
from functools import partial
from typing import NamedTuple, TypeVar

from common.clock import Clock
from common.events import PageFetched
from common.log import fields
from fetcher.core.errors import LoadStoppedError
from fetcher.core.feed import SourceRow, UpstreamPage, events_of, seq_before
from fetcher.core.inflight import Gathering, dropped, together, under_way, unless_stopped
from fetcher.core.patience import until_available
from fetcher.core.ports import FailedPage, LoadStore, PagePublisher, ProgressDisplay, Run, SavedPage
from fetcher.core.progress import Progress, Speedometer
from fetcher.core.reading import PatientReader, ReadPage
from fetcher.core.retry import RetryPolicy

T = TypeVar("T")
_log = logging.getLogger(__name__)


class Ending(Enum):
    """Why a walk ended without an error."""

    DONE = auto()
    ALREADY_DONE = auto()
    PAUSED = auto()
    INTERRUPTED = auto()


@dataclass(frozen=True, slots=True)
class WalkLimits:
    """Where a walk ends early.

    Attributes:
        max_pages: New pages of this call; None: no limit.
        dead_pages_to_stop: So many dead pages in a row stop the run, and so many that show nothing new.
        pause_s: Seconds between two calls of a broker or database that is away.
        pages_in_flight: Requests on their way at once, at most.
        publish_interval_s: Seconds between two publishes, at least. Pages that come faster are published together.
        unconfirmed_pages: Pages read and not yet confirmed, at most.
        save_interval_s: Seconds between two saves of the position, at least. Pages that come faster are saved together.
        unsaved_pages: Pages confirmed and not yet saved, at most: what a killed process asks for again.
    """

    max_pages: int | None = None
    dead_pages_to_stop: int = 3
    pause_s: float = 1.0
    pages_in_flight: int = 1
    publish_interval_s: float = 0.0
    unconfirmed_pages: int = 1
    save_interval_s: float = 0.0
    unsaved_pages: int = 1


@dataclass(slots=True)
class WalkCounts:
    """What this call has done.

    Attributes:
        pages: Pages confirmed, those read again included.
        records: Records published and confirmed.
        rows: Rows of the new pages, whether worth publishing or not.
        gaps: Pages that became gaps.
    """

    pages: int = 0
    records: int = 0
    rows: int = 0
    gaps: int = 0

    def __add__(self, other: "WalkCounts") -> "WalkCounts":
        return WalkCounts(
            self.pages + other.pages, self.records + other.records, self.rows + other.rows, self.gaps + other.gaps
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class WalkPorts:
    """What a walk talks to.

    Attributes:
        ask: Makes one request for a page.
        choose: Returns the rows of a page that are worth publishing; safe to repeat; None: all of them.
    """

    ask: Callable[[int], Awaitable[UpstreamPage]]
    choose: Callable[[UpstreamPage], Awaitable[Sequence[SourceRow]]] | None = None
    reader: PatientReader
    publisher: PagePublisher
    store: LoadStore
    display: ProgressDisplay
    clock: Clock


class _Confirmed(NamedTuple):
    """A page on its way into the ledger, and the rows that the upstream had on it."""

    page: SavedPage
    rows: int


class PageWalk:
    """The walk of one call over one run. `run` is always what the database holds."""

    def __init__(self, run: Run, ports: WalkPorts, *, stop: asyncio.Event, limits: WalkLimits) -> None:
        self.run = run
        self.counts = WalkCounts()
        self._ports = ports
        self._stop = stop
        self._limits = limits
        self._known: Mapping[int, FailedPage] = {}
        self._speed = Speedometer(ports.clock.monotonic())
        self._dead_in_row = 0
        self._shown: Sequence[SourceRow] = ()
        self._stale_in_row = 0
        self._asked = 0
        self._next: int | None = None
        self._reading: deque[asyncio.Task[ReadPage | FailedPage]] = deque()
        self._publishing = Gathering(
            self._publish, clock=ports.clock, interval_s=limits.publish_interval_s, most=limits.unconfirmed_pages
        )
        self._saving = Gathering(
            self._save, clock=ports.clock, interval_s=limits.save_interval_s, most=limits.unsaved_pages
        )

    async def walk(
        self, first: int, *, known: Mapping[int, FailedPage], expected: int | None, before: int = 0
    ) -> Ending:
        """Walk from page `first` until the upstream names no next page.

        Args:
            first: Page number.
            known: Pages that failed before, by number: gaps, which are passed over, and open windows, which go on.
            expected: Rows that the whole list should have; None where nobody knows.
            before: Rows that earlier calls have walked, for the progress.

        Raises:
            LoadStoppedError: The upstream refuses, or too many pages in a row are dead or show nothing new.
            RunTakenOverError: Another process writes this run.
            TopologyError: The broker has no place for the messages.
        """
        self._known, self._next = known, first
        try:
            try:
                ending = await self._walked(before, expected)
            except Exception:
                await self._wound_up()
                raise
            await self._wound_up()
        except asyncio.CancelledError:  # time is up: the page is asked for again at the next start
            await self._publishing.dropped()
            await self._saving.dropped()
            raise
        finally:
            await self._ask_no_more()
        return ending

    async def retry(self, gap: FailedPage, policy: RetryPolicy) -> bool:
        """Ask for a gap once more; return whether it is closed now."""
        try:
            ask = partial(self._ports.ask, gap.position)
            read = await self._ports.reader.page(ask, self.run, gap.position, on_wait=self._note_wait, policy=policy)
        except LoadStoppedError as error:
            _log.error("%s", error)
            return False
        if isinstance(read, FailedPage):
            return False
        [messages] = await self._send([read.page])
        closed = saved_page(read, messages)
        await self._patiently(lambda: self._ports.store.close_gap(self.run, closed))
        self.run = self.run.with_gap_closed(closed)
        return True

    async def _walked(self, before: int, expected: int | None) -> Ending:
        self._ask_ahead()
        while self._reading:
            read = await unless_stopped(self._reading[0], self._stop, self._publishing.broken, self._saving.broken)
            if read is None:
                return Ending.INTERRUPTED  # or by what winding up raises
            self._reading.popleft()
            is_last = self._is_last(read)
            if is_last:
                await self._ask_no_more()
            self._ask_ahead()
            await under_way()
            await self._settle(read)
            if is_last:
                await self._wound_up()
            self._show(before, expected, is_complete=is_last)
            if is_last:
                return Ending.DONE
        return Ending.INTERRUPTED if self._stop.is_set() else Ending.PAUSED

    async def _wound_up(self) -> None:
        """Ask for nothing more, and return when all that was read is confirmed and saved."""
        await self._ask_no_more()
        try:
            await self._publishing.settled()
        finally:
            await self._saving.settled()

    def _ask_ahead(self) -> None:
        while self._next is not None and len(self._reading) < self._limits.pages_in_flight and self._may_ask():
            self._asked += self._next > (self.run.position or 0)  # a page read again is no new page
            self._reading.append(asyncio.create_task(self._read(self._next)))
            self._next += 1

    async def _ask_no_more(self) -> None:
        self._next = None
        while self._reading:
            await dropped(self._reading.pop())

    async def _read(self, position: int) -> ReadPage | FailedPage:
        known = self._known.get(position)
        if known is not None and known.next_attempt_at is None:
            return known
        _log.debug("Starting page %d loading", position)
        ask = partial(self._ports.ask, position)
        return await self._ports.reader.page(ask, self.run, position, on_wait=self._note_wait, resumed=known)

    def _is_last(self, read: ReadPage | FailedPage) -> bool:
        self._dead_in_row = 0 if isinstance(read, ReadPage) else self._dead_in_row + 1
        return isinstance(read, ReadPage) and read.page.next_position is None

    def _may_ask(self) -> bool:
        has_quota = self._limits.max_pages is None or self._asked < self._limits.max_pages
        return has_quota and not self._stop.is_set() and self._dead_in_row < self._limits.dead_pages_to_stop

    async def _settle(self, read: ReadPage | FailedPage) -> None:
        if isinstance(read, ReadPage):
            await self._publishing.add(read)
            self._expect_news(read.page)
            return
        if read is not self._known.get(read.position):
            self.counts.gaps += 1
            await self._patiently(lambda: self._ports.store.save_failure(self.run, read))
            _log.error(fields(f"page {read.position} is dead, noted as a gap", error=read.error, tries=read.attempts))
        if self._dead_in_row >= self._limits.dead_pages_to_stop:
            raise LoadStoppedError(
                f"{self.run.platform}: {self._dead_in_row} pages in a row are dead, the last one {read.position}:"
                f" {read.error}; start again to resume"
            )

    def _expect_news(self, page: UpstreamPage) -> None:
        """Stop at a list without an end: pages that are empty, or the same again, and name a next one."""
        is_stale = page.next_position is not None and (not page.rows or list(page.rows) == list(self._shown))
        self._stale_in_row = self._stale_in_row + 1 if is_stale else 0
        self._shown = page.rows
        if self._stale_in_row >= self._limits.dead_pages_to_stop:
            what = "show the same as the one before" if page.rows else "are empty"
            raise LoadStoppedError(
                f"{self.run.platform}: {self._stale_in_row} pages in a row {what}, and each names a next one, the last"
                f" one {page.position}: the source's list has no end for now; start again to resume"
            )

    async def _publish(self, reads: Sequence[ReadPage]) -> None:
        for read in reads:
            if read.page.notes:
                notes = fields(f"page {read.page.position} repaired", platform=self.run.platform, notes=read.page.notes)
                _log.warning(notes)
        sent = await self._send([read.page for read in reads])
        for read, messages in zip(reads, sent, strict=True):
            await self._saving.add(_Confirmed(saved_page(read, messages), len(read.page.rows)))

    async def _send(self, pages: Sequence[UpstreamPage]) -> list[Mapping[str, int]]:
        """Publish what is to be known of pages; return the records of the messages of each, all of them confirmed."""
        events = [await self._events(page) for page in pages]
        unconfirmed = {event.message_id: event for of_page in events for event in of_page}

        async def publish(event: PageFetched) -> None:
            await self._ports.publisher.publish(event)
            del unconfirmed[event.message_id]

        await self._patiently(lambda: together(map(publish, list(unconfirmed.values()))))
        return [{event.message_id: len(event.records) for event in of_page} for of_page in events]

    async def _events(self, page: UpstreamPage) -> list[PageFetched]:
        run, choose = self.run, self._ports.choose
        if choose is not None:
            page = replace(page, rows=await self._patiently(lambda: choose(page)))
        seq = seq_before(run.start_change_id)
        return events_of(page, platform=run.platform, run_id=run.run_id, kind=run.kind.page_kind, seq=lambda _: seq)

    async def _save(self, confirmed: Sequence["_Confirmed"]) -> None:
        run, pages = self.run, [item.page for item in confirmed]
        await self._patiently(lambda: self._ports.store.save_pages(run, pages))
        for page, rows in confirmed:
            before, self.run = self.run, self.run.after(page)
            self.counts.pages += 1
            self.counts.records += page.records
            self.counts.rows += rows if self.run is not before else 0  # a page read again is no new one

    async def _note_wait(self, failed: FailedPage) -> None:
        await self._patiently(lambda: self._ports.store.save_failure(self.run, failed))

    async def _patiently(self, call: Callable[[], Awaitable[T]]) -> T:
        return await until_available(call, clock=self._ports.clock, pause_s=self._limits.pause_s)

    def _show(self, before: int, expected: int | None, *, is_complete: bool) -> None:
        now_s = self._ports.clock.monotonic()
        self._speed.mark(self.counts.rows, now_s)
        speed = self._speed.per_minute(now_s)
        self._ports.display.show(Progress(before + self.counts.rows, expected, speed, is_complete=is_complete))


def saved_page(read: ReadPage, messages: Mapping[str, int]) -> SavedPage:
    """Return what is kept of a page; `messages`: `message_id` → records, all of them confirmed."""
    page = read.page
    return SavedPage(page.position, page.next_position, messages, read.attempts, page.fetched_at)
