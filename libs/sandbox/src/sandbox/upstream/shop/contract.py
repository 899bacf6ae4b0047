"""`/api/products` as bot-igor.ru answers it (UPSTREAMS.md §3.1); it needs no key."""

from typing import Any

from sandbox.upstream.exchange import Reply, Request
from sandbox.upstream.faults import FaultKind, FaultRule
from sandbox.upstream.shop.snapshot import Shop, Snapshot
from sandbox.upstream.specs import to_json

SHOP_PATH = "/api/products"
SHOP_ENDPOINT = "products"
"""The name of it in fault rules and counts."""
_ERROR = {"status": "error", "message": "Internal error"}
_UNKNOWN_LIST = {"status": "error", "message": "on_main is true or false"}
_NOT_ALLOWED = {"status": "error", "message": "Method not allowed"}


class ShopContract:
    """Answers for a shop on its current `day`, a number from 0 that can be set at any time."""

    def __init__(self, shop: Shop) -> None:
        self._shop = shop
        self.day = 0

    def answer(self, request: Request, fault: FaultRule | None) -> Reply:
        """Return a list, or what a fault leaves of it."""
        if request.method != "GET":
            return Reply.json(405, _NOT_ALLOWED)
        asked = request.query.get("on_main", "").lower()
        if asked not in {"true", "false"}:
            return Reply.json(200, _UNKNOWN_LIST)
        if fault is not None and fault.kind is FaultKind.ERROR_200:
            return Reply.json(200, _ERROR if fault.body is None else fault.body)
        snapshot = self._snapshot()
        products = snapshot.main if asked == "true" else snapshot.other
        if fault is not None:
            products = _spoiled(products, fault)
        beside = snapshot.beside if asked == "true" else {}
        return Reply(200, to_json({"status": "ok", **beside, "products": products}))

    def truth(self) -> dict[str, Any]:
        """Return `{day, products, main, other, categories, …}`.

        `products` holds every product once, by id, with its parts by id; `main` and `other` the ids on each list;
        the rest is what stands beside the products of the main list.
        """
        snapshot = self._snapshot()
        lists = {"main": snapshot.main, "other": snapshot.other}
        ids = {name: sorted(product["Product_ID"] for product in products) for name, products in lists.items()}
        return {"day": self.day, "products": snapshot.products(), **ids, **snapshot.beside}

    def _snapshot(self) -> Snapshot:
        return self._shop.snapshot(self.day)


def _spoiled(products: list[dict[str, Any]], fault: FaultRule) -> list[dict[str, Any]]:
    if fault.kind is FaultKind.EMPTY_LIST:
        return []
    if fault.kind is FaultKind.SHRUNK:
        return products[: round(len(products) * fault.share)]
    return products
