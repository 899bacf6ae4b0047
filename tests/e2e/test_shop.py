"""`fetcher shop-sync` through the whole chain: a stand-in shop, real processes, and what stands in the tables."""

import json
import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.e2e.road import LEDGER, Road, roles_of, until
from tests.forking import Upstream

from common.settings import DatabaseSettings
from sandbox.stack import Stack

RECORDED = Path(__file__).parents[3] / "shared" / "data"
SHOP = "bot_igor"
TABLES = (
    *("raw_data", "catalog_changes", "quarantine"),
    *("products", "categories", "marks", "product_categories", "product_marks", "colors", "parameters", "images"),
    *("extras", "reviews", "review_videos", "exclusions", "importance"),
)
ONE_TRY = {"FEEDMILL__FETCHER__MAX_RETRIES": "0", "FEEDMILL__FETCHER__QUICK_RETRIES": "0"}


class ShopRoad:
    """A road with a normalizer at its end and a shop at its start."""

    def __init__(self, road: Road) -> None:
        self.road = road
        self.said = ""
        road.start("normalizer", "run", FEEDMILL__NORMALIZER__LINGER_S="0.05")

    async def sync(self, *options: str) -> int:
        """Run `fetcher shop-sync` until all that it published has landed; return its exit code."""
        shop = {"SHOP_API_URL": self.road.upstream.shop_url, **ONE_TRY}
        fetcher = self.road.start("fetcher", "shop-sync", *options, **shop)
        await until(lambda: fetcher.process.poll() is not None, within_s=60, what="the shop sync")
        self.said = fetcher.said()
        if await self.rows("SELECT 1 FROM feed_pages"):
            await self.road.landed()
        code: int = fetcher.process.wait()
        return code

    async def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Return what a query finds."""
        async with self.road.connection() as connection:
            return [tuple(row) for row in await connection.fetch(query)]

    async def written(self) -> dict[str, list[tuple[Any, ...]]]:
        """Return every row of every table that readers see, each with the transaction that wrote it."""
        return {
            table: await self.rows(f"SELECT xmin::text, ctid::text, t::text FROM {table} AS t ORDER BY 2")  # noqa: S608 - own names
            for table in TABLES
        }

    async def on_sale(self) -> set[int]:
        """Return the ids of the products in the catalogue, which raw_data must agree with."""
        raw = set(await self.data())
        assert {int(row[0]) for row in await self.rows("SELECT product_id FROM products")} == raw
        return raw

    async def data(self) -> dict[int, Any]:
        """Return the documents of the products that are on sale."""
        query = "SELECT inner_id::int, data::text FROM raw_data WHERE active_status = 0 AND inner_id <> '_catalogue'"
        return {inner_id: json.loads(text) for inner_id, text in await self.rows(query)}

    async def diary(self) -> tuple[str, str, dict[str, int]]:
        """Return status, details and counts of the last snapshot's row."""
        query = "SELECT status, details, counts::text FROM operations_log WHERE platform IS NOT NULL ORDER BY id"
        status, details, counts = (await self.rows(query))[-1]
        return status, details, json.loads(counts)

    async def truth(self) -> dict[str, Any]:
        """Return what the shop holds."""
        answer = await self._told("GET", "shop/truth")
        found: dict[str, Any] = answer.json()
        return found

    async def go_to_day(self, day: int) -> None:
        """Let the shop change."""
        await self._told("POST", "shop", {"day": day})

    async def break_list(self, on_main: str, **fault: object) -> None:
        """Let one list go wrong until `mend`."""
        await self._told(
            "POST", "faults", [{"endpoint": "products", "path": f"on_main={on_main}", "times": None, **fault}]
        )

    async def mend(self) -> None:
        """Let every list be right."""
        await self._told("DELETE", "faults")

    async def _told(self, method: str, path: str, body: object = None) -> httpx.Response:
        async with httpx.AsyncClient(timeout=30) as client:
            answer = await client.request(method, f"{self.road.upstream.admin}/{path}", json=body)
        return answer.raise_for_status()


@pytest.fixture(scope="module")
async def standing(
    stack: Stack, module_database: DatabaseSettings, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[ShopRoad]:
    """A road from a shop of 100 products."""
    vhost = stack.create_vhost(f"test_{secrets.token_hex(4)}")
    with Upstream("--offers", "1", "--shop", "100") as upstream:
        road = Road(module_database, vhost, upstream, tmp_path_factory.mktemp("shop"), roles=roles_of(stack))
        try:
            yield ShopRoad(road)
        finally:
            road.stop()
    stack.delete_vhost(vhost.name)


@pytest.fixture
async def shop(standing: ShopRoad) -> ShopRoad:
    """That shop on its first day, landed."""
    await standing.mend()
    await standing.go_to_day(0)
    assert await standing.sync("--force") == 0, standing.said
    return standing


def in_any_order(value: Any) -> Any:
    """Return JSON whose lists are in one order: a shop's order says nothing (UPSTREAMS §3.3)."""
    if isinstance(value, dict):
        return {name: in_any_order(member) for name, member in value.items()}
    return (
        sorted(map(in_any_order, value), key=lambda one: json.dumps(one, sort_keys=True))
        if isinstance(value, list)
        else value
    )


def ids(truth: dict[str, Any]) -> set[int]:
    return {product["Product_ID"] for product in truth["products"]}


async def test_a_snapshot_brings_all_and_the_same_again_writes_no_row(shop: ShopRoad) -> None:
    truth = await shop.truth()
    assert await shop.on_sale() == ids(truth)
    assert {int(row[0]) for row in await shop.rows("SELECT category_id FROM categories")} >= {
        category["Category_ID"] for category in truth["categories"]
    }
    before = await shop.written()
    assert all(before[table] for table in ("raw_data", "products", "parameters", "catalog_changes"))
    assert await shop.sync() == 0, shop.said
    assert await shop.written() == before
    assert (await shop.diary())[0] == "OK"


async def test_day_after_day_the_catalogue_is_the_shop(shop: ShopRoad) -> None:
    removed = "SELECT count(*) FROM catalog_changes WHERE change_type = 'removed'"
    before = (await shop.rows(removed))[0][0]
    known, gone, moved = ids(await shop.truth()), 0, 0
    main = set((await shop.truth())["main"])
    for day in (1, 9, 20):
        await shop.go_to_day(day)
        assert await shop.sync() == 0, shop.said
        truth = await shop.truth()
        assert await shop.on_sale() == ids(truth)
        gone += len(known - ids(truth))
        moved += len(main & set(truth["other"]) - set(truth["main"]))
        assert (await shop.diary())[2]["removed"] == len(known - ids(truth))
        known, main = ids(truth), set(truth["main"])
    assert gone
    assert moved
    assert await shop.rows(removed) == [(before + gone,)]


async def test_a_list_that_fails_removes_nothing_and_the_other_one_lands(shop: ShopRoad) -> None:
    before = await shop.on_sale()
    await shop.go_to_day(15)
    await shop.break_list("true", kind="status", code=500)
    assert await shop.sync() == 1
    truth = await shop.truth()
    new_others = set(truth["other"]) - before
    assert new_others
    assert await shop.on_sale() == before | new_others
    status, details, counts = await shop.diary()
    assert (status, counts["removed"]) == ("ERROR", 0)
    assert "on_main=true: http_5xx" in details
    assert f"[ERROR] {SHOP}: on_main=true: http_5xx: status 500" in shop.said
    await shop.mend()
    assert await shop.sync() == 0, shop.said
    assert await shop.on_sale() == ids(truth)


async def test_a_status_that_is_not_ok_under_200_is_a_failure_with_its_message(shop: ShopRoad) -> None:
    before = await shop.on_sale()
    await shop.break_list("false", kind="error_200", body={"status": "error", "message": "the shelf is locked"})
    assert await shop.sync() == 1
    assert await shop.on_sale() == before
    assert "on_main=false: not_ok: status error: the shelf is locked" in (await shop.diary())[1]


@pytest.mark.parametrize(
    ("fault", "some"),
    [({"kind": "empty_list"}, False), ({"kind": "shrunk", "share": 0.4}, True)],
    ids=["empty", "shrunk by 60 %"],
)
async def test_a_list_that_is_suddenly_small_removes_nothing_until_it_is_forced(
    shop: ShopRoad, fault: dict[str, object], *, some: bool
) -> None:
    before = await shop.on_sale()
    await shop.break_list("false", **fault)
    for _ in range(2):  # the second time it is no longer sudden, and still not believed
        assert await shop.sync() == 1
        assert await shop.on_sale() == before
    assert "[ERROR]" in shop.said
    assert "--force (FORCE=1) removes them" in shop.said
    status, _, counts = await shop.diary()
    assert status == "ERROR"
    assert counts["kept"] > 0
    assert await shop.sync("--force") == 0
    left = await shop.on_sale()
    main = set((await shop.truth())["main"])
    assert main <= left < before
    assert (left != main) is some
    await shop.mend()
    assert await shop.sync() == 0, shop.said
    assert await shop.on_sale() == before


async def test_a_sync_that_is_killed_is_followed_by_a_whole_one(shop: ShopRoad) -> None:
    await shop.go_to_day(15)
    await shop.break_list("false", kind="hang")
    fetcher = shop.road.start("fetcher", "shop-sync", SHOP_API_URL=shop.road.upstream.shop_url)
    await until(lambda: "shop sync begins" in fetcher.said(), within_s=60, what="the sync began")
    fetcher.kill()
    await shop.mend()
    assert await shop.sync() == 0, shop.said
    assert await shop.on_sale() == ids(await shop.truth())
    runs = (await shop.rows("SELECT start_change_id, status FROM fetch_runs ORDER BY started_at"))[-3:]
    assert runs == [(runs[0][0] + number, status) for number, status in enumerate(("done", "failed", "done"))]


@pytest.fixture
async def recorded(stack: Stack, database: DatabaseSettings, tmp_path: Path) -> AsyncIterator[ShopRoad]:
    """A road from a shop that answers with the recorded payloads."""
    vhost = stack.create_vhost(f"test_{secrets.token_hex(4)}")
    with Upstream("--recorded", str(RECORDED)) as upstream:
        road = Road(database, vhost, upstream, tmp_path, roles=roles_of(stack))
        try:
            yield ShopRoad(road)
        finally:
            road.stop()
    stack.delete_vhost(vhost.name)


@pytest.mark.skipif(not RECORDED.is_dir(), reason="the recorded payloads are not beside the checkout")
async def test_recorded_payloads_arrive_as_they_are_and_a_second_time_write_nothing(recorded: ShopRoad) -> None:
    days = 0
    for day in range(2):
        await recorded.go_to_day(day)
        truth = await recorded.truth()
        code = await recorded.sync("--force")  # recordings of different shops follow one another
        assert code == 0, recorded.said
        products = {product["Product_ID"]: product for product in truth["products"]}
        assert await recorded.on_sale() == set(products)
        assert {key: in_any_order(data) for key, data in (await recorded.data()).items()} == {
            key: in_any_order(product) for key, product in products.items()
        }
        before = await recorded.written()
        assert await recorded.sync() == 0
        assert await recorded.written() == before
        days += bool(products)
    assert days
    async with recorded.road.connection() as connection:
        ledger = await connection.fetchrow(LEDGER)
    assert ledger is not None
    assert (ledger["open"], ledger["quarantined"]) == (0, 0)
