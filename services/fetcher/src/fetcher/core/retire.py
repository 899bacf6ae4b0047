"""Retiring offers that no sweep has shown: guarded by numbers first, then each confirmed by `/offer`."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from zoneinfo import ZoneInfo

from common.events import ChangeId, InnerId
from common.log import fields
from fetcher.core.feed import RECORDS_PER_MESSAGE, removed_row
from fetcher.core.inquiry import OfferInquiry
from fetcher.core.job import Frame
from fetcher.core.lookup_pages import LookupPages
from fetcher.core.lookup_ports import LookupStore
from fetcher.core.ports import PagePublisher, Run
from fetcher.core.sweep_ports import SweepStore, Unseen

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Guard:
    """When so much would go that the list, not the offers, must be wrong.

    Attributes:
        least_pages: Share of the pages of the last load or sweep that a sweep must have.
        most_offers: So many offers may always go.
        most_share: Where this share of the active offers is more, so many may go.
    """

    least_pages: float = 0.9
    most_offers: int = 500
    most_share: float = 0.01

    def refusal(self, sweep: Run, *, gaps: int, sights: int, earlier_pages: int | None, unseen: Unseen) -> str:
        """Return why nothing may be retired; empty where it may."""
        if gaps:
            return f"the sweep is incomplete, {gaps} of its pages are missing"
        if not sights:
            return "the list is empty"
        if earlier_pages is not None and sweep.pages < self.least_pages * earlier_pages:
            return f"the list has shrunk from {earlier_pages:,} to {sweep.pages:,} pages"
        most = max(self.most_offers, int(self.most_share * unseen.active))
        if unseen.unseen > most:
            return f"{unseen.unseen:,} of {unseen.active:,} offers would go, more than {most:,}"
        return ""


@dataclass(slots=True)
class RetireCounts:
    """What became of the offers that no sweep has shown.

    Attributes:
        retired: `/offer` does not find them either; their removal was published.
        alive: `/offer` shows them.
        unknown: No usable answer.
    """

    retired: int = 0
    alive: int = 0
    unknown: int = 0

    @property
    def asked(self) -> int:
        """Look-ups made."""
        return self.retired + self.alive + self.unknown


@dataclass(frozen=True, slots=True, kw_only=True)
class RetirePorts:
    """What retiring talks to."""

    inquiry: OfferInquiry
    lookups: LookupStore
    sweeps: SweepStore
    publisher: PagePublisher


class Retiring:
    """Confirms by `/offer` that offers are gone, and publishes their removal.

    A removal has the version of the sweep, just below the change id at which it began: every later event wins over it.
    """

    def __init__(self, frame: Frame, ports: RetirePorts, *, budget: int, day_zone: ZoneInfo) -> None:
        self.counts = RetireCounts()
        self._frame = frame
        self._ports = ports
        self._budget = budget
        self._pages = LookupPages(ports.lookups, ports.publisher, frame.clock, day_zone=day_zone, pause_s=frame.pause_s)

    async def retire(self, sweep: Run) -> None:
        """Ask about every offer that can be removed, within the budget; `counts` tells what became of them.

        Raises:
            LoadStoppedError: The upstream refuses for good.
            TopologyError: The broker has no place for the messages.
        """
        since, after = ChangeId(sweep.start_change_id), InnerId("")
        while (room := self._budget - self.counts.asked) > 0:
            limit = min(room, RECORDS_PER_MESSAGE)
            start = after
            asked = await self._frame.patiently(
                partial(self._ports.sweeps.unseen_after, sweep.platform, since, start, limit)
            )
            if not asked:
                return
            after = asked[-1]
            answers = await self._ports.inquiry.confirm_gone(asked)
            self.counts.alive += len(answers.found)
            self.counts.unknown += len(answers.failed)
            await self._remove(sweep, answers.gone)
            if answers.is_cut_short:
                return

    async def _remove(self, sweep: Run, gone: Sequence[InnerId]) -> None:
        if not gone:
            return
        rows = [removed_row(inner_id) for inner_id in gone]
        await self._pages.land(sweep, sweep.start_change_id, rows, [], now=self._frame.clock.now())
        self.counts.retired += len(gone)
        _log.info(
            fields(f"{len(gone)} offers retired, no sweep shows them and /offer neither", platform=sweep.platform)
        )
