"""Messages of the first release become the same rows today, on the fake and on PostgreSQL: tests/data/events_v1."""

import json
from itertools import permutations
from pathlib import Path

import pytest
from tests.contract.normalizer.shelves import FakeShelf, Shelf

from common.events import PageFetched
from normalizer.core.land import Lander
from normalizer.core.offers.record import PlatformProfile
from normalizer.core.ports import Store
from normalizer.core.products.record import ShopProfile
from normalizer.core.profiles import Profiles
from normalizer.entrypoints.messages import known_page

pytestmark = pytest.mark.contract

RECORDED = Path(__file__).parents[2] / "data" / "events_v1"
ORDER = ("page", "sparse", "change", "lookup", "snapshot")
PROFILES: Profiles = {
    "che168": PlatformProfile(renames={"new_price": "price"}),
    "bot_igor": ShopProfile(currency="RUB"),
}
ROWS = {
    "71": ((1_763_700_000, "added", "snapshot"), True, None),
    "90000001": ((7_000_011, "changed", "daily_update"), True, 59000),
    "90000002": ((7_000_012, "removed", "daily_update"), False, "62000"),
    "90000003": ((6_999_999, "added", "initial_load"), True, "63000"),
    "90000004": ((7_000_013, "added", "daily_update"), True, "64000"),
    "90000005": ((7_000_020, "added", "lookup"), True, "65000"),
    "90000006": ((6_999_999, "added", "initial_load"), True, "66000"),
    "90000007": ((7_000_030, "removed", "initial_load"), False, None),
}
"""inner_id → version with change type and source, whether it is active, the price in the merged record."""


def recorded(name: str, **later: object) -> PageFetched:
    """Return a recorded page as the normalizer reads it; `later` are fields that a later release adds."""
    body = (RECORDED / f"{name}.json").read_bytes()
    if later:
        content = json.loads(body)
        content["records"] = [record | later for record in content["records"]]
        body = json.dumps(content | later).encode()
    return known_page(body, frozenset(PROFILES))


def a_lander(store: Store) -> Lander:
    return Lander(store, PROFILES)


async def landed(shelf: Shelf) -> dict[str, object]:
    return {name: (row.head, row.active, row.data.get("price")) for name, row in sorted((await shelf.raw()).items())}


async def test_recorded_messages_are_landed_as_ever(shelf: Shelf) -> None:
    counts = await a_lander(shelf.store).land([recorded(name) for name in ORDER])
    assert await landed(shelf) == ROWS
    assert all(row.processed for row in (await shelf.raw()).values())
    assert (counts["records"], counts["inserted"], counts["quarantined"]) == (11, 8, 1)
    (nobody,) = await shelf.quarantine()
    assert (nobody.inner_id, nobody.index, json.loads(nobody.body)["data"]) == (None, 3, {"mark": "Nobody"})
    assert (await shelf.listed())["90000001"]["price"] == 59000
    assert all(page.landed + page.quarantined == page.records for page in (await shelf.pages()).values())


async def test_fields_of_a_later_release_are_landed_by_this_one_as_if_they_were_not_there(shelf: Shelf) -> None:
    await a_lander(shelf.store).land([recorded(name, added_later={"a": [1]}) for name in ORDER])
    assert await landed(shelf) == ROWS


async def test_an_upgrade_may_mix_messages_of_both_releases_in_any_order() -> None:
    for number, names in enumerate(permutations(ORDER)):
        shelf = FakeShelf()
        lander = a_lander(shelf.store)
        for place, name in enumerate(names):
            await lander.land([recorded(name, **({"added_later": 1} if (place + number) % 2 else {}))])
        assert await landed(shelf) == ROWS
