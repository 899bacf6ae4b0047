"""The answers about shops as they are documented; tests hold real answers against them."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, ClassVar

from pydantic import Field

from gateway.core.parameters import Parameter
from gateway.entrypoints.http.models import IF_NONE_MATCH, NAMED_SOURCES, TAGGED, Answer, OfferItem, ReferenceItem

Money = Annotated[float | None, Field(description="In the product's `currency`", examples=[6500])]
WebAddress = Annotated[str | None, Field(description="http or https only", examples=["https://shop.example/1.jpg"])]


class NamedCategory(Answer):
    """A category as its products name it."""

    category_id: Annotated[str, Field(examples=["62"])]
    name: Annotated[str | None, Field(examples=["Bouquets"])]


class Mark(Answer):
    """A mark."""

    mark_id: Annotated[str, Field(examples=["2"])]
    name: Annotated[str | None, Field(examples=["new"])]


class ProductItem(Answer):
    """A product in a list."""

    platform: Annotated[str, Field(examples=["bot_igor"])]
    product_id: Annotated[str, Field(examples=["813"])]
    name: Annotated[str | None, Field(examples=["Sunflower"])]
    on_main: Annotated[bool | None, Field(description="Whether it stands on the shop's main page")]
    price: Annotated[float | None, Field(description="The lowest of what can be ordered of it", examples=[6500])]
    old_price: Annotated[float | None, Field(description="Struck through beside it", examples=[6666])]
    currency: Annotated[str, Field(examples=["RUB"])]
    image_url: Annotated[str | None, Field(description="The main picture", examples=["https://shop.example/1.jpg"])]
    categories: list[NamedCategory]
    marks: list[Mark]
    tags: Annotated[list[Any], Field(examples=[["spring"]])]
    source_created_at: Annotated[datetime | None, Field(description="By the shop")]
    changed_at: Annotated[datetime, Field(description="When we last saw it change")]


class ProductList(Answer):
    """One page of products."""

    items: list[ProductItem]
    next_cursor: Annotated[
        str | None, Field(description="Send it as `cursor` for the next page; null: this is the last")
    ]


class Color(Answer):
    """A colour that a product comes in."""

    color_id: str
    name: str | None
    code: Annotated[str | None, Field(examples=["#FFFFFF"])]
    image_url: WebAddress
    discount: Annotated[float | None, Field(description="As the shop gives it")]
    details: Any


class ProductParameter(Answer):
    """What can be ordered of a product: a size or an article, with its price."""

    parameter_id: str
    name: str | None
    value: Annotated[str | None, Field(examples=["13"])]
    price: Money
    old_price: Money
    is_chosen: bool | None
    is_disabled: bool | None
    color: str | None
    image_url: WebAddress
    details: Any


class Picture(Answer):
    """A picture."""

    image_id: str
    url: WebAddress
    is_main: bool | None
    position: str | None
    title: str | None


class Texts(Answer):
    """Texts about a product."""

    extra_id: str
    characteristics: str | None
    delivery: str | None
    kit: str | None
    offer: str | None
    ai_description: str | None


class Review(Answer):
    """A customer's photo."""

    review_id: str
    photo_url: WebAddress


class ReviewVideo(Answer):
    """A customer's video."""

    video_id: str
    video_url: WebAddress
    poster_url: WebAddress


class Exclusion(Answer):
    """A combination that is not sold; null stands for any."""

    exclusion_id: str
    parameter_id: str | None
    color_id: str | None


class Importance(Answer):
    """How far up the shop shows the product."""

    importance_id: str
    importance: int | None


class ProductDetail(ProductItem):
    """One product with all its parts, each list in the shop's order."""

    HEADERS: ClassVar[Mapping[str, str]] = TAGGED
    REQUEST_HEADERS: ClassVar[Sequence[Parameter]] = (IF_NONE_MATCH,)

    source_updated_at: Annotated[datetime | None, Field(description="By the shop; silent about its parts")]
    from_crm: bool | None
    extra: Annotated[dict[str, Any], Field(description="What the shop says besides")]
    colors: list[Color]
    parameters: list[ProductParameter]
    images: list[Picture]
    extras: list[Texts]
    reviews: list[Review]
    review_videos: list[ReviewVideo]
    exclusions: list[Exclusion]
    importance: list[Importance]


class SearchResult(Answer):
    """What was found in each place."""

    HEADERS: ClassVar[Mapping[str, str]] = NAMED_SOURCES

    offers: list[OfferItem]
    products: list[ProductItem]
    reference: list[ReferenceItem]
    missing: Annotated[list[str], Field(description="Sources that failed or were late", examples=[["products", "2"]])]


class Category(NamedCategory):
    """A category of a shop."""

    platform: str
    image_url: WebAddress
    products: Annotated[int, Field(description="How many products are in it")]


class CategoryList(Answer):
    """The categories, in the shops' order."""

    items: list[Category]
