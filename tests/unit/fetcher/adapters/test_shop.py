"""Reading a shop's answers: nothing is lost, and what is no list is an upstream error with its cause."""

import json

import pytest
from msgspec import UNSET

from fetcher.adapters.shop import read_list
from fetcher.core.errors import Cause, UpstreamError
from fetcher.core.shop import product_row

pytestmark = pytest.mark.unit


def a_body(**top: object) -> bytes:
    """Return an answer; it is `ok` and has no products unless said otherwise."""
    return json.dumps({"status": "ok", "products": [], **top}, ensure_ascii=False).encode()


def test_products_come_as_they_are_and_the_rest_is_facts() -> None:
    raw = '{"Product_ID":813, "OnMain":true, "price": 1.50, "Created_At":"Wed, 10 Sep 2025 22:32:32 GMT"}'
    body = f'{{"status":"ok","products":[{raw}],"categories":[{{"Category_ID":62}}],"pagination":null}}'.encode()
    page = read_list(body, 1)
    (product,) = page.products
    assert (product.inner_id, product.on_main) == ("813", True)
    assert product.created_at == "Wed, 10 Sep 2025 22:32:32 GMT"
    assert bytes(product.data).decode() == raw
    assert {name: bytes(raw) for name, raw in page.facts.items()} == {"categories": b'[{"Category_ID":62}]'}
    assert (page.pages, page.total, page.notes) == (1, None, "")


@pytest.mark.parametrize(
    ("written", "inner_id"),
    [
        ("813", "813"),
        ('"813"', "813"),
        ('" 813 "', "813"),
        ("813.0", "813"),
        ('"a-1"', "a-1"),
        ("0", "0"),
        ("100000000000000000000000001", "100000000000000000000000001"),
        ("null", None),
        ('""', None),
        ("true", None),
        ("1.5", None),
        ("[813]", None),
        ('"_catalogue"', None),
    ],
)
def test_an_id_is_text_however_it_is_written(written: str, inner_id: str | None) -> None:
    page = read_list(b'{"status":"ok","products":[{"Product_ID":' + written.encode() + b"}]}", 1)
    assert [product.inner_id for product in page.products] == [inner_id]


@pytest.mark.parametrize(
    ("written", "expected"),
    [("true", True), ("false", False), ('"True"', True), ("0", False), ("null", None), ('"perhaps"', None)],
)
def test_whether_a_product_is_on_the_main_page(written: str, *, expected: bool | None) -> None:
    page = read_list(b'{"status":"ok","products":[{"OnMain":' + written.encode() + b"}]}", 1)
    assert page.products[0].on_main is expected


@pytest.mark.parametrize("odd", ["7", "null", '"text"', "[]", "{}"])
def test_a_product_that_is_none_is_kept_without_an_identity(odd: str) -> None:
    page = read_list(b'{"status":"ok","products":[' + odd.encode() + b"]}", 1)
    assert [(product.inner_id, bytes(product.data)) for product in page.products] == [(None, odd.encode())]


def test_pages_are_told() -> None:
    told = {"current_page": 2, "total_pages": "3", "total_products": 41, "per_page": 20, "has_next": True}
    page = read_list(a_body(pagination=told), 2)
    assert (page.pages, page.total) == (3, 41)


@pytest.mark.parametrize(
    ("body", "cause", "detail"),
    [
        (a_body(status="error", message="shelf locked"), Cause.NOT_OK, "status error: shelf locked"),
        (b'{"status":"error"}', Cause.NOT_OK, "status error: "),
        (a_body(status="error", message={"no": "text"}), Cause.NOT_OK, "status error: "),
        (a_body(status="x" * 999, message="y" * 999), Cause.NOT_OK, f"status {'x' * 200}: {'y' * 200}"),
        (b'{"products":[]}', Cause.WRONG_SHAPE, None),
        (b'{"status":"ok"}', Cause.WRONG_SHAPE, None),
        (a_body(products={}), Cause.WRONG_SHAPE, None),
        (a_body(products=None), Cause.WRONG_SHAPE, None),
        (a_body(status=200), Cause.WRONG_SHAPE, None),
        (b"[]", Cause.WRONG_SHAPE, None),
        (b"null", Cause.WRONG_SHAPE, None),
        (a_body(pagination={"current_page": 1, "total_pages": 2}), Cause.WRONG_SHAPE, "the answer is another page"),
        (a_body(pagination={"has_next": True}), Cause.WRONG_SHAPE, None),
        (a_body(pagination={"total_pages": -1}), Cause.WRONG_SHAPE, None),
        (a_body(pagination={"total_pages": 10**9}), Cause.WRONG_SHAPE, None),
        (a_body()[:-5], Cause.NOT_JSON, "cut or damaged"),
        (b"<html>", Cause.NOT_JSON, "HTML"),
        (b"", Cause.NOT_JSON, "empty body"),
        (a_body(name="Ваза").decode().encode("cp1251"), Cause.BAD_ENCODING, "not UTF-8"),
    ],
)
def test_an_answer_that_is_no_list_has_its_cause(body: bytes, cause: Cause, detail: str | None) -> None:
    number = 2 if b"current_page" in body else 1
    with pytest.raises(UpstreamError) as caught:
        read_list(body, number)
    assert caught.value.cause is cause
    assert detail is None or caught.value.detail == detail


def test_an_odd_number_does_not_cost_the_list() -> None:
    page = read_list(b'\xef\xbb\xbf{"status":"OK","products":[{"Product_ID":1,"discount":NaN}]}', 1)
    assert [product.inner_id for product in page.products] == ["1"]
    assert page.notes == "not_a_number × 1"


def test_a_product_that_had_to_be_repaired_is_kept_as_it_came() -> None:
    sound, flawed = b'{"Product_ID":1,"Name":"[{"}', b'{"Product_ID":2,"Price":NaN}'
    body = b'{"status":"ok","products":[' + sound + b" , " + flawed + b"]}"
    products = read_list(body, 1).products
    assert [product.original for product in products] == [UNSET, flawed.decode()]
    assert [product_row(product).original for product in products] == [UNSET, flawed.decode()]
