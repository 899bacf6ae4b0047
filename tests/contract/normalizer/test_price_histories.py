"""Histories of prices, landed twice: by a store that reads what is asked for, and by one that reads every row whole."""

from dataclasses import replace
from random import Random
from typing import Any, Final

import asyncpg
import pytest
from tests.contract.normalizer.shelves import POISON_TITLE, Shelf, an_empty_shelf
from tests.contract.normalizer.test_prices import Watched

from common.events import FeedRecord, PageKind
from common.testing.pages import a_change, a_page, a_record, a_removal
from normalizer.core.land import Lander
from normalizer.core.offers.record import PlatformProfile
from normalizer.core.ports import Store

pytestmark = pytest.mark.contract

IN_TWO_UNITS = PlatformProfile(
    currency="KRW",
    price_multiplier=10_000,
    full_price_field="price_won",
    renames={"new_price": "price", "new_price_won": "price_won"},
)
PRICES: Final[tuple[Any, ...]] = (
    1,
    1.0,
    "1",
    2,
    3490,
    3491.5,
    34_900_000,
    34_905_000,
    0.005,
    -1,
    10**12,
    None,
    "",
    "dear",
    [],
    True,
)
NAMES = ("price", "new_price", "price_won", "new_price_won")
OFFERS = tuple("abcdefghijkl")
BATCHES = 60


def a_told_record(chance: Random, offer: str, seq: int) -> FeedRecord:
    """Return what is said of an offer: mostly a price, in any of its names."""
    kind = chance.choices(("price", "more", "gone", "all"), (6, 1, 1, 2))[0]
    if kind == "gone":
        return a_removal(offer, seq)
    said = {name: chance.choice(PRICES) for name in chance.sample(NAMES, chance.randint(0, 2))}
    if kind == "all":
        title = chance.choice(("fine", "fine", POISON_TITLE))
        said |= {"inner_id": offer, "mark": chance.choice(("BMW", "MINI")), "title": title}
        return a_record(offer, said, seq=seq)
    return a_change(offer, seq, **said, **({chance.choice(("km_age", "new_x")): seq} if kind == "more" else {}))


async def landed(shelf: Shelf, store: Store, chance: Random) -> tuple[Any, ...]:
    """Land a history in which the catalogue loses offers and refuses some now and then; return what it ends in."""
    lander = Lander(store, {"che168": IN_TWO_UNITS})
    for position in range(1, BATCHES + 1):
        if chance.random() < 0.2:
            await shelf.refuse_poison(refused=chance.random() < 0.5)
        lost = chance.choice(OFFERS)
        if chance.random() < 0.1 and lost in await shelf.listed():
            await shelf.lose(lost)
        chosen = chance.choices(OFFERS, k=chance.choice((1, 4, 12)))
        records = [a_told_record(chance, offer, 100 * position + place) for place, offer in enumerate(chosen)]
        await lander.land([a_page(records, kind=PageKind.CHANGE, position=position)])
    rows = {name: replace(row, version=0) for name, row in (await shelf.raw()).items()}
    odd = {found: times for found, times in (await shelf.drift()).items() if found.field in NAMES}
    return rows, await shelf.listed(), await shelf.changes(), odd


@pytest.mark.parametrize("seed", range(3))
async def test_what_is_read_in_part_ends_as_what_is_read_whole(server: "asyncpg.Pool[Any] | None", seed: int) -> None:
    shelf = await an_empty_shelf(server)
    in_part = await landed(shelf, shelf.store, Random(seed))  # noqa: S311 - only a history
    shelf = await an_empty_shelf(server)
    whole = await landed(shelf, Watched(shelf.store, reads_whole=True), Random(seed))  # noqa: S311 - the same
    for found, expected in zip(in_part, whole, strict=True):
        assert found == expected
