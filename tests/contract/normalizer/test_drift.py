"""What the normalizer met and did not know is counted with the batch that brought it, on the fake and on PostgreSQL."""

import asyncio
from typing import Any

import pytest
from tests.contract.normalizer.shelves import POISON_TITLE, Shelf

from common.events import FeedRecord
from common.testing.pages import a_change, a_page, a_record
from normalizer.core.drift import MAX_WORDS, Drift
from normalizer.core.land import Lander
from normalizer.core.offers.record import PlatformProfile
from normalizer.core.ports import Selection
from normalizer.core.replay import Replay

pytestmark = pytest.mark.contract

PROFILES = {"che168": PlatformProfile()}


def an_offer(inner_id: str, **data: Any) -> FeedRecord:
    return a_record(inner_id, {"inner_id": inner_id, "mark": "BMW"} | data)


def met(field: str, word: str, reason: str = "unmapped") -> Drift:
    return Drift("che168", field, reason, word)


async def test_words_and_keys_are_counted_once_for_each_record_that_was_normalised(shelf: Shelf) -> None:
    lander = Lander(shelf.store, PROFILES)
    page = a_page(
        [
            an_offer("1", engine_type="Steam", price="on request"),
            an_offer("2", engine_type="Steam", address="Atlantis, Harbour", horns=2),
            an_offer("3", engine_type="Diesel", address="西安, "),
        ]
    )
    counts = await lander.land([page])
    expected = {
        met("engine_type", "Steam"): 2,
        met("price", "on request", "unreadable"): 1,
        met("city", "Atlantis"): 1,
        met("", "horns", "unknown_key"): 1,
    }
    assert await shelf.drift() == expected
    assert counts["odd.engine_type:unmapped"] == 2
    await lander.land([a_page([an_offer("4", engine_type="Steam")], position=2)])
    assert await shelf.drift() == expected | {met("engine_type", "Steam"): 3}


async def test_a_batch_without_drift_writes_none(shelf: Shelf) -> None:
    await Lander(shelf.store, PROFILES).land(
        [a_page([an_offer("1", engine_type="Diesel"), a_change("1", 5, new_price=5)])]
    )
    assert await shelf.drift() == {}


async def test_a_new_kind_of_change_is_drift(shelf: Shelf) -> None:
    await Lander(shelf.store, PROFILES).land([a_page([a_change("1", 5, new_price=5, new_km_age=7)])])
    assert await shelf.drift() == {met("", "new_km_age", "unknown_key"): 1}


async def test_of_one_field_so_many_words_are_kept_and_the_rest_is_counted_together(shelf: Shelf) -> None:
    lander = Lander(shelf.store, PROFILES)
    for start in (0, MAX_WORDS - 10, 0):
        numbers = range(start, start + 150)
        pages = [a_page([an_offer(f"{start}-{n}-{len(await shelf.raw())}", color=f"C{n:03}") for n in numbers])]
        await lander.land(pages)
    drift = await shelf.drift()
    assert len(drift) == MAX_WORDS + 1
    assert sum(drift.values()) == 450
    assert (drift[met("color", "C099")], drift[met("color", "")]) == (3, 50 + 140 + 50)


async def test_what_is_no_text_of_postgresql_is_cut_and_cleaned(shelf: Shelf) -> None:
    key = b'{"inner_id":"1","mark":"BMW","a\\u0000b":1,"%b":2,"color":"%b"}' % (b"k" * 500, "色".encode() * 500)
    await Lander(shelf.store, PROFILES).land([a_page([a_record("1", key)])])
    words = {drift.word for drift in await shelf.drift()}
    assert words == {"a\ufffdb", "k" * 100, "色" * 100}


async def test_drift_of_a_culprit_s_neighbours_is_counted_when_they_commit(shelf: Shelf) -> None:
    await shelf.refuse_poison(refused=True)
    offers = [
        an_offer("1", color="C1", horns=1),
        an_offer("2", title=POISON_TITLE, color="C2"),
        an_offer("3", color="C1"),
    ]
    counts = await Lander(shelf.store, PROFILES).land([a_page(offers)])
    assert (counts["errors"], counts["odd.color:unmapped"]) == (1, 2)
    assert await shelf.drift() == {met("color", "C1"): 2, met("", "horns", "unknown_key"): 1}


async def test_a_replay_counts_nothing_again(shelf: Shelf) -> None:
    await Lander(shelf.store, PROFILES).land([a_page([an_offer("1", color="C1")])])
    replay = Replay(shelf.store, PROFILES, Selection(), batch_size=10)
    after: int | None = 0
    while after is not None:
        after = await replay.step(after)
    assert await shelf.drift() == {met("color", "C1"): 1}


async def test_batches_that_meet_the_same_words_at_once_neither_deadlock_nor_lose_a_count(shelf: Shelf) -> None:
    lander = Lander(shelf.store, PROFILES)

    async def land(worker: int) -> None:
        for batch in range(10):
            offers = [an_offer(f"{worker}-{batch}-{n}", color=f"C{(n * 7 + worker) % 20}") for n in range(20)]
            await lander.land([a_page(offers, position=worker * 100 + batch)])

    await asyncio.gather(*(land(worker) for worker in range(4)))
    drift = await shelf.drift()
    assert (len(drift), sum(drift.values()), set(drift.values())) == (20, 800, {40})


async def test_a_batch_that_is_rolled_back_leaves_no_count(shelf: Shelf) -> None:
    async def rolled_back() -> None:
        async with shelf.store.transaction() as transaction:
            await transaction.note_drift({met("color", "C1"): 1})
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await rolled_back()
    assert await shelf.drift() == {}
