"""Whose word about a category is the last."""

from itertools import permutations

import pytest

from normalizer.core.products.record import Category, Mark
from normalizer.core.products.shared import Ref, Said, Shared, carried, difference, listed, ref, unlisted


def a_row(name: str = "a", number: str = "1", **values: int) -> Category:
    return Category(category_id=number, name=name, sort_order=values.get("sort_order"))


A = Ref("categories", "1")


def test_products_tell_what_nobody_told_before() -> None:
    assert carried({}, [(5, a_row()), (5, Mark(mark_id="1"))]) == {
        A: Said(a_row(), is_listed=False, seq=5),
        Ref("marks", "1"): Said(Mark(mark_id="1"), is_listed=False, seq=5),
    }


@pytest.mark.parametrize("order", list(permutations([(1, a_row("old")), (2, a_row("new")), (2, a_row("other"))])))
def test_of_products_the_newest_version_wins_in_any_order(order: list[tuple[int, Category]]) -> None:
    assert carried({}, order)[A] == Said(a_row("other"), is_listed=False, seq=2)
    by_steps: Shared = {}
    for one in order:
        by_steps = carried(by_steps, [one])
    assert by_steps[A] == Said(a_row("other"), is_listed=False, seq=2)


def test_the_same_row_again_moves_no_version() -> None:
    known = carried({}, [(1, a_row())])
    assert carried(known, [(9, a_row())]) == known
    known = listed({}, [a_row()], seq=1)
    assert listed(known, [a_row()], seq=9) == known


def test_products_say_nothing_of_what_is_listed() -> None:
    known = listed({}, [a_row("listed")], seq=1)
    assert carried(known, [(9, a_row("carried"))]) == known


def test_the_list_has_the_last_word_about_what_products_told() -> None:
    known = carried({}, [(9, a_row("carried"))])
    assert listed(known, [a_row("listed")], seq=1)[A] == Said(a_row("listed"), is_listed=True, seq=1)


def test_what_a_list_has_no_more_is_unlisted_and_products_may_tell_of_it() -> None:
    known = listed(listed({}, [a_row(), a_row("b", "2")], seq=1), [a_row("b", "2")], seq=2)
    assert unlisted(known) == [A]
    assert carried(known, [(3, a_row("new"))])[A] == Said(a_row("new"), is_listed=False, seq=3)


def test_without_a_list_of_its_kind_nothing_is_unlisted() -> None:
    known = carried({}, [(1, a_row()), (1, Mark(mark_id="1"))])
    assert unlisted(known) == []
    assert unlisted(listed(known, [], seq=2)) == []
    assert unlisted(listed(known, [Mark(mark_id="2")], seq=2)) == [Ref("marks", "1")]


def test_a_difference_names_what_comes_goes_and_differs() -> None:
    before = carried({}, [(1, a_row("a", "1")), (1, a_row("b", "2")), (1, a_row("c", "3"))])
    after = listed({}, [a_row("a", "1"), a_row("B", "2"), a_row("d", "4")], seq=2)
    assert difference(before, after) == {
        "categories:2": [a_row("b", "2"), a_row("B", "2")],
        "categories:3": [a_row("c", "3"), None],
        "categories:4": [None, a_row("d", "4")],
    }


def test_a_category_and_a_mark_of_one_id_are_two() -> None:
    assert ref(a_row()) != ref(Mark(mark_id="1"))
