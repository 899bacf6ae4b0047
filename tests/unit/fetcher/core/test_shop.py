"""The rules of a snapshot: one product of two lists, and what may have gone."""

import json

import pytest
from tests.contract.fetcher.shop_fakes import a_product

from fetcher.core.shop import ListName, ListPage, Product, ShopList, inner_ids, joined, refusal, slices

pytestmark = pytest.mark.unit

MAIN, OTHERS = ListName.MAIN, ListName.OTHERS


def both(main: list[Product], others: list[Product]) -> list[Product]:
    """Return what two lists come to."""
    return joined([ShopList(MAIN, main), ShopList(OTHERS, others)])


def stands(product: Product) -> object:
    """Return where a product says that it was found."""
    return json.loads(bytes(product.data))["found"]


def test_a_product_of_both_lists_counts_once() -> None:
    found = both([a_product("1"), a_product("2")], [a_product("2", on_main=False), a_product("3", on_main=False)])
    assert [product.inner_id for product in found] == ["1", "2", "3"]


@pytest.mark.parametrize(
    ("say", "winner"),
    [
        ((True, True), "main"),
        ((False, False), "others"),
        ((True, False), "others"),
        ((False, True), "others"),
        ((None, None), "others"),
        ((True, None), "main"),
        ((None, False), "others"),
    ],
    ids=[
        "both say it is on the main page",
        "both say it is not",
        "each agrees with its list: the one read last",
        "none agrees: the one read last",
        "none says anything: the one read last",
        "only the main list's agrees",
        "only the other list's agrees",
    ],
)
def test_of_two_the_one_counts_that_agrees_with_its_list(say: tuple[bool | None, bool | None], winner: str) -> None:
    first, second = (
        a_product("1", on_main=on_main, found=name) for on_main, name in zip(say, ("main", "others"), strict=True)
    )
    assert [stands(product) for product in both([first], [second])] == [winner]


def test_of_two_in_one_list_the_last_counts() -> None:
    found = both([a_product("1", found=1), a_product("1", found=2)], [])
    assert [stands(product) for product in found] == [2]


def test_products_without_an_id_are_all_kept() -> None:
    assert len(both([a_product(None), a_product(None)], [a_product(None)])) == 3


def test_repeated_ids_of_a_list_are_named_and_missing_ones_are_not() -> None:
    shown = ShopList(MAIN, [a_product(name) for name in ("2", "1", "2", "1", "3", None, None)])
    assert shown.repeated() == ["1", "2"]


TEN = {str(number): number < 5 for number in range(10)}
"""Products 0 to 4 are on the main page, 5 to 9 are not."""


@pytest.mark.parametrize(
    ("known", "main", "others", "most_gone", "said"),
    [
        (TEN, "01234", "56789", 0.5, None),
        (TEN, "0123", "56789", 0.5, None),
        (TEN, "01234", "56", 0.5, "3 of the 5 products of on_main=false"),
        (TEN, "01234", "567", 0.5, None),
        (TEN, "01234", "", 0.5, "5 of the 5 products of on_main=false"),
        (TEN, "", "56789", 0.5, "5 of the 5 products of on_main=true"),
        (TEN, "", "", 0.5, "5 of the 5 products of on_main=true"),
        (TEN, "", "0123456789", 0.5, None),
        (TEN, "", "012346789", 0.5, None),
        (TEN, "abcde", "vwxyz", 0.5, "10 of the 10 products of both lists"),
        (TEN, "abcde", "56789", 0.5, None),
        (TEN, "", "56789", 1.0, None),
        (TEN, "0123", "56789", 0.0, "1 of the 5 products of on_main=true"),
        (TEN, "01234", "56789", 0.0, None),
        (dict.fromkeys(TEN), "0123", "", 0.5, "6 of the 10 products of both lists"),
        ({"5": False, "6": False}, "", "56", 0.5, None),
        ({"4": True, "5": False}, "123", "5", 0.5, None),
        ({}, "", "", 0.5, None),
        ({}, "12", "34", 0.5, None),
    ],
    ids=[
        "nothing gone",
        "one gone",
        "shrunk by 60 %",
        "shrunk by 40 %",
        "the second list empty",
        "the main list empty",
        "both empty",
        "the main list emptied into the other one",
        "the same, and one gone",
        "a shop of other products",
        "a main page of other products",
        "an operator who allows everything",
        "an operator who allows nothing, one gone",
        "an operator who allows nothing, nothing gone",
        "nothing is known of lists, most of all gone",
        "a list that was empty is empty again",
        "the last that was known of a list that is full",
        "an empty shop",
        "a new shop",
    ],
)
def test_what_may_have_gone(
    known: dict[str, bool | None], main: str, others: str, most_gone: float, said: str | None
) -> None:
    refused = refusal(known, {MAIN: set(main), OTHERS: set(others)}, most_gone=most_gone)
    assert refused is None if said is None else refused is not None and refused.startswith(f"{said} would go")


@pytest.mark.parametrize(
    ("pages", "failure"),
    [
        ([(2, 1, None)], ""),
        ([(2, 1, 2)], ""),
        ([(2, 2, 3), (1, 2, 3)], ""),
        ([(2, 2, 4), (1, 2, 4)], "on_main=true: 3 products came, the shop counts 4"),
        ([(2, 3, 5), (0, 3, 5)], "on_main=true: page 2 of 3 is empty"),
        ([(2, 1, 1)], ""),
        ([(0, 0, 0)], ""),
    ],
    ids=["no count", "all", "two pages", "one too few", "an empty page before the last", "more than told", "no page"],
)
def test_a_list_is_whole_when_as_many_came_as_the_shop_counts(
    pages: list[tuple[int, int, int | None]], failure: str
) -> None:
    shown = ShopList(MAIN)
    for number, (products, of, total) in enumerate(pages, start=1):
        shown.add(ListPage([a_product(f"{number}-{n}") for n in range(products)], {}, of, total), number)
    assert shown.failure == failure


@pytest.mark.parametrize(
    ("second", "pages", "failure"),
    [
        (["1", "2"], 3, "on_main=true: page 2 of 3 shows nothing that was not there before"),
        (["2", "1"], 3, "on_main=true: page 2 of 3 shows nothing that was not there before"),
        (["2", "3"], 3, ""),
        ([None], 3, ""),
        (["2"], 2, ""),
    ],
    ids=["the same page", "another order", "one that moved and one more", "one without an identity", "a last page"],
)
def test_a_shop_that_sends_the_same_page_for_ever_is_not_read_for_ever(
    second: list[str | None], pages: int, failure: str
) -> None:
    shown = ShopList(MAIN)
    shown.add(ListPage([a_product("1"), a_product("2")], {}, pages, None), 1)
    shown.add(ListPage([a_product(inner_id) for inner_id in second], {}, pages, None), 2)
    assert shown.failure == failure


def test_slices_hold_twenty() -> None:
    assert [len(part) for part in slices([None] * 41)] == [20, 20, 1]  # type: ignore[list-item]  # only counted
    assert inner_ids([a_product("1"), a_product(None)]) == {"1"}
