"""A load with every port faked, ready to be broken."""

import asyncio
import random
from dataclasses import dataclass, field
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from tests.contract.fetcher.fakes import FakeDisplay, FakePublisher, FakeStore, FakeUpstream

from common.testing.clock import VirtualClock
from fetcher.core.initial_load import InitialLoad, LoadPlan
from fetcher.core.list_run import LoadPorts, Outcome
from fetcher.core.ports import Run
from fetcher.core.reading import PatientReader
from fetcher.core.retry import RetryPolicy
from fetcher.core.walk import WalkLimits

START = datetime(2026, 1, 1, 12, tzinfo=UTC)


@dataclass
class LoadBench:
    """The parts of a load. Each `load()` is a new process on the same outside world."""

    clock: VirtualClock = field(default_factory=lambda: VirtualClock(START))
    upstream: FakeUpstream = field(init=False)
    publisher: FakePublisher = field(default_factory=FakePublisher)
    store: FakeStore = field(default_factory=FakeStore)
    display: FakeDisplay = field(default_factory=FakeDisplay)
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    seed: int = 1
    pages_in_flight: int = 1
    publish_interval_s: float = 0.0
    unconfirmed_pages: int = 1

    def __post_init__(self) -> None:
        self.upstream = FakeUpstream(self.clock)
        self.store.journal = self.publisher.journal

    def loading(
        self, *, max_pages: int | None = None, again: bool | datetime = False, interval_s: float = 0.0
    ) -> InitialLoad:
        """Return a load that has not begun."""
        plan = LoadPlan(
            platform="che168",
            day_zone=ZoneInfo("Europe/Moscow"),
            once=RetryPolicy(max_retries=0),
            limits=WalkLimits(
                max_pages=max_pages,
                pages_in_flight=self.pages_in_flight,
                publish_interval_s=self.publish_interval_s,
                unconfirmed_pages=self.unconfirmed_pages,
            ),
            again=self.clock.now() if again is True else again or None,
        )
        return InitialLoad(plan, self.ports(interval_s=interval_s), stop=self.stop)

    def ports(self, *, interval_s: float = 0.0) -> LoadPorts:
        """Return what a new process talks to."""
        self.seed += 1
        chance = random.Random(self.seed)  # noqa: S311 - spreads retries, guards nothing
        reader = PatientReader(
            platform="che168", policy=RetryPolicy(), min_interval_s=interval_s, clock=self.clock, chance=chance
        )
        return LoadPorts(
            upstream=self.upstream,
            reader=reader,
            publisher=self.publisher,
            store=self.store,
            operations=self.store,
            display=self.display,
            clock=self.clock,
            chance=chance,
        )

    async def load(
        self, *, max_pages: int | None = None, again: bool | datetime = False, interval_s: float = 0.0
    ) -> Outcome:
        """Load until the end of the call."""
        return await self.loading(max_pages=max_pages, again=again, interval_s=interval_s).run()

    @property
    def published(self) -> list[int]:
        """Positions of the messages, in order."""
        return [message.position for message in self.publisher.messages]

    @property
    def run(self) -> Run:
        """The newest run."""
        return list(self.store.runs.values())[-1]
