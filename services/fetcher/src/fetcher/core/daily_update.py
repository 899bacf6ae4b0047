"""The daily update: every change since the last one, day after day, then what is incomplete.

The cursor alone decides where to begin, so nothing is lost whenever and however seldom this runs. Days are kept
beside it: a day is recorded once the cursor has passed the id at which the next one begins. A feed that ends below
that id has lost events; then the day is not recorded.
"""

import asyncio
import logging
import random
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from typing import Final

from common.clock import Clock
from common.events import ChangeId
from fetcher.core.change_ports import SyncState
from fetcher.core.change_runs import ChangeRuns
from fetcher.core.changes import ChangeCounts, ChangeLimits, ChangePorts, ChangeWalk, cursor_of
from fetcher.core.errors import LoadStoppedError
from fetcher.core.job import Frame, Report
from fetcher.core.lookups import Completing
from fetcher.core.ports import OperationsLog, Run, RunKind
from fetcher.core.walk import Ending

_DAY: Final = timedelta(days=1)
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdatePlan:
    """What one call shall do.

    Attributes:
        platform: Whose changes.
        limits: How days are counted.
        since: Replay from this day on, today at the latest; None: go on where the last update ended.
        max_dates: End after so many days; None: no limit.
        stop_grace_s: Seconds to finish the page in hand once `stop` is set.
    """

    platform: str
    limits: ChangeLimits
    since: date | None = None
    max_dates: int | None = None
    stop_grace_s: float = 6.0


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdatePorts:
    """What an update talks to."""

    walk: ChangePorts
    completing: Completing
    operations: OperationsLog
    clock: Clock
    chance: random.Random


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a call ended.

    Attributes:
        ending: DONE: at the end of the feed. PAUSED: after `max_dates`.
        run: The run as the database holds it.
        is_ok: Nothing went wrong that the next start has to make good.
    """

    ending: Ending
    run: Run | None
    is_ok: bool = True


class DailyUpdate:
    """One call of `daily-update` for one platform. `stop` asks it to finish the page in hand and to return."""

    def __init__(self, plan: UpdatePlan, ports: UpdatePorts, *, stop: asyncio.Event) -> None:
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
        self._runs = ChangeRuns(
            platform=plan.platform,
            feed=ports.walk.feed,
            reader=ports.walk.reader,
            runs=ports.walk.runs,
            changes=ports.walk.changes,
            clock=ports.clock,
            chance=ports.chance,
            pause_s=plan.limits.pause_s,
        )
        self._today = ports.clock.now().astimezone(plan.limits.day_zone).date()
        self._anchors: dict[date, ChangeId] = {}
        self._walk: ChangeWalk | None = None
        self._is_resumed = False
        self._days = 0

    async def run(self) -> Outcome:
        """Follow the changes to the head of the feed, `max_dates` or `stop`, and look up what is incomplete.

        Raises:
            LoadStoppedError: The upstream refuses, a page stays dead, or the feed ends below a day that it has begun.
            RunTakenOverError: Another process writes this run.
            TopologyError: The broker has no place for the messages.
            SchemaError: The database lacks a table or a right.
        """
        outcome = await self._frame.carry_out(self._update(), report=self._report, give_up=self._give_up)
        return outcome or self._cut_off()

    async def _update(self) -> Outcome:
        try:
            state = await self._runs.sync_state()
            dates = self._dates(state)
            run = await self._begun(state, dates)
            walk = self._walk = ChangeWalk(run, self._ports.walk, stop=self._frame.stop, limits=self._plan.limits)
            ending = await self._walk_dates(walk, dates[: self._plan.max_dates])
        finally:
            self._ports.walk.display.close()
        if ending is not Ending.DONE:
            return Outcome(ending, walk.run)
        await self._runs.finished(walk.run)
        completing = self._ports.completing
        await completing.complete(walk.run, walk.cursor)
        return Outcome(ending, walk.run, is_ok=not completing.has_given_up)

    def _dates(self, state: SyncState) -> list[date]:
        """Return the days to walk, today included: from the first that is not recorded, or from `since`."""
        since, last = self._plan.since, state.last_successful_date
        if since is None:
            first = self._today - _DAY if last is None else last + _DAY
        else:
            is_followed = last is not None and state.last_change_id is not None
            first = min(since, last + _DAY) if is_followed and last is not None else since
        days = max(0, (self._today - first).days)
        return [self._today - _DAY * ago for ago in range(days, -1, -1)]

    async def _begun(self, state: SyncState, dates: list[date]) -> Run:
        """Return the interrupted run, or a new one that begins where nothing is lost."""
        held = await self._held(state)
        unfinished = await self._runs.unfinished()
        if self._plan.since is None and unfinished is not None and (held is None or cursor_of(unfinished) <= held):
            return await self._resumed(unfinished)
        start = held if self._plan.since is None and held is not None else await self._first_id(dates, held)
        if self._plan.since is not None and unfinished is not None and unfinished.start_change_id == start:
            return await self._resumed(unfinished)
        return await self._runs.started(start)

    async def _resumed(self, run: Run) -> Run:
        self._is_resumed = True
        return await self._runs.resumed(run)

    async def _held(self, state: SyncState) -> ChangeId | None:
        """Return the stored cursor; without one, where the changes of a first load begin that is still under way."""
        if state.last_change_id is not None:
            return state.last_change_id
        store, platform = self._ports.walk.runs, self._plan.platform
        load = await self._frame.patiently(lambda: store.latest_run(platform, RunKind.INITIAL_LOAD))
        return None if load is None else load.start_change_id

    async def _first_id(self, dates: list[date], held: ChangeId | None) -> ChangeId:
        """Return the lowest anchor of the days, and never more than `held`.

        A day without events has the last id there is, which may lie behind the events of the days after it.
        """
        anchors = [await self._anchor(day) for day in dates]
        return min(anchors if held is None else [*anchors, held])

    async def _walk_dates(self, walk: ChangeWalk, dates: list[date]) -> Ending:
        for day in dates:
            _log.info("Starting date %s processing", day)
            until = None if day == self._today else await self._anchor(day + _DAY)
            ending = await walk.walk(until)
            if ending is Ending.INTERRUPTED or until is None:
                return ending
            if walk.cursor < until:
                raise LoadStoppedError(
                    f"{self._plan.platform}: the feed ends at {walk.cursor}, but {day + _DAY} begins at {until}:"
                    f" events are missing, {day} is not recorded; the next start asks again"
                )
            await self._frame.patiently(partial(self._ports.walk.changes.save_day, self._plan.platform, day))
            self._days += 1
        return Ending.PAUSED

    async def _anchor(self, day: date) -> ChangeId:
        if day not in self._anchors:
            ask = partial(self._ports.walk.feed.change_id, day)
            self._anchors[day] = await self._ports.walk.reader.value(ask, f"change_id of {day}")
        return self._anchors[day]

    async def _give_up(self) -> None:
        walk = self._walk
        if walk is not None:
            await self._frame.patiently(lambda: self._ports.walk.runs.fail_run(walk.run.run_id))

    def _cut_off(self) -> Outcome:
        return Outcome(Ending.INTERRUPTED, self._walk.run if self._walk else None)

    def _report(self, outcome: Outcome | None) -> Report:
        outcome = outcome or self._cut_off()
        counts = self._walk.counts if self._walk else ChangeCounts()
        lookups = self._ports.completing.counts
        numbers = {
            "pages": counts.pages,
            "records": counts.records,
            "added": counts.kinds.added,
            "changed": counts.kinds.changed,
            "removed": counts.kinds.removed,
            "days": self._days,
            "gaps": counts.gaps,
            "retries": self._ports.walk.reader.counts.retries,
            "resumed": int(self._is_resumed),
            "lookups": lookups.lookups,
            "completed": lookups.completed,
            "not_found": lookups.missed,
            "retired": lookups.given_up,
            "lookups_failed": lookups.failed,
        }
        return Report(_said(self._plan.platform, outcome, numbers), is_ok=outcome.is_ok, counts=numbers)


def _said(platform: str, outcome: Outcome, numbers: dict[str, int]) -> str:
    words = {
        Ending.DONE: "finished" if outcome.is_ok else "finished, but look-ups fail",
        Ending.PAUSED: "paused after the dates asked for",
        Ending.INTERRUPTED: "interrupted",
    }
    told = ", ".join(
        f"{name} {numbers[name]:,}" for name in ("pages", "added", "changed", "removed", "days", "lookups")
    )
    cursor = f", up to change id {cursor_of(outcome.run)}" if outcome.run else ""
    return f"daily update {words[outcome.ending]}, {platform}: {told}{cursor}"
