"""What a `Service` talks to, in memory."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, time
from typing import Any, Self
from zoneinfo import ZoneInfo

from common.errors import UnavailableError
from common.testing.clock import VirtualClock
from fetcher.core.orders import CommandName
from fetcher.core.schedule import Daily, Every
from fetcher.core.service import Service
from fetcher.core.service_ports import Finding, Happening, JobResult, Notice, ServicePorts, Target

NIGHT = datetime(2026, 11, 20, 22, 0, tzinfo=UTC)
"""01:00 in Moscow."""
HOUR = 3600.0
JOBS = frozenset({CommandName.DAILY_UPDATE, CommandName.INITIAL_LOAD})
CHE168 = Target(
    name="che168",
    jobs=JOBS,
    scheduled=CommandName.DAILY_UPDATE,
    schedule=Daily(time(2), ZoneInfo("Europe/Moscow")),
)
ENCAR = Target(name="encar", jobs=JOBS, scheduled=CommandName.DAILY_UPDATE, schedule=None)
SHOP = Target(
    name="bot_igor",
    jobs=frozenset({CommandName.SHOP_SYNC}),
    scheduled=CommandName.SHOP_SYNC,
    schedule=Every(HOUR),
)


@dataclass
class FakeServiceStore:
    """Pauses and last moments; `outages` calls fail first."""

    paused_since: dict[str, datetime] = field(default_factory=dict)
    done: dict[str, datetime] = field(default_factory=dict)
    found: list[Finding] = field(default_factory=list)
    looked: int = 0
    outages: int = 0

    async def paused(self) -> Mapping[str, datetime]:
        """Return the pauses."""
        self._be_away()
        return dict(self.paused_since)

    async def pause(self, name: str, at: datetime) -> None:
        """Note a pause."""
        self._be_away()
        self.paused_since.setdefault(name, at)

    async def resume(self, name: str) -> None:
        """Forget a pause."""
        self._be_away()
        self.paused_since.pop(name, None)

    async def last_done(self, name: str) -> datetime | None:
        """Return what was given."""
        self._be_away()
        return self.done.get(name)

    async def findings(self, moment: datetime) -> Sequence[Finding]:
        """Return what was given."""
        del moment
        self.looked += 1
        self._be_away()
        return self.found

    def _be_away(self) -> None:
        if self.outages:
            self.outages -= 1
            raise UnavailableError("database away")


@dataclass
class FakeJobs:
    """Jobs that take `takes_s`, or end when they are told to stop; `ends` says how."""

    clock: VirtualClock
    store: FakeServiceStore
    takes_s: float = 10.0
    ends: list[JobResult | Exception] = field(default_factory=list)
    started: list[tuple[str, str, datetime]] = field(default_factory=list)
    options: list[Mapping[str, Any]] = field(default_factory=list)
    is_deaf: bool = False
    most_at_once: int = 0
    running: int = 0

    async def __call__(
        self, command: CommandName, name: str, options: Mapping[str, Any], stop: asyncio.Event
    ) -> JobResult:
        """Do the job."""
        self.started.append((name, command.value, self.clock.now()))
        self.options.append(options)
        self.running += 1
        self.most_at_once = max(self.most_at_once, self.running)
        try:
            end = self.ends.pop(0) if self.ends else JobResult(Happening.DONE, "finished", {"records": 20})
            if isinstance(end, Exception):
                raise end
            await self._work(stop)
        finally:
            self.running -= 1
        if not stop.is_set() and end.happening is Happening.DONE:
            self.store.done[name] = self.clock.now()
        return end

    async def _work(self, stop: asyncio.Event) -> None:
        stopping = asyncio.create_task(asyncio.Event().wait() if self.is_deaf else stop.wait())
        working = asyncio.create_task(self.clock.sleep(self.takes_s))
        try:
            await asyncio.wait({stopping, working}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopping.cancel()
            working.cancel()


@dataclass
class FakeNotices:
    """Keeps notices."""

    told: list[Notice] = field(default_factory=list)

    def tell(self, notice: Notice) -> None:
        """Keep it."""
        self.told.append(notice)

    def keys(self) -> list[str]:
        """Return `command.happening platform` of each and forget them."""
        found = [f"{notice.command}.{notice.happening} {notice.platform}" for notice in self.told]
        self.last = list(self.told)
        self.told.clear()
        return found

    last: list[Notice] = field(default_factory=list)


class Bench:
    """A service in memory, with its schedule running."""

    def __init__(
        self, *targets: Target, store: FakeServiceStore | None = None, start: datetime = NIGHT, takes_s: float = 10.0
    ) -> None:
        self.clock = VirtualClock(start, auto_advance=False)
        self.store = store or FakeServiceStore()
        self.jobs = FakeJobs(self.clock, self.store, takes_s)
        self.notices = FakeNotices()
        ports = ServicePorts(perform=self.jobs, store=self.store, notices=self.notices, clock=self.clock)
        self.service = Service(targets, ports)
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Start the schedule."""
        self._task = asyncio.create_task(self._run())
        await self.clock.advance(0)
        return self

    async def __aexit__(self, *_: object) -> None:
        """End it."""
        assert self._task is not None
        self._task.cancel()
        stopping = asyncio.create_task(self.service.stop())
        await self.clock.advance(60)
        await stopping
        outcome = (await asyncio.gather(self._task, return_exceptions=True))[0]
        assert isinstance(outcome, asyncio.CancelledError), outcome

    async def order(self, text: str, key: str = "fetcher.command") -> list[str]:
        """Give an order; return what was told."""
        await self.service.obey(text.encode(), key)
        await self.clock.advance(0)
        return self.notices.keys()

    async def _run(self) -> None:
        await self.service.prepare()
        await self.service.keep_schedule()
