"""From the JSON of a product, or of a shop's own lists, to typed rows. Nothing that a vendor writes makes it raise.

What cannot be read stays in `extra` under the vendor's name, and is counted. Source: UPSTREAMS §3.2.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from typing import Any, Final, TypeVar

import msgspec

from normalizer.core.products.record import (
    ID_OF,
    Category,
    Color,
    Exclusion,
    Extra,
    Image,
    Importance,
    Mark,
    Parameter,
    Product,
    Review,
    ReviewVideo,
    Row,
    ShopProfile,
)
from normalizer.core.products.values import (
    Fields,
    boolean,
    decoded,
    identity,
    moment,
    money,
    nested,
    text,
    url,
    whole,
    words,
)

RowT = TypeVar("RowT", bound=Row)
_encode: Final = msgspec.json.Encoder(decimal_format="number", order="sorted").encode

MAX_ROWS: Final = 20_000
"""Rows of one list of a product; others stay in `extra`. 200 KB of bare values would be 100,000, and 100 MB here."""


@dataclass(frozen=True, slots=True)
class Shape:
    """How the vendor writes one kind of row.

    Attributes:
        id: The vendor's name of its id.
        columns: Column → the vendor's name, and how its value is read.
        owner: The vendor's name of the id of the product; None: it is not repeated there.
    """

    id: str
    columns: Mapping[str, tuple[str, Callable[[Any], Any]]]
    owner: str | None = "Product_ID"


_SORT_ORDER: Final = ("sort_order", whole)

SHAPES: Final[Mapping[type[Row], Shape]] = {
    Category: Shape(
        "Category_ID",
        {"name": ("Category_Name", text), "image_url": ("Category_Image", url), "sort_order": _SORT_ORDER},
        owner=None,
    ),
    Mark: Shape("Mark_ID", {"name": ("Mark_Name", text)}, owner=None),
    Color: Shape(
        "Color_ID",
        {
            "name": ("Color_Name", text),
            "code": ("Color_Code", text),
            "image_url": ("Color_image", url),
            "discount": ("discount", money),
            "sort_order": _SORT_ORDER,
            "details": ("json_data", nested),
        },
    ),
    Parameter: Shape(
        "Parameter_ID",
        {
            "name": ("name", text),
            "value": ("parameter_string", text),
            "price": ("price", money),
            "old_price": ("old_price", money),
            "is_chosen": ("chosen", boolean),
            "is_disabled": ("disabled", boolean),
            "color": ("extra_field_color", text),
            "image_url": ("extra_field_image", url),
            "sort_order": _SORT_ORDER,
            "details": ("parameter_json", nested),
        },
    ),
    Image: Shape(
        "Image_ID",
        {
            "url": ("Image_URL", url),
            "is_main": ("MainImage", boolean),
            "position": ("position", text),
            "sort_order": _SORT_ORDER,
            "title": ("title", text),
        },
    ),
    Extra: Shape(
        "Product_Extra_ID",
        {
            "characteristics": ("Characteristics", text),
            "delivery": ("Delivery", text),
            "kit": ("Kit", text),
            "offer": ("Offer", text),
            "ai_description": ("ai_description", text),
        },
    ),
    Review: Shape("Photo_ID", {"photo_url": ("Photo_URL", url), "sort_order": _SORT_ORDER}),
    ReviewVideo: Shape(
        "Video_ID",
        {"video_url": ("Video_URL", url), "poster_url": ("Poster_URL", url), "sort_order": _SORT_ORDER},
    ),
    Exclusion: Shape(
        "id",
        {"parameter_id": ("parameter_id", identity), "color_id": ("color_id", identity)},
        owner="product_id",
    ),
    Importance: Shape("id", {"importance": ("importance", whole)}, owner="product_id"),
}


@dataclass(frozen=True, slots=True)
class ProductRead:
    """A product as it was read.

    Attributes:
        product: Its rows.
        categories: Of the product, as whole objects.
        marks: The same of its marks.
        odd: What could not be read: `<object>.<field>:<reason>`.
    """

    product: Product
    categories: list[Category]
    marks: list[Mark]
    odd: list[str]


@dataclass(frozen=True, slots=True)
class ListsRead:
    """A shop's own lists as they were read; `odd` as above."""

    categories: list[Category]
    marks: list[Mark]
    odd: list[str]


def normalise_product(data: bytes, profile: ShopProfile, *, product_id: str) -> ProductRead:
    """Read a product.

    Args:
        data: A JSON object.
        profile: Of the shop.
        product_id: Whose it is, whatever it says itself.

    Raises:
        RecursionError: `data` is nested too deep.
    """
    odd: list[str] = []
    fields = Fields(decoded(data), name="product", odd=odd)
    if (own := fields.take("Product_ID", identity)) not in {None, product_id}:
        fields.keep("Product_ID", own, reason="other_product")
    categories = _rows(Category, fields, "categories", product_id)
    marks = _rows(Mark, fields, "marks", product_id)
    colors = _rows(Color, fields, "colors", product_id)
    parameters = _rows(Parameter, fields, "parameters", product_id)
    product = Product(
        name=fields.take("Product_Name", text),
        on_main=fields.take("OnMain", boolean),
        source_created_at=fields.take("Created_At", moment),
        source_updated_at=fields.take("Updated_At", moment),
        currency=profile.currency,
        tags=fields.take("tags", lambda value: words(nested(value))) or [],
        from_crm=fields.take("from_crm", boolean),
        categories=[row.category_id for row in categories],
        marks=[row.mark_id for row in marks],
        colors=colors,
        parameters=parameters,
        images=_rows(Image, fields, "images", product_id),
        extras=_rows(Extra, fields, "extras", product_id),
        reviews=_rows(Review, fields, "reviews", product_id),
        review_videos=_rows(ReviewVideo, fields, "reviews_video", product_id),
        exclusions=_possible(_rows(Exclusion, fields, "excluded", product_id), colors, parameters, odd),
        importance=_rows(Importance, fields, "importance_num", product_id, bare="importance"),
        extra=fields.rest(),
    )
    return ProductRead(product, categories, marks, odd)


def normalise_lists(data: bytes) -> ListsRead:
    """Read what a shop says of all its categories and marks; its other facts stay in `raw_data`.

    Args:
        data: A JSON object.

    Raises:
        RecursionError: `data` is nested too deep.
    """
    odd: list[str] = []
    fields = Fields(decoded(data), name="shop", odd=odd)
    categories = _rows(Category, fields, "categories", "")
    return ListsRead(categories, _rows(Mark, fields, "product_marks", ""), odd)


def _rows(kind: type[RowT], fields: Fields, field: str, product_id: str, *, bare: str | None = None) -> list[RowT]:
    """Read a list of objects; the order of ids.

    An item that is no object stands for the field that the vendor names `bare`; without such a name it is no row, and
    stays among what is left of `fields`. So do rows beyond `MAX_ROWS`.
    """
    found = fields.take(field, nested)
    items = found if isinstance(found, list) else [] if found is None else [found]
    objects = [item for item in items if isinstance(item, dict)]
    others = [item for item in items if not isinstance(item, dict)]
    if others and bare is not None:
        objects += [{bare: item} for item in others]
        others = []
    objects.sort(key=_encode)
    if others:
        fields.keep(field, others, reason="no_object")
    if len(objects) > MAX_ROWS:
        fields.keep(field, others + objects[MAX_ROWS:], reason="too_many")
    rows: dict[str, RowT] = {}
    numbers = count(1)
    for item in objects[:MAX_ROWS]:
        own = Fields(item, name=field, odd=fields.odd)
        row_id = own.take(SHAPES[kind].id, identity) or _made_id(rows, numbers)
        if row_id in rows:
            fields.odd.append(f"{field}:id_twice")
        else:
            rows[row_id] = _row(kind, own, row_id, product_id)
    return [rows[row_id] for row_id in sorted(rows)]


def _made_id(rows: Mapping[str, Row], numbers: Iterator[int]) -> str:
    """Return the next `#1`, `#2`, … that is free; what was passed over once stays taken."""
    return next(made for number in numbers if (made := f"#{number}") not in rows)


def _row(kind: type[RowT], fields: Fields, row_id: str, product_id: str) -> RowT:
    shape = SHAPES[kind]
    if shape.owner and (owner := fields.take(shape.owner, identity)) not in {None, product_id}:
        fields.keep(shape.owner, owner, reason="other_product")
    columns = {column: fields.take(name, read) for column, (name, read) in shape.columns.items()}
    return kind(**{ID_OF[kind]: row_id}, **columns, extra=fields.rest())


def _possible(
    exclusions: list[Exclusion], colors: list[Color], parameters: list[Parameter], odd: list[str]
) -> list[Exclusion]:
    """Return the exclusions of what the product has; of the others nothing can be bought, or nothing is sure."""
    known_colors = {None, *(row.color_id for row in colors)}
    known_parameters = {None, *(row.parameter_id for row in parameters)}
    kept = [
        row
        for row in exclusions
        if row.color_id in known_colors
        and row.parameter_id in known_parameters
        and not row.extra.keys() & {"color_id", "parameter_id"}
    ]
    odd.extend(["excluded:unknown"] * (len(exclusions) - len(kept)))
    return kept
