"""Products of shops for the gateway's tests: built by what matters, kept in memory or stored in the shops' tables."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from sqlalchemy import insert
from sqlalchemy.dialects.postgresql import insert as upsert

from common.db import shop_tables as tables
from common.db.engine import create_engine
from common.errors import FeedmillError
from common.settings import DatabaseSettings
from gateway.core.ports import NumberedProducts, ProductPage, StoredItem
from gateway.core.product_query import MAX_KEY, ProductPosition, ProductQuery, ProductSort
from gateway.core.search import Search

Product = Mapping[str, Any]
CHANGED_AT: Final = datetime(2026, 11, 20, tzinfo=UTC)


def a_shop_product(product_id: str = "813", **values: Any) -> dict[str, Any]:
    """Return a product: prices are of its parameters, None where one is not sold; pictures are URLs, the main first."""
    product: dict[str, Any] = {
        "platform": "bot_igor",
        "product_id": product_id,
        "name": f"Sunflower {product_id}",
        "on_main": True,
        "source_created_at": datetime(2025, 9, 1, tzinfo=UTC) + timedelta(days=len(product_id)),
        "prices": [Decimal(6500)],
        "categories": {"62": "Bouquets"},
        "marks": {"2": "new"},
        "pictures": ["https://shop.example/1.jpg"],
        "tags": [],
    }
    assert not values.keys() - product.keys(), values
    return product | values


class FakeProducts:
    """ProductReader on a list of products as `a_shop_product` builds them."""

    def __init__(self, products: Sequence[Product] = (), *, failure: FeedmillError | None = None) -> None:
        self._products = products
        self.failure = failure

    async def page(self, query: ProductQuery, after: ProductPosition | None) -> ProductPage:
        """Return one page."""
        if self.failure is not None:
            raise self.failure
        met = [p for p in self._products if all(_meets(p, name, value) for name, value in query.conditions)]
        ordered = in_order(met, query.sort)
        if after is not None:
            places = [(p["platform"], p["product_id"]) for p in ordered]
            ordered = ordered[places.index((after.platform, after.product_id)) + 1 :]
        shown = ordered[: query.limit]
        last = None
        if len(ordered) > len(shown):
            key = _key(shown[-1], query.sort)
            last = ProductPosition(None if key is None else str(key), shown[-1]["platform"], shown[-1]["product_id"])
        return ProductPage([json.dumps(_item(p), default=str) for p in shown], last)

    async def numbered(self, query: ProductQuery, page: int) -> NumberedProducts:
        """Return a page by its number."""
        if self.failure is not None:
            raise self.failure
        met = [p for p in self._products if all(_meets(p, name, value) for name, value in query.conditions)]
        shown = in_order(met, query.sort)[(page - 1) * query.limit : page * query.limit]
        return NumberedProducts([json.dumps(_item(p), default=str) for p in shown], len(met))

    async def find(self, product_id: str, platform: str | None) -> Sequence[StoredItem]:
        """Return what has this id."""
        same = [p for p in self._products if p["product_id"] == product_id and platform in {None, p["platform"]}]
        same.sort(key=lambda p: str(p["platform"]))
        return [StoredItem(p["platform"], json.dumps(_item(p) | _parts(), default=str)) for p in same]

    async def categories(self, platform: str | None) -> Sequence[str]:
        """Return the categories."""
        if self.failure is not None:
            raise self.failure
        counted: dict[tuple[str, str, str], int] = {}
        for product in self._products:
            for number, name in product["categories"].items():
                if platform in {None, product["platform"]}:
                    key = product["platform"], number, name
                    counted[key] = counted.get(key, 0) + 1
        return [
            json.dumps({"platform": shop, "category_id": number, "name": name, "image_url": None, "products": count})
            for (shop, number, name), count in sorted(counted.items())
        ]

    async def search(self, search: Search) -> Sequence[str]:
        """Return the newest with all words."""
        if self.failure is not None:
            raise self.failure
        ordered = in_order(self._products, ProductSort.NEWEST)
        met = [p for p in ordered if all(word in (p["name"] or "").lower() for word in search.words)]
        return [json.dumps(_item(p), default=str) for p in met[: search.limit]]


def in_order(products: Sequence[Product], sort: ProductSort) -> list[Product]:
    """Return the products in an order, those without the value last."""

    def identity(product: Product) -> tuple[str, str]:
        return product["platform"], product["product_id"]

    known = [p for p in products if _key(p, sort) is not None]
    unknown = [p for p in products if _key(p, sort) is None]
    known.sort(key=lambda p: (_key(p, sort), *identity(p)), reverse=sort.descending)
    return known + sorted(unknown, key=identity, reverse=sort.descending)


def _key(product: Product, sort: ProductSort) -> Any:
    if sort is ProductSort.NEWEST:
        return product["source_created_at"]
    if sort in {ProductSort.NAME, ProductSort.NAME_DESC}:
        return None if product["name"] is None else product["name"].lower()[:MAX_KEY]
    return _price(product)


def _price(product: Product) -> Decimal | None:
    return min((price for price in product["prices"] if price is not None), default=None)


def _meets(product: Product, name: str, value: Any) -> bool:
    price = _price(product)
    named = {"category": product["categories"], "mark": product["marks"]}.get(name, {})
    outcomes: dict[str, bool] = {
        "platform": product["platform"] == value,
        "name": str(value).lower() in (product["name"] or "").lower(),
        "category": any(str(value).lower() == text.lower() or value == number for number, text in named.items()),
        "mark": any(str(value).lower() == text.lower() or value == number for number, text in named.items()),
        "price_from": price is not None and price >= Decimal(str(value)) if name == "price_from" else False,
        "price_to": price is not None and price <= Decimal(str(value)) if name == "price_to" else False,
        "on_main": product["on_main"] is (value == "true"),
    }
    return outcomes[name]


def _item(product: Product) -> dict[str, Any]:
    price = _price(product)
    return {
        "platform": product["platform"],
        "product_id": product["product_id"],
        "name": product["name"],
        "on_main": product["on_main"],
        "price": None if price is None else float(price),
        "old_price": None,
        "currency": "RUB",
        "image_url": next((url for url in product["pictures"] if url.startswith("http")), None),
        "categories": [{"category_id": number, "name": name} for number, name in sorted(product["categories"].items())],
        "marks": [{"mark_id": number, "name": name} for number, name in sorted(product["marks"].items())],
        "tags": product["tags"],
        "source_created_at": product["source_created_at"],
        "changed_at": CHANGED_AT,
    }


def _parts() -> dict[str, Any]:
    names = ("colors", "extras", "reviews", "review_videos", "exclusions", "importance")
    empty: dict[str, Any] = {name: [] for name in names}
    return {"source_updated_at": None, "from_crm": None, "extra": {}, "parameters": [], "images": [], **empty}


async def store_products(settings: DatabaseSettings, products: Sequence[Product]) -> None:
    """Make the shops' tables hold exactly these products."""
    engine = create_engine(settings, application="test")
    try:
        async with engine.begin() as connection:
            for table in (tables.products, tables.categories, tables.marks):
                await connection.execute(table.delete())
            for product in products:
                await _store(connection, product)
    finally:
        await engine.dispose()


async def _store(connection: Any, product: Product) -> None:
    own = {"platform": product["platform"], "product_id": product["product_id"]}
    columns = ("name", "on_main", "source_created_at", "tags")
    row = {**own, "currency": "RUB", **{name: product[name] for name in columns}}
    await connection.execute(insert(tables.products), row)
    for shared, link, key, named in (
        (tables.categories, tables.product_categories, "category_id", product["categories"]),
        (tables.marks, tables.product_marks, "mark_id", product["marks"]),
    ):
        for number, name in named.items():
            row = {"platform": product["platform"], key: number, "name": name, "is_listed": True, "seq": 1}
            await connection.execute(upsert(shared).on_conflict_do_nothing(), row)
            await connection.execute(insert(link), own | {key: number})
    for place, price in enumerate(product["prices"]):
        row = {**own, "parameter_id": str(place), "price": 1 if price is None else price, "is_disabled": price is None}
        await connection.execute(insert(tables.parameters), row)
    for place, url in enumerate(product["pictures"]):
        row = {**own, "image_id": str(9 - place), "url": url, "is_main": place == 0}
        await connection.execute(insert(tables.images), row)
