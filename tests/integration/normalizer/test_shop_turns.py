"""Batches of one shop follow one another: they share its categories. Those of another shop do not wait."""

import asyncio

import pytest
from tests.integration.normalizer.road import Rows, opened_store, until

from common.settings import DatabaseSettings
from common.testing.products import SHOP, a_product, a_snapshot
from normalizer.adapters.postgres import PostgresStore
from normalizer.core.land import Lander
from normalizer.core.products.record import ShopProfile

pytestmark = pytest.mark.integration


async def test_who_writes_a_shop_waits_for_its_turn(database: DatabaseSettings, rows: Rows) -> None:
    async def somebody_waits() -> bool:
        query = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND database = "
        query += "(SELECT oid FROM pg_database WHERE datname = current_database())"
        return bool(await rows.connection.fetchval(query))

    async def write(store: PostgresStore, platform: str) -> None:
        pages = a_snapshot([a_product(1)], seq=1, platform=platform)
        await Lander(store, {platform: ShopProfile()}).land(pages)

    async with opened_store(database) as store:
        async with store.transaction() as transaction:
            await transaction.products.lock(SHOP)
            await write(store, "second_shop")
            waiting = asyncio.create_task(write(store, SHOP))
            await until(somebody_waits)
            assert await rows.count("products") == 1
        await waiting
    assert await rows.count("products") == 2
