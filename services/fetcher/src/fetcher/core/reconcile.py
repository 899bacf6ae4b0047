"""Reconciling: what a list that moves under a walk has hidden from it is found, and what has gone is retired.

The pages of a list shift while one walks them, so every walk passes some offers by, and no change will ever tell of
them. A sweep walks the list again and publishes what we do not hold; sweeps follow one another until one finds nothing
that the changes have not told. Offers that we hold as active and that no sweep of the series has shown are asked for
one by one before they are retired.

A sweep begins where the changes have ended: what it sees includes every event below that id, so its rows stand just
below it, and every event from there on wins over them.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

import msgspec

from common.events import ChangeId, ChangeType, InnerId
from common.log import fields
from fetcher.core.catch_up import CatchUp
from fetcher.core.feed import SourceRow, UpstreamPage
from fetcher.core.job import Frame, Report
from fetcher.core.list_run import ListRuns, LoadPorts
from fetcher.core.ports import Run, RunKind, RunStatus
from fetcher.core.reference import Reference
from fetcher.core.retire import Guard, Retiring
from fetcher.core.retry import RetryPolicy
from fetcher.core.sweep_ports import SweepStore
from fetcher.core.walk import Ending, WalkLimits

POLL_S: Final = 0.2
LONGEST_WAY: Final = timedelta(days=1)
"""What is on its way to the tables for longer is lost, and nobody waits for it; `retry-gaps` asks for it."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconcilePlan:
    """What one call shall do.

    Attributes:
        platform: Whose offers.
        once: Patience with a gap that is asked for again at the end of a sweep.
        limits: Where a sweep ends early.
        most_sweeps: Sweeps of this call, at most.
        landing_wait_s: Seconds without any landing after which nobody waits for what is on its way any more.
        guard: When nothing is retired.
        force: Retire whatever the guard says.
    """

    platform: str
    once: RetryPolicy
    limits: WalkLimits
    most_sweeps: int = 3
    landing_wait_s: float = 300.0
    guard: Guard = field(default_factory=Guard)
    force: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconcileParts:
    """The steps that a reconciliation is made of. They share its frame."""

    lists: LoadPorts
    sweeps: SweepStore
    changes: CatchUp
    reference: Reference
    retiring: Retiring


@dataclass(slots=True)
class Reconciled:
    """How a call ended.

    Attributes:
        is_complete: All steps were made; False: it was asked to stop.
        sweeps: Sweeps that reached the end of the list.
        found: Offers that they showed, that we did not hold and that no change has told of.
        last_found: Those of the last sweep.
        gaps: Pages of the last sweep that are missing.
        unseen: Offers that we hold as active and no sweep has shown.
        waiting: Those of them whose last news are as new as the sweep; it can say nothing against them.
        left: Those of the others that were not asked about, or in vain.
        refusal: Why nothing was retired; empty where it was.
    """

    is_complete: bool = False
    sweeps: int = 0
    found: int = 0
    last_found: int = 0
    gaps: int = 0
    unseen: int = 0
    waiting: int = 0
    left: int = 0
    refusal: str = ""

    @property
    def is_ok(self) -> bool:
        """Whether list and rows agree, as far as can be known."""
        return not (self.refusal or self.left or self.gaps or self.last_found)


class Reconcile:
    """One call of `reconcile` for one platform. The frame's `stop` asks it to finish the page in hand and to return."""

    def __init__(self, plan: ReconcilePlan, frame: Frame, parts: ReconcileParts) -> None:
        self._plan = plan
        self._frame = frame
        self._parts = parts
        self._runs = ListRuns(parts.lists, frame, limits=plan.limits, once=plan.once)
        self._outcome = Reconciled()
        self._head: ChangeId | None = None

    async def run(self) -> Reconciled:
        """Reconcile, or go on with what was interrupted.

        Raises:
            LoadStoppedError: No load was finished yet, the upstream refuses, or too many pages in a row are dead.
            RunTakenOverError: Another process writes this run.
            TopologyError: The broker has no place for the messages.
            SchemaError: The database lacks a table or a right.
        """
        await self._frame.carry_out(self._reconcile(), report=lambda _: self._report(), give_up=self._runs.give_up)
        return self._outcome

    async def _reconcile(self) -> Reconciled:
        try:
            sweep = await self._swept()
        finally:
            self._parts.lists.display.close()
        if sweep is not None:
            await self._retire(sweep)
        return self._outcome

    async def _swept(self) -> Run | None:
        """Sweep until nothing new is found; return the last sweep, or None where it was asked to stop."""
        sweep = await self._unfinished()
        while sweep is None or self._outcome.sweeps == 0 or self._finds_more():
            if sweep is None or sweep.status is RunStatus.DONE:
                sweep = await self._begun()
            if sweep is not None:
                sweep = await self._walked(sweep)
            if sweep is None:
                return None
        return sweep

    def _finds_more(self) -> bool:
        outcome = self._outcome
        return outcome.last_found > 0 and outcome.sweeps < self._plan.most_sweeps

    async def _unfinished(self) -> Run | None:
        """Return the sweep that was interrupted, whose sights count; otherwise forget all sights.

        What was seen before a load began anew says nothing of what has gone since.
        """
        lists, platform = self._parts.lists, self._plan.platform
        sweep = await self._frame.patiently(lambda: lists.store.latest_run(platform, RunKind.SWEEP))
        load = await self._frame.patiently(lambda: lists.store.latest_run(platform, RunKind.INITIAL_LOAD))
        is_older = sweep is not None and load is not None and sweep.started_at < load.started_at
        if sweep is not None and sweep.status is not RunStatus.DONE and not is_older:
            return sweep
        await self._frame.patiently(lambda: self._parts.sweeps.forget_sights(platform))
        return None

    async def _begun(self) -> Run | None:
        if not self._outcome.sweeps:
            await self._parts.reference.keep()
            self._head = await self._parts.changes.to_head(self._frame.stop)
            await self._landed()
        if self._head is None or self._frame.stop.is_set():
            return None
        return await self._runs.started(RunKind.SWEEP, self._head)

    async def _walked(self, sweep: Run) -> Run | None:
        """Walk a sweep to its end, and then the changes; count what it found that they do not tell."""
        parts, platform, outcome = self._parts, self._plan.platform, self._outcome
        expected = await self._frame.patiently(lambda: parts.lists.store.previous_total(platform, RunKind.INITIAL_LOAD))
        seen = await self._frame.patiently(lambda: parts.sweeps.sights(platform)) if sweep.position else 0
        walked = await self._runs.walked(sweep, expected=expected, before=seen, choose=self._choose)
        if walked.run is None or walked.ending is not Ending.DONE:
            return None
        outcome.sweeps += 1
        outcome.gaps = walked.gaps
        self._head = await parts.changes.to_head(self._frame.stop)
        if self._head is None:
            return None
        await self._landed()
        outcome.last_found = await self._frame.patiently(lambda: parts.sweeps.taken(sweep))
        outcome.found += outcome.last_found
        _log.info(fields(f"sweep finished, {outcome.last_found:,} offers found that were missing", platform=platform))
        return walked.run

    async def _choose(self, page: UpstreamPage) -> Sequence[SourceRow]:
        """Note the rows of a page as seen; return those that we do not hold, as full records."""
        rows = {InnerId(row.inner_id): row for row in page.rows if row.inner_id and "\0" not in row.inner_id}
        missing = await self._parts.sweeps.see(self._plan.platform, list(rows))
        return [
            msgspec.structs.replace(row, change_type=ChangeType.ADDED) for row in page.rows if row.inner_id in missing
        ]

    async def _landed(self) -> bool:
        """Wait until what is on its way has landed; False where nothing lands any more, or `stop` is set."""
        clock, platform = self._frame.clock, self._plan.platform
        since = clock.now() - LONGEST_WAY
        fewest, waited_s = None, 0.0
        while open_messages := await self._frame.patiently(lambda: self._parts.sweeps.unlanded(platform, since)):
            if self._frame.stop.is_set():
                return False
            if fewest is None or open_messages < fewest:
                fewest, waited_s = open_messages, 0.0
            if waited_s >= self._plan.landing_wait_s:
                _log.warning(fields(f"{open_messages} messages do not land, going on without them", platform=platform))
                return False
            await clock.sleep(POLL_S)
            waited_s += POLL_S
        return True

    async def _retire(self, sweep: Run) -> None:
        """Retire what no sweep has shown, unless the guard refuses; then the series is over."""
        parts, platform, outcome = self._parts, self._plan.platform, self._outcome
        found = await self._frame.patiently(lambda: parts.sweeps.unseen(platform, sweep.start_change_id))
        outcome.unseen, outcome.left = found.unseen, found.removable
        outcome.waiting = found.unseen - found.removable
        if found.unseen:
            sights = await self._frame.patiently(lambda: parts.sweeps.sights(platform))
            pages = await self._frame.patiently(lambda: parts.sweeps.earlier_pages(platform, sweep.run_id))
            outcome.refusal = self._plan.guard.refusal(
                sweep, gaps=outcome.gaps, sights=sights, earlier_pages=pages, unseen=found
            )
        if outcome.refusal and not self._plan.force:
            _log.error("%s: %s: nothing is retired; --force (FORCE=1) overrides", platform, outcome.refusal)
            return
        outcome.refusal = ""
        if found.removable:
            _log.info(fields(f"Looking up {found.removable:,} offers that no sweep shows", platform=platform))
            await parts.retiring.retire(sweep)
            outcome.left -= parts.retiring.counts.retired + parts.retiring.counts.alive
        if self._frame.stop.is_set():
            return
        await self._frame.patiently(lambda: parts.sweeps.forget_sights(platform))
        outcome.is_complete = True

    def _report(self) -> Report:
        outcome, counts, retired = self._outcome, self._runs.counts, self._parts.retiring.counts
        changes = self._parts.changes.counts
        return Report(
            f"{self._plan.platform}: {self._said()}",
            is_ok=outcome.is_ok,
            counts={
                "sweeps": outcome.sweeps,
                "pages": counts.pages + changes.pages,
                "rows": counts.rows,
                "records": counts.records + changes.records,
                "changes": changes.records,
                "found": outcome.found,
                "gaps": outcome.gaps,
                "unseen": outcome.unseen,
                "retired": retired.retired,
                "alive": retired.alive,
                "waiting": outcome.waiting,
                "left": outcome.left,
            },
        )

    def _said(self) -> str:
        outcome, retired = self._outcome, self._parts.retiring.counts
        changes = self._parts.changes.counts.records
        text = f"changes {changes:,}, sweeps {outcome.sweeps}, found {outcome.found:,}, retired {retired.retired:,}"
        if outcome.refusal:
            return f"reconciliation refused to retire: {outcome.refusal}; {text}"
        if not outcome.is_complete:
            return f"reconciliation interrupted, {text}; start again to resume"
        waiting = f", {outcome.waiting:,} wait for the feed to move on" if outcome.waiting else ""
        left = f", {outcome.left:,} left for the next" if outcome.left else ""
        return f"reconciled, {text}{waiting}{left}"
