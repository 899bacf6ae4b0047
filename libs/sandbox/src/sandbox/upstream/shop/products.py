"""One product of the shop on one day, made from the seed (UPSTREAMS.md §3.2, §3.3)."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

from sandbox.upstream.shop import words
from sandbox.upstream.shop.snapshot import Entity

_OPENED = datetime(2025, 6, 1, 9, 30, 15, tzinfo=UTC)
_SLOTS = 100
_EDITS = 2_000
_UNDATED = 7
_AS_NUMBER, _AS_NULL = 1, 2


@dataclass(frozen=True, slots=True)
class Edits:
    """How far the vendor has come with a product: every `period` days it is edited once.

    Every second edit is one of the product itself; those between touch its parts only, and `Updated_At` stays.
    """

    period: int
    phase: int
    day: int

    @property
    def all(self) -> int:
        """Return the number of edits so far."""
        return (self.day + self.phase) // self.period

    @property
    def own(self) -> int:
        """Return the number of edits of the product itself so far."""
        return self.all // 2

    @property
    def last_own_day(self) -> int:
        """Return the day of the latest edit of the product itself, of which there must be one."""
        return 2 * self.own * self.period - self.phase


class Draft:
    """The parts of one product on one day.

    `fixed` draws the same numbers every day for each kind of part, `edited` others after each edit. Parts keep their
    ids, but for those that the vendor makes anew with each edit: `excluded`, `importance_num` and, each second time,
    `reviews`.
    """

    def __init__(self, seed: int, number: int, day: int) -> None:
        self._seed = seed
        self.number = number
        self.product_id = number + 1
        rhythm = self.fixed("edits")
        period = rhythm.randint(3, 12)
        self.edits = Edits(period, rhythm.randrange(period), day)
        self.edited = _dice(seed, number, self.edits.all)
        self.order = _dice(seed, number, "order", day)

    def fixed(self, part: str) -> random.Random:
        """Return the source of chance of one kind of part."""
        return _dice(self._seed, self.number, part)

    def colors(self) -> list[Entity]:
        """Return none to three colours."""
        fixed = self.fixed("colors")
        return [self._color(slot, fixed) for slot in range(fixed.randint(0, 3))]

    def _color(self, slot: int, fixed: random.Random) -> Entity:
        name, code = fixed.choice(words.COLORS)
        return {
            "Color_ID": self._id(slot),
            "Product_ID": self.product_id,
            "Color_Name": name,
            "Color_Code": code,
            "Color_image": fixed.choice(("", "", "", f"{words.SITE}/color{slot}.png", None)),
            "discount": self.edited.choice((0, 10, 60, None)),
            "json_data": fixed.choice(({"add_images": []}, '{"add_images": []}', None)),
            "sort_order": fixed.choice((slot, None)),
        }

    def parameters(self) -> list[Entity]:
        """Return one to five variants with their prices in roubles; one to four of them are chosen."""
        fixed = self.fixed("parameters")
        count = fixed.randint(1, 5)
        chosen = fixed.randint(1, min(4, count))
        return [self._parameter(slot, fixed, is_chosen=slot < chosen) for slot in range(count)]

    def _parameter(self, slot: int, fixed: random.Random, *, is_chosen: bool) -> Entity:
        price = fixed.randint(2, 900) * 10
        return {
            "Parameter_ID": self._id(slot),
            "name": fixed.choice(words.PARAMETERS),
            "parameter_string": fixed.choice(words.VALUES),
            "price": price + self.edited.choice((0, 0, 100, 250)),
            "old_price": fixed.choice((None, None, price + 500)),
            "chosen": is_chosen,
            "disabled": not self.edited.randrange(10),
            "extra_field_color": "",
            "extra_field_image": "",
            "parameter_json": fixed.choice((None, {"add_images": [], "for_crm_id": f"crm-{self._id(slot)}"})),
            "sort_order": fixed.choice((slot, None)),
        }

    def images(self) -> list[Entity]:
        """Return none to six pictures; two of them are the main one now and then, or none is."""
        fixed = self.fixed("images")
        mains = fixed.choice(((0,), (0,), (0,), (0, 1), ()))
        count = fixed.randint(0, 5) + self.edits.all % 2
        return [
            {
                "Image_ID": self._id(slot),
                "Product_ID": self.product_id,
                "Image_URL": f"{words.SITE}/{self.product_id}/{slot}.jpg",
                "MainImage": True if slot in mains else fixed.choice((False, False, None)),
                "position": fixed.choice(("product", "parameters", "")),
                "sort_order": fixed.choice((slot, None)),
                "title": fixed.choice(("", "9990", None)),
            }
            for slot in range(count)
        ]

    def extras(self) -> list[Entity]:
        """Return one to four sets of texts."""
        fixed = self.fixed("extras")
        return [
            {
                "Product_Extra_ID": self._id(slot),
                "Product_ID": self.product_id,
                "Characteristics": self.edited.choice(words.CHARACTERISTICS),
                "Delivery": fixed.choice(words.DELIVERIES),
                "Kit": fixed.choice(words.KITS),
                "Offer": fixed.choice(words.OFFERS),
                "ai_description": fixed.choice(words.DESCRIPTIONS),
            }
            for slot in range(fixed.randint(1, 4))
        ]

    def reviews(self) -> list[Entity]:
        """Return none to four photographs of customers."""
        fixed = self.fixed("reviews")
        return [
            {
                "Photo_ID": self._new_id(slot, self.edits.own),
                "Product_ID": self.product_id,
                "Photo_URL": f"{words.SITE}/reviews/{self.product_id}-{slot}.jpg",
                "sort_order": fixed.choice((slot, None)),
            }
            for slot in range(fixed.randint(0, 4))
        ]

    def videos(self) -> list[Entity]:
        """Return none to two films of customers."""
        fixed = self.fixed("videos")
        return [
            {
                "Video_ID": self._id(slot),
                "Product_ID": self.product_id,
                "Video_URL": f"{words.SITE}/reviews/{self.product_id}-{slot}.mp4",
                "Poster_URL": fixed.choice(("", None, f"{words.SITE}/poster.jpg")),
                "sort_order": fixed.choice((slot, None)),
            }
            for slot in range(fixed.randint(0, 2))
        ]

    def excluded(self, parameters: list[Entity], colors: list[Entity]) -> list[Entity]:
        """Return none to three combinations that are not sold."""
        fixed = self.fixed("excluded")
        return [
            {
                "id": self._new_id(slot, self.edits.all),
                "product_id": self.product_id,
                "parameter_id": self.edited.choice(parameters)["Parameter_ID"],
                "color_id": self.edited.choice(colors)["Color_ID"] if colors and fixed.random() < 0.5 else None,  # noqa: PLR2004 - a coin
            }
            for slot in range(fixed.randint(0, 3))
        ]

    def importance(self) -> list[Entity] | int | None:
        """Return the rank: a list of one as a rule, now and then a bare number or nothing."""
        importance = self.edited.randint(1, 99)
        form = self.fixed("importance").randrange(10)
        if form == _AS_NUMBER:
            return importance
        if form == _AS_NULL:
            return None
        row_id = self._new_id(0, self.edits.all)
        return [{"id": row_id, "product_id": self.product_id, "importance": importance}]

    def updated_at(self) -> str | None:
        """Return when the product itself was edited last; its parts do not count. Of some it is never known."""
        if self.number % _UNDATED == 0:
            return None
        return _date(self.edits.last_own_day, self.number) if self.edits.own else self.created_at()

    def created_at(self) -> str:
        """Return when the product was made, which is before the first day."""
        return _date(-1 - self.number % 300, self.number)

    def _id(self, slot: int) -> int:
        return self.product_id * _SLOTS + slot

    def _new_id(self, slot: int, edits: int) -> int:
        return (self.product_id * _EDITS + edits) * 10 + slot


def a_product(draft: Draft, *, is_main: bool, categories: list[Entity]) -> Entity:
    """Return the whole product; `categories` are those of its categories."""
    parameters, colors = draft.parameters(), draft.colors()
    fixed, shuffled = draft.fixed("product"), _shuffler(draft.order)
    kind, noun = fixed.choice(words.KINDS), fixed.choice(words.NOUNS)
    return {
        "Product_ID": draft.product_id,
        "Product_Name": f"{noun} {kind} {draft.number}" + (f".{draft.edits.own}" if draft.edits.own else ""),
        "OnMain": is_main,
        "Created_At": draft.created_at(),
        "Updated_At": draft.updated_at(),
        "categories": shuffled(categories),
        "marks": shuffled([dict(mark) for mark in draft.edited.sample(words.MARKS, draft.edited.randint(0, 3))]),
        "colors": shuffled(colors),
        "parameters": shuffled(parameters),
        "images": shuffled(draft.images()),
        "extras": shuffled(draft.extras()),
        "reviews": shuffled(draft.reviews()),
        "reviews_video": shuffled(draft.videos()),
        "excluded": shuffled(draft.excluded(parameters, colors)),
        "importance_num": draft.importance(),
        "tags": fixed.choice(words.TAGS),
        "moysklad_connector_products_data": fixed.choice((None, "", f"ms-{draft.product_id}")),
        "extra_json": fixed.choice((None, {"for_crm_id": f"crm-{draft.product_id}"})),
        "from_crm": fixed.choice((True, False, None)),
    }


def _shuffler(dice: random.Random) -> Callable[[list[Entity]], list[Entity]]:
    return lambda parts: dice.sample(parts, len(parts))


def _dice(*name: int | str) -> random.Random:
    return random.Random(":".join(map(str, name)))  # noqa: S311 - test data, not a secret


def _date(day: int, number: int) -> str:
    return format_datetime(_OPENED + timedelta(days=day, seconds=number * 37 % 40_000), usegmt=True)
