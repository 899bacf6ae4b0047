"""The shop answers as documented, and its days differ as real ones did (UPSTREAMS.md §3)."""

from collections.abc import AsyncIterator
from email.utils import parsedate_to_datetime
from itertools import pairwise
from typing import Any

import httpx
import pytest
from tests.unit.sandbox.upstream.conftest import NOW

from sandbox.upstream.app import UpstreamOptions, create_app

LISTS = "http://upstream/api/products"
SANDBOX = "http://upstream/_sandbox"
PARTS = ("colors", "parameters", "images", "extras", "reviews", "reviews_video", "excluded")
Product = dict[str, Any]


@pytest.fixture(name="client")
async def _client() -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(UpstreamOptions(offers=0, shop=120, now=NOW))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app)) as client:
        yield client


async def _list(client: httpx.AsyncClient, on_main: str) -> dict[str, Any]:
    answer = await client.get(LISTS, params={"on_main": on_main})
    assert answer.status_code == 200
    body: dict[str, Any] = answer.json()
    return body


async def _truth(client: httpx.AsyncClient, day: int) -> dict[str, Any]:
    assert (await client.post(f"{SANDBOX}/shop", json={"day": day})).json() == {"day": day}
    truth: dict[str, Any] = (await client.get(f"{SANDBOX}/shop/truth")).json()
    return truth


def _by_id(products: list[Product]) -> dict[int, Product]:
    return {product["Product_ID"]: product for product in products}


async def test_the_two_lists_have_the_documented_envelopes_and_need_no_key(client: httpx.AsyncClient) -> None:
    main, other = await _list(client, "true"), await _list(client, "false")
    assert set(main) == {
        "status",
        "categories",
        "product_marks",
        "products",
        "special_project_parameters",
        "special_project_parameters_actions",
        "special_project_parameters_badges",
        "special_project_parameters_json",
    }
    assert set(other) == {"status", "products"}
    assert main["status"] == other["status"] == "ok"
    assert len(_by_id(main["products"]) | _by_id(other["products"])) == 120
    assert set(_by_id(main["products"])) & set(_by_id(other["products"]))
    assert set(map(type, main["special_project_parameters"].values())) == {str}


async def test_the_parts_of_a_product_are_its_own_and_its_categories_are_listed(client: httpx.AsyncClient) -> None:
    main = await _list(client, "true")
    categories = {category["Category_ID"]: category for category in main["categories"]}
    ids: dict[str, list[int]] = {part: [] for part in PARTS}
    for product in (await _truth(client, 0))["products"]:
        assert all(categories[category["Category_ID"]] == category for category in product["categories"])
        for part in PARTS:
            for row in product[part]:
                assert row.get("Product_ID", row.get("product_id", product["Product_ID"])) == product["Product_ID"]
                ids[part].append(next(iter(row.values())))
        parameters = {row["Parameter_ID"] for row in product["parameters"]}
        colors = {row["Color_ID"] for row in product["colors"]} | {None}
        assert all(row["parameter_id"] in parameters and row["color_id"] in colors for row in product["excluded"])
        assert 1 <= sum(row["chosen"] for row in product["parameters"]) <= 4
    assert all(len(set(found)) == len(found) > 0 for found in ids.values())


async def test_the_documented_oddities_are_there(client: httpx.AsyncClient) -> None:
    products = (await _truth(client, 40))["products"]
    mains = {sum(image["MainImage"] is True for image in product["images"]) for product in products}
    assert mains == {0, 1, 2}
    assert {type(product["importance_num"]) for product in products} == {list, int, type(None)}
    assert {type(product["tags"]) for product in products} == {list, type(None)}
    assert any("\\n" in tag for product in products for tag in product["tags"] or ())
    assert any("<script>" in extra["Characteristics"] for product in products for extra in product["extras"])
    assert {type(color["json_data"]) for product in products for color in product["colors"]} == {
        dict,
        str,
        type(None),
    }
    olds = [row["old_price"] for product in products for row in product["parameters"]]
    assert 0.4 < olds.count(None) / len(olds) < 0.9
    dates = [product[name] for product in products for name in ("Created_At", "Updated_At")]
    assert None in dates
    assert all(text.endswith(" GMT") and parsedate_to_datetime(text) for text in dates if text is not None)


async def test_the_same_day_is_the_same_and_the_next_one_is_not(client: httpx.AsyncClient) -> None:
    first = await _list(client, "false")
    assert await _list(client, "false") == first
    before, after = await _truth(client, 0), await _truth(client, 1)
    assert before != after
    assert await _truth(client, 0) == before


async def test_over_a_fortnight_products_come_go_move_and_change(client: httpx.AsyncClient) -> None:
    days = [await _truth(client, day) for day in range(15)]
    products = [_by_id(day["products"]) for day in days]
    assert [len(found) for found in products] == [120] * 15
    assert products[14].keys() - products[0].keys()
    assert products[0].keys() - products[14].keys()
    pairs = [
        (older[product_id], newer[product_id])
        for older, newer in pairwise(products)
        for product_id in older.keys() & newer.keys()
    ]
    moved = [new for old, new in pairs if old["OnMain"] != new["OnMain"]]
    assert moved
    edited = [(old, new) for old, new in pairs if any(_by_row(old, part) != _by_row(new, part) for part in PARTS)]
    assert len(pairs) / 30 < len(edited) < len(pairs) / 2
    dated = [(old, new) for old, new in edited if old["Updated_At"] is not None]
    assert any(old["Updated_At"] == new["Updated_At"] for old, new in dated)
    renamed = [(old["Product_Name"] != new["Product_Name"]) for old, new in dated]
    assert renamed == [old["Updated_At"] != new["Updated_At"] for old, new in dated]
    assert {True, False} == set(renamed)


async def test_an_edit_makes_some_parts_anew_and_keeps_the_others(client: httpx.AsyncClient) -> None:
    days = [_by_id((await _truth(client, day))["products"]) for day in (0, 13)]
    both = [(days[0][product_id], days[1][product_id]) for product_id in days[0].keys() & days[1].keys()]
    assert not any(_shared_ids(old["excluded"], new["excluded"]) for old, new in both)
    assert sum(bool(new["excluded"]) for _, new in both) > 20
    for old, new in both:
        for part, name in (("colors", "Color_ID"), ("parameters", "Parameter_ID"), ("extras", "Product_Extra_ID")):
            assert [row[name] for row in old[part]] == [row[name] for row in new[part]]


def _by_row(product: Product, part: str) -> list[str]:
    return sorted(map(str, product[part]))


def _shared_ids(old: list[Product], new: list[Product]) -> set[int]:
    return {row["id"] for row in old} & {row["id"] for row in new}


async def test_a_new_category_renumbers_the_others_and_old_ones_go(client: httpx.AsyncClient) -> None:
    before, after = [(await _truth(client, day))["categories"] for day in (0, 15)]
    old, new = ({row["Category_ID"]: row["sort_order"] for row in rows} for rows in (before, after))
    assert len(new.keys() - old.keys()) == 5
    assert len(old.keys() - new.keys()) == 3
    assert all(old[category] != new[category] for category in old.keys() & new.keys())


async def test_the_order_of_parts_is_not_that_of_the_day_before(client: httpx.AsyncClient) -> None:
    lists = []
    for day in (0, 1):
        await client.post(f"{SANDBOX}/shop", json={"day": day})
        lists.append(_by_id((await _list(client, "false"))["products"]))
    turned = [
        product_id
        for product_id in lists[0].keys() & lists[1].keys()
        if lists[0][product_id]["extras"] != lists[1][product_id]["extras"]
        and sorted(map(str, lists[0][product_id]["extras"])) == sorted(map(str, lists[1][product_id]["extras"]))
    ]
    assert turned


@pytest.mark.parametrize(
    ("rule", "status", "products"),
    [
        pytest.param({"kind": "empty_list"}, "ok", 0, id="empty list"),
        pytest.param({"kind": "shrunk", "share": 0.4}, "ok", 0.4, id="shrunk"),
        pytest.param({"kind": "error_200"}, "error", None, id="error under 200"),
    ],
)
async def test_a_fault_of_one_list_leaves_the_other_alone(
    client: httpx.AsyncClient, rule: dict[str, Any], status: str, products: float | None
) -> None:
    whole = {on_main: len((await _list(client, on_main))["products"]) for on_main in ("true", "false")}
    await client.post(f"{SANDBOX}/faults", json=[rule | {"path": "on_main=false"}])
    assert len((await _list(client, "true"))["products"]) == whole["true"]
    body = await _list(client, "false")
    assert body["status"] == status
    if products is None:
        assert "products" not in body
        assert body["message"]
    else:
        assert len(body["products"]) == round(whole["false"] * products)
    assert len((await _list(client, "false"))["products"]) == whole["false"]


@pytest.mark.parametrize(
    ("rule", "status"), [({"kind": "status", "code": 503}, 503), ({"kind": "redirect"}, 302), ({"kind": "empty"}, 200)]
)
async def test_the_faults_of_any_endpoint_work_on_the_shop_too(
    client: httpx.AsyncClient, rule: dict[str, Any], status: int
) -> None:
    await client.post(f"{SANDBOX}/faults", json=[rule | {"endpoint": "products"}])
    answer = await client.get(LISTS, params={"on_main": "true"})
    assert (answer.status_code, answer.content[:1]) != (200, b"{")
    assert answer.status_code == status


async def test_what_the_shop_does_not_know_is_an_error_of_its_own(client: httpx.AsyncClient) -> None:
    assert (await client.get(LISTS)).json()["status"] == "error"
    assert (await client.post(LISTS, params={"on_main": "true"})).status_code == 405
    stats = (await client.get(f"{SANDBOX}/stats")).json()
    assert stats["paths"] == {"/api/products?on_main=": 1, "/api/products?on_main=true": 1}
    assert stats["endpoints"] == {"products": 2}


@pytest.mark.parametrize("asked", [{"day": -1}, {"day": "2"}, {"day": True}, {}, [1]], ids=str)
async def test_a_day_without_meaning_is_refused(client: httpx.AsyncClient, asked: object) -> None:
    assert (await client.post(f"{SANDBOX}/shop", json=asked)).status_code == 422
    assert (await client.get(f"{SANDBOX}/shop")).json() == {"day": 0}


@pytest.mark.parametrize("products", [1, 3, 40])
async def test_a_shop_of_any_size_opens(products: int) -> None:
    app = create_app(UpstreamOptions(offers=0, shop=products, now=NOW))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app)) as client:
        for day in (0, 1, 50):
            assert len((await _truth(client, day))["products"]) == products


async def test_without_a_shop_there_is_nothing() -> None:
    app = create_app(UpstreamOptions(offers=0, now=NOW))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app)) as client:
        assert (await client.get(LISTS, params={"on_main": "true"})).status_code == 401
        assert (await client.get(f"{SANDBOX}/shop")).status_code == 422
