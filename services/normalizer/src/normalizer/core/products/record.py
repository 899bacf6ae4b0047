"""The typed rows of a product: their fields are the columns of the shop tables. None is 'not said'."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

import msgspec


@dataclass(frozen=True, slots=True)
class ShopProfile:
    """What the fields of one shop mean.

    Attributes:
        currency: Of its prices.
        renames: A shop sends whole products only; nothing is renamed.
    """

    currency: str = "RUB"
    renames: dict[str, str] = field(default_factory=dict)


class Row(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A row of a shop table without its key to the product; `extra` holds what no other column can."""

    extra: dict[str, Any] = {}


class Category(Row, frozen=True, kw_only=True):
    """A category, shared by products."""

    category_id: str
    name: str | None = None
    image_url: str | None = None
    sort_order: int | None = None


class Mark(Row, frozen=True, kw_only=True):
    """A mark such as `sale` or `new`, shared by products."""

    mark_id: str
    name: str | None = None


class Color(Row, frozen=True, kw_only=True):
    """A colour of one product; `details` is whatever JSON the vendor adds."""

    color_id: str
    name: str | None = None
    code: str | None = None
    image_url: str | None = None
    discount: Decimal | None = None
    sort_order: int | None = None
    details: Any = None


class Parameter(Row, frozen=True, kw_only=True):
    """A variant of one product, such as a size, with its price."""

    parameter_id: str
    name: str | None = None
    value: str | None = None
    price: Decimal | None = None
    old_price: Decimal | None = None
    is_chosen: bool | None = None
    is_disabled: bool | None = None
    color: str | None = None
    image_url: str | None = None
    sort_order: int | None = None
    details: Any = None


class Image(Row, frozen=True, kw_only=True):
    """A picture; several of one product may be main."""

    image_id: str
    url: str | None = None
    is_main: bool | None = None
    position: str | None = None
    sort_order: int | None = None
    title: str | None = None


class Extra(Row, frozen=True, kw_only=True):
    """Texts about a product; it may have several."""

    extra_id: str
    characteristics: str | None = None
    delivery: str | None = None
    kit: str | None = None
    offer: str | None = None
    ai_description: str | None = None


class Review(Row, frozen=True, kw_only=True):
    """A review as a photo."""

    review_id: str
    photo_url: str | None = None
    sort_order: int | None = None


class ReviewVideo(Row, frozen=True, kw_only=True):
    """A review as a video."""

    video_id: str
    video_url: str | None = None
    poster_url: str | None = None
    sort_order: int | None = None


class Exclusion(Row, frozen=True, kw_only=True):
    """A combination that is not sold; None stands for any parameter, or any colour."""

    exclusion_id: str
    parameter_id: str | None = None
    color_id: str | None = None


class Importance(Row, frozen=True, kw_only=True):
    """How far up the vendor wants the product."""

    importance_id: str
    importance: int | None = None


class Product(Row, frozen=True, kw_only=True):
    """A product with all that belongs to it. Lists are in the order of ids, for the vendor's order says nothing."""

    name: str | None = None
    on_main: bool | None = None
    source_created_at: datetime | None = None
    source_updated_at: datetime | None = None
    currency: str
    tags: list[str] = []
    from_crm: bool | None = None
    categories: list[str] = []
    marks: list[str] = []
    colors: list[Color] = []
    parameters: list[Parameter] = []
    images: list[Image] = []
    extras: list[Extra] = []
    reviews: list[Review] = []
    review_videos: list[ReviewVideo] = []
    exclusions: list[Exclusion] = []
    importance: list[Importance] = []


ID_OF: Final[Mapping[type[Row], str]] = {
    Category: "category_id",
    Mark: "mark_id",
    Color: "color_id",
    Parameter: "parameter_id",
    Image: "image_id",
    Extra: "extra_id",
    Review: "review_id",
    ReviewVideo: "video_id",
    Exclusion: "exclusion_id",
    Importance: "importance_id",
}
"""The field of a row that holds its own id."""

CHILDREN: Final[Mapping[str, type[Row]]] = {
    "colors": Color,
    "parameters": Parameter,
    "images": Image,
    "extras": Extra,
    "reviews": Review,
    "review_videos": ReviewVideo,
    "exclusions": Exclusion,
    "importance": Importance,
}
"""Field of `Product`, and table → what its rows are; exclusions come after what they refer to."""

LINKS: Final[Mapping[str, tuple[str, str]]] = {
    "categories": ("product_categories", "category_id"),
    "marks": ("product_marks", "mark_id"),
}
"""Field of `Product` with ids of what it shares → table of the links, and the column of the id."""
