"""Runs over the pages of a list, for a first load and for a sweep: begun, resumed, walked to the end, gaps and all."""

import logging
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

from common.clock import Clock
from common.events import ChangeId
from common.log import fields
from fetcher.core.feed import SourceRow, UpstreamPage
from fetcher.core.job import Frame
from fetcher.core.ports import (
    FailedPage,
    LoadStore,
    OperationsLog,
    PagePublisher,
    ProgressDisplay,
    Run,
    RunKind,
    RunStatus,
    Upstream,
)
from fetcher.core.reading import PatientReader
from fetcher.core.retry import RetryPolicy
from fetcher.core.walk import Ending, PageWalk, WalkCounts, WalkLimits, WalkPorts

Choose = Callable[[UpstreamPage], Awaitable[Sequence[SourceRow]]]
"""Returns the rows of a page that are worth publishing."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadPorts:
    """What a load, a sweep or a retry of gaps talks to."""

    upstream: Upstream
    reader: PatientReader
    publisher: PagePublisher
    store: LoadStore
    operations: OperationsLog
    display: ProgressDisplay
    clock: Clock
    chance: random.Random

    def walk_ports(self, choose: Choose | None = None) -> WalkPorts:
        """Return what a walk over the pages of the list talks to."""
        return WalkPorts(
            ask=self.upstream.offers,
            choose=choose,
            reader=self.reader,
            publisher=self.publisher,
            store=self.store,
            display=self.display,
            clock=self.clock,
        )


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a walk over the list ended. `gaps` are pages of the run that are still missing."""

    ending: Ending
    run: Run | None
    gaps: int = 0


class ListRuns:
    """The runs over the list that one call makes, one after another."""

    def __init__(self, ports: LoadPorts, frame: Frame, *, limits: WalkLimits, once: RetryPolicy) -> None:
        self._ports = ports
        self._frame = frame
        self._limits = limits
        self._once = once
        self._walk: PageWalk | None = None
        self._all_counts: list[WalkCounts] = []
        self._begun: Run | None = None

    @property
    def counts(self) -> WalkCounts:
        """What the call has done in all of its runs."""
        return sum(self._all_counts, WalkCounts())

    @property
    def run(self) -> Run | None:
        """The run that was walked last, as the database holds it."""
        return self._walk.run if self._walk else None

    async def started(self, kind: RunKind, start: ChangeId) -> Run:
        """Save and return a new run; `start` is the change id that was known before its first page."""
        now, chance = self._ports.clock.now(), self._ports.chance
        run = Run.begun(self._frame.platform, start, kind, now=now, chance=chance)
        await self._frame.patiently(lambda: self._ports.store.start_run(run))
        _log.info(fields(f"{_NAMES[kind]} begins", platform=run.platform, run=run.run_id, change_id=start))
        self._begun = run
        return run

    async def walked(self, run: Run, *, expected: int | None, before: int, choose: Choose | None = None) -> Outcome:
        """Walk a new or unfinished run to the end of the list, ask for its gaps once more, and call it done.

        Args:
            run: As the database holds it.
            expected: Rows that the whole list should have; None where nobody knows.
            before: Rows that earlier calls have walked.
            choose: Rows worth publishing; None: all of them.

        Raises:
            LoadStoppedError: The upstream refuses, or too many pages in a row are dead; the run can be resumed.
            RunTakenOverError: Another process writes this run.
            TopologyError: The broker has no place for the messages.
        """
        failures = await self._frame.patiently(lambda: self._ports.store.open_failures(run.run_id))
        if run.status is RunStatus.FAILED:
            failures = [await self._given_a_new_chance(run, failure) for failure in failures]
        if run is not self._begun:
            run = await self._reopened(run)
        first = max(1, (run.position or 1) - 1)
        _log.info("Starting page %d loading", first)
        walk = PageWalk(run, self._ports.walk_ports(choose), stop=self._frame.stop, limits=self._limits)
        self._walk = walk
        self._all_counts.append(walk.counts)
        known = {failure.position: failure for failure in failures}
        ending = await walk.walk(first, known=known, expected=expected, before=before)
        if ending is not Ending.DONE:
            return Outcome(ending, walk.run)
        gaps = await self._close_gaps(walk)
        await self._frame.patiently(lambda: self._ports.store.finish_run(walk.run))
        return Outcome(ending, replace(walk.run, status=RunStatus.DONE), gaps)

    async def give_up(self) -> None:
        """Mark the run that was walked last as failed; it can be resumed."""
        if self._walk is not None:
            run_id = self._walk.run.run_id
            await self._frame.patiently(lambda: self._ports.store.fail_run(run_id))

    async def _reopened(self, run: Run) -> Run:
        await self._frame.patiently(lambda: self._ports.store.reopen_run(run.run_id))
        last = f"last confirmed page {run.position}" if run.position else "no page confirmed yet"
        _log.info(fields(f"resuming the {_NAMES[run.kind]}, {last}", platform=run.platform, run=run.run_id))
        return replace(run, status=RunStatus.RUNNING)

    async def _given_a_new_chance(self, run: Run, failure: FailedPage) -> FailedPage:
        """Begin the window of a gap that has stopped the run anew, for the next starts as well; others stay."""
        if failure.position <= (run.position or 0):
            return failure
        now = self._ports.clock.now()
        anew = replace(failure, attempts=0, first_try_at=now, next_attempt_at=now)
        await self._frame.patiently(lambda: self._ports.store.save_failure(run, anew))
        return anew

    async def _close_gaps(self, walk: PageWalk) -> int:
        """Ask for each gap once more; return how many remain."""
        store, run_id = self._ports.store, walk.run.run_id
        remaining = 0
        for gap in await self._frame.patiently(lambda: store.open_failures(run_id)):
            remaining += not await walk.retry(gap, self._once)
        return remaining


_NAMES = {RunKind.INITIAL_LOAD: "initial load", RunKind.SWEEP: "sweep"}
