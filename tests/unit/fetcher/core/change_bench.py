"""A platform whose changes are followed, with every port faked, ready to be broken."""

import asyncio
import random
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

from tests.contract.fetcher.fake_changes import MOSCOW, FakeChangeStore, FakeFeed, FakeLookupStore, steady_events
from tests.contract.fetcher.fakes import FakeDisplay, FakePublisher, FakeStore

from common.events import ChangeId
from common.testing.clock import VirtualClock
from fetcher.core.change_runs import ChangeRuns
from fetcher.core.changes import ChangeLimits, ChangePorts, ChangeWalk
from fetcher.core.daily_update import DailyUpdate, Outcome, UpdatePlan, UpdatePorts
from fetcher.core.inquiry import InquiryLimits, OfferInquiry
from fetcher.core.lookups import Completing, CompletingPlan
from fetcher.core.ports import Run
from fetcher.core.reading import PatientReader
from fetcher.core.retry import RetryPolicy

START = datetime(2026, 1, 10, 12, tzinfo=UTC)
FIRST_DAY = datetime(2026, 1, 1, tzinfo=MOSCOW)


@dataclass
class ChangeBench:
    """The parts of a walk. Each `walking()` is a new process on the same outside world.

    The feed has 50 events a day from 1 January 2026 on, in Moscow, with ids 1000, 1003, 1006 …
    """

    clock: VirtualClock = field(default_factory=lambda: VirtualClock(START))
    feed: FakeFeed = field(init=False)
    publisher: FakePublisher = field(default_factory=FakePublisher)
    store: FakeStore = field(default_factory=FakeStore)
    changes: FakeChangeStore = field(init=False)
    lookups: FakeLookupStore = field(init=False)
    display: FakeDisplay = field(default_factory=FakeDisplay)
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    seed: int = 1

    def __post_init__(self) -> None:
        self.feed = FakeFeed(self.clock, steady_events(FIRST_DAY, days=60, per_day=50))
        self.store.journal = self.publisher.journal
        self.changes = FakeChangeStore(self.store)
        self.lookups = FakeLookupStore(self.store)

    def reader(self, interval_s: float = 0.0) -> PatientReader:
        """Return the reader of a new process."""
        self.seed += 1
        chance = random.Random(self.seed)  # noqa: S311 - spreads retries, guards nothing
        return PatientReader(
            platform="che168", policy=RetryPolicy(), min_interval_s=interval_s, clock=self.clock, chance=chance
        )

    def ports(self, interval_s: float = 0.0) -> ChangePorts:
        """Return the ports of a new process."""
        return ChangePorts(
            feed=self.feed,
            reader=self.reader(interval_s),
            publisher=self.publisher,
            runs=self.store,
            changes=self.changes,
            display=self.display,
            clock=self.clock,
        )

    @property
    def runs(self) -> ChangeRuns:
        """What finds and begins runs."""
        return ChangeRuns(
            platform="che168",
            feed=self.feed,
            reader=self.reader(),
            runs=self.store,
            changes=self.changes,
            clock=self.clock,
            chance=random.Random(self.seed),  # noqa: S311 - as above
        )

    async def walking(self, cursor: int = 1000, *, interval_s: float = 0.0) -> ChangeWalk:
        """Return a walk that goes on with the unfinished run, or begins one at `cursor`."""
        run = await self.runs.from_cursor(ChangeId(cursor))
        return ChangeWalk(run, self.ports(interval_s), stop=self.stop, limits=ChangeLimits(MOSCOW))

    def updating(
        self, *, since: date | None = None, max_dates: int | None = None, budget: int = 500, interval_s: float = 0.0
    ) -> DailyUpdate:
        """Return a daily update that has not begun."""
        plan = UpdatePlan(platform="che168", limits=ChangeLimits(MOSCOW), since=since, max_dates=max_dates)
        walk = self.ports(interval_s)
        limits = InquiryLimits(RetryPolicy(max_retries=0), interval_s=1.0)
        inquiry = OfferInquiry(self.feed, walk.reader, self.clock, limits=limits, stop=self.stop)
        completing = CompletingPlan(budget, timedelta(hours=20), MOSCOW)
        ports = UpdatePorts(
            walk=walk,
            completing=Completing(inquiry, self.lookups, self.publisher, self.clock, plan=completing),
            operations=self.store,
            clock=self.clock,
            chance=random.Random(self.seed),  # noqa: S311 - as above
        )
        return DailyUpdate(plan, ports, stop=self.stop)

    async def update(self, *, since: date | None = None, max_dates: int | None = None, budget: int = 500) -> Outcome:
        """Update until the end of the call."""
        return await self.updating(since=since, max_dates=max_dates, budget=budget).run()

    @property
    def day(self) -> date | None:
        """The last day that is recorded."""
        return self.changes.days.get("che168")

    @property
    def cursor(self) -> int | None:
        """The stored cursor."""
        return self.store.cursors.get("che168")

    @property
    def published(self) -> list[int]:
        """Versions of the records, in order."""
        return [record.seq for message in self.publisher.messages for record in message.records]

    @property
    def shown(self) -> list[int]:
        """Ids of the events that have happened."""
        return [event.number for event in self.feed.shown]

    @property
    def run(self) -> Run:
        """The newest run."""
        return list(self.store.runs.values())[-1]
