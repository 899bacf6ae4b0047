"""The run that a walk of changes belongs to: one that was interrupted goes on, otherwise a new one begins."""

import logging
import random
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import Final

from common.clock import Clock
from common.events import ChangeId
from common.log import fields
from fetcher.core.change_ports import ChangeStore, SyncState
from fetcher.core.changes import cursor_of
from fetcher.core.errors import READ_ANEW, Cause, LoadStoppedError
from fetcher.core.patience import until_available
from fetcher.core.ports import ChangeFeed, LoadStore, Run, RunKind, RunStatus
from fetcher.core.reading import PatientReader

RETENTION: Final = timedelta(days=7)
"""The upstream keeps whole records about so long (UPSTREAMS §1.6)."""
_DAY: Final = timedelta(days=1)

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeRuns:
    """The runs of kind `daily_update` of one platform, as every walk of its changes needs them."""

    platform: str
    feed: ChangeFeed
    reader: PatientReader
    runs: LoadStore
    changes: ChangeStore
    clock: Clock
    chance: random.Random
    pause_s: float = 1.0

    async def from_cursor(self, cursor: ChangeId) -> Run:
        """Return the unfinished run, ready to go on, or a new one that begins at the platform's cursor."""
        unfinished = await self.unfinished()
        if unfinished is not None and cursor_of(unfinished) <= cursor:
            return await self.resumed(unfinished)
        return await self.started(cursor)

    async def sync_state(self) -> SyncState:
        """Return how far the platform was followed; say so where that is longer ago than the upstream keeps its events.

        Where the source keeps the changes at the cursor no longer, a load that was finished since is the way out: it
        holds everything before its S0 but what has gone, and the changes are followed from there.

        Raises:
            LoadStoppedError: The upstream refuses, or did not answer within the window.
        """
        state = await until_available(
            lambda: self.changes.sync_state(self.platform), clock=self.clock, pause_s=self.pause_s
        )
        load, was = await self._finished_load(), state.last_change_id
        if load is None or was is None or load.start_change_id <= was or await self._is_kept(was):
            await self._warn_of_loss(state, load)
            return state
        start = load.start_change_id
        _log.info(fields("changes go on where the last load began", platform=self.platform, change_id=start, was=was))
        return SyncState(start)

    async def _warn_of_loss(self, state: SyncState, load: Run | None) -> None:
        runs = load, await self._latest(RunKind.DAILY_UPDATE)  # a reconciliation follows the changes and records no day
        days = [run.started_at.date() - _DAY for run in runs if run is not None and run.status is RunStatus.DONE]
        days += [state.last_successful_date] if state.last_successful_date else []
        if days and self.clock.now().date() - max(days) > RETENTION + _DAY:
            said = f"followed up to {max(days)}, changes may be gone; {READ_ANEW}"
            _log.warning(fields(said, platform=self.platform))

    async def _is_kept(self, cursor: ChangeId) -> bool:
        """Return whether the source has the changes from a cursor on, which lies below where a load began."""
        try:
            page = await self.reader.value(partial(self.feed.changes, cursor), f"changes from {cursor}")
        except LoadStoppedError as stopped:
            if stopped.cause is not Cause.GONE:
                raise
            return False
        return bool(page.rows)  # there are some at least from the load on

    async def unfinished(self) -> Run | None:
        """Return the newest run if it has not reached its end, and no load since holds what it would still bring."""
        latest = await self._latest(RunKind.DAILY_UPDATE)
        if latest is None or latest.status is RunStatus.DONE:
            return None
        load = await self._finished_load()
        is_older = load is not None and latest.started_at < load.started_at
        return None if is_older and load is not None and cursor_of(latest) < load.start_change_id else latest

    async def _finished_load(self) -> Run | None:
        load = await self._latest(RunKind.INITIAL_LOAD)
        return load if load is not None and load.status is RunStatus.DONE else None

    async def _latest(self, kind: RunKind) -> Run | None:
        return await until_available(
            lambda: self.runs.latest_run(self.platform, kind), clock=self.clock, pause_s=self.pause_s
        )

    async def resumed(self, run: Run) -> Run:
        """Mark an unfinished run as running again and return it."""
        await until_available(lambda: self.runs.reopen_run(run.run_id), clock=self.clock, pause_s=self.pause_s)
        _log.info(fields("resuming the changes", platform=run.platform, run=run.run_id, change_id=cursor_of(run)))
        return replace(run, status=RunStatus.RUNNING)

    async def started(self, start: ChangeId) -> Run:
        """Save and return a new run that begins at `start`."""
        run = Run.begun(self.platform, start, RunKind.DAILY_UPDATE, now=self.clock.now(), chance=self.chance)
        await until_available(lambda: self.runs.start_run(run), clock=self.clock, pause_s=self.pause_s)
        _log.info(fields("changes begin", platform=run.platform, run=run.run_id, change_id=start))
        return run

    async def finished(self, run: Run) -> None:
        """Mark a run done that has reached the end of the feed."""
        cursor = cursor_of(run)
        await until_available(lambda: self.changes.finish_changes(run, cursor), clock=self.clock, pause_s=self.pause_s)
