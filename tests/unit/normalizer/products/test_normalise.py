"""From the JSON of a product to typed rows: the documented shape, and whatever else may come."""

import json
from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.growing import LINEAR, growth

from common.testing.products import (
    ODD_VALUES,
    a_category,
    a_color,
    a_mark,
    a_parameter,
    a_product,
    an_extra,
    an_image,
    odd_children,
    some_lists,
)
from normalizer.core.products.normalise import MAX_ROWS, ProductRead, normalise_lists, normalise_product
from normalizer.core.products.record import (
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
    ShopProfile,
)

DATA = Path(__file__).parents[4] / ".." / "shared" / "data"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="the recorded payloads are not here")


def read(data: dict[str, Any] | bytes, *, product_id: str = "813") -> ProductRead:
    body = data if isinstance(data, bytes) else json.dumps(data).encode()
    return normalise_product(body, ShopProfile(currency="RUB"), product_id=product_id)


def test_a_product_of_the_documented_shape_is_read_whole() -> None:
    found = read(a_product(813))
    assert found.odd == []
    assert found.categories == [Category(category_id="62", name="Category 62", sort_order=110)]
    assert found.marks == [Mark(mark_id="2", name="new")]
    assert found.product == Product(
        name="Sunflower 813",
        on_main=True,
        source_created_at=datetime(2025, 9, 10, 22, 32, 32, tzinfo=UTC),
        source_updated_at=datetime(2025, 9, 11, 9, 45, 26, tzinfo=UTC),
        currency="RUB",
        tags=["flowers", "yellow"],
        from_crm=True,
        categories=["62"],
        marks=["2"],
        colors=[
            Color(
                color_id="81301",
                name="White",
                code="#FFFFFF",
                discount=Decimal(60),
                sort_order=0,
                details={"add_images": []},
            )
        ],
        parameters=[
            Parameter(
                parameter_id="81302",
                name="Size",
                value="13",
                price=Decimal(6500),
                old_price=Decimal(6666),
                is_chosen=True,
                is_disabled=False,
                sort_order=0,
            )
        ],
        images=[
            Image(image_id="81303", url="https://example.test/i.jpg", is_main=True, position="product", sort_order=1)
        ],
        extras=[Extra(extra_id="81304", characteristics="tall")],
        reviews=[Review(review_id="81305", photo_url="https://example.test/r.jpg")],
        review_videos=[ReviewVideo(video_id="81306", video_url="https://example.test/v.mp4")],
        exclusions=[Exclusion(exclusion_id="81307", parameter_id="81302")],
        importance=[Importance(importance_id="81308", importance=25)],
        extra={"extra_json": {"for_crm_id": "x"}},
    )


def test_lists_are_in_the_order_of_ids_whatever_the_order_they_came_in() -> None:
    colors = [a_color(number, 813) for number in (9, 10, 1)]
    one, other = read(a_product(813, colors=colors)), read(a_product(813, colors=colors[::-1]))
    assert [row.color_id for row in one.product.colors] == ["1", "10", "9"]
    assert one == other


@pytest.mark.parametrize(
    ("given", "expected", "odd"),
    [
        ([{"id": 1, "product_id": 813, "importance": 25}], [("1", 25)], []),
        ([{"id": 1, "importance": "25"}], [("1", 25)], []),
        ([{"importance": 25}, {"importance": 3}], [("#1", 25), ("#2", 3)], []),
        (25, [("#1", 25)], []),
        ("25", [("#1", 25)], []),
        ({"id": 1, "importance": 2}, [("1", 2)], []),
        ('[{"id": 1, "importance": 2}]', [("1", 2)], []),
        (None, [], []),
        ([], [], []),
        ("", [], []),
        ("much", [("#1", None)], ["importance_num.importance:unreadable"]),
    ],
    ids=repr,
)
def test_importance_comes_as_a_list_a_number_or_nothing(
    given: Any, expected: list[tuple[str, int | None]], odd: list[str]
) -> None:
    found = read(a_product(813, importance_num=given))
    assert [(row.importance_id, row.importance) for row in found.product.importance] == expected
    assert found.odd == odd


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"add_images": ["a"]}, {"add_images": ["a"]}),
        ('{"add_images": ["a"]}', {"add_images": ["a"]}),
        ("{broken", "{broken"),
        ("", None),
        (None, None),
        ([1], [1]),
    ],
    ids=repr,
)
def test_details_come_as_an_object_or_a_text(given: Any, expected: Any) -> None:
    assert read(a_product(813, colors=[a_color(1, 813, json_data=given)])).product.colors[0].details == expected


@pytest.mark.parametrize(
    ("parameter_id", "color_id", "expected"),
    [
        (1, 2, ("1", "2")),
        (1, None, ("1", None)),
        (None, 2, (None, "2")),
        ("1", "2", ("1", "2")),
        (9, 2, None),
        (1, 9, None),
        ({}, 2, None),
        (1, [2], None),
    ],
)
def test_only_what_the_product_has_is_excluded(
    parameter_id: Any, color_id: Any, expected: tuple[str | None, str | None] | None
) -> None:
    excluded = [{"id": 5, "product_id": 813, "parameter_id": parameter_id, "color_id": color_id}]
    found = read(a_product(813, parameters=[a_parameter(1)], colors=[a_color(2, 813)], excluded=excluded))
    assert [(row.parameter_id, row.color_id) for row in found.product.exclusions] == ([expected] if expected else [])
    assert ("excluded:unknown" in found.odd) == (expected is None)


def test_what_cannot_be_read_stays_under_the_name_of_the_vendor_and_is_counted() -> None:
    parameter = a_parameter(1, price="on request", old_price=-5, sort_order=10**12, extra_field_image="javascript:x")
    found = read(a_product(813, parameters=[parameter], Created_At="soon", novelty={"x": 1}, excluded=[]))
    row = found.product.parameters[0]
    assert (row.price, row.old_price, row.sort_order, row.image_url) == (None, None, None, None)
    assert row.extra == {
        "price": "on request",
        "old_price": -5,
        "sort_order": 10**12,
        "extra_field_image": "javascript:x",
    }
    assert found.product.extra == {"extra_json": {"for_crm_id": "x"}, "Created_At": "soon", "novelty": {"x": 1}}
    assert sorted(found.odd) == [
        "parameters.extra_field_image:unreadable",
        "parameters.old_price:unreadable",
        "parameters.price:unreadable",
        "parameters.sort_order:unreadable",
        "product.Created_At:unreadable",
    ]


def test_rows_without_an_id_get_one_that_does_not_hang_on_their_order() -> None:
    images = [an_image(0, 813, Image_ID=None, title=title) for title in "bca"]
    one, other = read(a_product(813, images=images)), read(a_product(813, images=images[::-1]))
    assert [row.image_id for row in one.product.images] == ["#1", "#2", "#3"]
    assert one.product == other.product


def test_of_an_id_twice_one_row_is_kept_and_the_other_counted() -> None:
    images = [an_image(7, 813, title=title) for title in "ab"]
    one, other = read(a_product(813, images=images)), read(a_product(813, images=images[::-1]))
    assert one.product.images == other.product.images
    assert len(one.product.images) == 1
    assert one.odd == ["images:id_twice"]


def test_a_child_belongs_to_the_product_that_it_lies_in() -> None:
    found = read(a_product(813, images=[an_image(7, 5)]))
    assert [(row.image_id, row.extra) for row in found.product.images] == [("7", {"Product_ID": "5"})]
    assert found.odd == ["images.Product_ID:other_product"]


def test_a_product_is_the_one_of_its_record() -> None:
    found = read(a_product(813), product_id="5")
    assert found.product.extra["Product_ID"] == "813"
    assert "product.Product_ID:other_product" in found.odd


def test_items_that_are_no_objects_are_kept_with_the_product() -> None:
    found = read(a_product(813, extras=["tall", an_extra(1, 813), None], marks=["new", a_mark()]))
    assert [row.extra_id for row in found.product.extras] == ["1"]
    assert found.product.marks == ["2"]
    assert found.product.extra | {"extra_json": 0} == {"extras": ["tall", None], "marks": ["new"], "extra_json": 0}
    assert Counter(found.odd) == {"product.extras:no_object": 1, "product.marks:no_object": 1}


def test_a_product_of_nothing_is_a_product() -> None:
    assert read({}).product == Product(currency="RUB")


def test_two_main_images_are_two() -> None:
    images = [an_image(number, 813, MainImage=True) for number in (1, 2)]
    assert [row.is_main for row in read(a_product(813, images=images)).product.images] == [True, True]


def test_lists_of_a_shop_are_its_categories_and_marks() -> None:
    lists = some_lists(a_category(2), a_category(1, Category_Image="https://example.test/c.png"), marks=[a_mark()])
    found = normalise_lists(json.dumps(lists).encode())
    assert [(row.category_id, row.image_url) for row in found.categories] == [
        ("1", "https://example.test/c.png"),
        ("2", None),
    ]
    assert (found.marks, found.odd) == ([Mark(mark_id="2", name="new")], [])


@pytest.mark.parametrize("field", a_product(813))
def test_no_value_of_a_field_makes_it_raise(field: str) -> None:
    for value in ODD_VALUES:
        found = read(a_product(813, **{field: value}))
        again = msgspec.convert(msgspec.to_builtins(found.product), Product)
        assert again.currency == "RUB"


def test_no_value_in_a_child_makes_it_raise() -> None:
    for child in odd_children(813):
        assert isinstance(read(a_product(813, **child)).product, Product)


@needs_data
@pytest.mark.parametrize("path", sorted(DATA.glob("bot_igor_*on_main*.json")), ids=lambda path: path.stem)
def test_nothing_in_the_recorded_shops_is_odd(path: Path) -> None:
    whole = json.loads(path.read_text("utf-8"))
    body = whole.get("body", whole)
    for product in body["products"]:
        found = read(product, product_id=str(product["Product_ID"]))
        assert found.odd == []
        assert found.product.extra.keys() <= {"extra_json"}
        rows = [*found.product.images, *found.product.colors, *found.product.parameters, *found.product.exclusions]
        assert [row for row in rows if row.extra] == []
    lists = normalise_lists(json.dumps(body).encode())
    assert lists.odd == []
    assert len(lists.categories) == len(body.get("categories", []))


@pytest.mark.parametrize(
    ("field", "row"),
    [
        pytest.param("importance_num", "1", id="bare values"),
        pytest.param("images", "{}", id="empty objects"),
        pytest.param("images", '{"Image_ID": "#1"}', id="an id such as is made, again and again"),
    ],
)
def test_rows_without_ids_take_no_more_time_than_there_are(field: str, row: str) -> None:
    def product_of(number: int) -> bytes:
        return f'{{"{field}": [{", ".join([row] * number)}]}}'.encode()

    assert growth(read, product_of, 2_000) < LINEAR


def test_an_id_that_is_made_is_never_one_that_came() -> None:
    images = [{"Image_ID": "#2"}, {"title": "a"}, {"Image_ID": "#1"}, {"title": "b"}]
    found = read(a_product(813) | {"images": images}).product.images
    assert [(row.image_id, row.title) for row in found] == [("#1", None), ("#2", None), ("#3", "a"), ("#4", "b")]


def test_rows_beyond_number_stay_in_extra_whatever_their_order() -> None:
    images = [{"Image_ID": f"{number:06}"} for number in range(MAX_ROWS + 2)]
    found = read(a_product(813) | {"images": [*reversed(images), 7]})
    assert [row.image_id for row in found.product.images] == [f"{number:06}" for number in range(MAX_ROWS)]
    assert found.product.extra["images"] == [7, *images[MAX_ROWS:]]
    assert found.odd == ["product.images:no_object", "product.images:too_many"]


def test_bare_values_beyond_number_stay_in_extra() -> None:
    found = read({"importance_num": [1] * (MAX_ROWS + 1)})
    assert len(found.product.importance) == MAX_ROWS
    assert found.product.extra == {"importance_num": [{"importance": 1}]}
