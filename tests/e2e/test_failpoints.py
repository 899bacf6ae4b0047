"""`kill -9` at each step of a page, in each command that walks pages: the next start ends in the very same rows.

Each case is a real fetcher that dies at the point of its first page (`failing_fetcher`), one that goes on and dies at a
later page, a third that goes on to the end, and a normalizer. What they leave must equal what an undisturbed fetcher
leaves, and that must equal the truth: nothing lost, nothing twice.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from tests.conftest import settings_of
from tests.e2e.failing_fetcher import POINTS
from tests.e2e.road import Road, Service, until
from tests.e2e.test_daily_update import assert_rows_are_the_truth
from tests.forking import Upstream
from tests.noon import noon_zone

from sandbox.stack import Stack
from sandbox.upstream.server import UpstreamProcess

ROOT: Final = Path(__file__).parents[2]
ROWS: Final = """
SELECT inner_id, data::text, active_status, is_processed, base_seq, field_seq::text, active_seq, max_seq
  FROM raw_data ORDER BY inner_id
"""
EFFECTS: Final = """
SELECT inner_id, change_type, count(*) FROM catalog_changes WHERE inner_id <> '_catalogue' GROUP BY 1, 2 ORDER BY 1, 2
"""
"""A shop's lists come in as many steps as its slices fall into batches: a product may bring a mark that no list has."""
RUNS: Final = "SELECT kind, status, pages, records FROM fetch_runs ORDER BY started_at"
CURSORS: Final = "SELECT platform, last_change_id, last_successful_date FROM sync_state"
DAYS: Final = "SELECT kind, sum(added), sum(changed), sum(removed) FROM feed_days GROUP BY kind"
WALKED: Final = (ROWS, RUNS, CURSORS, DAYS)
PRODUCTS: Final = """
SELECT inner_id, data::text, active_status, is_processed FROM raw_data WHERE platform = 'bot_igor' ORDER BY inner_id
"""

State = list[list[tuple[Any, ...]]]
"""The rows of each query of a scene."""


async def rows_of(road: Road, queries: Sequence[str]) -> State:
    """Return what each query finds."""
    async with road.connection() as connection:
        return [[tuple(row) for row in await connection.fetch(query)] for query in queries]


async def ended(service: Service) -> int:
    """Wait for a process to end; return its code."""
    await until(lambda: service.process.poll() is not None, within_s=60, what=service.name)
    code: int = service.process.wait()
    return code


async def _products_are_the_truth(road: Road) -> None:
    async with httpx.AsyncClient(timeout=30) as client:
        truth = (await client.get(f"{road.upstream.admin}/shop/truth")).raise_for_status().json()
    ((held,),) = await rows_of(road, ["SELECT array_agg(product_id::int ORDER BY product_id::int) FROM products"])
    assert held[0] == sorted(product["Product_ID"] for product in truth["products"])


@dataclass(frozen=True)
class Scene:
    """A command that walks pages, and where it is made to die.

    Attributes:
        command: What dies, and goes on.
        upstream: Options of its upstream; the same state for every case.
        truth: Compares the rows with the upstream's own truth.
        compared: What must be as after an undisturbed run.
        before: Commands that have been run, and have landed, when it begins.
        numbers: The first page, and a later one of the process that goes on.
    """

    command: str
    upstream: tuple[str, ...]
    truth: Callable[[Road], Awaitable[None]]
    compared: tuple[str, ...] = WALKED
    before: tuple[str, ...] = ()
    numbers: tuple[int, int] = (1, 4)


OFFERS: Final = ("--offers", "120", "--seed", "5", "--quirks", "off", "--changes-per-day", "120")
SCENES: Final = (
    Scene("initial-load", OFFERS, assert_rows_are_the_truth, (*WALKED, EFFECTS)),
    Scene("daily-update", OFFERS, assert_rows_are_the_truth, before=("initial-load",)),
    # Each start of a snapshot reads both lists, one request each, and has a version of its own.
    Scene(
        "shop-sync", ("--offers", "1", "--shop", "100"), _products_are_the_truth, (PRODUCTS, EFFECTS), numbers=(1, 2)
    ),
)


@dataclass
class Stage:
    """A scene with its upstream, a database to begin with, and what an undisturbed run leaves."""

    scene: Scene
    stack: Stack
    upstream: UpstreamProcess
    folder: Path
    template: str
    undisturbed: State = field(default_factory=list)
    day_zone: str = field(default_factory=noon_zone)
    """One for all cases: none may have a day that another has not."""

    @contextmanager
    def road(self, template: str, name: str) -> Iterator[Road]:
        """Lay a road on a copy of a database, with a normalizer at its end."""
        self.stack.create_database(name, template=template)
        vhost = self.stack.create_vhost(name)
        database = settings_of(self.stack, name)
        road = Road(database, vhost, self.upstream, self.folder, day_zone=self.day_zone)
        road.start("normalizer", "run", FEEDMILL__NORMALIZER__LINGER_S="0.05")
        try:
            yield road
        finally:
            road.stop()
            self.stack.delete_vhost(name)

    async def called(self, road: Road, command: str) -> None:
        """Run a command to its good end."""
        service = road.start("fetcher", command, **self.settings)
        assert await ended(service) == 0, service.said()
        await road.landed()

    @property
    def settings(self) -> dict[str, str]:
        """What the commands need besides the road's."""
        shop = {"SHOP_API_URL": self.upstream.shop_url} if "--shop" in self.scene.upstream else {}
        return shop | {"FEEDMILL__FETCHER__LOOKUP_BUDGET": "0", "PYTHONPATH": str(ROOT)}


@pytest.fixture(scope="module", params=SCENES, ids=lambda scene: scene.command)
async def stage(
    request: pytest.FixtureRequest,
    stack: Stack,
    migrated_template: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Stage]:
    """A scene, ready; its undisturbed run is compared with the truth."""
    scene: Scene = request.param
    prepared, undisturbed = f"test_{secrets.token_hex(4)}", f"test_{secrets.token_hex(4)}"
    with Upstream(*scene.upstream) as upstream:
        built = Stage(scene, stack, upstream, tmp_path_factory.mktemp("stage"), prepared)
        with built.road(migrated_template, prepared) as road:
            for command in scene.before:
                await built.called(road, command)
        with built.road(prepared, undisturbed) as road:
            await built.called(road, scene.command)
            await scene.truth(road)
            built.undisturbed = await rows_of(road, scene.compared)
        await asyncio.to_thread(stack.drop_database, undisturbed)
        yield built
    await asyncio.to_thread(stack.drop_database, prepared)


@pytest.mark.parametrize("point", POINTS)
async def test_fetchers_killed_at_the_first_page_and_at_a_later_one_are_followed_by_one_that_ends_in_the_same_rows(
    stage: Stage, point: str
) -> None:
    name = f"test_{secrets.token_hex(4)}"
    scene = stage.scene
    with stage.road(stage.template, name) as road:
        for number in scene.numbers:
            words = (point, str(number), scene.command)
            failing = road.start_module("fetcher", "tests.e2e.failing_fetcher", *words, **stage.settings)
            assert await ended(failing) == -9, f"{number}: {failing.said()}"
        await stage.called(road, scene.command)
        await scene.truth(road)
        assert await rows_of(road, scene.compared) == stage.undisturbed
    await asyncio.to_thread(stage.stack.drop_database, name)
