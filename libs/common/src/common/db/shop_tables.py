"""The tables of the shops: products, what belongs to them, and the categories and marks that they share.

Every key begins with the platform, for a vendor's ids are unique among its own only. What belongs to a product is
keyed under it and goes with it; categories and marks stay. Something that came without an id is `#1`, `#2`, …
What no column can hold is in `extra` under the vendor's name. The vendor's lists have no order: `sort_order` has.
"""

from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKeyConstraint,
    Index,
    Integer,
    Numeric,
    String,
    Table,
    Text,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.schema import SchemaItem

from common.db.access_tables import metadata

__all__ = [
    "categories",
    "colors",
    "exclusions",
    "extras",
    "images",
    "importance",
    "marks",
    "metadata",
    "parameters",
    "product_categories",
    "product_marks",
    "products",
    "review_videos",
    "reviews",
]


def _key(*names: str) -> list[Column[str]]:
    return [Column(name, Text, primary_key=True) for name in names]


def _extra() -> tuple[Column[Any], CheckConstraint]:
    column = Column("extra", JSONB, nullable=False, server_default=text("'{}'"), comment="what no other column holds")
    return column, CheckConstraint("jsonb_typeof(extra) = 'object'", name="extra_object")


def _sort_order() -> Column[int]:
    return Column("sort_order", Integer)


def _price(name: str) -> tuple[Column[Any], CheckConstraint]:
    return Column(name, Numeric(14, 2), comment="in products.currency"), CheckConstraint(f"{name} >= 0", name=name)


def _reference(owner: str, table: str, *key: str, cascade: bool) -> ForeignKeyConstraint:
    return ForeignKeyConstraint(
        ("platform", *key),
        [f"{table}.{column}" for column in ("platform", *key)],
        name=f"{owner}_{key[-1]}_fkey",
        ondelete="CASCADE" if cascade else None,
    )


def _shared(name: str, key: str, *columns: SchemaItem) -> Table:
    return Table(
        name,
        metadata,
        *_key("platform", key),
        Column("name", Text),
        *columns,
        *_extra(),
        Column("is_listed", Boolean, nullable=False, comment="in the shop's own list, whose word then is the last"),
        Column("seq", BigInteger, nullable=False, comment="version of the record that said so"),
    )


def _child(name: str, key: str, *columns: SchemaItem, comment: str | None = None) -> Table:
    owner = _reference(name, "products", "product_id", cascade=True)
    return Table(name, metadata, *_key("platform", "product_id", key), *columns, owner, comment=comment)


def _link(name: str, table: str, key: str) -> Table:
    shared = _reference(name, table, key, cascade=False)
    return _child(name, key, shared, Index(f"{name}_{key}_idx", "platform", key))


products: Final = Table(
    "products",
    metadata,
    *_key("platform", "product_id"),
    Column("name", Text),
    Column("on_main", Boolean),
    Column("source_created_at", DateTime(timezone=True)),
    Column("source_updated_at", DateTime(timezone=True), comment="the vendor's; silent about children"),
    Column("currency", String(3), nullable=False, comment="of the prices of its parameters"),
    Column("tags", JSONB, nullable=False, server_default=text("'[]'"), comment="array of words"),
    Column("from_crm", Boolean),
    *_extra(),
    Column("changed_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    CheckConstraint("jsonb_typeof(tags) = 'array'", name="tags_array"),
)

categories: Final = _shared("categories", "category_id", Column("image_url", Text), _sort_order())
marks: Final = _shared("marks", "mark_id")
product_categories: Final = _link("product_categories", "categories", "category_id")
product_marks: Final = _link("product_marks", "marks", "mark_id")

colors: Final = _child(
    "colors",
    "color_id",
    Column("name", Text),
    Column("code", Text, comment="such as #FFFFFF"),
    Column("image_url", Text),
    Column("discount", Numeric(14, 2), comment="as the vendor gives it"),
    _sort_order(),
    Column("details", JSONB, comment="json_data of the vendor"),
    *_extra(),
)
parameters: Final = _child(
    "parameters",
    "parameter_id",
    Column("name", Text),
    Column("value", Text, comment="size or article: parameter_string of the vendor"),
    *_price("price"),
    *_price("old_price"),
    Column("is_chosen", Boolean),
    Column("is_disabled", Boolean),
    Column("color", Text),
    Column("image_url", Text),
    _sort_order(),
    Column("details", JSONB, comment="parameter_json of the vendor"),
    *_extra(),
)
images: Final = _child(
    "images",
    "image_id",
    Column("url", Text),
    Column("is_main", Boolean, comment="several of one product may be"),
    Column("position", Text),
    _sort_order(),
    Column("title", Text),
    *_extra(),
)
extras: Final = _child(
    "extras",
    "extra_id",
    *(Column(name, Text) for name in ("characteristics", "delivery", "kit", "offer", "ai_description")),
    *_extra(),
)
reviews: Final = _child("reviews", "review_id", Column("photo_url", Text), _sort_order(), *_extra())
review_videos: Final = _child(
    "review_videos", "video_id", Column("video_url", Text), Column("poster_url", Text), _sort_order(), *_extra()
)
exclusions: Final = _child(
    "exclusions",
    "exclusion_id",
    Column("parameter_id", Text, comment="null: any"),
    Column("color_id", Text, comment="null: any"),
    *_extra(),
    _reference("exclusions", "parameters", "product_id", "parameter_id", cascade=True),
    _reference("exclusions", "colors", "product_id", "color_id", cascade=True),
    Index("exclusions_parameter_id_idx", "platform", "product_id", "parameter_id"),
    Index("exclusions_color_id_idx", "platform", "product_id", "color_id"),
    comment="Combinations of a product that are not sold",
)
importance: Final = _child("importance", "importance_id", Column("importance", Integer), *_extra())
