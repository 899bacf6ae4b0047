"""ProductReader: the same suite on the fake and on PostgreSQL, and any list read through both alike."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.contract.gateway.shop import FakeProducts, Product, a_shop_product, store_products

from common.settings import DatabaseSettings
from gateway.adapters.database import Database
from gateway.adapters.products import PostgresProducts
from gateway.core.ports import ProductReader
from gateway.core.product_query import ProductQuery, ProductSort, read_product_query
from gateway.core.search import Search
from gateway.entrypoints.http.shop_models import Category, ProductDetail, ProductItem

pytestmark = pytest.mark.contract

Filled = Callable[[Sequence[Product]], Awaitable[ProductReader]]


@pytest.fixture
async def real_reader(module_database: DatabaseSettings) -> AsyncIterator[Filled]:
    """A PostgreSQL reader of exactly the given products."""
    opened = Database(module_database, application="test")
    await opened.open()

    async def filled(products: Sequence[Product]) -> ProductReader:
        await store_products(module_database, products)
        return PostgresProducts(opened)

    yield filled
    await opened.close()


@pytest.fixture(params=["fake", "postgres"])
def reader_of(request: pytest.FixtureRequest) -> Filled:
    """Makes a reader of the given products: the fake and the real one in turn."""
    if request.param == "postgres":
        real: Filled = request.getfixturevalue("real_reader")
        return real

    async def filled(products: Sequence[Product]) -> ProductReader:
        return FakeProducts(products)

    return filled


def query_of(**parameters: object) -> ProductQuery:
    """Return the query of these parameters."""
    return read_product_query([(name, str(value)) for name, value in parameters.items()])[0]


async def ids(reader: ProductReader, **parameters: object) -> list[str]:
    """Return the ids of all pages, read one after another."""
    query = query_of(**parameters)
    page = await reader.page(query, None)
    items = list(page.items)
    while page.last is not None:
        page = await reader.page(query, page.last)
        assert page.items, "a position leads to at least one product"
        items += page.items
    return [json.loads(item)["product_id"] for item in items]


def moment(day: int) -> datetime:
    """Return a day of creation."""
    return datetime(2025, 9, day, 10, 20, 30, 123456, tzinfo=UTC)


FOUR = [
    a_shop_product("1", name="Rose 100%", prices=[Decimal(300), Decimal(200)], source_created_at=moment(1)),
    a_shop_product("2", name="rose_red", prices=[None], source_created_at=moment(3), on_main=False, marks={}),
    a_shop_product("3", name=None, prices=[Decimal("99.50"), None], source_created_at=None, categories={"7": "Gifts"}),
    a_shop_product("4", name="Подсолнух", prices=[], source_created_at=moment(2), platform="other", marks={"9": "NEW"}),
]


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({}, ["2", "4", "1", "3"]),
        ({"sort": "price"}, ["3", "1", "2", "4"]),
        ({"sort": "-price"}, ["1", "3", "4", "2"]),
        ({"sort": "name", "limit": 1}, ["1", "2", "4", "3"]),
        ({"sort": "-name", "limit": 2}, ["4", "2", "1", "3"]),
        ({"name": "ROSE"}, ["2", "1"]),
        ({"name": "0%"}, ["1"]),
        ({"name": "e_r"}, ["2"]),
        ({"name": "\\"}, []),
        ({"name": "СОЛН"}, ["4"]),
        ({"category": "gifts"}, ["3"]),
        ({"category": "7"}, ["3"]),
        ({"category": "62", "platform": "other"}, ["4"]),
        ({"mark": "New"}, ["4", "1", "3"]),
        ({"mark": "9"}, ["4"]),
        ({"price_from": "99.50", "price_to": "199.99"}, ["3"]),
        ({"price_from": 200}, ["1"]),
        ({"price_to": 300}, ["1", "3"]),
        ({"on_main": "false"}, ["2"]),
        ({"on_main": "true", "mark": "new", "name": "rose"}, ["1"]),
        ({"name": "'; DROP TABLE products; --"}, []),
    ],
    ids=str,
)
async def test_a_list_holds_what_meets_all_conditions_in_order(
    reader_of: Filled, parameters: dict[str, object], expected: list[str]
) -> None:
    assert await ids(await reader_of(FOUR), **parameters) == expected


@pytest.mark.parametrize(("page", "expected"), [(1, ["3", "1"]), (2, ["2", "4"]), (3, [])])
async def test_a_page_has_a_number_and_a_total(reader_of: Filled, page: int, expected: list[str]) -> None:
    found = await (await reader_of(FOUR)).numbered(query_of(sort="price", limit=2), page)
    assert ([json.loads(item)["product_id"] for item in found.items], found.total) == (expected, 4)


async def test_answers_are_as_documented(reader_of: Filled) -> None:
    product = a_shop_product("1", pictures=["javascript:alert(1)", "https://a.example/2.jpg"], prices=[Decimal("9.90")])
    reader = await reader_of([product])
    item = ProductItem.model_validate_json((await reader.page(ProductQuery(), None)).items[0])
    assert (item.price, item.image_url, item.categories[0].name) == (9.9, "https://a.example/2.jpg", "Bouquets")
    detail = ProductDetail.model_validate_json((await reader.find("1", None))[0].body)
    assert (detail.product_id, detail.marks[0].name) == ("1", "new")


async def test_a_product_is_found_in_its_shop_or_in_all(reader_of: Filled) -> None:
    reader = await reader_of(
        [a_shop_product("1", platform="b"), a_shop_product("1", platform="a"), a_shop_product("2")]
    )
    assert [found.platform for found in await reader.find("1", None)] == ["a", "b"]
    assert [found.platform for found in await reader.find("1", "b")] == ["b"]
    assert await reader.find("1", "c") == []


async def test_categories_are_counted(reader_of: Filled) -> None:
    reader = await reader_of(
        [a_shop_product("1"), a_shop_product("2", categories={"62": "Bouquets", "7": "Gifts"}), FOUR[3]]
    )
    everywhere = [Category.model_validate_json(text) for text in await reader.categories(None)]
    assert [(c.platform, c.category_id, c.products) for c in everywhere] == [
        ("bot_igor", "62", 2),
        ("bot_igor", "7", 1),
        ("other", "62", 1),
    ]
    assert len(await reader.categories("other")) == 1


@pytest.mark.parametrize(
    ("words", "limit", "expected"),
    [
        (("rose",), 9, ["2", "1"]),
        (("0%", "rose"), 9, ["1"]),
        (("rose",), 1, ["2"]),
        (("солн",), 9, ["4"]),
        (("x",), 9, []),
    ],
)
async def test_products_are_found_by_words(
    reader_of: Filled, words: tuple[str, ...], limit: int, expected: list[str]
) -> None:
    found = await (await reader_of(FOUR)).search(Search(words, limit))
    assert [ProductItem.model_validate_json(text).product_id for text in found] == expected


few = st.sampled_from([None, Decimal(0), Decimal("0.01"), Decimal(5)])
lists = st.lists(
    st.fixed_dictionaries(
        {
            "platform": st.sampled_from(["a", "b"]),
            "name": st.sampled_from(["x", "X", "y%", "щ", "", "x" * 150, "x" * 150 + "y", None]),
            "prices": st.lists(few, max_size=2),
            "on_main": st.sampled_from([True, False, None]),
            "source_created_at": st.none() | st.integers(1, 3).map(moment),
            "marks": st.sampled_from([{}, {"2": "new"}, {"3": "old"}]),
        }
    ),
    max_size=8,
)


def holds_something(asked: Mapping[str, Any]) -> bool:
    """Return whether the range of prices is none that is refused."""
    return Decimal(asked.get("price_from", "0")) <= Decimal(asked.get("price_to", "Infinity"))


parameter_sets = st.fixed_dictionaries(
    {"sort": st.sampled_from(list(ProductSort)), "limit": st.integers(1, 4)},
    optional={
        "platform": st.just("a"),
        "name": st.sampled_from(["X", "%", "щ"]),
        "mark": st.sampled_from(["NEW", "3"]),
        "price_from": st.sampled_from(["0", "0.01"]),
        "price_to": st.sampled_from(["0", "4.99"]),
        "on_main": st.sampled_from(["true", "false"]),
    },
).filter(holds_something)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=lists, parameters=parameter_sets)
async def test_any_list_read_page_by_page_is_the_one_of_the_model(
    real_reader: Filled, rows: list[dict[str, Any]], parameters: dict[str, object]
) -> None:
    products = [a_shop_product(str(number), **row) for number, row in enumerate(rows)]
    expected = await ids(FakeProducts(products), **(parameters | {"limit": 100}))
    assert await ids(await real_reader(products), **parameters) == expected
