"""Walking the pages of one run: ask, publish, confirm, save.

Three pages are on their way at most, each a step behind the next: one is asked for, one is published, one is saved.
Requests, messages and positions keep their order, and a position is saved only after its messages were confirmed.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum, auto
from functools import partial
from typing import TypeVar

from common.clock import Clock
from common.log import fields
from fetcher.core.errors import LoadStoppedError
from fetcher.core.feed import UpstreamPage, events_of, seq_of_first_load
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
        dead_pages_to_stop: So many dead pages in a row stop the run.
        pause_s: Seconds between two calls of a broker or database that is away.
    """

    max_pages: int | None = None
    dead_pages_to_stop: int = 3
    pause_s: float = 1.0


@dataclass(slots=True)
class WalkCounts:
    """What this call has done."""

    pages: int = 0
    records: int = 0
    gaps: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class WalkPorts:
    """What a walk talks to. `ask` makes one request for a page."""

    ask: Callable[[int], Awaitable[UpstreamPage]]
    reader: PatientReader
    publisher: PagePublisher
    store: LoadStore
    display: ProgressDisplay
    clock: Clock


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
        self._asked = 0
        self._saving: asyncio.Task[None] | None = None

    async def walk(self, first: int, *, known: Mapping[int, FailedPage], expected: int | None) -> Ending:
        """Walk from page `first` until the upstream names no next page.

        Args:
            first: Page number.
            known: Pages that failed before, by number: gaps, which are passed over, and open windows, which go on.
            expected: Records that the whole load should bring; None where nobody knows.

        Raises:
            LoadStoppedError: The upstream refuses, or too many pages in a row are dead.
            RunTakenOverError: Another process writes this run.
            TopologyError: The broker has no place for the messages.
        """
        self._known = known
        pending: asyncio.Task[ReadPage | FailedPage] | None = self._ask(first)
        try:
            while pending is not None:
                read = await self._unless_stopped(pending)
                if read is None:
                    return Ending.INTERRUPTED
                following = self._following(read)
                pending = self._ask(following) if following is not None and self._may_ask() else None
                await self._settle(read)
                if following is None:
                    await self._saved()
                self._show(expected, is_complete=following is None)
                if following is None:
                    return Ending.DONE
        except asyncio.CancelledError:  # time is up: the page is asked for again at the next start
            saving, self._saving = self._saving, None
            await _drop(saving)
            raise
        finally:
            await _drop(pending)
            await self._saved()
        return Ending.INTERRUPTED if self._stop.is_set() else Ending.PAUSED

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
        await self._publish(read)
        await self._saved()
        return True

    def _ask(self, position: int) -> "asyncio.Task[ReadPage | FailedPage]":
        self._asked += position > (self.run.position or 0)  # a page read again is no new page
        return asyncio.create_task(self._read(position))

    async def _read(self, position: int) -> ReadPage | FailedPage:
        known = self._known.get(position)
        if known is not None and known.next_attempt_at is None:
            return known
        _log.debug("Starting page %d loading", position)
        ask = partial(self._ports.ask, position)
        return await self._ports.reader.page(ask, self.run, position, on_wait=self._note_wait, resumed=known)

    async def _unless_stopped(self, pending: "asyncio.Task[T]") -> T | None:
        stopping = asyncio.create_task(self._stop.wait())
        try:
            await asyncio.wait({pending, stopping}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopping.cancel()
        return None if self._stop.is_set() else await pending

    def _following(self, read: ReadPage | FailedPage) -> int | None:
        if isinstance(read, ReadPage):
            self._dead_in_row = 0
            return read.page.next_position
        self._dead_in_row += 1
        return read.position + 1

    def _may_ask(self) -> bool:
        has_quota = self._limits.max_pages is None or self._asked < self._limits.max_pages
        return has_quota and not self._stop.is_set() and self._dead_in_row < self._limits.dead_pages_to_stop

    async def _settle(self, read: ReadPage | FailedPage) -> None:
        if isinstance(read, ReadPage):
            await self._publish(read)
            return
        if read is not self._known.get(read.position):
            self.counts.gaps += 1
            await self._patiently(lambda: self._ports.store.save_failure(self.run, read))
            _log.error(fields(f"page {read.position} is dead, noted as a gap", error=read.error, tries=read.attempts))
        if self._dead_in_row >= self._limits.dead_pages_to_stop:
            await self._saved()
            raise LoadStoppedError(
                f"{self.run.platform}: {self._dead_in_row} pages in a row are dead, the last one {read.position}:"
                f" {read.error}; start again to resume"
            )

    async def _publish(self, read: ReadPage) -> None:
        page = read.page
        run = self.run
        if page.notes:
            _log.warning(fields(f"page {page.position} repaired", platform=run.platform, notes=page.notes))
        seq = seq_of_first_load(run.start_change_id)
        kind = run.kind.page_kind
        events = events_of(page, platform=run.platform, run_id=run.run_id, kind=kind, seq=lambda _: seq)
        for event in events:
            await self._patiently(partial(self._ports.publisher.publish, event))
        await self._saved()
        messages = {event.message_id: len(event.records) for event in events}
        self._saving = asyncio.create_task(self._save(read, messages))

    async def _save(self, read: ReadPage, messages: Mapping[str, int]) -> None:
        page, run = read.page, self.run
        saved = SavedPage(
            position=page.position,
            next_position=page.next_position,
            messages=messages,
            attempts=read.attempts,
            fetched_at=page.fetched_at,
        )
        await self._patiently(lambda: self._ports.store.save_page(run, saved))
        self.run = run.after(saved)
        self.counts.pages += 1
        self.counts.records += saved.records

    async def _saved(self) -> None:
        """Return when the page that was published last is saved; raises what saving it raised."""
        saving, self._saving = self._saving, None
        if saving is not None:
            await saving

    async def _note_wait(self, failed: FailedPage) -> None:
        await self._patiently(lambda: self._ports.store.save_failure(self.run, failed))

    async def _patiently(self, call: Callable[[], Awaitable[None]]) -> None:
        await until_available(call, clock=self._ports.clock, pause_s=self._limits.pause_s)

    def _show(self, expected: int | None, *, is_complete: bool) -> None:
        now_s = self._ports.clock.monotonic()
        self._speed.mark(self.counts.records, now_s)
        speed = self._speed.per_minute(now_s)
        self._ports.display.show(Progress(self.run.records, expected, speed, is_complete=is_complete))


async def _drop(pending: "asyncio.Task[T] | None") -> None:
    if pending is not None:
        pending.cancel()
        with suppress(asyncio.CancelledError, Exception):
            await pending
