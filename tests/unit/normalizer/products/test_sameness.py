"""Whether a record says what is stored already."""

import json
from random import Random
from typing import Any

import pytest
from msgspec.structs import replace
from tests.contract.normalizer.rows import a_product_row

from common.testing.products import a_category, a_color, a_product, an_image
from normalizer.core.merge import NEVER
from normalizer.core.products.sameness import is_same, says_the_same


def as_json(value: Any) -> bytes:
    return json.dumps(value).encode()


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        pytest.param(b'{"a":1,"b":2}', b' { "b" : 2, "a" : 1 } ', True, id="order of keys, and space"),
        pytest.param(b'{"a":[1,2,2]}', b'{"a":[2,1,2]}', True, id="order of an own list"),
        pytest.param(b'{"a":[1,2,2]}', b'{"a":[1,2]}', False, id="an own list has one more of the same"),
        pytest.param(b'{"a":[{"b":[1,2]}]}', b'{"a":[{"b":[2,1]}]}', False, id="order further inside"),
        pytest.param(b'{"a":{"b":[1,2]}}', b'{"a":{"b":[2,1]}}', False, id="order in an object"),
        pytest.param(b'{"a":100}', b'{"a":1e2}', True, id="one number, spelt otherwise"),
        pytest.param(b'{"a":1.10}', b'{"a":1.1}', True, id="trailing zero"),
        pytest.param(b'{"a":9007199254740993}', b'{"a":9007199254740992}', False, id="digits that a float loses"),
        pytest.param(b'{"a":1}', b'{"a":true}', False, id="one is not true"),
        pytest.param(b'{"a":0}', b'{"a":false}', False, id="zero is not false"),
        pytest.param(b'{"a":1}', b'{"a":"1"}', False, id="a number is not a text"),
        pytest.param(b'{"a":null}', b"{}", False, id="null is not absent"),
        pytest.param(b'{"a":null}', b'{"a":""}', False, id="null is not blank"),
        pytest.param(b'{"a":[]}', b'{"a":{}}', False, id="a list is not an object"),
        pytest.param(b'{"a":"\\u0041"}', b'{"a":"A"}', True, id="escaped"),
        pytest.param(b'{"a":2,"a":1}', b'{"a":1}', True, id="of a key twice the last counts"),
        pytest.param(b'{"a":1}', b'{"a":1e99999999999999999999}', False, id="beyond any number"),
        pytest.param(b"{broken", b"{broken", False, id="no JSON"),
        pytest.param(b'{"a":' + b"[" * 3000 + b"]" * 3000 + b"}", b"{}", False, id="too deep"),
    ],
)
def test_what_is_the_same(one: bytes, other: bytes, *, expected: bool) -> None:
    assert is_same(one, other) is expected
    assert is_same(other, one) is expected


@pytest.mark.parametrize(
    "change",
    [
        {"Product_Name": "x"},
        {"Updated_At": None},
        {"marks": []},
        {"categories": [a_category(sort_order=111)]},
        {"images": [an_image(300, 3, title="x")]},
        {"colors": [a_color(301, 3, json_data={"add_images": ["https://example.test/a.jpg"]})]},
        {"tags": ["flowers"]},
        {"extra_json": None},
        {"unknown": 1},
    ],
    ids=lambda change: next(iter(change)),
)
def test_any_other_value_anywhere_is_news(change: dict[str, Any]) -> None:
    product = a_product(3)
    assert is_same(as_json(product), as_json(dict(product)))
    assert not is_same(as_json(product), as_json(product | change))


@pytest.mark.parametrize("seed", range(20))
def test_shuffled_lists_of_a_product_say_the_same(seed: int) -> None:
    chance = Random(seed)  # noqa: S311 - only an order
    product = a_product(1, images=[an_image(n, 1) for n in range(5)], categories=[a_category(n) for n in range(7)])
    mixed = {k: chance.sample(v, len(v)) if isinstance(v, list) else v for k, v in product.items()}
    assert is_same(as_json(product), as_json(mixed))


def test_coming_going_and_becoming_complete_are_news() -> None:
    row = a_product_row(a_product(1))
    assert says_the_same(row, replace(row, base_seq=9, max_seq=9, active_seq=9))
    assert not says_the_same(row, replace(row, active=False))
    assert not says_the_same(replace(row, base_seq=NEVER), row)
