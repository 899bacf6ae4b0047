"""PostgreSQL takes whatever the normaliser makes of odd values, and gives it back as it was."""

from collections.abc import Iterator
from typing import Any

import pytest
from tests.integration.normalizer.road import Rows, opened_store

from common.settings import DatabaseSettings
from common.testing.products import ODD_VALUES, SHOP, a_product, a_snapshot, odd_children
from normalizer.core.land import Lander
from normalizer.core.products.normalise import normalise_product
from normalizer.core.products.record import ShopProfile

pytestmark = pytest.mark.integration


def odd_products() -> Iterator[dict[str, Any]]:
    """Return products with an odd value in each field, and in each field of each child."""
    fields = ({field: value} for field in a_product(1) for value in ODD_VALUES)
    for number, change in enumerate([*fields, *odd_children(1)], start=1):
        yield a_product(number) | change | {"Product_ID": number}


async def test_every_odd_product_is_stored_and_read_back_as_it_was_made(database: DatabaseSettings, rows: Rows) -> None:
    products = list(odd_products())
    pages = a_snapshot(products, seq=1)
    async with opened_store(database) as store:
        lander = Lander(store, {SHOP: ShopProfile()})
        for at in range(0, len(pages), 10):
            counts = await lander.land(pages[at : at + 10])
            assert (counts["errors"], counts["quarantined"]) == (0, 0)
        raw = await rows.connection.fetch("SELECT inner_id, data::text FROM raw_data")
        assert len(raw) == len(products) > 1500
        async with store.transaction() as transaction:
            found = await transaction.products.products(SHOP, [row["inner_id"] for row in raw])
        for row in raw:
            made = normalise_product(row["data"].encode(), ShopProfile(), product_id=row["inner_id"])
            assert found[row["inner_id"]] == made.product, row["data"]
        again = [await lander.land(pages[at : at + 10]) for at in range(0, len(pages), 10)]
        assert sum(counts["updated"] for counts in again) == 0
