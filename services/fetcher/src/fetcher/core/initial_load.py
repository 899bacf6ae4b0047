"""The first load of a platform: S0, then page after page until the upstream names no next.

A page counts once the broker has confirmed its messages; only then is the position saved, so a process may die
anywhere and the next start loses nothing.
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final, TypeVar
from zoneinfo import ZoneInfo

from common.clock import Clock
from common.errors import UnavailableError
from common.log import fields
from fetcher.core.errors import FetcherError, RunTakenOverError
from fetcher.core.patience import until_available
from fetcher.core.ports import (
    LoadStore,
    Operation,
    OperationsLog,
    PagePublisher,
    ProgressDisplay,
    Run,
    RunStatus,
    Upstream,
)
from fetcher.core.reading import PatientReader
from fetcher.core.retry import RetryPolicy
from fetcher.core.walk import Ending, PageWalk, WalkCounts, WalkLimits

T = TypeVar("T")
LAST_WORD_S: Final = 1.0
"""Seconds for the row of `operations_log` when time is up."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadPlan:
    """What one call shall do.

    Attributes:
        platform: Whose offers.
        day_zone: Where the upstream's days begin.
        policy: Patience with one page.
        limits: Where the walk ends early.
        min_interval_s: Seconds between the starts of two requests.
        again: Load anew although the last load reached the end.
        expected_records: An operator's estimate; None: the last load's total.
        stop_grace_s: Seconds to finish the page in hand once `stop` is set.
    """

    platform: str
    day_zone: ZoneInfo
    policy: RetryPolicy
    limits: WalkLimits
    min_interval_s: float = 0.0
    again: bool = False
    expected_records: int | None = None
    stop_grace_s: float = 6.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadPorts:
    """What a load talks to."""

    upstream: Upstream
    publisher: PagePublisher
    store: LoadStore
    operations: OperationsLog
    display: ProgressDisplay
    clock: Clock
    chance: random.Random


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
        self._stop = stop
        self._started_at = ports.clock.now()
        self._start_s = ports.clock.monotonic()
        self._reader = PatientReader(
            ports.upstream,
            platform=plan.platform,
            policy=plan.policy,
            min_interval_s=plan.min_interval_s,
            clock=ports.clock,
            chance=ports.chance,
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
        try:
            outcome = await self._within_grace(self._load())
        finally:
            self._ports.display.close()
        if outcome is None:
            _log.warning("stopped before the page in hand was saved; the next start fetches it again")
            outcome = Outcome(Ending.INTERRUPTED, self._walk.run if self._walk else None)
            with suppress(UnavailableError, FetcherError, TimeoutError):
                async with asyncio.timeout(LAST_WORD_S):
                    await self._ports.operations.record(self._operation(is_ok=True, details=_said(outcome)))
        if outcome.ending is not Ending.ALREADY_DONE:
            _log.log(logging.WARNING if outcome.gaps else logging.INFO, _said(outcome))
        return outcome

    async def _within_grace(self, work: Coroutine[Any, Any, T]) -> T | None:
        """Return the work's result; None where `stop` was set and the grace ran out first."""
        tasks = asyncio.create_task(work), asyncio.create_task(self._grace())
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            return await tasks[0] if tasks[0].done() else None
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _grace(self) -> None:
        await self._stop.wait()
        await self._ports.clock.sleep(self._plan.stop_grace_s)

    async def _load(self) -> Outcome:
        try:
            outcome = await self._walk_run()
        except FetcherError as error:
            await self._give_up(error)
            raise
        if outcome.ending is not Ending.ALREADY_DONE:
            operation = self._operation(is_ok=outcome.gaps == 0, details=_said(outcome))
            await self._patiently(lambda: self._ports.operations.record(operation))
        return outcome

    async def _walk_run(self) -> Outcome:
        store, plan = self._ports.store, self._plan
        latest = await self._patiently(lambda: store.latest_run(plan.platform))
        if latest is not None and latest.status is RunStatus.DONE and not plan.again:
            return Outcome(Ending.ALREADY_DONE, latest)
        if latest is None or latest.status is RunStatus.DONE:
            run = await self._started()
        else:
            run = await self._resumed(latest)
        failures = await self._patiently(lambda: store.open_failures(run.run_id))
        if latest is not None and latest.status is RunStatus.FAILED:  # the gaps that stopped it get a new chance
            failures = [failure for failure in failures if failure.position <= (run.position or 0)]
        walk = self._walk = self._new_walk(run)
        first = max(1, (run.position or 1) - 1)
        _log.info("Starting page %d loading", first)
        known = {failure.position: failure for failure in failures}
        ending = await walk.walk(first, known=known, expected=await self._expected())
        gaps = await self._close_gaps(walk) if ending is Ending.DONE else 0
        return Outcome(ending, walk.run, gaps)

    def _new_walk(self, run: Run) -> PageWalk:
        ports = self._ports
        return PageWalk(
            run,
            reader=self._reader,
            publisher=ports.publisher,
            store=ports.store,
            display=ports.display,
            clock=ports.clock,
            stop=self._stop,
            limits=self._plan.limits,
        )

    async def _started(self) -> Run:
        clock, chance = self._ports.clock, self._ports.chance
        yesterday = clock.now().astimezone(self._plan.day_zone).date() - timedelta(days=1)
        start = await self._reader.change_id(yesterday)
        started_at = clock.now()
        run_id = f"{started_at:%Y%m%dT%H%M%S}-{chance.getrandbits(24):06x}"
        run = Run(run_id, self._plan.platform, start)
        await self._patiently(lambda: self._ports.store.start_run(run, started_at))
        _log.info(fields("initial load begins", platform=run.platform, run=run_id, change_id=start))
        return run

    async def _resumed(self, run: Run) -> Run:
        await self._patiently(lambda: self._ports.store.reopen_run(run.run_id))
        self._is_resumed = True
        last = f"last confirmed page {run.position}" if run.position else "no page confirmed yet"
        _log.info(fields(f"resuming the initial load, {last}", platform=run.platform, run=run.run_id))
        return replace(run, status=RunStatus.RUNNING)

    async def _expected(self) -> int | None:
        if self._plan.expected_records is not None:
            return self._plan.expected_records
        return await self._patiently(lambda: self._ports.store.previous_total(self._plan.platform))

    async def _close_gaps(self, walk: PageWalk) -> int:
        """Ask for each gap once more, then call the run done; return the gaps that remain."""
        store, run = self._ports.store, walk.run
        once = replace(self._plan.policy, max_retries=0)
        remaining = 0
        for gap in await self._patiently(lambda: store.open_failures(run.run_id)):
            remaining += not await walk.retry(gap, once)
        await self._patiently(lambda: store.finish_run(run))
        return remaining

    async def _give_up(self, error: FetcherError) -> None:
        if isinstance(error, RunTakenOverError):
            return  # the run, and its row in the diary, belong to the other process
        operation = self._operation(is_ok=False, details=str(error))
        walk = self._walk
        with suppress(FetcherError):
            if walk is not None:
                await self._patiently(lambda: self._ports.store.fail_run(walk.run.run_id))
            await self._patiently(lambda: self._ports.operations.record(operation))

    def _operation(self, *, is_ok: bool, details: str) -> Operation:
        counts = self._walk.counts if self._walk else WalkCounts()
        return Operation(
            platform=self._plan.platform,
            started_at=self._started_at,
            duration_s=self._ports.clock.monotonic() - self._start_s,
            is_ok=is_ok,
            details=details,
            counts={
                "pages": counts.pages,
                "records": counts.records,
                "gaps": counts.gaps,
                "retries": self._reader.counts.retries,
                "resumed": int(self._is_resumed),
            },
        )

    async def _patiently(self, call: Callable[[], Awaitable[T]]) -> T:
        return await until_available(call, clock=self._ports.clock, pause_s=self._plan.limits.pause_s)


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
