"""Two real snapshots of one shop, three days apart (UPSTREAMS §3.3), on a real PostgreSQL."""

import asyncio
import json
from pathlib import Path
from random import Random
from typing import Any

import pytest
from tests.integration.normalizer.road import Rows, opened_store
from tests.integration.normalizer.vendor_rows import expected, found, versions

from common.events import PageFetched
from common.settings import DatabaseSettings
from common.testing.products import SHOP, a_category, a_product, a_snapshot
from normalizer.adapters.postgres import PostgresStore
from normalizer.core.land import Lander
from normalizer.core.products.record import ShopProfile

DATA = Path(__file__).parents[4] / "shared" / "data"
pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(not DATA.is_dir(), reason="the recorded payloads are not here"),
]

Json = dict[str, Any]
Snapshot = tuple[Json, list[Json]]
"""The shop's own lists, and its products."""

GONE = a_product(999_001, categories=[a_category(999_002, Category_Name="Nobody has it")])
"""A product of the first day only, for none was gone in these three days; its category goes with it."""


@pytest.fixture
def database(emptied_database: DatabaseSettings) -> DatabaseSettings:
    """One database for all tests of this file."""
    return emptied_database


def first_day() -> Snapshot:
    lists = json.loads((DATA / "bot_igor_noxer_on_main_true_real_2025-09-09.json").read_text("utf-8"))
    products = lists.pop("products")
    lists["categories"].append(GONE["categories"][0])
    return lists, [*products, GONE]


def last_day() -> Snapshot:
    lists = json.loads((DATA / "bot_igor_composed_on_main_true.json").read_text("utf-8"))["body"]
    products = json.loads((DATA / "bot_igor_composed_on_main_false.json").read_text("utf-8"))["body"]["products"]
    return {name: value for name, value in lists.items() if name != "products"}, products


def shuffled(snapshot: Snapshot, seed: int) -> Snapshot:
    """Return the same shop with every list of a product, and every list of the shop, in another order."""
    chance = Random(seed)  # noqa: S311 - only an order

    def mixed(record: Json) -> Json:
        names = chance.sample(list(record), len(record))
        return {name: chance.sample(v, len(v)) if isinstance(v := record[name], list) else v for name in names}

    lists, products = snapshot
    return mixed(lists), chance.sample([mixed(product) for product in products], len(products))


def events(snapshot: Snapshot, *, seq: int, gone: tuple[int, ...] = ()) -> list[PageFetched]:
    """Return small slices, so that a snapshot is several transactions."""
    lists, products = snapshot
    return a_snapshot(products, seq=seq, lists=lists, gone=gone, size=4)


def a_shop_lander(store: PostgresStore) -> Lander:
    return Lander(store, {SHOP: ShopProfile()})


async def test_after_the_second_snapshot_the_database_is_the_second(database: DatabaseSettings, rows: Rows) -> None:
    async with opened_store(database) as store:
        lander = a_shop_lander(store)
        await lander.land(events(first_day(), seq=1))
        assert await found(rows.connection) == expected(*first_day())
        await lander.land(events(last_day(), seq=2, gone=(999_001,)))
        assert await found(rows.connection) == expected(*last_day())


async def test_an_identical_snapshot_in_another_order_writes_nothing(database: DatabaseSettings, rows: Rows) -> None:
    async with opened_store(database) as store:
        lander = a_shop_lander(store)
        await lander.land(events(first_day(), seq=1))
        await lander.land(events(last_day(), seq=2, gone=(999_001,)))
        before = await versions(rows.connection)
        counts = await lander.land(events(shuffled(last_day(), 7), seq=3, gone=(999_001,)))
        assert (counts["inserted"], counts["updated"]) == (0, 0)
        assert await versions(rows.connection) == before
        assert sum(map(len, before.values())) > 600


@pytest.mark.parametrize("seed", range(6))
async def test_in_any_order_twice_and_by_several_landers_at_once_it_is_the_second(
    database: DatabaseSettings, rows: Rows, seed: int
) -> None:
    pages = [*events(first_day(), seq=1), *events(last_day(), seq=2, gone=(999_001,))] * 2
    Random(seed).shuffle(pages)  # noqa: S311 - only an order
    async with opened_store(database) as store:
        lander = a_shop_lander(store)
        batches = [pages[at : at + 2] for at in range(0, len(pages), 2)]
        for at in range(0, len(batches), 3):
            await asyncio.gather(*(lander.land(batch) for batch in batches[at : at + 3]))
    assert await found(rows.connection) == expected(*last_day())
    assert await rows.connection.fetchval("SELECT count(*) FROM raw_data WHERE NOT is_processed") == 0
    assert await rows.connection.fetchval("SELECT count(*) FROM quarantine") == 0


async def test_a_dead_letter_of_an_old_snapshot_brings_nothing_back(database: DatabaseSettings, rows: Rows) -> None:
    """The second snapshot said something else and was not landed; the third said what the first had said."""
    shops = [last_day(), last_day(), last_day(), last_day()]
    shops[1][1][0]["Product_Name"] = "Old news"
    first, second, third, fourth = (events(shop, seq=seq) for seq, shop in enumerate(shops, start=1))
    async with opened_store(database) as store:
        lander = a_shop_lander(store)
        await lander.land(first)
        for page in second:
            await rows.connection.execute(SENT, page.platform, page.position, page.run_id, page.message_id)
        await rows.connection.execute(RUN, SHOP, second[0].run_id, 2)
        after_first = await versions(rows.connection)
        await lander.land(third)
        after_third = await versions(rows.connection)
        assert {table for table in after_third if after_third[table] != after_first[table]} == {"raw_data"}
        await lander.land(fourth)
        assert await versions(rows.connection) == after_third
        await lander.land(second)
    assert await found(rows.connection) == expected(*last_day())
    assert await rows.connection.fetchval("SELECT count(*) FROM feed_pages WHERE status <> 'landed'") == 0


SENT = """
INSERT INTO feed_pages (platform, kind, position, run_id, message_id, status, fetched_at)
VALUES ($1, 'snapshot', $2, $3, $4, 'fetched', now())
"""
RUN = "INSERT INTO fetch_runs (platform, run_id, kind, status, start_change_id) VALUES ($1, $2, 'snapshot', 'done', $3)"


async def test_what_is_unchanged_of_a_changed_product_is_not_written(database: DatabaseSettings, rows: Rows) -> None:
    lists, products = last_day()
    async with opened_store(database) as store:
        lander = a_shop_lander(store)
        await lander.land(events((lists, products), seq=1))
        before = await versions(rows.connection)
        products[0]["importance_num"][0] |= {"id": 8_000_001, "importance": 7}
        await lander.land(events((lists, products), seq=2))
        after = await versions(rows.connection)
    written = {table: len(after[table] - before[table]) for table in after}
    assert {table: count for table, count in written.items() if count} == {
        "raw_data": 1,
        "catalog_changes": 1,
        "products": 1,
        "importance": 1,
    }
    assert await found(rows.connection) == expected(lists, products)


async def test_products_deleted_by_sql_take_their_own_rows_and_no_category(
    database: DatabaseSettings, rows: Rows
) -> None:
    lists, products = last_day()
    async with opened_store(database) as store:
        await a_shop_lander(store).land(events((lists, products), seq=1))
    await rows.connection.execute("DELETE FROM products WHERE product_id = '4'")
    assert await found(rows.connection) == expected(lists, [p for p in products if p["Product_ID"] != 4])
    await rows.connection.execute("DELETE FROM products")
    assert await found(rows.connection) == expected(lists, [])


async def test_a_product_deleted_by_sql_is_there_again_when_it_changes(database: DatabaseSettings, rows: Rows) -> None:
    lists, products = last_day()
    async with opened_store(database) as store:
        lander = a_shop_lander(store)
        await lander.land(events((lists, products), seq=1))
        await rows.connection.execute("DELETE FROM products WHERE product_id = '4'")
        next(p for p in products if p["Product_ID"] == 4)["Product_Name"] = "Back"
        await lander.land(events((lists, products), seq=2))
    assert await found(rows.connection) == expected(lists, products)
