"""Asking again for pages that are missing: the gaps of every run, and pages whose messages were lost on the way.

A gap is a page whose window ended without an answer. A lost page is one that the broker confirmed long ago and that
no normalizer has landed, while pages that were fetched after it have: its message is nowhere, or among the dead
letters. Pages of the list and of the changes are published under their own run, so their rows get the version that they
would have had. A look-up that was lost is forgotten: the offer is looked up again by itself. So is a page of changes
that the feed keeps no longer, once a load has read everything anew.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from common.events import ChangeId, PageKind
from common.log import fields
from fetcher.core.changes import events_of_changes
from fetcher.core.errors import Cause, LoadStoppedError
from fetcher.core.job import Frame, Report
from fetcher.core.list_run import LoadPorts
from fetcher.core.ports import FailedPage, Run, RunKind, RunStatus, SavedPage
from fetcher.core.retry import RetryPolicy
from fetcher.core.walk import PageWalk, WalkLimits, saved_page

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
    """How many pages were missing, how many came or are no longer needed, and how many are missing now."""

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
        for kind, retry in ((PageKind.PAGE, self._retry_page), (PageKind.CHANGE, self._retry_change)):
            pages = await self._missing(kind)
            self._outcome.missing += len(pages)
            await self._retry(pages, retry)
        before = self._frame.clock.now() - self._plan.lost_after
        await self._frame.patiently(
            lambda: self._ports.store.forget_lost(self._plan.platform, PageKind.LOOKUP, lost_before=before)
        )
        return self._outcome

    async def _missing(self, kind: PageKind) -> Sequence[tuple[Run, FailedPage]]:
        before = self._frame.clock.now() - self._plan.lost_after
        return await self._frame.patiently(
            lambda: self._ports.store.missing_pages(self._plan.platform, kind, lost_before=before)
        )

    async def _retry(
        self, pages: Sequence[tuple[Run, FailedPage]], retry: Callable[[Run, FailedPage], Awaitable[bool]]
    ) -> None:
        failed_in_row = 0
        for run, page in pages:
            if self._frame.stop.is_set() or failed_in_row >= self._plan.limits.dead_pages_to_stop:
                return
            is_here = await retry(run, page)
            self._outcome.fetched += is_here
            failed_in_row = 0 if is_here else failed_in_row + 1
            if not is_here:
                _log.warning(fields(f"page {page.position} is still missing", platform=run.platform, run=run.run_id))

    async def _retry_page(self, run: Run, page: FailedPage) -> bool:
        walk = PageWalk(run, self._ports.walk_ports(), stop=self._frame.stop, limits=self._plan.limits)
        return await walk.retry(page, self._plan.patience)

    async def _retry_change(self, run: Run, page: FailedPage) -> bool:
        """Ask for a page of changes; the feed keeps one that is empty or gone no longer: it is lost, or needless."""
        ports, position = self._ports, ChangeId(page.position)
        ask = partial(ports.upstream.changes, position)
        try:
            read = await ports.reader.page(ask, run, position, on_wait=_wait, policy=self._plan.patience)
        except LoadStoppedError as error:
            _log.error("%s", error)
            return error.cause is Cause.GONE and await self._is_needless(run, page)
        if isinstance(read, FailedPage):
            return False
        if not read.page.rows:
            return await self._is_needless(run, page)
        events = events_of_changes(read.page, run)
        for event in events:
            await self._frame.patiently(partial(ports.publisher.publish, event))
        closed = saved_page(read, {event.message_id: len(event.records) for event in events})
        await self._frame.patiently(lambda: ports.store.close_gap(run, closed))
        return True

    async def _is_needless(self, run: Run, page: FailedPage) -> bool:
        """Forget a page of changes if a load has begun since, and has been finished: its list told of them."""
        store, now = self._ports.store, self._frame.clock.now()
        load = await self._frame.patiently(lambda: store.latest_run(run.platform, RunKind.INITIAL_LOAD))
        if load is None or load.status is not RunStatus.DONE:
            return False
        if load.started_at <= page.first_try_at or load.start_change_id <= page.position:
            return False
        nothing = SavedPage(page.position, None, {}, page.attempts, now)
        await self._frame.patiently(lambda: store.close_gap(run, nothing))
        _log.info(fields(f"page {page.position} is no longer needed", platform=run.platform, load=load.run_id))
        return True

    def _report(self) -> Report:
        outcome = self._outcome
        return Report(
            f"{self._plan.platform}: {outcome.fetched} of {outcome.missing} missing pages fetched",
            is_ok=not outcome.remaining,
            counts={"missing": outcome.missing, "fetched": outcome.fetched},
            is_noted=outcome.missing > 0,
        )


async def _wait(_: FailedPage) -> None:
    """Leave the ledger as it is: the row says already that the page is missing."""
