"""Looking up single offers: to complete those known only from partial events, and to tell who is gone.

A partial event about an offer that nobody has seen whole makes a row that no one can use. `/offer` completes it. One
404 proves nothing (UPSTREAMS §1.7): an offer is taken for gone after three, spread over two days.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from common.clock import Clock
from common.events import ChangeId, InnerId
from common.log import fields
from fetcher.core.feed import RECORDS_PER_MESSAGE, SourceRow, removed_row
from fetcher.core.inquiry import Answers, OfferInquiry
from fetcher.core.lookup_pages import LookupPages
from fetcher.core.lookup_ports import DueLookup, LookedUp, LookupStore
from fetcher.core.patience import until_available
from fetcher.core.ports import PagePublisher, Run

MISSES_TO_REMOVE: Final = 3
LEAST_SPAN: Final = timedelta(hours=47)
"""Between the first of them and the last: two days, less what a schedule may be early."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class CompletingPlan:
    """How offers are completed.

    Attributes:
        budget: Look-ups of one run, at most.
        again_after: Between two look-ups of one offer.
        day_zone: Where the platform's days begin.
        pause_s: Seconds between two calls of a broker or database that is away.
    """

    budget: int
    again_after: timedelta
    day_zone: ZoneInfo
    pause_s: float = 1.0


@dataclass(slots=True)
class CompletingCounts:
    """What this call has done."""

    lookups: int = 0
    completed: int = 0
    missed: int = 0
    given_up: int = 0
    failed: int = 0


class Completing:
    """Completes the offers of one platform that are known only from partial events.

    Only those whose events have landed are seen; the others are completed by the next run.
    """

    def __init__(
        self, inquiry: OfferInquiry, store: LookupStore, publisher: PagePublisher, clock: Clock, *, plan: CompletingPlan
    ) -> None:
        self.counts = CompletingCounts()
        self._inquiry = inquiry
        self._store = store
        self._pages = LookupPages(store, publisher, clock, day_zone=plan.day_zone, pause_s=plan.pause_s)
        self._clock = clock
        self._plan = plan

    @property
    def has_given_up(self) -> bool:
        """Whether the upstream gave too many answers in a row that could not be used."""
        return self._inquiry.has_given_up

    async def complete(self, run: Run, cursor: ChangeId) -> None:
        """Look up what is due, within the budget.

        Args:
            run: The run that messages and ledger rows belong to.
            cursor: Where the changes ended before the first look-up: what `/offer` shows includes every event below,
                and every event from there on wins over it.

        Raises:
            LoadStoppedError: The upstream refuses for good.
            TopologyError: The broker has no place for the messages.
        """
        now, plan = self._clock.now(), self._plan
        due = await until_available(
            lambda: self._store.due_lookups(run.platform, now, plan.budget), clock=self._clock, pause_s=plan.pause_s
        )
        if due:
            _log.info(fields(f"Looking up {len(due):,} offers known only in part", platform=run.platform))
        for start in range(0, len(due), RECORDS_PER_MESSAGE):
            chunk = due[start : start + RECORDS_PER_MESSAGE]
            answers = await self._inquiry.confirm_gone(lookup.inner_id for lookup in chunk)
            await self._land(run, cursor, {lookup.inner_id: lookup for lookup in chunk}, answers)
            if answers.is_cut_short:
                break

    async def _land(self, run: Run, cursor: ChangeId, asked: Mapping[InnerId, DueLookup], answers: Answers) -> None:
        now = self._clock.now()
        results = [self._found(InnerId(str(row.inner_id)), now) for row in answers.found]
        missed = [self._missed(asked[inner_id], now) for inner_id in answers.gone]
        results += missed
        results += [self._failed(asked[inner_id], error, now) for inner_id, error in answers.failed.items()]
        if not results:
            return
        removed = [removed_row(result.inner_id) for result in missed if _is_gone(result, now)]
        await self._pages.land(run, cursor, [*answers.found, *removed], results, now=now)
        self._count(answers, removed)

    def _count(self, answers: Answers, removed: Sequence[SourceRow]) -> None:
        counts = self.counts
        counts.lookups += len(answers.found) + len(answers.gone) + len(answers.failed)
        counts.completed += len(answers.found)
        counts.missed += len(answers.gone)
        counts.given_up += len(removed)
        counts.failed += len(answers.failed)

    def _found(self, inner_id: InnerId, now: datetime) -> LookedUp:
        return LookedUp(inner_id, 0, None, now + self._plan.again_after)

    def _missed(self, lookup: DueLookup, now: datetime) -> LookedUp:
        first = lookup.first_missed_at or now
        return LookedUp(lookup.inner_id, lookup.missed + 1, first, now + self._plan.again_after)

    @staticmethod
    def _failed(lookup: DueLookup, error: str, now: datetime) -> LookedUp:
        return LookedUp(lookup.inner_id, lookup.missed, lookup.first_missed_at, now, error)


def _is_gone(result: LookedUp, now: datetime) -> bool:
    first = result.first_missed_at
    return result.missed >= MISSES_TO_REMOVE and first is not None and now - first >= LEAST_SPAN
