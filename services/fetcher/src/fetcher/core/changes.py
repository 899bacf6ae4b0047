"""Walking the changes of a platform: ask, publish, confirm, save, from a cursor to the head of the feed.

One request is on its way at a time. The next page is asked for while the one before it is published, and a page is
saved while the next is published, after its messages were confirmed and never before the page before it.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TypeVar
from zoneinfo import ZoneInfo

import msgspec

from common.clock import Clock
from common.events import ChangeId, PageFetched, PageKind
from common.log import fields
from fetcher.core.change_ports import ChangeStore, Kinds, SavedChanges
from fetcher.core.errors import Cause, LoadStoppedError, UpstreamError
from fetcher.core.feed import SourceRow, UpstreamPage, event_id, events_of
from fetcher.core.inflight import Gathering, dropped, under_way, unless_stopped
from fetcher.core.patience import until_available
from fetcher.core.ports import ChangeFeed, FailedPage, LoadStore, PagePublisher, ProgressDisplay, Run
from fetcher.core.progress import Progress, Speedometer
from fetcher.core.reading import PatientReader, ReadPage
from fetcher.core.walk import Ending

T = TypeVar("T")
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ChangeLimits:
    """How a walk counts days and waits.

    Attributes:
        day_zone: Where the platform's days begin.
        pause_s: Seconds between two calls of a broker or database that is away.
    """

    day_zone: ZoneInfo
    pause_s: float = 1.0


@dataclass(slots=True)
class ChangeCounts:
    """What this walk has done."""

    pages: int = 0
    records: int = 0
    kinds: Kinds = field(default_factory=Kinds)
    gaps: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangePorts:
    """What a walk talks to. `runs` and `changes` write the same database."""

    feed: ChangeFeed
    reader: PatientReader
    publisher: PagePublisher
    runs: LoadStore
    changes: ChangeStore
    display: ProgressDisplay
    clock: Clock


def cursor_of(run: Run) -> ChangeId:
    """Return where a run goes on: everything below was confirmed."""
    return ChangeId(run.start_change_id if run.next_position is None else run.next_position)


class ChangeWalk:
    """The walk of one call over one run of kind `daily_update`. `run` is always what the database holds.

    The run may be new, or one that was interrupted: then it goes on where it stood, in the same retry window.

    Attributes:
        is_at_end: The feed had nothing after `cursor` when it was asked last.
    """

    def __init__(self, run: Run, ports: ChangePorts, *, stop: asyncio.Event, limits: ChangeLimits) -> None:
        self.run = run
        self.counts = ChangeCounts()
        self.is_at_end = False
        self._ports = ports
        self._stop = stop
        self._limits = limits
        self._known: Mapping[int, FailedPage] | None = None
        self._asked = run.pages
        self._shown: Sequence[SourceRow] = ()
        self._saving = Gathering(self._save, clock=ports.clock, interval_s=0.0, most=1)
        self._speed = Speedometer(ports.clock.monotonic())

    @property
    def cursor(self) -> ChangeId:
        """Where the walk stands: every event below was confirmed and saved."""
        return cursor_of(self.run)

    async def walk(self, until: ChangeId | None = None) -> Ending:
        """Walk on until the cursor has reached `until`, or the feed has ended.

        Returns:
            DONE: the feed has ended, `is_at_end`. PAUSED: the cursor has reached `until`, the feed may go on.
            INTERRUPTED: the walk was asked to stop.

        Raises:
            LoadStoppedError: The upstream refuses, or a page stays dead; the next start goes on there.
            RunTakenOverError: Another process writes this run.
            TopologyError: The broker has no place for the messages.
        """
        is_there = self.is_at_end if until is None else self.cursor >= until
        if is_there:
            return self._ending(until)
        self.is_at_end = False  # events may have come since
        if self._known is None:
            failures = await self._patiently(lambda: self._ports.runs.open_failures(self.run.run_id))
            self._known = {failure.position: failure for failure in failures}
        _log.info("Starting page %d loading", self._asked + 1)
        pending: asyncio.Task[ReadPage | FailedPage] | None = self._ask(self.cursor)
        try:
            while pending is not None:
                read = await unless_stopped(pending, self._stop, self._saving.broken)
                if read is None:
                    return Ending.INTERRUPTED  # or by what the end raises
                page = await self._alive(read)
                self._shown = page.page.rows
                following = _following(page.page)
                is_last = not page.page.rows or page.page.next_position is None
                goes_on = not is_last and not self._stop.is_set() and (until is None or following < until)
                pending = self._ask(following) if goes_on else None
                await under_way()
                await self._publish(page, following)
                if is_last:
                    await self._saving.settled()
                    self.is_at_end = True
                self._show()
        except asyncio.CancelledError:  # time is up: the page is asked for again at the next start
            await self._saving.dropped()
            raise
        finally:
            await dropped(pending)
            await self._saving.settled()
        return self._ending(until)

    def _ending(self, until: ChangeId | None) -> Ending:
        if self.is_at_end:
            return Ending.DONE
        return Ending.PAUSED if until is not None and self.cursor >= until else Ending.INTERRUPTED

    def _ask(self, position: ChangeId) -> "asyncio.Task[ReadPage | FailedPage]":
        self._asked += 1
        _log.debug(fields(f"Starting page {self._asked} loading", change_id=position))
        known = (self._known or {}).get(position)
        is_open = known is not None and known.next_attempt_at is not None  # a page that was dead gets a new window
        return asyncio.create_task(
            self._ports.reader.page(
                partial(self._changes, position),
                self.run,
                position,
                on_wait=self._note,
                resumed=known if is_open else None,
            )
        )

    async def _changes(self, position: ChangeId) -> UpstreamPage:
        page = await self._ports.feed.changes(position)
        if page.rows and page.next_position is not None and list(page.rows) == list(self._shown):
            raise UpstreamError(Cause.STALLED, "the same events as on the page before")  # whatever its cursor says
        return page

    async def _alive(self, read: ReadPage | FailedPage) -> ReadPage:
        if isinstance(read, ReadPage):
            return read
        await self._saving.settled()
        self.counts.gaps += 1
        await self._note(read)
        raise LoadStoppedError(
            f"{self.run.platform}: changes from {read.position} on stay away after {read.attempts} tries:"
            f" {read.error}; noted as a gap, the next start goes on there"
        )

    async def _publish(self, read: ReadPage, following: ChangeId) -> None:
        page, run = read.page, self.run
        if page.notes:
            _log.warning(fields(f"changes from {page.position} repaired", platform=run.platform, notes=page.notes))
        events = events_of_changes(page, run)
        for event in events:
            await self._patiently(partial(self._ports.publisher.publish, event))
        if not events:
            return
        saved = SavedChanges(
            position=ChangeId(page.position),
            next_position=following,
            messages={event.message_id: len(event.records) for event in events},
            attempts=read.attempts,
            fetched_at=page.fetched_at,
            day=page.fetched_at.astimezone(self._limits.day_zone).date(),
            kinds=Kinds.of(map(_versioned, page.rows)),
        )
        await self._saving.add(saved)

    async def _save(self, pages: Sequence[SavedChanges]) -> None:
        for page in pages:
            await self._patiently(partial(self._ports.changes.save_changes, self.run, page))
            self.run = page.applied_to(self.run)
            self.counts.pages += 1
            self.counts.records += page.records
            self.counts.kinds += page.kinds

    async def _note(self, failed: FailedPage) -> None:
        await self._patiently(lambda: self._ports.runs.save_failure(self.run, failed))

    async def _patiently(self, call: Callable[[], Awaitable[T]]) -> T:
        return await until_available(call, clock=self._ports.clock, pause_s=self._limits.pause_s)

    def _show(self) -> None:
        now_s = self._ports.clock.monotonic()
        self._speed.mark(self.counts.records, now_s)
        speed = self._speed.per_minute(now_s)
        self._ports.display.show(Progress(self.counts.records, None, speed, is_complete=self.is_at_end))


def events_of_changes(page: UpstreamPage, run: Run) -> list[PageFetched]:
    """Return a page of changes as events, each record under its own event id; see `events_of`."""
    page = replace(page, rows=[_versioned(row) for row in page.rows])
    seq = partial(_seq, asked=page.position)
    return events_of(page, platform=run.platform, run_id=run.run_id, kind=PageKind.CHANGE, seq=seq)


def _following(page: UpstreamPage) -> ChangeId:
    """Return where the feed goes on: where the page says, else after its last event; never before what was asked."""
    if page.next_position is not None:
        return ChangeId(page.next_position)
    last = next((number for row in reversed(page.rows) if (number := event_id(row)) is not None), -1)
    return ChangeId(max(page.position, last + 1))


def _versioned(row: SourceRow) -> SourceRow:
    """Return a row as it is; one without an event id has no place in time, so it must not be merged.

    It goes out under a word that is no change type, and so ends in quarantine, whole and with that word as its reason.
    """
    if event_id(row) is not None:
        return row
    return msgspec.structs.replace(row, change_type=f"{row.change_type} without an event id".strip())


def _seq(row: SourceRow, *, asked: int) -> int:
    number = event_id(row)
    return asked if number is None else number
