"""Landing a batch, on the fake and on PostgreSQL: what is committed, what is quarantined, what readers are told."""

from collections import Counter
from collections.abc import Callable
from itertools import permutations
from random import Random
from typing import Any

import pytest
from tests.contract.normalizer.shelves import POISON_TITLE, Shelf, a_key

from common.events import FeedRecord, PageFetched, PageKind
from common.testing.pages import a_change, a_page, a_record, a_removal
from normalizer.core.errors import PoisonError, TransientError
from normalizer.core.land import Lander
from normalizer.core.offers.fields import Reading
from normalizer.core.offers.normalise import normalise
from normalizer.core.offers.record import PlatformProfile
from normalizer.core.ports import Store

pytestmark = pytest.mark.contract

REFUSED = b'{"inner_id":"%s","mark":"BMW","n":1e131073}'


def a_lander(store: Store) -> Lander:
    return Lander(store, {"che168": PlatformProfile(renames={"new_price": "price"})})


def changes(*records: FeedRecord, position: int = 1000) -> PageFetched:
    return a_page(records, kind=PageKind.CHANGE, position=position)


def an_offer(inner_id: str, **data: Any) -> FeedRecord:
    return a_record(inner_id, {"inner_id": inner_id, "mark": "BMW", "price": "98000"} | data)


def refused(inner_id: str, seq: int = 99) -> FeedRecord:
    return a_record(inner_id, REFUSED.replace(b"%s", inner_id.encode()), seq=seq)


def poison(inner_id: str) -> FeedRecord:
    return an_offer(inner_id, title=POISON_TITLE)


async def assert_accounted_for(shelf: Shelf) -> None:
    for message_id, page in (await shelf.pages()).items():
        assert page.landed + page.quarantined == page.records, message_id
        assert page.status == "landed"


async def test_a_first_load_is_rows_a_catalogue_a_feed_and_a_ledger(shelf: Shelf) -> None:
    pages = [a_page([an_offer(f"{n}{i}") for i in range(20)], position=n) for n in range(1, 4)]
    counts = await a_lander(shelf.store).land(pages)
    said = ("pages", "records", "inserted", "updated", "quarantined", "told.che168")
    assert {name: counts[name] for name in said} == {
        "pages": 3,
        "records": 60,
        "inserted": 60,
        "updated": 0,
        "quarantined": 0,
        "told.che168": 60,
    }
    raw, ledger = await shelf.raw(), await shelf.pages()
    assert len(raw) == len(await shelf.listed()) == 60
    assert all(row.processed and row.complete and row.active for row in raw.values())
    assert raw["10"].data == {"inner_id": "10", "mark": "BMW", "price": "98000"}
    assert raw["35"].page_id == ledger[pages[2].message_id].id
    assert [change[:2] for change in await shelf.changes()] == [(number, "added") for number in sorted(raw)]
    await assert_accounted_for(shelf)


async def test_redelivery_writes_no_row_and_tells_nobody(shelf: Shelf) -> None:
    lander = a_lander(shelf.store)
    pages = [a_page([an_offer("1"), an_offer("2")]), changes(a_change("1", 1000, new_price=5), a_removal("2", 1001))]
    await lander.land(pages)
    before = await shelf.raw(), await shelf.listed(), await shelf.changes(), await shelf.pages()
    for again in (pages, pages[:1], pages[1:], pages[::-1]):
        counts = await lander.land(again)
        assert {name: counts[name] for name in ("inserted", "updated", "unchanged", "told.che168")} == {
            "inserted": 0,
            "updated": 0,
            "unchanged": 2,
            "told.che168": 0,
        }
    assert (await shelf.raw(), await shelf.listed(), await shelf.changes(), await shelf.pages()) == before


async def test_a_change_is_told_with_what_was_and_what_is(shelf: Shelf) -> None:
    lander = a_lander(shelf.store)
    await lander.land([a_page([an_offer("1")])])
    await lander.land([changes(a_change("1", 1000, new_price=5))])
    assert (await shelf.raw())["1"].data["price"] == 5
    assert (await shelf.listed())["1"]["price"] == 5
    assert (await shelf.changes())[1:] == [("1", "changed", {"price": [98000, 5]})]


@pytest.mark.parametrize("order", list(permutations(range(3))), ids=str)
async def test_several_changes_of_an_offer_in_one_batch_leave_the_newest_of_each_field(
    shelf: Shelf, order: tuple[int, ...]
) -> None:
    lander = a_lander(shelf.store)
    await lander.land([a_page([an_offer("1")])])
    said = [a_change("1", 1000, new_price=5, color="Red"), a_change("1", 1001, new_price=6), a_change("1", 1002, km=7)]
    await lander.land([changes(*(said[place] for place in order))])
    assert (await shelf.raw())["1"].data == {"inner_id": "1", "mark": "BMW", "price": 6, "color": "Red", "km": 7}
    assert (await shelf.listed())["1"]["price"] == 6


async def test_a_number_that_jsonb_spells_otherwise_is_no_change(shelf: Shelf) -> None:
    data = b'{"inner_id":"1","mark":"BMW","price":98000,"salon_id":1e2,"seller":1.0,"power":-0.0,"km_age":1e4}'
    lander = a_lander(shelf.store)
    await lander.land([a_page([a_record("1", data)])])
    await lander.land([changes(a_change("1", 1000, new_price=5))])
    assert [change[2].keys() for change in await shelf.changes()] == [set(), {"price"}]


async def test_a_change_that_changes_no_typed_value_is_not_told(shelf: Shelf) -> None:
    lander = a_lander(shelf.store)
    await lander.land([a_page([an_offer("1")])])
    await lander.land([changes(a_change("1", 1000, new_price=98000))])
    assert (await shelf.raw())["1"].data["price"] == 98000
    assert len(await shelf.changes()) == 1


async def test_a_partial_record_waits_unseen_for_its_base(shelf: Shelf) -> None:
    lander = a_lander(shelf.store)
    await lander.land([changes(a_change("1", 1000, new_price=5))])
    assert not (await shelf.raw())["1"].complete
    assert await shelf.changes() == []
    await lander.land([a_page([an_offer("1")])])
    assert (await shelf.raw())["1"].data == {"inner_id": "1", "mark": "BMW", "price": 5}
    assert await shelf.changes() == [("1", "added", {})]


async def test_removed_and_added_again(shelf: Shelf) -> None:
    lander = a_lander(shelf.store)
    await lander.land([a_page([an_offer("1")])])
    await lander.land([changes(a_removal("1", 1000))])
    assert not (await shelf.raw())["1"].active
    await lander.land([changes(a_record("1", {"inner_id": "1", "price": 7}, seq=1001), position=1001)])
    assert (await shelf.raw())["1"].active
    assert [change[1] for change in await shelf.changes()] == ["added", "removed", "added"]


async def test_a_whole_history_in_one_batch_ends_as_in_many(shelf: Shelf) -> None:
    history = [
        changes(a_removal("1", 1002), a_change("2", 1001, new_price=5)),
        a_page([an_offer("1"), an_offer("2")]),
        changes(a_change("1", 1000, new_price=3), a_record("1", {"price": 9}, seq=1003), position=1002),
    ]
    await a_lander(shelf.store).land(history)
    raw = await shelf.raw()
    assert (raw["1"].active, raw["1"].data["price"], raw["2"].data["price"]) == (True, 9, 5)
    assert [change[:2] for change in await shelf.changes()] == [("1", "added"), ("2", "added")]


async def test_several_changes_of_a_known_offer_in_one_batch_are_one_write_and_one_line(shelf: Shelf) -> None:
    lander = a_lander(shelf.store)
    await lander.land([a_page([an_offer("1")])])
    counts = await lander.land(
        [changes(a_change("1", 1000, new_price=5), a_change("1", 1002, new_price=7), a_change("1", 1001, km_age=3))]
    )
    assert (counts["updated"], counts["inserted"], counts["unchanged"]) == (1, 0, 0)
    assert (await shelf.changes())[1:] == [("1", "changed", {"price": [98000, 7], "km_age": [None, 3]})]


async def test_the_same_message_twice_in_a_batch_is_one_line_of_the_ledger(shelf: Shelf) -> None:
    page = a_page([an_offer("1"), a_record(None), an_offer("2")])
    await a_lander(shelf.store).land([page, page])
    assert len(await shelf.raw()) == 2
    (line,) = (await shelf.pages()).values()
    assert (line.records, line.landed, line.quarantined) == (3, 2, 1)
    assert len(await shelf.quarantine()) == 1


async def test_what_cannot_be_a_row_is_quarantined_once_and_the_rest_lands(shelf: Shelf) -> None:
    deep = b'{"a":' * 7000 + b"1" + b"}" * 7000
    page = a_page(
        [an_offer("1"), a_record(None), a_record("2", b"[]"), a_record("3", deep), a_record("4", b'{"a":"\\u0000"}')]
    )
    for _ in range(2):
        await a_lander(shelf.store).land([page])
    kept = await shelf.quarantine()
    assert [(item.inner_id, item.index, item.reason) for item in kept] == [
        (None, 1, "no_inner_id"),
        ("2", 2, "data_not_object"),
        ("3", 3, "data_not_object"),
        ("4", 4, "repaired"),
    ]
    assert deep in kept[2].body
    assert kept[3].body == b'{"a":"\\u0000"}'
    raw = await shelf.raw()
    assert sorted(raw) == ["1", "4"]
    assert raw["4"].data == {"a": "\ufffd"}
    (line,) = (await shelf.pages()).values()
    assert (line.records, line.landed, line.quarantined) == (5, 2, 3)


PLACES = [[0], [99], [199], [99, 100], sorted(Random(4).sample(range(200), 5)), [*range(200)]]  # noqa: S311 - places


@pytest.mark.parametrize("places", PLACES, ids=lambda places: f"{len(places)}@{places[0]}")
async def test_what_postgresql_refuses_is_quarantined_and_its_neighbours_commit(
    shelf: Shelf, places: list[int]
) -> None:
    records = [refused(f"{n:03}") if n in places else an_offer(f"{n:03}") for n in range(200)]
    pages = [a_page(records[start : start + 20], position=start) for start in range(0, 200, 20)]
    watched = Outage(shelf.store, set())
    lander = a_lander(watched)
    counts = await lander.land(pages)
    assert (counts["inserted"], counts["quarantined"]) == (200 - len(places), len(places))
    assert watched.transactions <= 3
    assert sum(page.quarantined for page in (await shelf.pages()).values()) == len(places)
    before = await shelf.raw()
    assert len(before) == len(await shelf.listed()) == len(await shelf.changes()) == 200 - len(places)
    assert all(row.processed for row in before.values())
    await assert_accounted_for(shelf)
    await lander.land(pages)
    kept = await shelf.quarantine()
    assert {(item.inner_id, item.reason) for item in kept} == {(f"{n:03}", "refused") for n in places}
    assert len(kept) == len(places)
    assert await shelf.raw() == before
    await assert_accounted_for(shelf)


async def test_the_original_of_a_repaired_record_is_kept_beside_a_poison_as_well(shelf: Shelf) -> None:
    await a_lander(shelf.store).land([a_page([a_record("1", rb'{"inner_id":"1","a":"\u0000"}'), refused("2")])])
    kept = {(item.inner_id, item.reason) for item in await shelf.quarantine()}
    assert kept == {("1", "repaired"), ("2", "refused")}


async def test_a_refused_change_leaves_the_row_as_it_was(shelf: Shelf) -> None:
    lander = a_lander(shelf.store)
    await lander.land([a_page([an_offer("1"), an_offer("2")])])
    bad = a_record("1", b'{"new_price":1e131073}', change_type="changed", seq=1000)
    await lander.land([changes(bad, a_change("1", 1001, km_age=3), a_change("2", 1002, new_price=6))])
    raw = await shelf.raw()
    assert raw["1"].data == {"inner_id": "1", "mark": "BMW", "price": "98000", "km_age": 3}
    assert raw["2"].data["price"] == 6
    assert [(kept.inner_id, kept.index) for kept in await shelf.quarantine()] == [("1", 0)]
    await assert_accounted_for(shelf)


@pytest.mark.parametrize("places", PLACES, ids=lambda places: f"{len(places)}@{places[0]}")
async def test_what_cannot_be_normalised_stays_raw_with_its_error_and_its_neighbours_commit(
    shelf: Shelf, places: list[int]
) -> None:
    await shelf.refuse_poison(refused=True)
    records = [poison(f"{n:03}") if n in places else an_offer(f"{n:03}") for n in range(200)]
    watched = Outage(shelf.store, set())
    counts = await a_lander(watched).land([a_page(records)])
    assert (counts["errors"], counts["told.che168"]) == (len(places), 200 - len(places))
    extra = watched.transactions - 1
    assert extra <= (16 if len(places) == 1 else 20 * len(places))
    raw, bad = await shelf.raw(), {f"{n:03}" for n in places}
    assert {number for number, row in raw.items() if not row.processed} == bad
    assert all(raw[number].error_count == 1 and raw[number].last_error for number in bad)
    assert all(row.error_count == 0 for number, row in raw.items() if number not in bad)
    assert set(await shelf.listed()) == set(raw) - bad
    assert len(await shelf.changes()) == 200 - len(places)
    assert await shelf.quarantine() == []
    (line,) = (await shelf.pages()).values()
    assert (line.landed, line.quarantined) == (200, 0)


async def test_a_culprit_is_not_tried_again_by_redelivery_but_when_its_row_changes(shelf: Shelf) -> None:
    await shelf.refuse_poison(refused=True)
    lander, page = a_lander(shelf.store), a_page([poison("1"), an_offer("2")])
    await lander.land([page])
    before = await shelf.raw()
    await lander.land([page])
    assert await shelf.raw() == before
    await lander.land([changes(a_change("1", 1000, title="fine"))])
    raw = await shelf.raw()
    assert (raw["1"].processed, raw["1"].error_count, raw["1"].last_error) == (True, 0, None)
    assert ("1", "added", {}) in await shelf.changes()


async def test_normalising_again_heals_a_row_once_the_cause_is_gone(shelf: Shelf) -> None:
    await shelf.refuse_poison(refused=True)
    lander = a_lander(shelf.store)
    await lander.land([a_page([poison("1"), an_offer("2")])])
    assert (await lander.normalise([a_key("1"), a_key("2")]))["errors"] == 1
    assert (await shelf.raw())["1"].error_count == 2
    await shelf.refuse_poison(refused=False)
    assert (await lander.normalise([a_key("1")]))["errors"] == 0
    row = (await shelf.raw())["1"]
    assert (row.processed, row.error_count, row.last_error) == (True, 0, None)
    assert [change[:2] for change in await shelf.changes()] == [("2", "added"), ("1", "added")]
    assert await shelf.store.pending(limit=10, after=0) == ([], 0)


async def test_a_defect_of_the_normaliser_costs_its_record_only(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    def defective(data: bytes, profile: PlatformProfile, reading: Reading | None) -> Any:
        if b"odd" in data:
            raise ZeroDivisionError("a defect\x00")
        return normalise(data, profile, reading)

    monkeypatch.setattr("normalizer.core.catalogue.normalise", defective)
    await a_lander(shelf.store).land([a_page([an_offer("1"), an_offer("2", x="odd"), an_offer("3")])])
    raw = await shelf.raw()
    assert [number for number, row in sorted(raw.items()) if row.processed] == ["1", "3"]
    assert "ZeroDivisionError" in (raw["2"].last_error or "")


class Outage:
    """A store whose transactions fail before they commit: those whose numbers, from 1, are `away`."""

    def __init__(self, store: Store, away: set[int]) -> None:
        self._store = store
        self._away = away
        self.transactions = 0
        self.ping = store.ping
        self.pending = store.pending

    def transaction(self) -> Any:
        """Open a transaction."""
        self.transactions += 1
        return _Failing(self._store.transaction(), fails=self.transactions in self._away)


class _Failing:
    def __init__(self, whole: Any, *, fails: bool) -> None:
        self._whole = whole
        self._fails = fails

    async def __aenter__(self) -> Any:
        return await self._whole.__aenter__()

    async def __aexit__(self, *error: object) -> Any:
        if self._fails and error[0] is None:
            away = TransientError("the connection is gone")
            await self._whole.__aexit__(TransientError, away, None)
            raise away
        return await self._whole.__aexit__(*error)


async def test_an_error_that_passes_commits_nothing_and_the_same_call_again_lands_all(shelf: Shelf) -> None:
    outage = Outage(shelf.store, {1})
    pages = [a_page([an_offer("1")]), changes(a_change("1", 1000, new_price=5))]
    with pytest.raises(TransientError):
        await a_lander(outage).land(pages)
    assert (await shelf.raw(), await shelf.listed(), await shelf.changes(), await shelf.pages()) == ({}, {}, [], {})
    counts = await a_lander(outage).land(pages)
    assert (counts["pages"], counts["inserted"]) == (2, 1)
    await assert_accounted_for(shelf)


@pytest.mark.parametrize("bad", [poison, refused], ids=["not normalised", "refused raw"])
@pytest.mark.parametrize("away", range(1, 8))
async def test_interrupted_anywhere_while_a_culprit_is_sought_the_same_call_again_ends_the_same(
    shelf: Shelf, bad: Callable[[str], FeedRecord], away: int
) -> None:
    await shelf.refuse_poison(refused=True)
    page = a_page([an_offer("1"), bad("2"), an_offer("3"), an_offer("4")])
    lander = a_lander(Outage(shelf.store, {away}))
    try:
        await lander.land([page])
    except TransientError:
        await lander.land([page])
    raw = await shelf.raw()
    assert [number for number, row in sorted(raw.items()) if row.processed] == ["1", "3", "4"]
    assert sorted(await shelf.listed()) == ["1", "3", "4"]
    assert Counter(change[:2] for change in await shelf.changes()) == Counter((n, "added") for n in "134")
    if bad is poison:
        assert raw["2"].error_count == 1
    else:
        assert [kept.inner_id for kept in await shelf.quarantine()] == ["2"]
    await assert_accounted_for(shelf)


async def test_poison_that_no_search_finds_is_raised_and_commits_nothing(shelf: Shelf) -> None:
    page = a_page([an_offer("1")], run_id="r" * 3 + "\x00")
    with pytest.raises(PoisonError):
        await a_lander(shelf.store).land([page])
    assert (await shelf.raw(), await shelf.pages()) == ({}, {})
