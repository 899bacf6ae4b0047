"""The SQL of the shops, built from fixed parts; every value that a caller gave is a bound parameter.

A shop is a few hundred or thousand products: lists read all that meet the conditions by the key of `products`, with the
prices and pictures of each by theirs, `(platform, product_id, …)`, and sort them. A cursor still costs no more than the
page before, and nothing is skipped or shown twice while products come and go.
"""

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Final

from gateway.adapters.offer_sql import selected
from gateway.core.product_query import MAX_KEY, ProductPosition, ProductQuery, ProductSort


def _web(column: str) -> str:
    return f"CASE WHEN {column} LIKE 'http://%' OR {column} LIKE 'https://%' THEN {column} END"


def _listed(source: str, order: str, fields: dict[str, str]) -> str:
    return f"""(
        SELECT coalesce(json_agg(row_to_json(item) ORDER BY {order}), '[]')
        FROM {source} CROSS JOIN LATERAL (SELECT {selected(fields)}) AS item
        WHERE x.platform = p.platform AND x.product_id = p.product_id
    )"""  # noqa: S608 - made of constants


def _children(table: str, key: str, fields: dict[str, str], *, order: str = "x.sort_order NULLS LAST, ") -> str:
    return _listed(f"{table} AS x", f"{order}x.{key}", {key: f"x.{key}", **fields})


def _shared(link: str, table: str, key: str, order: str) -> str:
    source = f"{link} AS x JOIN {table} AS s ON s.platform = x.platform AND s.{key} = x.{key}"
    return _listed(source, order, {key: f"s.{key}", "name": "s.name"})


ITEM: Final[dict[str, str]] = {
    "platform": "p.platform",
    "product_id": "p.product_id",
    "name": "p.name",
    "on_main": "p.on_main",
    "price": "trim_scale(cost.price)",
    "old_price": "trim_scale(cost.old_price)",
    "currency": "p.currency",
    "image_url": "picture.url",
    "categories": _shared("product_categories", "categories", "category_id", "s.sort_order NULLS LAST, s.category_id"),
    "marks": _shared("product_marks", "marks", "mark_id", "s.mark_id"),
    "tags": "p.tags",
    "source_created_at": "p.source_created_at",
    "changed_at": "p.changed_at",
}
DETAIL: Final[dict[str, str]] = ITEM | {
    "source_updated_at": "p.source_updated_at",
    "from_crm": "p.from_crm",
    "extra": "p.extra",
    "colors": _children(
        "colors",
        "color_id",
        {
            "name": "x.name",
            "code": "x.code",
            "image_url": _web("x.image_url"),
            "discount": "trim_scale(x.discount)",
            "details": "x.details",
        },
    ),
    "parameters": _children(
        "parameters",
        "parameter_id",
        {
            "name": "x.name",
            "value": "x.value",
            "price": "trim_scale(x.price)",
            "old_price": "trim_scale(x.old_price)",
            "is_chosen": "x.is_chosen",
            "is_disabled": "x.is_disabled",
            "color": "x.color",
            "image_url": _web("x.image_url"),
            "details": "x.details",
        },
    ),
    "images": _children(
        "images",
        "image_id",
        {"url": _web("x.url"), "is_main": "x.is_main", "position": "x.position", "title": "x.title"},
    ),
    "extras": _children(
        "extras",
        "extra_id",
        {name: f"x.{name}" for name in ("characteristics", "delivery", "kit", "offer", "ai_description")},
        order="",
    ),
    "reviews": _children("reviews", "review_id", {"photo_url": _web("x.photo_url")}),
    "review_videos": _children(
        "review_videos", "video_id", {"video_url": _web("x.video_url"), "poster_url": _web("x.poster_url")}
    ),
    "exclusions": _children(
        "exclusions", "exclusion_id", {"parameter_id": "x.parameter_id", "color_id": "x.color_id"}, order=""
    ),
    "importance": _children("importance", "importance_id", {"importance": "x.importance"}, order=""),
}
"""Names in the answer → expressions over a row `p` of `products`, its `cost` and its `picture`."""

COST: Final = """
    CROSS JOIN LATERAL (
        SELECT min(x.price) AS price, (array_agg(x.old_price ORDER BY x.price, x.parameter_id))[1] AS old_price
        FROM parameters AS x
        WHERE x.platform = p.platform AND x.product_id = p.product_id AND x.price IS NOT NULL
          AND x.is_disabled IS NOT TRUE
    ) AS cost"""
"""The lowest price of what can be ordered, with the old price beside it."""

PICTURE: Final = f"""
    LEFT JOIN LATERAL (
        SELECT x.url FROM images AS x
        WHERE x.platform = p.platform AND x.product_id = p.product_id AND {_web("x.url")} IS NOT NULL
        ORDER BY x.is_main IS NOT TRUE, x.sort_order NULLS LAST, x.image_id LIMIT 1
    ) AS picture ON true"""  # noqa: S608 - made of constants
"""The main picture; of several the first, of none the first picture of all."""

_KEYS: Final[dict[ProductSort, str]] = {
    ProductSort.NEWEST: "p.source_created_at",
    ProductSort.NAME: f'left(lower(p.name), {MAX_KEY}) COLLATE "C"',
    ProductSort.NAME_DESC: f'left(lower(p.name), {MAX_KEY}) COLLATE "C"',
    ProductSort.PRICE: "cost.price",
    ProductSort.PRICE_DESC: "cost.price",
}


def _member(link: str, table: str, key: str) -> str:
    return f"""EXISTS (
        SELECT FROM {link} AS l JOIN {table} AS s ON s.platform = l.platform AND s.{key} = l.{key}
        WHERE l.platform = p.platform AND l.product_id = p.product_id
          AND (lower(s.name) = lower({{0}}) OR s.{key} = {{0}})
    )"""


_CONDITIONS: Final[dict[str, str]] = {
    "platform": "p.platform = {0}",
    "name": "strpos(lower(p.name), lower({0})) > 0",
    "category": _member("product_categories", "categories", "category_id"),
    "mark": _member("product_marks", "marks", "mark_id"),
    "price_from": "cost.price >= {0}::numeric",
    "price_to": "cost.price <= {0}::numeric",
    "on_main": "p.on_main = ({0}::text = 'true')",
}

FIND: Final = f"""
    SELECT p.platform, row_to_json(item)::text AS body
    FROM products AS p {COST} {PICTURE} CROSS JOIN LATERAL (SELECT {selected(DETAIL)}) AS item
    WHERE p.product_id = $1 AND ($2::text IS NULL OR p.platform = $2)
    ORDER BY p.platform
"""  # noqa: S608 - made of constants
"""One product with all its parts; without a platform, of every shop that has the id (there are few)."""

CATEGORIES: Final = """
    SELECT row_to_json(item)::text AS body
    FROM categories AS c CROSS JOIN LATERAL (
        SELECT c.platform, c.category_id, c.name, CASE
                   WHEN c.image_url LIKE 'http://%' OR c.image_url LIKE 'https://%' THEN c.image_url
               END AS image_url, (
                   SELECT count(*) FROM product_categories AS l
                   WHERE l.platform = c.platform AND l.category_id = c.category_id
               ) AS products
    ) AS item
    WHERE $1::text IS NULL OR c.platform = $1
    ORDER BY c.platform, c.sort_order NULLS LAST, c.category_id
"""
"""All categories in the shop's own order; products are counted by `product_categories_category_id_idx`."""


def listed(query: ProductQuery, after: ProductPosition | None) -> tuple[str, tuple[object, ...]]:
    """Return a list's statement and its values; the greatest number of rows and the rows to skip are yet to follow."""
    values: list[object] = []

    def bound(value: object) -> str:
        values.append(value)
        return f"${len(values)}"

    where = _conditions(query, bound)
    if after is not None:
        where.append(_beyond(query.sort, after, bound))
    key, direction = _KEYS[query.sort], "DESC" if query.sort.descending else "ASC"
    order = f"p.key IS NULL, p.key {direction}, p.platform {direction}, p.product_id {direction}"
    sql = f"""
        SELECT row_to_json(item)::text AS body, p.key, p.platform, p.product_id
        FROM (
            SELECT p.* FROM (SELECT p.*, {key} AS key FROM products AS p {COST} WHERE {" AND ".join(where)}) AS p
            ORDER BY {order} LIMIT ${len(values) + 1} OFFSET ${len(values) + 2}
        ) AS p {COST} {PICTURE} CROSS JOIN LATERAL (SELECT {selected(ITEM)}) AS item
        ORDER BY {order}
    """  # noqa: S608 - names come from FILTERS and ProductSort, values are bound
    return sql, tuple(values)


def count(query: ProductQuery) -> tuple[str, tuple[object, ...]]:
    """Return the statement that counts all products of a list, and its values."""
    values: list[object] = []

    def bound(value: object) -> str:
        values.append(value)
        return f"${len(values)}"

    where = " AND ".join(_conditions(query, bound))
    return f"SELECT count(*) AS total FROM products AS p {COST} WHERE {where}", tuple(values)  # noqa: S608 - as above


def _conditions(query: ProductQuery, bound: Callable[[object], str]) -> list[str]:
    return ["true", *(_CONDITIONS[name].format(bound(value)) for name, value in query.conditions)]


def _beyond(sort: ProductSort, after: ProductPosition, bound: Callable[[object], str]) -> str:
    sign = "<" if sort.descending else ">"
    identity = f"{bound(after.platform)}, {bound(after.product_id)}"
    if after.key is None:
        return f"{_KEYS[sort]} IS NULL AND (p.platform, p.product_id) {sign} ({identity})"
    key = bound(_value(sort, after.key))
    return f"({_KEYS[sort]} IS NULL OR ({_KEYS[sort]}, p.platform, p.product_id) {sign} ({key}, {identity}))"


def _value(sort: ProductSort, key: str) -> object:
    if sort is ProductSort.NEWEST:
        return datetime.fromisoformat(key)
    return Decimal(key) if sort in {ProductSort.PRICE, ProductSort.PRICE_DESC} else key
