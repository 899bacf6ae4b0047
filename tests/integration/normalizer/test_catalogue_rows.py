"""A row of the catalogue of which only what is new is written is the row that is written whole."""

import pytest
from tests.integration.normalizer.road import Rows, opened_store

from common.events import FeedRecord, PageKind
from common.settings import DatabaseSettings
from common.testing.pages import a_change, a_page, a_record, a_removal
from normalizer.core.land import Lander
from normalizer.core.offers.normalise import normalise
from normalizer.core.offers.record import PlatformProfile
from normalizer.core.ports import CatalogueRow, Key

pytestmark = pytest.mark.integration

CHE168 = PlatformProfile()
FULL = {
    "inner_id": "7",
    "mark": "BMW",
    "title": "BMW 3",
    "price": 10,
    "km_age": 5,
    "images": ["https://example.com/1.jpg"],
    "extra": {"option": {"displayopts": [{"optionname": "Sunroof"}]}, "inspection": {"engine": "good"}},
}
HISTORY: dict[str, FeedRecord] = {
    "new": a_record("7", FULL),
    "another price": a_change("7", 1000, new_price="12.5"),
    "the same price in other words": a_change("7", 1001, new_price="12.50"),
    "a price and more": a_change("7", 1002, new_price=13, title="BMW 3 Touring"),
    "gone": a_removal("7", 1003),
    "another price while it is gone": a_change("7", 1004, new_price=14),
    "back": a_record("7", FULL | {"price": 14, "title": "BMW 3 Touring"}, seq=1005),
    "no price": a_change("7", 1006, new_price=None),
    "a price again": a_change("7", 1007, new_price=15),
}
ROW = """
SELECT to_jsonb(processed_data) - '{updated_at}'::text[] FROM processed_data
"""


async def test_what_is_written_in_part_is_what_is_written_whole(database: DatabaseSettings, rows: Rows) -> None:
    async with opened_store(database) as store:
        for position, (name, record) in enumerate(HISTORY.items()):
            page = a_page([record], position=position, kind=PageKind.CHANGE)
            await Lander(store, {"che168": CHE168}).land([page])
            in_part = await rows.connection.fetchval(ROW)
            async with store.transaction() as transaction:
                ((_, stored),) = (await transaction.lock_rows([Key("che168", "7")])).items()
                offer, _ = normalise(stored.row.data, CHE168)
                await transaction.write_catalogue([CatalogueRow(stored.row, offer)])
            assert (name, in_part) == (name, await rows.connection.fetchval(ROW))
