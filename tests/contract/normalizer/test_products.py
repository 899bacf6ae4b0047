"""Landing snapshots of a shop, on the fake and on PostgreSQL: what the shop tables hold and what readers are told."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest
from tests.contract.normalizer.rows import a_product_row
from tests.contract.normalizer.shelves import Shelf

from common.events import LISTS_ID, PageKind
from common.testing.pages import a_page, a_record
from common.testing.products import (
    SHOP,
    a_category,
    a_color,
    a_mark,
    a_parameter,
    a_product,
    a_snapshot,
    an_extra,
    an_image,
    some_lists,
)
from normalizer.core.errors import PoisonError
from normalizer.core.land import Lander
from normalizer.core.offers.record import PlatformProfile
from normalizer.core.ports import Key, Selection, Store, StoredRow
from normalizer.core.products.record import Product, ShopProfile
from normalizer.core.products.shared import Ref
from normalizer.core.replay import Replay

pytestmark = pytest.mark.contract

OTHER_SHOP = "second_shop"
TOO_DEEP = 3_000


def a_lander(store: Store) -> Lander:
    shops = {SHOP: ShopProfile(), OTHER_SHOP: ShopProfile(currency="KZT")}
    return Lander(store, {"che168": PlatformProfile(), **shops})


async def held(shelf: Shelf, *numbers: int, platform: str = SHOP) -> Mapping[str, Product]:
    async with shelf.store.transaction() as transaction:
        return await transaction.products.products(platform, [str(number) for number in numbers])


async def shared(shelf: Shelf, *, platform: str = SHOP) -> Mapping[str, Any]:
    """Return names of categories and marks, by table and id, with the sort order of categories."""
    async with shelf.store.transaction() as transaction:
        found = await transaction.products.shared(platform)
    return {f"{key.table}:{key.id}": getattr(said.row, "sort_order", said.row.name) for key, said in found.items()}


async def everything(shelf: Shelf) -> list[Any]:
    return [await shelf.raw(), await held(shelf, *range(1, 10)), await shared(shelf), await shelf.changes()]


async def test_a_product_and_what_belongs_to_it_are_rows_and_readers_are_told(shelf: Shelf) -> None:
    counts = await a_lander(shelf.store).land(a_snapshot([a_product(1), a_product(2)], seq=1))
    assert (counts["inserted"], counts["unchanged"]) == (2, 0)
    found = await held(shelf, 1, 2, 3)
    assert found.keys() == {"1", "2"}
    product = found["1"]
    assert (product.name, product.currency, product.tags) == ("Sunflower 1", "RUB", ["flowers", "yellow"])
    assert (product.categories, product.marks) == (["62"], ["2"])
    assert [row.exclusion_id for row in product.exclusions] == ["107"]
    assert [(row.parameter_id, row.price) for row in product.parameters] == [("102", Decimal(6500))]
    assert await shared(shelf) == {"categories:62": 110, "marks:2": "new"}
    assert [change[:2] for change in await shelf.changes()] == [(LISTS_ID, "added"), ("1", "added"), ("2", "added")]
    raw = await shelf.raw()
    assert all(row.processed and row.active for row in raw.values())
    assert await shelf.listed() == {}


async def test_what_says_the_same_in_another_order_is_written_nowhere_and_told_to_nobody(shelf: Shelf) -> None:
    lander = a_lander(shelf.store)
    images = [an_image(1, 1), an_image(2, 1)]
    lists = some_lists(a_category(62), a_category(63), marks=[a_mark()])
    await lander.land(a_snapshot([a_product(1, images=images)], seq=1, lists=lists))
    before = await everything(shelf)
    lists["categories"].reverse()
    product = dict(reversed(a_product(1, images=images[::-1]).items()))
    counts = await lander.land(a_snapshot([product], seq=2, lists=lists))
    assert (counts["unchanged"], counts["updated"]) == (2, 0)
    assert await everything(shelf) == before


async def test_a_change_is_told_by_fields_and_whole_lists(shelf: Shelf) -> None:
    lander = a_lander(shelf.store)
    old = a_product(1)
    await lander.land(a_snapshot([old], seq=1))
    importance = [{"id": 900, "product_id": 1, "importance": 25}]
    await lander.land(a_snapshot([old | {"Product_Name": "Rose", "importance_num": importance}], seq=2))
    assert (await shelf.changes())[2:] == [
        (
            "1",
            "changed",
            {
                "name": ["Sunflower 1", "Rose"],
                "importance": [
                    [{"importance_id": "108", "importance": 25}],
                    [{"importance_id": "900", "importance": 25}],
                ],
            },
        )
    ]


async def test_children_made_again_under_new_ids_replace_the_old_ones(shelf: Shelf) -> None:
    lander = a_lander(shelf.store)
    old = a_product(1)
    await lander.land(a_snapshot([old], seq=1))
    again = {
        "parameters": [a_parameter(902)],
        "excluded": [{"id": 907, "product_id": 1, "parameter_id": 902, "color_id": 101}],
        "extras": [an_extra(905, 1), an_extra(904, 1)],
        "reviews": [],
    }
    await lander.land(a_snapshot([old | again], seq=2))
    product = (await held(shelf, 1))["1"]
    assert [row.parameter_id for row in product.parameters] == ["902"]
    assert [(row.exclusion_id, row.parameter_id, row.color_id) for row in product.exclusions] == [("907", "902", "101")]
    assert [row.extra_id for row in product.extras] == ["904", "905"]
    assert product.reviews == []
    assert [row.color_id for row in product.colors] == ["101"]


async def test_an_exclusion_keeps_its_id_and_changes_its_parameter(shelf: Shelf) -> None:
    lander = a_lander(shelf.store)
    excluded = {"id": 7, "product_id": 1, "parameter_id": 1, "color_id": None}
    await lander.land(a_snapshot([a_product(1, parameters=[a_parameter(1)], excluded=[excluded])], seq=1))
    excluded["parameter_id"] = 2
    await lander.land(a_snapshot([a_product(1, parameters=[a_parameter(2)], excluded=[excluded])], seq=2))
    product = (await held(shelf, 1))["1"]
    assert [(row.exclusion_id, row.parameter_id) for row in product.exclusions] == [("7", "2")]


async def test_a_product_that_is_gone_takes_its_rows_and_its_raw_row_stays(shelf: Shelf) -> None:
    lander = a_lander(shelf.store)
    await lander.land(a_snapshot([a_product(1), a_product(2)], seq=1))
    await lander.land(a_snapshot([a_product(2)], seq=2))
    await lander.land(a_snapshot([a_product(2)], seq=3, gone=[1]))
    assert (await held(shelf, 1, 2)).keys() == {"2"}
    raw = await shelf.raw()
    assert (raw["1"].active, raw["1"].processed, raw["1"].data["Product_ID"]) == (False, True, 1)
    assert await shared(shelf) == {"categories:62": 110, "marks:2": "new"}
    assert (await shelf.changes())[3:] == [("1", "removed", {})]


async def test_a_removal_told_again_writes_nothing_and_a_return_is_told(shelf: Shelf) -> None:
    lander = a_lander(shelf.store)
    await lander.land(a_snapshot([a_product(1)], seq=1))
    await lander.land(a_snapshot([], seq=2, gone=[1]))
    before = await everything(shelf)
    await lander.land(a_snapshot([], seq=3, gone=[1]))
    assert await everything(shelf) == before
    await lander.land(a_snapshot([a_product(1)], seq=4))
    assert (await held(shelf, 1)).keys() == {"1"}
    assert [change[:2] for change in (await shelf.changes())[1:]] == [("1", "added"), ("1", "removed"), ("1", "added")]


async def test_a_removal_wins_over_an_equal_record_that_moved_no_version(shelf: Shelf) -> None:
    lander = a_lander(shelf.store)
    for seq in (1, 2, 3):
        await lander.land(a_snapshot([a_product(1)], seq=seq))
    await lander.land(a_snapshot([], seq=4, gone=[1]))
    assert await held(shelf, 1) == {}
    await lander.land(a_snapshot([a_product(1)], seq=3))
    assert await held(shelf, 1) == {}


async def test_an_older_snapshot_that_comes_late_changes_nothing(shelf: Shelf) -> None:
    lander = a_lander(shelf.store)
    await lander.land(a_snapshot([a_product(1, Product_Name="new")], seq=2, lists=some_lists(a_category(1))))
    before = await everything(shelf)
    late = a_snapshot([a_product(1, Product_Name="old"), a_product(2)], seq=1, lists=some_lists(a_category(9)))
    await lander.land(late[:1])
    assert (await held(shelf, 1))["1"].name == "new"
    assert (await everything(shelf))[2] == before[2]


async def test_a_snapshot_whose_slices_come_in_one_batch_and_twice_is_landed_once(shelf: Shelf) -> None:
    pages = a_snapshot([a_product(number) for number in range(1, 8)], seq=1, size=2)
    await a_lander(shelf.store).land([*pages, *pages[::-1]])
    assert len(await held(shelf, *range(1, 8))) == 7
    assert len(await shelf.changes()) == 8


async def test_the_lists_of_the_shop_have_the_last_word_whichever_comes_first(shelf: Shelf) -> None:
    lander = a_lander(shelf.store)
    product = a_product(1, categories=[a_category(62, sort_order=1), a_category(63, sort_order=1)])
    lists = some_lists(a_category(62, sort_order=5), a_category(64, sort_order=6))
    for pages in (
        a_snapshot([product], seq=1),
        a_snapshot([], seq=1, lists=lists),
        a_snapshot([product | {"Product_Name": "Rose"}], seq=2),
    ):
        await lander.land(pages)
    assert await shared(shelf) == {"categories:62": 5, "categories:63": 1, "categories:64": 6, "marks:2": "new"}
    assert (await held(shelf, 1))["1"].categories == ["62", "63"]


async def test_what_the_lists_say_first_stays_when_products_come(shelf: Shelf) -> None:
    lander = a_lander(shelf.store)
    await lander.land(a_snapshot([], seq=1, lists=some_lists(a_category(62, sort_order=5))))
    await lander.land(a_snapshot([a_product(1, categories=[a_category(62, sort_order=1)])], seq=2))
    assert (await shared(shelf))["categories:62"] == 5


async def test_a_category_that_is_listed_no_more_goes_with_its_last_product(shelf: Shelf) -> None:
    lander = a_lander(shelf.store)
    used, idle, kept = a_category(1), a_category(2), a_category(3)
    await lander.land(a_snapshot([a_product(1, categories=[used])], seq=1, lists=some_lists(used, idle, kept)))
    await lander.land(a_snapshot([], seq=2, lists=some_lists(kept)))
    assert (await shared(shelf)).keys() == {"categories:1", "categories:3", "marks:2"}
    await lander.land(a_snapshot([a_product(1, categories=[kept])], seq=3))
    assert (await shared(shelf)).keys() == {"categories:3", "marks:2"}
    told = [(inner_id, diff) for inner_id, _, diff in await shelf.changes() if inner_id == LISTS_ID]
    assert [list(diff) for _, diff in told] == [[], ["categories:2"], ["categories:1"]]
    assert told[1][1]["categories:2"] == [{"category_id": "2", "name": "Category 2", "sort_order": 110}, None]


@pytest.mark.parametrize("lists", [None, some_lists()], ids=["no lists", "empty lists"])
async def test_without_lists_categories_and_marks_stay(shelf: Shelf, lists: dict[str, Any] | None) -> None:
    lander = a_lander(shelf.store)
    await lander.land(a_snapshot([a_product(1)], seq=1))
    await lander.land(a_snapshot([], seq=2, gone=[1], lists=lists))
    assert (await shared(shelf)).keys() == {"categories:62", "marks:2"}


async def test_the_lists_as_they_came_stay_in_their_raw_row(shelf: Shelf) -> None:
    lists = some_lists(a_category(1))
    await a_lander(shelf.store).land(a_snapshot([], seq=1, lists=lists))
    raw = (await shelf.raw())[LISTS_ID]
    assert (raw.data, raw.processed, raw.active) == (lists, True, True)


async def test_two_shops_with_the_same_ids_are_apart(shelf: Shelf) -> None:
    lander = a_lander(shelf.store)
    await lander.land(a_snapshot([a_product(1)], seq=1))
    await lander.land(a_snapshot([a_product(1, Product_Name="Other")], seq=1, platform=OTHER_SHOP))
    await lander.land(a_snapshot([], seq=2, gone=[1]))
    assert await held(shelf, 1) == {}
    found = (await held(shelf, 1, platform=OTHER_SHOP))["1"]
    assert (found.name, found.currency) == ("Other", "KZT")


async def test_offers_and_products_in_one_batch_each_find_their_tables(shelf: Shelf) -> None:
    offers = a_page([a_record("1"), a_record("2")])
    await a_lander(shelf.store).land([offers, *a_snapshot([a_product(1)], seq=1)])
    assert (await shelf.listed()).keys() == {"1", "2"}
    assert (await held(shelf, 1, 2)).keys() == {"1"}
    assert len(await shelf.changes()) == 4


async def test_rows_that_wait_are_written_and_one_that_nothing_can_read_costs_itself_alone(shelf: Shelf) -> None:
    deep = b'{"Product_ID":2,"extra_json":' + b"[" * TOO_DEEP + b"]" * TOO_DEEP + b"}"
    documents: dict[str, dict[str, Any] | bytes] = {
        "1": a_product(1),
        "2": deep,
        "3": a_product(3),
        LISTS_ID: some_lists(a_category(1)),
    }
    lander = a_lander(shelf.store)
    rows = [a_product_row(data, inner_id=inner_id) for inner_id, data in documents.items()]
    async with shelf.store.transaction() as transaction:
        await transaction.insert_rows([StoredRow(row, 1) for row in rows], processed=False)
    counts = await lander.normalise([Key(SHOP, inner_id) for inner_id in documents])
    assert counts["errors"] == 1
    assert (await held(shelf, 1, 2, 3)).keys() == {"1", "3"}
    assert (await shared(shelf)).keys() == {"categories:1", "categories:62", "marks:2"}
    async with shelf.store.transaction() as transaction:
        waiting = await transaction.lock_unprocessed([Key(SHOP, inner_id) for inner_id in documents])
    assert waiting.keys() == {Key(SHOP, "2")}
    await lander.land(a_snapshot([a_product(2)], seq=2))
    assert (await held(shelf, 2)).keys() == {"2"}


async def test_a_number_beyond_any_in_a_known_product_costs_its_record_alone(shelf: Shelf) -> None:
    lander = a_lander(shelf.store)
    await lander.land(a_snapshot([a_product(1), a_product(2)], seq=1))
    beyond = a_record("1", b'{"weight":1e99999999999999999999}', change_type="changed", seq=2)
    changed = a_record("2", a_product(2, Product_Name="Rose"), seq=2)
    counts = await lander.land([a_page([beyond, changed], platform=SHOP, kind=PageKind.SNAPSHOT, position=2)])
    assert (counts["updated"], counts["quarantined"], counts["errors"]) == (1, 1, 0)
    found = await held(shelf, 1, 2)
    assert (found["1"].name, found["2"].name) == ("Sunflower 1", "Rose")


async def test_json_within_a_text_may_hold_what_no_column_can_and_is_told_once(shelf: Shelf) -> None:
    within = '{"a":NaN,"b":1e-99999,"c":1e400}'
    color = a_color(101, 1, json_data=within)
    lander = a_lander(shelf.store)
    await lander.land(a_snapshot([a_product(1, colors=[color])], seq=1))
    details = {"a": None, "b": "1e-99999", "c": Decimal("1e400")}
    assert [row.details for row in (await held(shelf, 1))["1"].colors] == [details]
    told = len(await shelf.changes())
    await lander.land(a_snapshot([a_product(1, colors=[color], Product_Name="Rose")], seq=2))
    assert [change[2].keys() for change in (await shelf.changes())[told:]] == [{"name"}]


async def test_products_are_written_all_or_none(shelf: Shelf) -> None:
    async def write() -> None:
        async with shelf.store.transaction() as transaction:
            await transaction.products.write_products(SHOP, {"9": Product(currency="RUB")})
            await transaction.products.write_products(SHOP, {"8": Product(currency="RUB", categories=["1"])})

    with pytest.raises(PoisonError, match="23503"):
        await write()
    assert await held(shelf, 8, 9) == {}


async def test_a_category_in_use_is_not_removed(shelf: Shelf) -> None:
    await a_lander(shelf.store).land(a_snapshot([a_product(1)], seq=1, lists=some_lists(a_category(1))))
    async with shelf.store.transaction() as transaction:
        await transaction.products.remove_unused(SHOP, [Ref("categories", "1"), Ref("categories", "62")])
    assert (await shared(shelf)).keys() == {"categories:62", "marks:2"}


async def test_a_batch_of_nothing_is_fine(shelf: Shelf) -> None:
    async with shelf.store.transaction() as transaction:
        products = transaction.products
        await products.lock(SHOP)
        assert await products.products(SHOP, []) == {}
        assert await products.shared(SHOP) == {}
        await products.write_shared(SHOP, {})
        await products.write_products(SHOP, {})
        await products.remove_products(SHOP, [])
        await products.remove_unused(SHOP, [])


async def replayed(shelf: Shelf, currency: str) -> Replay:
    one = Replay(shelf.store, {SHOP: ShopProfile(currency=currency)}, Selection(), batch_size=2)
    after: int | None = 0
    while after is not None:
        after = await one.step(after)
    return one


async def test_a_changed_profile_reaches_every_product_by_a_replay_and_a_second_writes_nothing(shelf: Shelf) -> None:
    lists = some_lists(a_category(62), a_category(1), marks=[a_mark()])
    await a_lander(shelf.store).land(a_snapshot([a_product(n) for n in range(1, 6)], seq=1, lists=lists))
    told = len(await shelf.changes())
    assert (await replayed(shelf, "KZT")).counts["changed"] == 5
    assert {product.currency for product in (await held(shelf, *range(1, 6))).values()} == {"KZT"}
    assert (await shelf.changes())[told:] == [(str(n), "changed", {"currency": ["RUB", "KZT"]}) for n in range(1, 6)]
    before = await everything(shelf)
    assert (await replayed(shelf, "KZT")).counts["changed"] == 0
    assert await everything(shelf) == before
