"""A snapshot that dies at any moment is followed by one that ends in the truth, and meanwhile nothing is lost."""

import asyncio
import random
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest
from tests.contract.fetcher.fakes import FakePublisher, FakeStore
from tests.contract.fetcher.shop_fakes import FakeShop

from common.events import LISTS_ID
from common.testing.clock import VirtualClock
from fetcher.core.ports import RunStatus
from fetcher.core.reading import PatientReader
from fetcher.core.retry import RetryPolicy
from fetcher.core.snapshot import Snapshot, SnapshotPlan, SnapshotPorts

pytestmark = pytest.mark.unit

FIRST = FakeShop([f"m{number}" for number in range(30)], [f"o{number}" for number in range(30)])
SECOND = FakeShop(
    [f"m{number}" for number in range(25)] + ["o0", "new1"],  # m25 … m27 are gone, m28 and m29 have moved
    [f"o{number}" for number in range(1, 27)] + ["m28", "m29", "new2"],
)


class KilledError(BaseException):
    """The process dies here; nothing of ours may catch it."""


@dataclass
class World:
    """What outlives a process: the shop, the broker's messages, the database; `moments` are left to live."""

    shop: FakeShop
    publisher: FakePublisher = field(default_factory=FakePublisher)
    store: FakeStore = field(default_factory=FakeStore)
    clock: VirtualClock = field(default_factory=VirtualClock)
    chance: random.Random = field(default_factory=random.Random)
    moments: int = 10_000
    unlanded: int = 0
    """So many of the newest messages still wait for a normalizer."""

    @property
    def landed(self) -> dict[str, bool]:
        """Return what a normalizer makes of the messages: id → whether it is on sale; the greatest version wins."""
        newest: dict[str, tuple[int, bool]] = {}
        arrived = self.publisher.messages[: len(self.publisher.messages) - self.unlanded]
        for record in (record for message in arrived for record in message.records):
            assert record.inner_id is not None
            if record.seq > newest.get(record.inner_id, (0, False))[0]:
                newest[record.inner_id] = record.seq, record.change_type == "added"
        return {inner_id: is_active for inner_id, (_, is_active) in newest.items() if inner_id != LISTS_ID}

    @property
    def on_sale(self) -> set[str]:
        """Return the products that are on sale as the database has it."""
        return {inner_id for inner_id, is_active in self.landed.items() if is_active}

    async def next_seq(self, _: str) -> int:
        """Return a version above every run's."""
        return 1 + max((run.start_change_id for run in self.store.runs.values()), default=0)

    async def active(self, _: str) -> Mapping[str, bool | None]:
        """Return the products on sale."""
        return dict.fromkeys(self.on_sale)

    async def sync(self) -> None:
        """Take a snapshot, or die on the way."""
        ports = SnapshotPorts(
            shop=_Mortal(self, self.shop),
            reader=PatientReader(
                platform="bot_igor", policy=RetryPolicy(), min_interval_s=0, clock=self.clock, chance=self.chance
            ),
            publisher=_Mortal(self, self.publisher),
            store=_Mortal(self, self.store),
            known=_Mortal(self, self),
            operations=self.store,
            clock=self.clock,
            chance=self.chance,
        )
        await Snapshot(SnapshotPlan(shop="bot_igor"), ports, stop=asyncio.Event()).run()


class _Mortal:
    """A port during whose calls the process may die: just before, and just after what the call does."""

    def __init__(self, world: World, port: Any) -> None:
        self._world = world
        self._port = port

    def __getattr__(self, name: str) -> Callable[..., Coroutine[Any, Any, Any]]:
        return partial(self._call, getattr(self._port, name))

    async def _call(self, call: Callable[..., Coroutine[Any, Any, Any]], *arguments: Any, **named: Any) -> Any:
        self._live()
        result = await call(*arguments, **named)
        self._live()
        return result

    def _live(self) -> None:
        self._world.moments -= 1
        if self._world.moments < 0:
            raise KilledError


def shown(shop: FakeShop) -> set[str]:
    return {*shop.main, *shop.others}


async def after_the_first_day() -> World:
    world = World(FIRST)
    await world.sync()
    assert world.on_sale == shown(FIRST)
    world.shop = SECOND
    world.moments = 10_000
    return world


async def test_whenever_it_dies_the_next_one_ends_in_the_truth() -> None:
    whole = await after_the_first_day()
    await whole.sync()
    moments = 10_000 - whole.moments
    assert moments > 30
    for moment in range(moments):
        world = await after_the_first_day()
        world.moments = moment
        with pytest.raises(KilledError):
            await world.sync()
        assert shown(SECOND) & shown(FIRST) <= world.on_sale, f"lost something by dying at moment {moment}"
        world.moments = 10_000
        await world.sync()
        assert world.on_sale == shown(SECOND), f"died at moment {moment}"
        statuses = [run.status for run in world.store.runs.values()]
        assert RunStatus.RUNNING not in statuses
        assert statuses[-1] is RunStatus.DONE


@pytest.mark.parametrize("unlanded", range(1, 9))
async def test_what_lands_late_is_right_after_the_snapshot_that_follows(unlanded: int) -> None:
    world = World(FIRST)
    await world.sync()
    world.shop, world.unlanded = SECOND, unlanded
    await world.sync()
    world.unlanded = 0
    assert shown(SECOND) <= world.on_sale
    await world.sync()
    assert world.on_sale == shown(SECOND)
