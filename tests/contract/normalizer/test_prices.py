"""Landing what speaks of prices alone, on the fake and on PostgreSQL: how much is read, and that no more was needed."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from types import MappingProxyType
from typing import Any

import pytest
from tests.contract.normalizer.shelves import POISON_TITLE, Shelf
from tests.contract.normalizer.test_landing import a_lander, an_offer, changes, poison

from common.testing.pages import a_change, a_page, a_removal
from normalizer.core.drift import Drift
from normalizer.core.land import Lander
from normalizer.core.offers.record import PlatformProfile
from normalizer.core.ports import Key, Store, Transaction

pytestmark = pytest.mark.contract

Excerpts = Mapping[Key, Collection[str]]


class Watched:
    """A store that tells how many rows were read whole and in part.

    Args:
        store: The store itself.
        reads_whole: Whether every row is read whole, whatever is asked for, which is always right.
    """

    def __init__(self, store: Store, *, reads_whole: bool = False) -> None:
        self._store = store
        self._reads_whole = reads_whole
        self.read: list[tuple[int, int]] = []
        self.ping = store.ping
        self.pending = store.pending

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """Open a transaction."""
        async with self._store.transaction() as transaction:
            lock_rows = transaction.lock_rows

            async def counted(keys: Sequence[Key], excerpts: Excerpts = MappingProxyType({})) -> Any:
                rows = await (lock_rows(keys) if self._reads_whole else lock_rows(keys, excerpts))
                in_part = sum(row.is_excerpt for row in rows.values())
                self.read.append((len(rows) - in_part, in_part))
                return rows

            transaction.lock_rows = counted  # type: ignore[method-assign]  # of this one transaction
            yield transaction


async def test_of_an_offer_with_another_price_or_that_is_gone_the_price_alone_is_read(shelf: Shelf) -> None:
    store = Watched(shelf.store)
    lander = a_lander(store)
    await lander.land([a_page([an_offer(number) for number in "1234"])])
    await lander.land(
        [
            changes(
                a_change("1", 1000, new_price=5),
                a_change("1", 1001, new_price=6),
                a_removal("2", 1002),
                a_change("3", 1003, new_price=7, km_age=8),
                a_change("4", 1004, new_price=9),
                a_removal("4", 1005),
            )
        ]
    )
    assert store.read == [(1, 3)]
    assert {number: row["price"] for number, row in (await shelf.listed()).items()} == {
        "1": 6,
        "2": 98000,
        "3": 7,
        "4": 9,
    }
    assert [(number, row.data["price"], row.active) for number, row in sorted((await shelf.raw()).items())] == [
        ("1", 6, True),
        ("2", "98000", False),
        ("3", 7, True),
        ("4", 9, False),
    ]
    assert (await shelf.changes())[4:] == [
        ("1", "changed", {"price": [98000, 6]}),
        ("2", "removed", {}),
        ("3", "changed", {"price": [98000, 7], "km_age": [None, 8]}),
        ("4", "removed", {}),
    ]


@pytest.mark.parametrize("price", [None, "", "dear"])
async def test_a_price_that_is_not_said_any_more_is_nowhere(shelf: Shelf, price: object) -> None:
    store = Watched(shelf.store)
    lander = a_lander(store)
    await lander.land([a_page([an_offer("1")])])
    await lander.land([changes(a_change("1", 1000, new_price=price))])
    assert store.read == [(0, 1), (1, 0)]
    assert "price" not in {name for name, value in (await shelf.listed())["1"].items() if value is not None}
    assert (await shelf.changes())[1:] == [("1", "changed", {"price": [98000, None]})]
    await lander.land([changes(a_change("1", 1001, new_price=None))])
    assert store.read[2:] == [(0, 1)], "nothing is known, and nothing is new"
    assert await shelf.drift() == ({Drift("che168", "price", "unreadable", "dear"): 1} if price == "dear" else {})


async def test_an_offer_that_the_catalogue_has_lost_is_there_again_with_its_next_price(shelf: Shelf) -> None:
    lander = a_lander(shelf.store)
    await lander.land([a_page([an_offer("1"), an_offer("2")])])
    await shelf.lose("1")
    await lander.land([changes(a_change("1", 1000, new_price=5), a_change("2", 1001, new_price=5))])
    listed = await shelf.listed()
    assert listed["1"] == listed["2"]
    assert (listed["1"]["mark"], listed["1"]["price"]) == ("BMW", 5)
    assert (await shelf.changes())[2:] == [("1", "added", {}), ("2", "changed", {"price": [98000, 5]})]


async def test_a_row_that_could_not_be_normalised_is_read_whole_though_only_its_price_is_new(shelf: Shelf) -> None:
    lander = a_lander(shelf.store)
    await shelf.refuse_poison(refused=True)
    await lander.land([a_page([poison("1")])])
    await shelf.refuse_poison(refused=False)
    await lander.land([changes(a_change("1", 1000, new_price=5))])
    listed = (await shelf.listed())["1"]
    assert (listed["title"], listed["mark"], listed["price"]) == (POISON_TITLE, "BMW", 5)


async def test_a_price_in_two_units_is_read_with_both(shelf: Shelf) -> None:
    in_two = PlatformProfile(price_multiplier=10_000, full_price_field="price_won", renames={"new_price": "price"})
    lander = Lander(shelf.store, {"che168": in_two})
    await lander.land([a_page([an_offer("1", price=3600, price_won=36_000_000)])])
    await lander.land([changes(a_change("1", 1000, price_won=36_005_000))])
    assert (await shelf.listed())["1"]["price"] == 36_005_000
    await lander.land([changes(a_change("1", 1001, new_price=3490))])
    assert (await shelf.listed())["1"]["price"] == 34_900_000
    assert list(await shelf.drift()) == [Drift("che168", "price", "conflict", "3490 x 10000, but price_won 36005000")]


async def test_a_price_never_stands_beside_the_currency_of_an_older_mapping(shelf: Shelf) -> None:
    await a_lander(shelf.store).land([a_page([an_offer("1"), an_offer("2"), an_offer("3")])])
    in_won = PlatformProfile(currency="KRW", price_multiplier=10_000)
    news = changes(a_change("1", 1000, new_price=5), a_removal("2", 1001))
    await Lander(shelf.store, {"che168": in_won}).land([news])
    assert {number: (row["price"], row["currency"]) for number, row in (await shelf.listed()).items()} == {
        "1": (50_000, "KRW"),
        "2": (980_000_000, "KRW"),
        "3": (98_000, "CNY"),
    }
    assert (await shelf.changes())[3:] == [
        ("1", "changed", {"price": [98000, 50_000], "currency": ["CNY", "KRW"]}),
        ("2", "removed", {}),
    ]
