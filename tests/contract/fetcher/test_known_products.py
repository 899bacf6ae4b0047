"""What every `KnownProducts` promises: on the fake, and on PostgreSQL."""

from datetime import UTC, datetime
from typing import Any

import pytest
from tests.contract.fetcher.shop_fakes import FakeKnown
from tests.contract.fetcher.stores import address_of

from common.events import ChangeId
from common.settings import DatabaseSettings
from fetcher.adapters.known_products import LandedProducts
from fetcher.adapters.postgres import PostgresStore
from fetcher.adapters.session import PlatformSession
from fetcher.core.ports import Run, RunKind
from fetcher.core.shop import KnownProducts

pytestmark = pytest.mark.contract

NOW = datetime(2026, 11, 21, 7, 28, tzinfo=UTC)
SHOP = "bot_igor"
LAND = """
INSERT INTO raw_data (platform, inner_id, change_type, data, source, active_status, max_seq)
VALUES ($1, $2, 'added', $3, 'snapshot', $4, $5)
"""


class World:
    """Where a shop's products land; `known` is what is tested."""

    known: KnownProducts

    async def begin(self, seq: int, *, platform: str = SHOP, kind: RunKind = RunKind.SNAPSHOT) -> None:
        """Let a run begin."""

    async def land(self, inner_id: str, on_main: str, *, seq: int = 1, active: int = 0, platform: str = SHOP) -> None:
        """Let a record land whose `OnMain` is this JSON."""


class FakeWorld(World):
    """In memory."""

    def __init__(self) -> None:
        self.known = self._fake = FakeKnown()

    async def begin(self, seq: int, *, platform: str = SHOP, kind: RunKind = RunKind.SNAPSHOT) -> None:
        """Let a run begin."""
        if (platform, kind) == (SHOP, RunKind.SNAPSHOT):
            self._fake.newest = max(self._fake.newest, seq)

    async def land(self, inner_id: str, on_main: str, *, seq: int = 1, active: int = 0, platform: str = SHOP) -> None:
        """Let a record land."""
        if platform == SHOP:
            self._fake.newest = max(self._fake.newest, seq)
            if active == 0 and inner_id != "_catalogue":
                said = {"true": True, '"true"': True, "false": False, '"False"': False}
                self._fake.products[inner_id] = said.get(on_main)


class RealWorld(World):
    """In a database of the test's own."""

    def __init__(self, session: PlatformSession) -> None:
        self.known = LandedProducts(session)
        self._session = session
        self._runs = 0

    async def begin(self, seq: int, *, platform: str = SHOP, kind: RunKind = RunKind.SNAPSHOT) -> None:
        """Let a run begin."""
        self._runs += 1
        run = Run(f"r{self._runs}", platform, ChangeId(seq), kind, started_at=NOW)
        await PostgresStore(self._session).start_run(run)

    async def land(self, inner_id: str, on_main: str, *, seq: int = 1, active: int = 0, platform: str = SHOP) -> None:
        """Let a record land."""
        data = f'{{"OnMain": {on_main}}}'
        await self._session.call(lambda session: session.execute(LAND, platform, inner_id, data, active, seq))


@pytest.fixture(params=["fake", "postgresql"])
def place(request: pytest.FixtureRequest) -> DatabaseSettings | None:
    """Where things are kept: in memory, or in a database of the test's own."""
    settings: DatabaseSettings | None = None if request.param == "fake" else request.getfixturevalue("emptied_database")
    return settings


@pytest.fixture
async def world(place: DatabaseSettings | None) -> Any:
    """Both implementations, one after the other."""
    if place is None:
        yield FakeWorld()
        return
    async with PlatformSession(address_of(place), SHOP) as session:
        yield RealWorld(session)


async def test_the_first_version_is_one(world: World) -> None:
    assert await world.known.next_seq(SHOP) == 1


async def test_a_version_is_above_that_of_every_snapshot_begun(world: World) -> None:
    await world.begin(7)
    await world.begin(3)
    await world.begin(90, kind=RunKind.SWEEP)
    await world.begin(80, platform="other_shop")
    assert await world.known.next_seq(SHOP) == 8


async def test_a_version_is_above_that_of_every_row_whatever_became_of_its_run(world: World) -> None:
    await world.begin(2)
    await world.land("1", "true", seq=40)
    await world.land("1", "true", seq=70, platform="other_shop")
    assert await world.known.next_seq(SHOP) == 41


async def test_products_on_sale_are_known_with_the_list_that_they_say(world: World) -> None:
    await world.land("1", "true")
    await world.land("2", "false")
    await world.land("3", "null")
    await world.land("4", '"true"')
    await world.land("5", '"False"')
    await world.land("6", "true", active=1)
    await world.land("7", "true", platform="other_shop")
    await world.land("_catalogue", "true")
    assert await world.known.active(SHOP) == {"1": True, "2": False, "3": None, "4": True, "5": False}


async def test_an_unknown_shop_has_no_products(world: World) -> None:
    assert await world.known.active(SHOP) == {}
