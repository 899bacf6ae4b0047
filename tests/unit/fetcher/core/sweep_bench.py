"""A reconciliation with every port faked, on a market that lives on while it is walked."""

import asyncio
import random
from dataclasses import dataclass, field
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from tests.contract.fetcher.fake_changes import FakeChangeStore, FakeLookupStore
from tests.contract.fetcher.fakes import FakeDisplay, FakePublisher, FakeStore
from tests.contract.fetcher.sweep_fakes import FakeSweepStore, HeldRow, Market

from common.events import FeedRecord, PageKind
from common.testing.clock import VirtualClock
from fetcher.core.catch_up import CatchUp
from fetcher.core.change_runs import ChangeRuns
from fetcher.core.changes import ChangeLimits, ChangePorts
from fetcher.core.initial_load import InitialLoad, LoadPlan
from fetcher.core.inquiry import InquiryLimits, OfferInquiry
from fetcher.core.job import Frame
from fetcher.core.list_run import LoadPorts, Outcome
from fetcher.core.ports import Operation, Run, RunKind
from fetcher.core.reading import PatientReader
from fetcher.core.reconcile import Reconcile, Reconciled, ReconcileParts, ReconcilePlan
from fetcher.core.reference import Reference
from fetcher.core.retire import Guard, RetirePorts, Retiring
from fetcher.core.retry import RetryPolicy
from fetcher.core.walk import WalkLimits

ZONE = ZoneInfo("Europe/Moscow")
ONCE = RetryPolicy(max_retries=0)
PLATFORM = "che168"


@dataclass
class SweepBench:
    """The parts of a reconciliation. Each `reconcile()` is a new process on the same outside world."""

    clock: VirtualClock = field(default_factory=lambda: VirtualClock(datetime(2026, 1, 1, 12, tzinfo=UTC)))
    market: Market = field(init=False)
    publisher: FakePublisher = field(default_factory=FakePublisher)
    store: FakeStore = field(default_factory=FakeStore)
    sweeps: FakeSweepStore = field(init=False)
    stop: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.market = Market(self.clock)
        self.store.journal = self.publisher.journal
        self.sweeps = FakeSweepStore(self.store, self.publisher)

    def frame(self) -> Frame:
        """Return the surroundings of a new process."""
        return Frame(platform=PLATFORM, operations=self.store, clock=self.clock, stop=self.stop)

    def lists(self) -> LoadPorts:
        """Return what its walks talk to."""
        chance = random.Random(1)  # noqa: S311 - spreads retries, guards nothing
        return LoadPorts(
            upstream=self.market,
            reader=PatientReader(platform=PLATFORM, policy=ONCE, min_interval_s=0, clock=self.clock, chance=chance),
            publisher=self.publisher,
            store=self.store,
            operations=self.store,
            display=FakeDisplay(),
            clock=self.clock,
            chance=random.Random(len(self.store.runs)),  # noqa: S311 - tells runs apart
        )

    async def load(self, *, again: bool = False) -> Outcome:
        """Load, without reconciling; what it brought lands."""
        plan = LoadPlan(
            platform=PLATFORM, day_zone=ZONE, once=ONCE, limits=WalkLimits(), again=self.clock.now() if again else None
        )
        outcome = await InitialLoad(plan, self.lists(), stop=self.stop).run()
        self.sweeps.land()
        return outcome

    async def reconcile(
        self, *, guard: Guard | None = None, force: bool = False, budget: int = 100, most_sweeps: int = 3
    ) -> Reconciled:
        """Reconcile until the end of the call."""
        plan = ReconcilePlan(
            platform=PLATFORM,
            once=ONCE,
            limits=WalkLimits(),
            most_sweeps=most_sweeps,
            landing_wait_s=60,
            guard=guard or Guard(most_offers=2),
            force=force,
        )
        frame, lists = self.frame(), self.lists()
        return await Reconcile(plan, frame, self._parts(frame, lists, budget)).run()

    def _parts(self, frame: Frame, lists: LoadPorts, budget: int) -> ReconcileParts:
        changes = ChangePorts(
            feed=self.market,
            reader=lists.reader,
            publisher=self.publisher,
            runs=self.store,
            changes=FakeChangeStore(self.store),
            display=lists.display,
            clock=self.clock,
        )
        runs = ChangeRuns(
            platform=PLATFORM,
            feed=changes.feed,
            reader=lists.reader,
            runs=self.store,
            changes=changes.changes,
            clock=self.clock,
            chance=lists.chance,
        )
        inquiry = OfferInquiry(self.market, lists.reader, self.clock, limits=InquiryLimits(ONCE), stop=self.stop)
        ports = RetirePorts(
            inquiry=inquiry, lookups=FakeLookupStore(self.store), sweeps=self.sweeps, publisher=self.publisher
        )
        return ReconcileParts(
            lists=lists,
            sweeps=self.sweeps,
            changes=CatchUp(frame, changes, runs, ChangeLimits(ZONE)),
            reference=Reference(frame, self.market.filters, lists.reader, self.sweeps, ONCE),
            retiring=Retiring(frame, ports, budget=budget, day_zone=ZONE),
        )

    @property
    def active(self) -> set[str]:
        """Offers that we hold as active, once everything has landed."""
        self.sweeps.land()
        return {inner_id for (_, inner_id), row in self.sweeps.rows.items() if row.is_active}

    @property
    def sweep_runs(self) -> list[Run]:
        """The sweeps, in order."""
        return [run for run in self.store.runs.values() if run.kind is RunKind.SWEEP]

    def hold(self, *inner_ids: str, seq: int = 900) -> None:
        """Have rows of offers, as an old load has brought them."""
        for inner_id in inner_ids:
            self.sweeps.rows[PLATFORM, inner_id] = HeldRow(base_seq=seq, active_seq=seq, max_seq=seq)

    def records(self, run: Run, kind: PageKind) -> list[FeedRecord]:
        """Return what was published under a run."""
        messages = [one for one in self.publisher.messages if (one.run_id, one.kind) == (run.run_id, kind)]
        return [record for message in messages for record in message.records]

    @property
    def said(self) -> Operation:
        """The newest row of the diary."""
        return self.store.operations[-1]


def a_bench(offers: int = 10) -> SweepBench:
    """Return a bench whose list shows offers `01`, `02`, …; the feed has told of one that came and went."""
    bench = SweepBench()
    bench.market.listed = [f"{number:02}" for number in range(1, offers + 1)]
    bench.market.events = [("added", "old"), ("removed", "old")]
    return bench
