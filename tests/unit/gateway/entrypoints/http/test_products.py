"""The shops over HTTP, on fake products."""

import httpx
import pytest
from tests.contract.gateway.fakes import a_client, some_parts
from tests.contract.gateway.shop import FakeProducts, a_shop_product

from common.errors import UnavailableError
from gateway.entrypoints.http.shop_models import CategoryList, ProductDetail, ProductList

pytestmark = pytest.mark.unit

PRODUCTS = [a_shop_product(str(n), name=f"Rose \u00ab{n}\u00bb" * 9) for n in range(5)]


async def get(path: str, *, headers: dict[str, str] | None = None) -> httpx.Response:
    """Ask once."""
    async with a_client(await some_parts(products=FakeProducts(PRODUCTS))) as client:
        return await client.get(path, headers=headers)


@pytest.mark.parametrize("sort", ["newest", "name", "-price"])
async def test_pages_follow_one_another_until_there_is_no_cursor(sort: str) -> None:
    seen: list[str] = []
    cursor = ""
    while True:
        page = ProductList.model_validate_json((await get(f"/products?sort={sort}&limit=2{cursor}")).content)
        seen += [item.product_id for item in page.items]
        if page.next_cursor is None:
            break
        cursor = f"&cursor={page.next_cursor}"
    assert sorted(seen) == ["0", "1", "2", "3", "4"]


async def test_a_cursor_of_another_list_is_refused() -> None:
    cursor = (await get("/products?limit=1")).json()["next_cursor"]
    assert (await get(f"/products?limit=2&cursor={cursor}")).status_code == 200
    for path in (
        f"/products?sort=name&cursor={cursor}",
        f"/products?name=a&cursor={cursor}",
        f"/offers?cursor={cursor}",
    ):
        answer = await get(path)
        assert (answer.status_code, answer.json()["type"]) == (400, "/docs#problem-invalid-cursor")


async def test_a_cursor_goes_on_in_capital_letters_and_with_other_zeros() -> None:
    cursor = (await get("/products?limit=1&name=rose&price_from=1.5")).json()["next_cursor"]
    assert (await get(f"/products?name=ROSE&price_from=1.50&cursor={cursor}")).status_code == 200


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("prise_from=1", ["prise_from"]),
        ("price_from=-1&price_to=x", ["price_from", "price_to"]),
        ("price_from=2&price_to=1", ["price_from"]),
        ("on_main=yes", ["on_main"]),
        ("sort=id", ["sort"]),
        ("limit=101", ["limit"]),
        ("name=", ["name"]),
        ("category=1&category=2", ["category"]),
    ],
)
async def test_wrong_parameters_are_named(query: str, named: list[str]) -> None:
    answer = await get(f"/products?{query}")
    assert (answer.status_code, [error["name"] for error in answer.json()["errors"]]) == (422, named)


async def test_a_product_that_did_not_change_is_not_sent_again() -> None:
    first = await get("/products/1")
    ProductDetail.model_validate_json(first.content)
    again = await get("/products/1", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")


async def test_an_unknown_product_is_not_found_and_one_of_several_shops_asks_which() -> None:
    assert (await get("/products/77")).status_code == 404
    products = FakeProducts([a_shop_product("7", platform=name) for name in ("b", "a")])
    async with a_client(await some_parts(products=products)) as client:
        answer = await client.get("/products/7")
        assert (answer.status_code, answer.json()["platforms"]) == (409, ["a", "b"])
        assert (await client.get("/products/7?platform=a")).json()["platform"] == "a"


async def test_categories_are_listed() -> None:
    listed = CategoryList.model_validate_json((await get("/categories")).content)
    assert [(category.name, category.products) for category in listed.items] == [("Bouquets", 5)]
    assert (await get("/categories?shop=x")).status_code == 422


async def test_a_database_that_is_away_is_a_503() -> None:
    products = FakeProducts(failure=UnavailableError("the database does not answer"))
    async with a_client(await some_parts(products=products)) as client:
        assert (await client.get("/products")).status_code == 503
