"""What the shop tables must hold, told from the vendor's JSON without any of the product's code."""

from collections.abc import Callable, Mapping, Sequence
from email.utils import parsedate_to_datetime
from typing import Any

import asyncpg

Json = dict[str, Any]
Tables = dict[str, set[tuple[Any, ...]]]

CHILDREN: Mapping[str, tuple[str, str, Callable[[Json], tuple[Any, ...]]]] = {
    "colors": (
        "colors",
        "color_id, name, code, image_url, discount, sort_order",
        lambda c: (c["Color_ID"], c["Color_Name"], c["Color_Code"], c["Color_image"], c["discount"], c["sort_order"]),
    ),
    "parameters": (
        "parameters",
        "parameter_id, name, value, price, old_price, is_chosen, is_disabled, color, image_url, sort_order",
        lambda p: (
            *(p[name] for name in ("Parameter_ID", "name", "parameter_string", "price", "old_price", "chosen")),
            *(p[name] for name in ("disabled", "extra_field_color", "extra_field_image", "sort_order")),
        ),
    ),
    "images": (
        "images",
        "image_id, url, is_main, position, sort_order, title",
        lambda i: tuple(i[k] for k in ("Image_ID", "Image_URL", "MainImage", "position", "sort_order", "title")),
    ),
    "extras": (
        "extras",
        "extra_id, characteristics, delivery, kit, offer, ai_description",
        lambda e: tuple(
            e[k] for k in ("Product_Extra_ID", "Characteristics", "Delivery", "Kit", "Offer", "ai_description")
        ),
    ),
    "reviews": (
        "reviews",
        "review_id, photo_url, sort_order",
        lambda r: (r["Photo_ID"], r["Photo_URL"], r["sort_order"]),
    ),
    "reviews_video": (
        "review_videos",
        "video_id, video_url, poster_url, sort_order",
        lambda v: (v["Video_ID"], v["Video_URL"], v["Poster_URL"], v["sort_order"]),
    ),
    "excluded": (
        "exclusions",
        "exclusion_id, parameter_id, color_id",
        lambda e: (e["id"], _text(e["parameter_id"]), _text(e["color_id"])),
    ),
    "importance_num": ("importance", "importance_id, importance", lambda i: (i["id"], i["importance"])),
    "categories": ("product_categories", "category_id", lambda c: (c["Category_ID"],)),
    "marks": ("product_marks", "mark_id", lambda m: (m["Mark_ID"],)),
}
"""The vendor's list → our table, its columns, and the values of one item; the first is its id."""


def expected(lists: Json, products: Sequence[Json]) -> Tables:
    """Return the rows of every table."""
    tables: Tables = {
        "products": {
            (
                str(p["Product_ID"]),
                p["Product_Name"],
                p["OnMain"],
                parsedate_to_datetime(p["Created_At"]),
                parsedate_to_datetime(p["Updated_At"]),
                p["from_crm"],
            )
            for p in products
        },
        "categories": {
            (str(c["Category_ID"]), *_said((c["Category_Name"], c["Category_Image"], c["sort_order"])))
            for c in lists["categories"]
        },
        "marks": {(str(m["Mark_ID"]), m["Mark_Name"]) for m in lists["product_marks"]},
    }
    for name, (table, _, values) in CHILDREN.items():
        tables[table] = {
            (str(product["Product_ID"]), str(row[0]), *_said(row[1:]))
            for product in products
            for row in map(values, product[name])
        }
    return tables


async def found(connection: "asyncpg.Connection[Any]") -> Tables:
    """Return the same rows as the database holds them."""
    queries = {
        "products": "product_id, name, on_main, source_created_at, source_updated_at, from_crm",
        "categories": "category_id, name, image_url, sort_order",
        "marks": "mark_id, name",
        **{table: f"product_id, {columns}" for table, columns, _ in CHILDREN.values()},
    }
    return {
        table: {tuple(row) for row in await connection.fetch(f"SELECT {columns} FROM {table}")}  # noqa: S608 - ours
        for table, columns in queries.items()
    }


async def versions(connection: "asyncpg.Connection[Any]") -> dict[str, set[tuple[str, str]]]:
    """Return place and version of every row: a write of any kind makes another."""
    tables = ("raw_data", "catalog_changes", "quarantine", *(await found(connection)))
    return {
        table: {tuple(row) for row in await connection.fetch(f"SELECT ctid::text, xmin::text FROM {table}")}  # noqa: S608 - ours
        for table in tables
    }


def _text(value: int | None) -> str | None:
    return None if value is None else str(value)


def _said(values: Sequence[Any]) -> tuple[Any, ...]:
    """Return values without the spaces around texts; a blank text is null."""
    return tuple((value.strip() or None) if isinstance(value, str) else value for value in values)
