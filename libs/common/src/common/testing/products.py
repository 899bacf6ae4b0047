"""Products of a shop for tests, as the vendor writes them, and snapshots of them as events."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import product as combinations
from typing import Any, Final

from common.events import LISTS_ID, PageFetched, PageKind
from common.testing.pages import a_page, a_record, a_removal

SHOP: Final = "bot_igor"

Json = dict[str, Any]


def a_category(number: int = 62, **values: Any) -> Json:
    """Return a category."""
    category = {"Category_ID": number, "Category_Image": "", "Category_Name": f"Category {number}", "sort_order": 110}
    return category | values


def a_mark(number: int = 2, name: str = "new") -> Json:
    """Return a mark."""
    return {"Mark_ID": number, "Mark_Name": name}


def a_product(number: int = 813, **values: Any) -> Json:
    """Return a product with one of everything, and everything that `values` says otherwise."""
    own = number * 100
    product: Json = {
        "Product_ID": number,
        "Product_Name": f"Sunflower {number}",
        "OnMain": True,
        "Created_At": "Wed, 10 Sep 2025 22:32:32 GMT",
        "Updated_At": "Thu, 11 Sep 2025 09:45:26 GMT",
        "categories": [a_category()],
        "marks": [a_mark()],
        "colors": [a_color(own + 1, number)],
        "parameters": [a_parameter(own + 2)],
        "images": [an_image(own + 3, number)],
        "extras": [an_extra(own + 4, number)],
        "reviews": [
            {"Photo_ID": own + 5, "Product_ID": number, "Photo_URL": "https://example.test/r.jpg", "sort_order": None}
        ],
        "reviews_video": [a_video(own + 6, number)],
        "excluded": [{"id": own + 7, "product_id": number, "parameter_id": own + 2, "color_id": None}],
        "importance_num": [{"id": own + 8, "product_id": number, "importance": 25}],
        "tags": ["flowers\\nyellow"],
        "extra_json": {"for_crm_id": "x"},
        "from_crm": True,
    }
    return product | values


def a_color(number: int, product: int, **values: Any) -> Json:
    """Return a colour of a product."""
    color = {"Color_ID": number, "Product_ID": product, "Color_Name": "White", "Color_Code": "#FFFFFF"}
    return color | {"Color_image": "", "discount": 60, "json_data": {"add_images": []}, "sort_order": 0} | values


def a_parameter(number: int, **values: Any) -> Json:
    """Return a parameter; it does not name its product."""
    parameter = {"Parameter_ID": number, "name": "Size", "parameter_string": "13", "price": 6500, "old_price": 6666}
    parameter |= {"chosen": True, "disabled": False, "extra_field_color": "", "extra_field_image": ""}
    return parameter | {"parameter_json": None, "sort_order": 0} | values


def an_image(number: int, product: int, **values: Any) -> Json:
    """Return an image of a product."""
    image = {"Image_ID": number, "Product_ID": product, "Image_URL": "https://example.test/i.jpg", "MainImage": True}
    return image | {"position": "product", "sort_order": 1, "title": ""} | values


def an_extra(number: int, product: int, **values: Any) -> Json:
    """Return texts of a product."""
    extra = {"Product_Extra_ID": number, "Product_ID": product, "Characteristics": "tall", "Delivery": "", "Kit": ""}
    return extra | {"Offer": "", "ai_description": None} | values


def a_video(number: int, product: int, **values: Any) -> Json:
    """Return a video review of a product."""
    video = {"Video_ID": number, "Product_ID": product, "Video_URL": "https://example.test/v.mp4", "Poster_URL": ""}
    return video | {"sort_order": None} | values


def a_snapshot(
    products: Sequence[Json],
    *,
    seq: int,
    lists: Mapping[str, Any] | None = None,
    gone: Sequence[int] = (),
    platform: str = SHOP,
    size: int = 20,
) -> list[PageFetched]:
    """Return the events of one run of the fetcher: slices of products, those that are gone, and the shop's lists."""
    records = [a_record(str(product["Product_ID"]), product, seq=seq) for product in products]
    records += [a_removal(str(number), seq) for number in gone]
    if lists is not None:
        records.append(a_record(LISTS_ID, lists, seq=seq))
    return [
        a_page(
            records[at : at + size],
            kind=PageKind.SNAPSHOT,
            platform=platform,
            run_id=f"shop-{seq}",
            position=seq,
            part=at // size,
        )
        for at in range(0, len(records), size)
    ]


def some_lists(*categories: Json, marks: Sequence[Json] = ()) -> Json:
    """Return a shop's own lists."""
    return {"categories": list(categories), "product_marks": list(marks), "special_project_parameters": {"a": "b"}}


ODD_VALUES: Final[list[Any]] = [
    None,
    "",
    " ",
    "-",
    0,
    -1,
    1.5,
    10**40,
    float("1e300"),
    True,
    False,
    [],
    [None],
    [[]],
    [{}],
    ["x"],
    [1],
    {},
    {"id": 1},
    "[]",
    "{}",
    "[1]",
    "x" * 5000,
    "\x00",
    "\ufffd",
    "\u202e",
    "Wed, 10 Sep 2025",
    "javascript:alert(1)",
    "<b>bold</b>",
    [{"id": {}}],
    [{"id": "a" * 500}],
]
"""Whatever may stand where something else is expected."""


def odd_children(number: int) -> Iterator[Json]:
    """Return each list of a product with an odd value in each field of its item, and a good item beside it."""
    for name, items in a_product(number).items():
        if isinstance(items, list) and isinstance(items[0], dict):
            for field, value in combinations(items[0], ODD_VALUES):
                yield {name: [items[0] | {field: value}, items[0]]}
