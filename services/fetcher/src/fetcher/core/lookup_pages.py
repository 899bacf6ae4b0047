"""Publishing what look-ups have shown, and saving it, a page at a time."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from functools import partial
from typing import TypeVar
from zoneinfo import ZoneInfo

from common.clock import Clock
from common.events import ChangeId, PageKind
from fetcher.core.change_ports import Kinds
from fetcher.core.feed import SourceRow, UpstreamPage, events_of, seq_before
from fetcher.core.lookup_ports import LookedUp, LookupStore, SavedLookups
from fetcher.core.patience import until_available
from fetcher.core.ports import PagePublisher, Run

T = TypeVar("T")


class LookupPages:
    """The pages of look-ups of one call.

    Args:
        store: Where they are kept.
        publisher: The way to the broker.
        clock: Source of the pauses.
        day_zone: Where the platform's days begin.
        pause_s: Seconds between two calls of a broker or database that is away.
    """

    def __init__(
        self, store: LookupStore, publisher: PagePublisher, clock: Clock, *, day_zone: ZoneInfo, pause_s: float
    ) -> None:
        self._store = store
        self._publisher = publisher
        self._clock = clock
        self._day_zone = day_zone
        self._pause_s = pause_s
        self._position = 0

    async def land(
        self, run: Run, before: ChangeId, rows: Sequence[SourceRow], results: Sequence[LookedUp], *, now: datetime
    ) -> None:
        """Publish rows as messages of a run, and save their ledger rows with what is kept of each look-up.

        Args:
            run: The run that they belong to.
            before: Any change from this id on wins over the rows.
            rows: Full records and removals.
            results: What is kept of each look-up.
            now: When the last answer was complete.

        Raises:
            TopologyError: The broker has no place for the messages.
        """
        self._position = max(self._position + 1, round(now.timestamp() * 1000))  # grows over restarts as well
        page, seq = UpstreamPage(self._position, None, rows, now), seq_before(before)
        events = events_of(page, platform=run.platform, run_id=run.run_id, kind=PageKind.LOOKUP, seq=lambda _: seq)
        for event in events:
            await self._patiently(partial(self._publisher.publish, event))
        saved = SavedLookups(
            platform=run.platform,
            run_id=run.run_id,
            position=page.position,
            messages={event.message_id: len(event.records) for event in events},
            fetched_at=now,
            day=now.astimezone(self._day_zone).date(),
            kinds=Kinds.of(rows),
            results=results,
        )
        await self._patiently(lambda: self._store.save_lookups(saved))

    async def _patiently(self, call: Callable[[], Awaitable[T]]) -> T:
        return await until_available(call, clock=self._clock, pause_s=self._pause_s)
