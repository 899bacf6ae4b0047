"""A feed of changes and what has been followed of it, in memory. The contract suite runs on them as well."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec
from tests.contract.fetcher.fakes import FakeStore, LedgerRow

from common.clock import Clock
from common.errors import UnavailableError
from common.events import ChangeId, InnerId
from fetcher.core.change_ports import Kinds, SavedChanges, SyncState
from fetcher.core.errors import RunTakenOverError
from fetcher.core.feed import SourceRow, UpstreamPage
from fetcher.core.lookup_ports import DueLookup, LookedUp, SavedLookups
from fetcher.core.ports import Run, RunStatus

MOSCOW = ZoneInfo("Europe/Moscow")
PAGE = 20


@dataclass
class FakeChangeStore:
    """Cursors, days and counts, over the runs and the ledger of a `FakeStore`."""

    store: FakeStore
    days: dict[str, date] = field(default_factory=dict)
    moved_at: dict[str, datetime] = field(default_factory=dict)
    last_added_at: dict[str, datetime] = field(default_factory=dict)
    counted: dict[tuple[str, date], Kinds] = field(default_factory=lambda: defaultdict(Kinds))
    outages: int = 0
    lost_answers: int = 0

    async def sync_state(self, platform: str) -> SyncState:
        """Return cursor and day."""
        cursor = self.store.cursors.get(platform)
        return SyncState(None if cursor is None else ChangeId(cursor), self.days.get(platform))

    async def save_changes(self, run: Run, page: SavedChanges) -> None:
        """Save position, cursor, ledger and counts."""
        if self.outages:
            self.outages -= 1
            raise UnavailableError("database away")
        held = self.store.runs.get(run.run_id)
        if held is None or held.status is not RunStatus.RUNNING or held.position not in {run.position, page.position}:
            raise RunTakenOverError(run.run_id)
        self.store.journal.append(f"saved {page.position}")
        for message_id, records in page.messages.items():
            old = self.store.ledger.get(message_id)
            status = "landed" if old and old.status == "landed" else "fetched"
            self.store.ledger[message_id] = LedgerRow(
                run.run_id, page.position, status, records, page.attempts, fetched_at=page.fetched_at
            )
        if held.position != page.position:
            self.store.runs[run.run_id] = page.applied_to(held)
            self._follow(run.platform, page)
        if self.lost_answers:
            self.lost_answers -= 1
            raise UnavailableError("the answer was lost")

    def _follow(self, platform: str, page: SavedChanges) -> None:
        self.counted[platform, page.day] += page.kinds
        if self.store.cursors.get(platform, -1) < page.next_position:
            self.store.cursors[platform] = page.next_position
            self.moved_at[platform] = page.fetched_at
            if page.kinds.added:
                self.last_added_at[platform] = page.fetched_at

    async def save_day(self, platform: str, day: date) -> None:
        """Note a day."""
        self.days[platform] = max(day, self.days.get(platform, day))

    async def finish_changes(self, run: Run, cursor: ChangeId) -> None:
        """Mark the run done and close gaps."""
        held = self.store.runs[run.run_id]
        if held.status is RunStatus.RUNNING:
            self.store.runs[run.run_id] = replace(held, status=RunStatus.DONE)
        for message_id, row in list(self.store.ledger.items()):
            if message_id.startswith(f"{run.platform}:change:") and row.status == "gap" and row.position <= cursor:
                del self.store.ledger[message_id]


@dataclass
class FakeLookupStore:
    """What is known only in part, and what is kept of look-ups, over the ledger of a `FakeStore`."""

    store: FakeStore
    incomplete: set[str] = field(default_factory=set)
    kept: dict[str, LookedUp] = field(default_factory=dict)
    counted: dict[tuple[str, date], Kinds] = field(default_factory=lambda: defaultdict(Kinds))
    lost_answers: int = 0

    async def due_lookups(self, platform: str, now: datetime, limit: int) -> Sequence[DueLookup]:
        """Return what is incomplete and due."""
        del platform
        self.kept = {inner_id: kept for inner_id, kept in self.kept.items() if inner_id in self.incomplete}
        never = [DueLookup(InnerId(inner_id)) for inner_id in sorted(self.incomplete - self.kept.keys())]
        due = sorted(
            (kept for kept in self.kept.values() if kept.next_attempt_at <= now),
            key=lambda kept: (kept.next_attempt_at, kept.inner_id),
        )
        again = [DueLookup(kept.inner_id, kept.missed, kept.first_missed_at) for kept in due]
        return [*never, *again][:limit]

    async def save_lookups(self, page: SavedLookups) -> None:
        """Keep results and ledger rows."""
        self.store.journal.append(f"kept {[result.inner_id for result in page.results]}")
        if not any(self.kept.get(result.inner_id) == result for result in page.results):
            self.counted[page.platform, page.day] += page.kinds
        self.kept |= {result.inner_id: result for result in page.results}
        for message_id, records in page.messages.items():
            old = self.store.ledger.get(message_id)
            status = "landed" if old and old.status == "landed" else "fetched"
            self.store.ledger[message_id] = LedgerRow(
                page.run_id, page.position, status, records, fetched_at=page.fetched_at
            )
        if self.lost_answers:
            self.lost_answers -= 1
            raise UnavailableError("the answer was lost")


@dataclass(frozen=True)
class FeedEvent:
    """One event of a feed."""

    number: int
    at: datetime
    inner_id: str
    change_type: str = "changed"
    data: bytes = b'{"new_price":1}'

    @property
    def row(self) -> SourceRow:
        """The event as a page shows it."""
        return SourceRow(self.inner_id, self.change_type, str(self.number), self.at.isoformat(), msgspec.Raw(self.data))


@dataclass
class FakeFeed:
    """A feed that grows with the clock: what lies in the future is not shown yet. Events lie in order.

    `failures[change_id]` are used up first, one per request; an `always` failure never is. `offers` are what `/offer`
    knows. `requests` holds each request as `changes 17`, `change_id 2026-01-01` or `offer 55`.
    """

    clock: Clock
    events: Sequence[FeedEvent] = ()
    offers: dict[str, bytes | BaseException] = field(default_factory=dict)
    failures: dict[int, list[BaseException]] = field(default_factory=dict)
    always: dict[int, BaseException] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    moments: list[datetime] = field(default_factory=list)
    is_dead: bool = False
    names_the_end: bool = True
    in_flight: int = 0
    most_in_flight: int = 0

    @property
    def shown(self) -> list[FeedEvent]:
        """Events that have happened."""
        return list(self.events[: bisect_right(self.events, self.clock.now(), key=lambda event: event.at)])

    async def change_id(self, day: date) -> ChangeId:
        """Return the first id of a day in Moscow; of a day without events, the last id there is."""
        await self._ask(f"change_id {day}")
        shown = self.shown
        same = (event.number for event in shown if event.at.astimezone(MOSCOW).date() == day)
        return ChangeId(next(same, shown[-1].number if shown else 0))

    async def changes(self, change_id: ChangeId) -> UpstreamPage:
        """Return up to 20 events from an id on."""
        await self._ask(f"changes {change_id}")
        if self.failures.get(change_id):
            raise self.failures[change_id].pop(0)
        if change_id in self.always:
            raise self.always[change_id]
        later = [] if self.is_dead else [event for event in self.shown if event.number >= change_id]
        found = later[:PAGE]
        is_last = len(later) <= PAGE and not self.names_the_end
        following = found[-1].number + 1 if found and not is_last else None
        return UpstreamPage(change_id, following, [event.row for event in found], self.clock.now())

    async def offer(self, inner_id: InnerId) -> SourceRow | None:
        """Return an offer, or fail as told."""
        await self._ask(f"offer {inner_id}")
        known = self.offers.get(inner_id)
        if isinstance(known, BaseException):
            raise known
        return None if known is None else SourceRow(inner_id, "added", None, None, msgspec.Raw(known))

    async def _ask(self, request: str) -> None:
        self.requests.append(request)
        self.moments.append(self.clock.now())
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            await self.clock.sleep(0)
        finally:
            self.in_flight -= 1

    def asked(self, endpoint: str) -> list[str]:
        """Return what was asked of one endpoint, in order."""
        return [request.split()[1] for request in self.requests if request.split()[0] == endpoint]


def steady_events(
    start: datetime, *, days: int, per_day: int, first: int = 1000, silent: Sequence[int] = ()
) -> list[FeedEvent]:
    """Return events spread evenly over days of 24 hours from `start`, ids not dense; `silent` days have none."""
    gap = timedelta(days=1) / per_day
    moments = [
        start.astimezone(UTC) + timedelta(days=day) + gap * place
        for day in range(days)
        if day not in silent
        for place in range(per_day)
    ]
    return [FeedEvent(first + 3 * place, moment, f"offer-{place}") for place, moment in enumerate(moments)]
