"""How PostgreSQL replaces what belongs to a product: once through what came, however many rows that are."""

import pytest
from tests.integration.normalizer.road import Rows, opened_store

from common.settings import DatabaseSettings
from common.testing.products import SHOP, a_snapshot
from normalizer.adapters import product_sql
from normalizer.core.land import Lander
from normalizer.core.products.record import ShopProfile

pytestmark = pytest.mark.integration

DELETES = {table: delete for table, (delete, _) in (product_sql.REPLACE_LINKS | product_sql.REPLACE_CHILDREN).items()}


@pytest.mark.parametrize("table", DELETES)
async def test_rows_of_a_product_are_looked_up_among_those_that_came(table: str, rows: Rows) -> None:
    plan = await rows.connection.fetch(f"EXPLAIN {DELETES[table]}", SHOP, ["1"], "[]")
    said = "\n".join(line for (line,) in plan)
    assert "hashed SubPlan" in said
    assert "Join" not in said
    assert "Nested Loop" not in said


async def test_a_product_may_have_20_000_pictures_and_then_20_000_others(
    database: DatabaseSettings, rows: Rows
) -> None:
    async with opened_store(database) as store:
        lander = Lander(store, {SHOP: ShopProfile()})
        for seq in (1, 2):
            images = [{"Image_ID": f"{seq}x{number}"} for number in range(20_000)]
            await lander.land(a_snapshot([{"Product_ID": 1, "images": images}], seq=seq))
            assert await rows.count("images") == 20_000
