"""The shop as a vendor's snapshot has filled it: a product is answered with each of its parts."""

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from tests.integration.gateway.conftest import Served, opened

from common.settings import DatabaseSettings
from gateway.entrypoints.http.shop_models import ProductDetail

pytestmark = pytest.mark.integration

FULL = """
    INSERT INTO products (platform, product_id, name, on_main, source_created_at, currency, tags, from_crm, extra)
    VALUES ('bot_igor', '813', 'Подсолнух <b>', true, '2025-09-10 22:32:32Z', 'RUB', '["a"]', true, '{"x": 1}');
    INSERT INTO categories VALUES ('bot_igor', '62', 'Bouquets', 'ftp://x', 2, '{}', true, 1),
                                  ('bot_igor', '63', 'Gifts', 'https://shop.example/c.jpg', 1, '{}', true, 1);
    INSERT INTO product_categories VALUES ('bot_igor', '813', '62'), ('bot_igor', '813', '63');
    INSERT INTO marks (platform, mark_id, name, is_listed, seq) VALUES ('bot_igor', '2', 'new', true, 1);
    INSERT INTO product_marks VALUES ('bot_igor', '813', '2');
    INSERT INTO colors (platform, product_id, color_id, name, code, discount, sort_order, details)
    VALUES ('bot_igor', '813', '246', 'Red', '#FF0000', 0, 1, '{}'),
           ('bot_igor', '813', '245', 'White', '#FFFFFF', 60.50, 0, '{"add_images": []}');
    INSERT INTO parameters (platform, product_id, parameter_id, name, value, price, old_price, is_chosen, is_disabled)
    VALUES ('bot_igor', '813', '1', 'Height', '13', 6500, 6666, true, false),
           ('bot_igor', '813', '2', 'Height', '10', 100, null, false, true),
           ('bot_igor', '813', '3', 'Height', '15', 7500.50, null, null, null),
           ('bot_igor', '813', '4', 'Height', '17', null, null, null, null);
    INSERT INTO images (platform, product_id, image_id, url, is_main, sort_order)
    VALUES ('bot_igor', '813', '1', 'https://shop.example/1.jpg', false, 0),
           ('bot_igor', '813', '2', 'https://shop.example/2.jpg', true, 5),
           ('bot_igor', '813', '3', 'javascript:alert(1)', true, 1);
    INSERT INTO extras (platform, product_id, extra_id, delivery) VALUES ('bot_igor', '813', '342', 'by hand');
    INSERT INTO reviews (platform, product_id, review_id, photo_url) VALUES ('bot_igor', '813', '41', 'http://a.example');
    INSERT INTO review_videos (platform, product_id, video_id, video_url) VALUES ('bot_igor', '813', '50', 'data:x');
    INSERT INTO exclusions (platform, product_id, exclusion_id, parameter_id) VALUES ('bot_igor', '813', '2982', '1');
    INSERT INTO importance (platform, product_id, importance_id, importance) VALUES ('bot_igor', '813', '7433', 25);
"""


@pytest.fixture
def database(emptied_database: DatabaseSettings) -> DatabaseSettings:
    """One database for all tests of this file."""
    return emptied_database


@pytest.fixture
async def shop(served: Served, database: DatabaseSettings) -> AsyncIterator[httpx.AsyncClient]:
    """A gateway over one full product."""
    async with opened(database) as pool, pool.connection() as connection:
        await connection.execute(FULL)
    async with await served() as client:
        yield client


async def test_a_product_comes_with_all_its_parts(shop: httpx.AsyncClient) -> None:
    product = ProductDetail.model_validate_json((await shop.get("/products/813")).content)
    assert (product.name, product.price, product.old_price, product.currency) == ("Подсолнух <b>", 6500, 6666, "RUB")
    assert product.image_url == "https://shop.example/2.jpg"
    assert [(c.category_id, c.name) for c in product.categories] == [("63", "Gifts"), ("62", "Bouquets")]
    assert [(c.name, c.discount) for c in product.colors] == [("White", 60.5), ("Red", 0)]
    assert [(p.value, p.price, p.is_disabled) for p in product.parameters] == [
        ("13", 6500, False),
        ("10", 100, True),
        ("15", 7500.5, None),
        ("17", None, None),
    ]
    assert [(i.image_id, i.url) for i in product.images] == [
        ("1", "https://shop.example/1.jpg"),
        ("3", None),
        ("2", "https://shop.example/2.jpg"),
    ]
    assert (product.extras[0].delivery, product.reviews[0].photo_url, product.review_videos[0].video_url) == (
        "by hand",
        "http://a.example",
        None,
    )
    assert (product.exclusions[0].parameter_id, product.exclusions[0].color_id) == ("1", None)
    assert (product.importance[0].importance, product.extra, product.tags) == (25, {"x": 1}, ["a"])


async def test_categories_stand_in_the_shops_order(shop: httpx.AsyncClient) -> None:
    items: list[dict[str, Any]] = json.loads((await shop.get("/categories")).content)["items"]
    assert [(c["name"], c["image_url"], c["products"]) for c in items] == [
        ("Gifts", "https://shop.example/c.jpg", 1),
        ("Bouquets", None, 1),
    ]


async def test_what_cannot_be_ordered_has_no_part_in_the_price(shop: httpx.AsyncClient) -> None:
    for query, found in (("price_from=6500&price_to=6500", 1), ("price_to=6499", 0), ("category=gifts&mark=NEW", 1)):
        assert len((await shop.get(f"/products?{query}")).json()["items"]) == found
