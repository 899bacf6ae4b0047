"""What readers of the catalogue are told of a change, and what a row that cannot be normalised costs."""

import json
from collections import Counter
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace
from tests.contract.normalizer.fakes import FakeStore

from common.events import InnerId
from normalizer.core.catalogue import compared, compared_price, difference, write_catalogue
from normalizer.core.drift import Drift
from normalizer.core.errors import PoisonError
from normalizer.core.merge import NEVER, RawRow
from normalizer.core.offers.record import Offer, PlatformProfile
from normalizer.core.ports import CataloguePrice, CatalogueRow, Key, Listed

PROFILES = {"che168": PlatformProfile()}


def a_raw_row(*, active: bool = True, complete: bool = True, **data: Any) -> RawRow:
    return RawRow(
        platform="che168",
        inner_id=InnerId("7"),
        data=json.dumps(data).encode(),
        change_type="added",
        source="initial_load",
        source_id=None,
        created_at=None,
        active=active,
        base_seq=10 if complete else NEVER,
        base_sight=1 if complete else NEVER,
        field_seq={},
        active_seq=10,
        max_seq=10,
        loose={},
    )


def a_row(*, active: bool = True, complete: bool = True, **document: Any) -> CatalogueRow:
    offer = msgspec.convert({"currency": "CNY"} | document, Offer)
    return CatalogueRow(a_raw_row(active=active, complete=complete), offer)


def listed(*, visible: bool = True, **document: Any) -> Listed:
    return Listed(json.dumps({"currency": "CNY"} | document, indent=1).encode(), visible)


@pytest.mark.parametrize(
    ("old", "row", "expected"),
    [
        pytest.param(None, a_row(price=1), ("added", {}), id="new and visible"),
        pytest.param(None, a_row(active=False), None, id="new and inactive"),
        pytest.param(None, a_row(complete=False), None, id="new and incomplete"),
        pytest.param(listed(visible=False), a_row(price=1), ("added", {}), id="comes back"),
        pytest.param(listed(visible=False), a_row(active=False, price=1), None, id="stays hidden, whatever changes"),
        pytest.param(listed(price=1), a_row(active=False, price=1), ("removed", {}), id="goes"),
        pytest.param(listed(price=1), a_row(active=False, price=2), ("removed", {}), id="goes and changes"),
        pytest.param(listed(price=1), a_row(price=1), None, id="the same, written otherwise"),
        pytest.param(listed(price=1.0), a_row(price=1), None, id="the same number, written otherwise"),
        pytest.param(listed(price=1), a_row(price=2), ("changed", {"price": [1, 2]}), id="another price"),
        pytest.param(
            listed(price=1), a_row(km_age=0), ("changed", {"price": [1, None], "km_age": [None, 0]}), id="fields"
        ),
        pytest.param(
            listed(images=["a"], first_registration="2020-01-02"),
            a_row(options=["b"], is_dealer=False),
            (
                "changed",
                {
                    "images": [["a"], None],
                    "options": [None, ["b"]],
                    "is_dealer": [None, False],
                    "first_registration": ["2020-01-02", None],
                },
            ),
            id="lists and dates",
        ),
        pytest.param(
            listed(gone=1, year="MMXX"),
            a_row(images=["a"]),
            ("changed", {"gone": [1, None], "year": ["MMXX", None], "images": [None, ["a"]]}),
            id="fields of another version of ours",
        ),
    ],
)
def test_what_readers_see_change(
    old: Listed | None, row: CatalogueRow, expected: tuple[str, dict[str, Any]] | None
) -> None:
    _, change = compared(row.raw, row.offer, old)
    said = None if change is None else (change.change_type, json.loads(change.diff))
    assert said == expected
    assert change is None or change.key == Key("che168", "7")


@pytest.mark.parametrize(
    ("old", "row", "news"),
    [
        pytest.param(None, a_row(price=1), None, id="new"),
        pytest.param(listed(price=1), a_row(price=2), {"price": 2}, id="another price"),
        pytest.param(listed(), a_row(price=0), {"price": 0}, id="a price"),
        pytest.param(listed(price=1), a_row(), None, id="no price any more"),
        pytest.param(listed(price=1), a_row(price=1, active=False), {}, id="gone"),
        pytest.param(listed(price=1), a_row(price=2, active=False), {"price": 2}, id="gone with another price"),
        pytest.param(listed(price=1), a_row(price=1), {}, id="the same"),
        pytest.param(listed(price=1, year=2020), a_row(price=2, year=2021), None, id="another price and more"),
        pytest.param(listed(gone=1, price=1), a_row(price=2), None, id="a field of another version of ours"),
    ],
)
def test_a_price_and_nothing_at_all_are_written_without_the_rest(
    old: Listed | None, row: CatalogueRow, news: dict[str, Any] | None
) -> None:
    written, _ = compared(row.raw, row.offer, old)
    assert (json.loads(written.news) if isinstance(written, CataloguePrice) else None) == news


@pytest.mark.parametrize(
    ("old", "price", "active", "expected"),
    [
        pytest.param(listed(price=1), 2.0, True, ({"price": 2}, ("changed", {"price": [1, 2]})), id="another"),
        pytest.param(listed(price=None), 2.0, True, ({"price": 2}, ("changed", {"price": [None, 2]})), id="a first"),
        pytest.param(listed(price=1.0), 1.0, True, ({}, None), id="the same"),
        pytest.param(listed(price=None), None, True, ({}, None), id="none as before"),
        pytest.param(listed(price=1), 2.0, False, ({"price": 2}, ("removed", {})), id="gone with another"),
        pytest.param(listed(price=1), 1.0, False, ({}, ("removed", {})), id="gone"),
        pytest.param(listed(visible=False, price=1), 2.0, False, ({"price": 2}, None), id="another of a hidden one"),
        pytest.param(listed(price=1), None, True, None, id="none any more"),
        pytest.param(listed(price="1"), 1.0, True, None, id="written by another version of ours"),
        pytest.param(listed(), 1.0, True, None, id="nothing read"),
        pytest.param(listed(price=1, currency="KRW"), 1.0, True, None, id="in another currency"),
        pytest.param(listed(price=1, currency=None), 1.0, True, None, id="in no currency"),
    ],
)
def test_a_price_alone_says_what_becomes_of_an_offer_or_that_it_takes_the_rest(
    old: Listed, price: float | None, *, active: bool, expected: tuple[Any, ...] | None
) -> None:
    found = compared_price(a_raw_row(active=active), price, old, currency="CNY")
    if found is None:
        assert expected is None
        return
    written, change = found
    assert isinstance(written, CataloguePrice)
    assert written.price == price
    said = None if change is None else (change.change_type, json.loads(change.diff))
    assert (json.loads(written.news), said) == expected


def test_whole_numbers_of_a_change_are_written_as_offers_show_them() -> None:
    _, change = compared_price(a_raw_row(), 95000.5, listed(price=98000.0), currency="CNY") or (None, None)
    assert change is not None
    assert change.diff == b'{"price":[98000,95000.5]}'
    row = a_row(price=98000.0, power_hp=192.0)
    _, change = compared(row.raw, row.offer, listed(price=1.5, power_hp=190.0))
    assert change is not None
    assert change.diff == b'{"price":[1.5,98000],"power_hp":[190,192]}'


def test_a_difference_names_every_field_with_what_was_and_what_is() -> None:
    old = {"a": 1, "b": [1], "c": None, "e": {"x": [1, 2]}, "f": 1}
    new = {"b": [2], "a": 1, "d": 0, "e": {"x": [1, 2]}, "f": None}
    assert difference(old, new) == {"b": [[1], [2]], "d": [None, 0], "f": [1, None]}


async def test_a_row_of_a_platform_that_is_not_configured_is_poison_and_not_a_crash() -> None:
    stray = replace(a_raw_row(), platform="gone")
    async with FakeStore().transaction() as transaction:
        with pytest.raises(PoisonError, match="gone/7"):
            await write_catalogue(transaction, PROFILES, new=[], known=[stray], counts=Counter(), drift=Counter())


async def test_oddities_are_counted_by_field() -> None:
    counts: Counter[str] = Counter()
    drift: Counter[Drift] = Counter()
    rows = [a_raw_row(color="Mauve"), a_raw_row(color="Mauve")]
    async with FakeStore().transaction() as transaction:
        await write_catalogue(transaction, PROFILES, new=rows, known=[], counts=counts, drift=drift)
    assert drift == {Drift("che168", "color", "unmapped", "Mauve"): 2}
    assert counts == {"odd.color:unmapped": 2}


async def test_nothing_is_written_for_no_rows() -> None:
    async with FakeStore().transaction() as transaction:
        await write_catalogue(transaction, PROFILES, new=[], known=[], counts=Counter(), drift=Counter())
