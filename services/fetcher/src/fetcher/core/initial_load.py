"""The first load of a platform: S0, then page after page until the upstream names no next.

A page counts once the broker has confirmed its messages; only then is the position saved, so a process may die
anywhere and the next start loses nothing.
"""

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from zoneinfo import ZoneInfo

from fetcher.core.job import Frame, Report
from fetcher.core.list_run import ListRuns, LoadPorts, Outcome
from fetcher.core.ports import Run, RunKind, RunStatus
from fetcher.core.retry import RetryPolicy
from fetcher.core.walk import Ending, WalkLimits


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadPlan:
    """What one call shall do.

    Attributes:
        platform: Whose offers.
        day_zone: Where the upstream's days begin.
        once: Patience with a gap that is asked for again at the end.
        limits: Where the walk ends early.
        again: Load anew although the last load reached the end, unless that one began after this moment.
        expected_records: An operator's estimate; None: the last load's total.
        stop_grace_s: Seconds to finish the page in hand once `stop` is set.
    """

    platform: str
    day_zone: ZoneInfo
    once: RetryPolicy
    limits: WalkLimits
    again: datetime | None = None
    expected_records: int | None = None
    stop_grace_s: float = 6.0


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
        self._runs = ListRuns(ports, self._frame, limits=plan.limits, once=plan.once)
        self._is_resumed = False

    async def run(self) -> Outcome:
        """Load, or resume, until the end, `max_pages` or `stop`.

        Raises:
            LoadStoppedError: The upstream refuses, or too many pages in a row are dead; the run can be resumed.
            RunTakenOverError: Another process writes this run.
            TopologyError: The broker has no place for the messages.
            SchemaError: The database lacks a table or a right.
        """
        outcome = await self._frame.carry_out(self._load(), report=self._report, give_up=self._runs.give_up)
        return outcome or self._cut_off()

    async def _load(self) -> Outcome:
        try:
            return await self._walk_run()
        finally:
            self._ports.display.close()

    async def _walk_run(self) -> Outcome:
        store, plan = self._ports.store, self._plan
        latest = await self._frame.patiently(lambda: store.latest_run(plan.platform, RunKind.INITIAL_LOAD))
        is_wanted = latest is None or (plan.again is not None and latest.started_at <= plan.again)
        if latest is not None and latest.status is RunStatus.DONE and not is_wanted:
            return Outcome(Ending.ALREADY_DONE, latest)
        self._is_resumed = latest is not None and latest.status is not RunStatus.DONE
        run = latest if latest is not None and self._is_resumed else await self._started()
        return await self._runs.walked(run, expected=await self._expected(), before=run.records)

    async def _started(self) -> Run:
        yesterday = self._ports.clock.now().astimezone(self._plan.day_zone).date() - timedelta(days=1)
        ask = partial(self._ports.upstream.change_id, yesterday)
        start = await self._ports.reader.value(ask, f"change_id of {yesterday}")
        return await self._runs.started(RunKind.INITIAL_LOAD, start)

    async def _expected(self) -> int | None:
        if self._plan.expected_records is not None:
            return self._plan.expected_records
        return await self._frame.patiently(
            lambda: self._ports.store.previous_total(self._plan.platform, RunKind.INITIAL_LOAD)
        )

    def _cut_off(self) -> Outcome:
        return Outcome(Ending.INTERRUPTED, self._runs.run)

    def _report(self, outcome: Outcome | None) -> Report:
        outcome = outcome or self._cut_off()
        counts = self._runs.counts
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
