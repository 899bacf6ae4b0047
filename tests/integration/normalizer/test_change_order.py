"""Who follows `catalog_changes` by its ids misses nothing, whatever commits at the same time (docs/adr/0006)."""

import asyncio

import pytest
from tests.integration.normalizer.road import CLOCK, Rows, a_lander, opened_store

from common.settings import DatabaseSettings
from common.testing.pages import a_page, a_record
from normalizer.adapters.postgres import PostgresStore
from normalizer.core.ports import CatalogueChange, Key

pytestmark = pytest.mark.integration

LANDERS, PAGES = 4, 12


async def test_a_later_id_is_never_seen_before_an_earlier_one(database: DatabaseSettings, rows: Rows) -> None:
    async def tell(store: PostgresStore, inner_id: str) -> None:
        async with store.transaction() as transaction:
            await transaction.log_changes([CatalogueChange(Key("che168", inner_id), "added", b"{}")])

    async with opened_store(database) as store:
        async with store.transaction() as slow:
            await slow.log_changes([CatalogueChange(Key("che168", "first"), "added", b"{}")])
            second = asyncio.create_task(tell(store, "second"))
            await CLOCK.sleep(0.3)
            assert not second.done()
            assert await rows.count("catalog_changes") == 0
        await second
    told = await rows.connection.fetch("SELECT inner_id FROM catalog_changes ORDER BY change_id")
    assert [row[0] for row in told] == ["first", "second"]


async def test_a_reader_that_follows_while_several_land_sees_every_change(
    database: DatabaseSettings, rows: Rows
) -> None:
    async with opened_store(database) as store:

        async def land(lander: int) -> None:
            for number in range(PAGES):
                records = [a_record(f"{lander}-{number}-{place}") for place in range(1 + (lander * number) % 20)]
                await a_lander(store).land([a_page(records, position=number, run_id=f"run-{lander}")])

        landing = asyncio.gather(*(land(number) for number in range(LANDERS)))
        seen: list[int] = []
        done = False
        while not done:
            done = landing.done()
            news = await rows.connection.fetch(
                "SELECT change_id FROM catalog_changes WHERE change_id > $1 ORDER BY 1", seen[-1] if seen else 0
            )
            seen += [row[0] for row in news]
            await CLOCK.sleep(0.002)
        await landing
    everything = await rows.connection.fetch("SELECT change_id FROM catalog_changes ORDER BY 1")
    assert seen == [row[0] for row in everything]
