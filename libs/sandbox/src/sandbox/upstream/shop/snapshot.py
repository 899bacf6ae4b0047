"""What a shop is at one moment: its two lists and what the first of them says beside the products."""

from dataclasses import dataclass
from typing import Any, Protocol

Entity = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Products of `on_main=true` and of `on_main=false`, and what stands beside those of the first list.

    `beside` holds `categories`, `product_marks` and the `special_project_parameters*` (UPSTREAMS.md §3.1).
    """

    main: list[Entity]
    other: list[Entity]
    beside: Entity

    def products(self) -> list[Entity]:
        """Return every product of the two lists once, by id, with its parts by id too."""
        found = {product["Product_ID"]: product for product in (*self.other, *self.main)}
        return [_in_order(found[product_id]) for product_id in sorted(found)]


_IDS = {
    "categories": "Category_ID",
    "marks": "Mark_ID",
    "colors": "Color_ID",
    "parameters": "Parameter_ID",
    "images": "Image_ID",
    "extras": "Product_Extra_ID",
    "reviews": "Photo_ID",
    "reviews_video": "Video_ID",
    "excluded": "id",
    "importance_num": "id",
}


def _in_order(product: Entity) -> Entity:
    def by_id(name: str, value: Any) -> Any:
        return sorted(value, key=lambda part: part[_IDS[name]]) if name in _IDS and isinstance(value, list) else value

    return {name: by_id(name, value) for name, value in product.items()}


class Shop(Protocol):
    """A shop whose days follow each other."""

    def snapshot(self, day: int) -> Snapshot:
        """Return the shop as it is on a day (from 0)."""
        ...
