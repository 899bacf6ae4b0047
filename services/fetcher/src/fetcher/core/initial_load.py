"""The first load of a platform: S0, then page after page until the upstream names no next.

A page counts once the broker has confirmed its messages; only then is the position saved, so a process may die
anywhere and the next start loses nothing.
"""

import asyncio
import logging
import random
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from zoneinfo import ZoneInfo

from common.clock import Clock
from common.log import fields
from fetcher.core.job import Frame, Report
from fetcher.core.ports import (
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

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadPlan:
    """What one call shall do.

    Attributes:
        platform: Whose offers.
        day_zone: Where the upstream's days begin.
        once: Patience with a gap that is asked for again at the end.
        limits: Where the walk ends early.
        again: Load anew although the last load reached the end.
        expected_records: An operator's estimate; None: the last load's total.
        stop_grace_s: Seconds to finish the page in hand once `stop` is set.
    """

    platform: str
    day_zone: ZoneInfo
    once: RetryPolicy
    limits: WalkLimits
    again: bool = False
    expected_records: int | None = None
    stop_grace_s: float = 6.0


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

    def walk_ports(self) -> WalkPorts:
        """Return what a walk over the pages of the list talks to."""
        return WalkPorts(
            ask=self.upstream.offers,
            reader=self.reader,
            publisher=self.publisher,
            store=self.store,
            display=self.display,
            clock=self.clock,
        )


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a call ended. `gaps` are pages of the run that are still missing."""

    ending: Ending
    run: Run | None
    gaps: int = 0


class InitialLoad:
    """One call of `initial-load` for one platform. `stop` asks it to finish the page in hand and to return."""

    def __init__(self, plan: LoadPlan, ports: LoadPorts, *, stop: asyncio.Event) -> None:
        self._plan = plan
        self._ports = ports
        self._frame = Frame(
            platform=plan.platform,
            operations=ports.operations,
            clock=ports.clock,
            stop=stop,
            stop_grace_s=plan.stop_grace_s,
            pause_s=plan.limits.pause_s,
        )
        self._walk: PageWalk | None = None
        self._is_resumed = False

    async def run(self) -> Outcome:
        """Load, or resume, until the end, `max_pages` or `stop`.

        Raises:
            LoadStoppedError: The upstream refuses, or too many pages in a row are dead; the run can be resumed.
            RunTakenOverError: Another process writes this run.
            TopologyError: The broker has no place for the messages.
            SchemaError: The database lacks a table or a right.
        """
        outcome = await self._frame.carry_out(self._load(), report=self._report, give_up=self._give_up)
        return outcome or self._cut_off()

    async def _load(self) -> Outcome:
        try:
            return await self._walk_run()
        finally:
            self._ports.display.close()

    async def _walk_run(self) -> Outcome:
        store, plan = self._ports.store, self._plan
        latest = await self._frame.patiently(lambda: store.latest_run(plan.platform, RunKind.INITIAL_LOAD))
        if latest is not None and latest.status is RunStatus.DONE and not plan.again:
            return Outcome(Ending.ALREADY_DONE, latest)
        if latest is None or latest.status is RunStatus.DONE:
            run = await self._started()
        else:
            run = await self._resumed(latest)
        failures = await self._frame.patiently(lambda: store.open_failures(run.run_id))
        if latest is not None and latest.status is RunStatus.FAILED:  # the gaps that stopped it get a new chance
            failures = [failure for failure in failures if failure.position <= (run.position or 0)]
        walk = self._walk = PageWalk(run, self._ports.walk_ports(), stop=self._frame.stop, limits=plan.limits)
        first = max(1, (run.position or 1) - 1)
        _log.info("Starting page %d loading", first)
        known = {failure.position: failure for failure in failures}
        ending = await walk.walk(first, known=known, expected=await self._expected(), before=run.records)
        gaps = await self._close_gaps(walk) if ending is Ending.DONE else 0
        return Outcome(ending, walk.run, gaps)

    async def _started(self) -> Run:
        clock, chance = self._ports.clock, self._ports.chance
        yesterday = clock.now().astimezone(self._plan.day_zone).date() - timedelta(days=1)
        ask = partial(self._ports.upstream.change_id, yesterday)
        start = await self._ports.reader.value(ask, f"change_id of {yesterday}")
        started_at = clock.now()
        run_id = f"{started_at:%Y%m%dT%H%M%S}-{chance.getrandbits(24):06x}"
        run = Run(run_id, self._plan.platform, start)
        await self._frame.patiently(lambda: self._ports.store.start_run(run, started_at))
        _log.info(fields("initial load begins", platform=run.platform, run=run_id, change_id=start))
        return run

    async def _resumed(self, run: Run) -> Run:
        await self._frame.patiently(lambda: self._ports.store.reopen_run(run.run_id))
        self._is_resumed = True
        last = f"last confirmed page {run.position}" if run.position else "no page confirmed yet"
        _log.info(fields(f"resuming the initial load, {last}", platform=run.platform, run=run.run_id))
        return replace(run, status=RunStatus.RUNNING)

    async def _expected(self) -> int | None:
        if self._plan.expected_records is not None:
            return self._plan.expected_records
        return await self._frame.patiently(
            lambda: self._ports.store.previous_total(self._plan.platform, RunKind.INITIAL_LOAD)
        )

    async def _close_gaps(self, walk: PageWalk) -> int:
        """Ask for each gap once more, then call the run done; return the gaps that remain."""
        store, run = self._ports.store, walk.run
        remaining = 0
        for gap in await self._frame.patiently(lambda: store.open_failures(run.run_id)):
            remaining += not await walk.retry(gap, self._plan.once)
        await self._frame.patiently(lambda: store.finish_run(run))
        return remaining

    async def _give_up(self) -> None:
        walk = self._walk
        if walk is not None:
            await self._frame.patiently(lambda: self._ports.store.fail_run(walk.run.run_id))

    def _cut_off(self) -> Outcome:
        return Outcome(Ending.INTERRUPTED, self._walk.run if self._walk else None)

    def _report(self, outcome: Outcome | None) -> Report:
        outcome = outcome or self._cut_off()
        counts = self._walk.counts if self._walk else WalkCounts()
        return Report(
            _said(outcome),
            is_ok=outcome.gaps == 0,
            counts={
                "pages": counts.pages,
                "records": counts.records,
                "gaps": counts.gaps,
                "retries": self._ports.reader.counts.retries,
                "resumed": int(self._is_resumed),
            },
            is_noted=outcome.ending is not Ending.ALREADY_DONE,
        )


def _said(outcome: Outcome) -> str:
    run = outcome.run
    so_far = f"{run.platform}: {run.records:,} records in {run.pages:,} pages" if run else "no page yet"
    match outcome.ending:
        case Ending.DONE if outcome.gaps:
            return f"initial load finished, {so_far}; {outcome.gaps} pages are missing"
        case Ending.DONE:
            return f"initial load finished, {so_far}"
        case Ending.ALREADY_DONE:
            return f"initial load was finished before, {so_far}"
        case Ending.PAUSED:
            return f"initial load paused after the pages asked for, {so_far}; start again to resume"
        case Ending.INTERRUPTED:
            return f"initial load interrupted, {so_far}; start again to resume"
