"""Normalising landed rows anew, on the fake and on PostgreSQL: what changes, what stays, and what goes on."""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from tests.contract.normalizer.shelves import POISON_TITLE, FakeShelf, Shelf, a_key

from common.events import FeedRecord, PageKind
from common.testing.pages import a_change, a_page, a_record, a_removal
from normalizer.core.errors import TransientError
from normalizer.core.land import Lander
from normalizer.core.offers.record import PlatformProfile
from normalizer.core.ports import CatalogueRow, Selection
from normalizer.core.products.record import ShopProfile
from normalizer.core.profiles import Profiles
from normalizer.core.replay import Example, Rehearsal, Replay

pytestmark = pytest.mark.contract

OLD: Profiles = {"che168": PlatformProfile(), "encar": PlatformProfile(), "bot_igor": ShopProfile(currency="RUB")}
NEW: Profiles = {**OLD, "che168": PlatformProfile(currency="KRW", price_multiplier=10)}
ALL = Selection()


def an_offer(inner_id: str, **data: Any) -> FeedRecord:
    """Return a full record."""
    return a_record(inner_id, {"inner_id": inner_id, "mark": "BMW", "price": "98000"} | data)


async def load(shelf: Shelf, count: int = 5) -> None:
    """Land offers under the old mapping: of che168 `1`, `2` …, and one of encar."""
    lander = Lander(shelf.store, OLD)
    await lander.land([a_page([an_offer(str(number)) for number in range(1, count + 1)])])
    await lander.land([a_page([an_offer("e1")], platform="encar")])


async def replay(
    shelf: Shelf, profiles: Profiles = NEW, wanted: Selection = ALL, *, batch_size: int = 2, mapping: str = ""
) -> Replay:
    """Replay to the end."""
    one = Replay(shelf.store, profiles, wanted, batch_size=batch_size, mapping=mapping)
    after: int | None = await one.position()
    while after is not None:
        after = await one.step(after)
    return one


async def test_a_changed_mapping_reaches_every_row_and_readers_are_told_what_changed(shelf: Shelf) -> None:
    await load(shelf)
    told = len(await shelf.changes())
    done = await replay(shelf)
    listed = await shelf.listed()
    assert [listed[number]["price"] for number in "12345"] == [980_000] * 5
    assert (listed["e1"]["price"], listed["e1"]["currency"]) == (98_000, "CNY")
    assert (await shelf.changes())[told:] == [
        (number, "changed", {"price": [98_000, 980_000], "currency": ["CNY", "KRW"]}) for number in "12345"
    ]
    assert (done.counts["records"], done.counts["changed"], done.counts["errors"]) == (6, 5, 0)


async def test_a_second_replay_writes_nothing(shelf: Shelf) -> None:
    await load(shelf)
    await replay(shelf)
    before = await shelf.raw(), await shelf.listed(), await shelf.changes()
    done = await replay(shelf)
    assert (await shelf.raw(), await shelf.listed(), await shelf.changes()) == before
    assert done.counts["changed"] == 0


class Watched:
    """A store that remembers what its transactions are asked for."""

    def __init__(self, store: Any) -> None:
        self._store = store
        self.landed, self.replayed_to, self.end_replay = store.landed, store.replayed_to, store.end_replay
        self.asked: list[str] = []

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Any]:
        """Open a transaction."""
        async with self._store.transaction() as whole:
            yield _Asked(whole, self.asked)


class _Asked:
    def __init__(self, whole: Any, asked: list[str]) -> None:
        self._whole = whole
        self._asked = asked

    def __getattr__(self, name: str) -> Any:
        self._asked.append(name)
        return getattr(self._whole, name)


async def test_what_the_catalogue_holds_as_the_mapping_has_it_is_counted_and_not_locked(shelf: Shelf) -> None:
    await load(shelf)
    await Lander(shelf.store, OLD).land([a_page([an_offer("6", color="C1")], position=6)])
    watched: Any = Watched(shelf.store)
    one = Replay(watched, OLD, ALL, batch_size=100)
    assert await one.step(0)
    assert watched.asked == ["save_replay"]
    assert one.counts == {"records": 7, "odd.color:unmapped": 1}


async def test_an_offer_that_the_catalogue_has_lost_is_in_it_again(shelf: Shelf) -> None:
    await load(shelf)
    await shelf.lose("2")
    told = len(await shelf.changes())
    await replay(shelf, OLD)
    assert sorted(await shelf.listed()) == ["1", "2", "3", "4", "5", "e1"]
    assert (await shelf.changes())[told:] == [("2", "added", {})]


async def test_a_rehearsal_says_field_by_field_what_would_change_and_changes_nothing(shelf: Shelf) -> None:
    await load(shelf)
    before = await shelf.raw(), await shelf.listed(), await shelf.changes()
    one, rehearsal = Replay(shelf.store, NEW, ALL, batch_size=2), Rehearsal()
    after: int | None = 0
    while after is not None:
        after = await one.rehearse(after, rehearsal)
    assert (await shelf.raw(), await shelf.listed(), await shelf.changes()) == before
    assert await one.position() == 0
    assert rehearsal.changes == {"changed": 5}
    assert rehearsal.fields == {"price": 5, "currency": 5}
    assert rehearsal.examples["price"] == [Example(a_key(number), 98_000, 980_000) for number in "123"]
    assert rehearsal.lines()[:3] == [
        "changed: 5 records",
        "price: 5 records",
        "    che168/1: 98000 -> 980000",
    ]


async def test_a_rehearsal_of_nothing_new_says_so(shelf: Shelf) -> None:
    await load(shelf)
    one, rehearsal = Replay(shelf.store, OLD, ALL, batch_size=100), Rehearsal()
    await one.rehearse(0, rehearsal)
    assert rehearsal.lines() == ["nothing would change"]


@pytest.mark.parametrize(
    ("wanted", "changed"),
    [
        (Selection(platform="encar"), []),
        (Selection(platform="che168", inner_id="3"), ["3"]),
        (Selection(inner_id="4"), ["4"]),
        (Selection(platform="che168"), ["1", "2", "3", "4", "5"]),
    ],
    ids=["another platform", "one offer", "one id of any platform", "one platform"],
)
async def test_only_what_is_meant_is_normalised_anew(shelf: Shelf, wanted: Selection, changed: list[str]) -> None:
    await load(shelf)
    await replay(shelf, wanted=wanted)
    assert sorted(name for name, offer in (await shelf.listed()).items() if offer["currency"] == "KRW") == changed


async def test_an_interrupted_replay_goes_on_where_it_was_and_another_one_begins_at_the_first_row(shelf: Shelf) -> None:
    await load(shelf)
    first = Replay(shelf.store, NEW, ALL, batch_size=2)
    after = await first.step(await first.position())
    assert after is not None
    second = Replay(shelf.store, NEW, ALL, batch_size=2)
    assert await second.position() == after
    assert await Replay(shelf.store, NEW, Selection(platform="che168"), batch_size=2).position() == 0
    await replay(shelf)
    listed = await shelf.listed()
    assert {listed[number]["currency"] for number in "12345"} == {"KRW"}
    assert await second.position() == 0


async def test_what_was_interrupted_under_another_mapping_begins_at_the_first_row_again(shelf: Shelf) -> None:
    await load(shelf)
    first = Replay(shelf.store, NEW, ALL, batch_size=2, mapping="new")
    after = await first.step(await first.position())
    assert await Replay(shelf.store, NEW, ALL, batch_size=2, mapping="new").position() == after
    newer = {**OLD, "che168": PlatformProfile(currency="KRW", price_multiplier=100)}
    assert await Replay(shelf.store, newer, ALL, batch_size=2, mapping="newer").position() == 0
    await replay(shelf, newer, mapping="newer")
    listed = await shelf.listed()
    assert [listed[number]["price"] for number in "12345"] == [9_800_000] * 5


async def test_a_culprit_costs_itself_only_and_a_healed_one_is_processed(shelf: Shelf) -> None:
    await shelf.refuse_poison(refused=True)
    lander = Lander(shelf.store, OLD)
    await lander.land([a_page([an_offer("1"), an_offer("2", title=POISON_TITLE), an_offer("3")])])
    assert not (await shelf.raw())["2"].processed
    done = await replay(shelf, batch_size=3)
    assert done.counts["errors"] == 1
    assert [(await shelf.listed())[number]["currency"] for number in "13"] == ["KRW", "KRW"]
    await shelf.refuse_poison(refused=False)
    healed = await replay(shelf, batch_size=3)
    assert healed.counts["errors"] == 0
    row = (await shelf.raw())["2"]
    assert (row.processed, row.error_count, row.last_error) == (True, 0, None)
    assert (await shelf.listed())["2"]["currency"] == "KRW"


async def test_live_traffic_between_two_steps_is_neither_lost_nor_undone(shelf: Shelf) -> None:
    await load(shelf)
    one = Replay(shelf.store, NEW, ALL, batch_size=2)
    after = await one.step(0)
    live = Lander(shelf.store, NEW)
    news = [a_change("1", 2000, new_price=7), a_change("5", 2001, new_price=8), a_removal("4", 2002)]
    await live.land([a_page(news, kind=PageKind.CHANGE, position=2000)])
    await live.land([a_page([an_offer("9")], position=7)])
    while after is not None:
        after = await one.step(after)
    listed, raw = await shelf.listed(), await shelf.raw()
    assert {number: listed[number]["price"] for number in "12359"} == {
        "1": 70,
        "2": 980_000,
        "3": 980_000,
        "5": 80,
        "9": 980_000,
    }
    assert not raw["4"].active
    assert all(row.processed for row in raw.values())


async def test_a_database_that_goes_away_leaves_the_replay_where_its_last_commit_was() -> None:
    shelf = FakeShelf()
    await load(shelf)
    one = Replay(shelf.store, NEW, ALL, batch_size=2)
    after = await one.step(0)
    assert after is not None
    shelf.store.outages = 1
    with pytest.raises(TransientError):
        await one.step(after)
    assert await one.position() == after
    goes_on: int | None = after
    while goes_on is not None:
        goes_on = await one.step(goes_on)
    listed = await shelf.listed()
    assert {listed[number]["currency"] for number in "12345"} == {"KRW"}


async def test_a_replay_that_finds_nothing_new_goes_on_where_it_was(shelf: Shelf) -> None:
    await load(shelf)
    after = await Replay(shelf.store, OLD, ALL, batch_size=2).step(0)
    assert after
    assert await Replay(shelf.store, OLD, ALL, batch_size=2).position() == after


async def test_what_the_new_mapping_cannot_normalise_is_flagged_and_shown_as_it_was_until_it_is_healed(
    shelf: Shelf,
) -> None:
    lander = Lander(shelf.store, OLD)
    await lander.land([a_page([an_offer("1"), an_offer("2", title=POISON_TITLE), an_offer("3")])])
    await shelf.refuse_poison(refused=True)
    for times in (1, 2):
        assert (await replay(shelf, batch_size=3)).counts["errors"] == 1
        row = (await shelf.raw())["2"]
        assert (row.processed, row.error_count) == (False, times)
        assert row.last_error
    assert [(await shelf.listed())[number]["currency"] for number in "123"] == ["KRW", "CNY", "KRW"]
    await shelf.refuse_poison(refused=False)
    keys, _ = await shelf.store.pending(limit=10, after=0)
    assert keys == [a_key("2")]
    await Lander(shelf.store, NEW).normalise(keys)
    row = (await shelf.raw())["2"]
    assert (row.processed, row.error_count, row.last_error) == (True, 0, None)
    assert (await shelf.listed())["2"]["currency"] == "KRW"


async def test_a_rehearsal_counts_a_culprit_and_does_not_flag_it(shelf: Shelf) -> None:
    await Lander(shelf.store, OLD).land([a_page([an_offer("1"), an_offer("2", title=POISON_TITLE)])])
    await shelf.refuse_poison(refused=True)
    before = await shelf.raw()
    one, rehearsal = Replay(shelf.store, NEW, ALL, batch_size=10), Rehearsal()
    await one.rehearse(0, rehearsal)
    assert (one.counts["errors"], rehearsal.changes) == (1, {"changed": 1})
    assert await shelf.raw() == before


class Overtaken(Watched):
    """A store in which an offer changes just before a second transaction begins."""

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Any]:
        """Open a transaction."""
        self.asked.append("transaction")
        if len(self.asked) == 2:
            news = [a_change("2", 2000, title="fine")]
            await Lander(self._store, NEW).land([a_page(news, kind=PageKind.CHANGE, position=2000)])
        async with self._store.transaction() as whole:
            yield whole


async def test_a_culprit_that_is_another_row_by_now_is_not_flagged(shelf: Shelf) -> None:
    await Lander(shelf.store, OLD).land([a_page([an_offer("2", title=POISON_TITLE)])])
    await shelf.refuse_poison(refused=True)
    store: Any = Overtaken(shelf.store)
    await Replay(store, NEW, ALL, batch_size=10).step(0)
    row = (await shelf.raw())["2"]
    assert (row.processed, row.error_count, row.last_error) == (True, 0, None)
    assert (await shelf.listed())["2"]["title"] == "fine"


async def test_a_row_that_only_waits_for_its_flag_gets_it(shelf: Shelf) -> None:
    await load(shelf)
    async with shelf.store.transaction() as transaction:
        await transaction.update_rows(list((await transaction.lock_rows([a_key("2")])).values()), processed=False)
    await replay(shelf, OLD)
    assert all(row.processed for row in (await shelf.raw()).values())


async def test_a_catalogue_that_shows_what_is_gone_is_brought_in_line(shelf: Shelf) -> None:
    await load(shelf)
    lander = Lander(shelf.store, OLD)
    await lander.land([a_page([a_removal("2", 2000)], kind=PageKind.CHANGE, position=2000)])
    async with shelf.store.transaction() as transaction:
        (gone,) = (await transaction.lock_rows([a_key("2")])).values()
    back = a_record("2", {"inner_id": "2", "mark": "BMW", "price": "98000"}, seq=2001)
    await lander.land([a_page([back], kind=PageKind.CHANGE, position=2001)])
    told = len(await shelf.changes())
    async with shelf.store.transaction() as transaction:
        await transaction.update_rows([gone], processed=True)
    await replay(shelf, OLD)
    assert (await shelf.changes())[told:] == [("2", "removed", {})]


async def test_an_outage_while_a_culprit_is_sought_skips_no_row() -> None:
    shelf, met = FakeShelf(), Counter[str]()

    def poison(row: CatalogueRow) -> bool:
        met[row.raw.inner_id] += 1
        if met["2"] == 3:
            raise TransientError("away")
        return row.raw.inner_id == "2"

    await load(shelf)
    shelf.store.poison = poison
    with pytest.raises(TransientError):
        await Replay(shelf.store, NEW, ALL, batch_size=4).step(0)
    assert (await shelf.listed())["1"]["currency"] == "KRW"
    assert await Replay(shelf.store, NEW, ALL, batch_size=4).position() == 0
