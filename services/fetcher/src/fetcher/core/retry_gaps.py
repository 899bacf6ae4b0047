"""Asking again for pages that are missing: the gaps of every run, and pages whose messages were lost on the way.

A gap is a page whose window ended without an answer. A lost page is one that the broker confirmed long ago and that
no normalizer has landed, while pages that were fetched after it have: its message is nowhere, or among the dead
letters. Both are published under their own run, so their rows get the version they would have had.
"""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from common.events import PageKind
from common.log import fields
from fetcher.core.job import Frame, Report
from fetcher.core.list_run import LoadPorts
from fetcher.core.ports import FailedPage, Run
from fetcher.core.retry import RetryPolicy
from fetcher.core.walk import PageWalk, WalkLimits

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPlan:
    """What one call shall do.

    Attributes:
        platform: Whose pages.
        patience: With each page.
        limits: `dead_pages_to_stop` failures in a row end the call.
        lost_after: A page that was confirmed before this time and has not landed is asked for again.
        stop_grace_s: Seconds to finish the page in hand once `stop` is set.
    """

    platform: str
    patience: RetryPolicy
    limits: WalkLimits
    lost_after: timedelta = timedelta(days=1)
    stop_grace_s: float = 6.0


@dataclass(slots=True)
class RetryOutcome:
    """How many pages were missing, how many came, and how many are missing now."""

    missing: int = 0
    fetched: int = 0

    @property
    def remaining(self) -> int:
        """Pages that are still missing."""
        return self.missing - self.fetched


class RetryGaps:
    """One call of `retry-gaps` for one platform. `stop` asks it to finish the page in hand and to return."""

    def __init__(self, plan: RetryPlan, ports: LoadPorts, *, stop: asyncio.Event) -> None:
        self._plan = plan
        self._ports = ports
        self._stop = stop
        self._outcome = RetryOutcome()
        self._frame = Frame(
            platform=plan.platform,
            operations=ports.operations,
            clock=ports.clock,
            stop=stop,
            stop_grace_s=plan.stop_grace_s,
            pause_s=plan.limits.pause_s,
        )

    async def run(self) -> RetryOutcome:
        """Ask for each missing page; one row in the diary where there was any.

        Raises:
            TopologyError: The broker has no place for the messages.
            SchemaError: The database lacks a table or a right.
        """
        await self._frame.carry_out(self._retry_all(), report=lambda _: self._report())
        return self._outcome

    async def _retry_all(self) -> RetryOutcome:
        before = self._ports.clock.now() - self._plan.lost_after
        pages = await self._frame.patiently(
            lambda: self._ports.store.missing_pages(self._plan.platform, PageKind.PAGE, lost_before=before)
        )
        self._outcome.missing = len(pages)
        await self._retry(pages)
        return self._outcome

    async def _retry(self, pages: Sequence[tuple[Run, FailedPage]]) -> None:
        failed_in_row = 0
        for run, page in pages:
            if self._stop.is_set():
                return
            walk = PageWalk(run, self._ports.walk_ports(), stop=self._stop, limits=self._plan.limits)
            if await walk.retry(page, self._plan.patience):
                self._outcome.fetched += 1
                failed_in_row = 0
                continue
            _log.warning(fields(f"page {page.position} is still missing", platform=run.platform, run=run.run_id))
            failed_in_row += 1
            if failed_in_row >= self._plan.limits.dead_pages_to_stop:
                return

    def _report(self) -> Report:
        outcome = self._outcome
        return Report(
            f"{self._plan.platform}: {outcome.fetched} of {outcome.missing} missing pages fetched",
            is_ok=not outcome.remaining,
            counts={"missing": outcome.missing, "fetched": outcome.fetched},
            is_noted=outcome.missing > 0,
        )
