"""A shop's two lists over HTTP (UPSTREAMS §3): `?on_main=true` and `?on_main=false`."""

from typing import Annotated, Any, Final

import msgspec

from common.events import LISTS_ID
from fetcher.adapters.autoapi import Http
from fetcher.adapters.json_body import as_it_came, decoded, mended, rows_as_they_came
from fetcher.core.errors import Cause, UpstreamError
from fetcher.core.shop import ListName, ListPage, Product

OK: Final = "ok"
LONGEST_MESSAGE: Final = 200
_NOT_FACTS: Final = frozenset({"products", "status", "pagination"})
_ON_MAIN: Final = {"true": True, "1": True, "false": False, "0": False}

_Count = Annotated[int, msgspec.Meta(ge=0, le=1_000_000)]


class _Top(msgspec.Struct):
    status: str
    message: Any = None


class _Pagination(msgspec.Struct):
    total_pages: _Count
    current_page: int | None = None
    total_products: _Count | None = None


class _List(msgspec.Struct):
    products: list[msgspec.Raw]
    pagination: _Pagination | None = None


class _Product(msgspec.Struct, gc=False):
    product_id: Any = msgspec.field(name="Product_ID", default=None)
    on_main: Any = msgspec.field(name="OnMain", default=None)
    created_at: Any = msgspec.field(name="Created_At", default=None)


_top = msgspec.json.Decoder(_Top)
_list = msgspec.json.Decoder(_List, strict=False)
_facts = msgspec.json.Decoder(dict[str, msgspec.Raw])
_product = msgspec.json.Decoder(_Product)


class HttpShop:
    """A `Shop`. One request per call; no retry inside."""

    def __init__(self, http: Http) -> None:
        self._http = http

    async def page(self, name: ListName, number: int) -> ListPage:
        """Return page `number` of a list, 1-based; the first is asked for without a number: not every shop has pages.

        Raises:
            UpstreamError: The answer cannot be used, or says itself that something is wrong.
        """
        parameters = {"on_main": "true" if name.is_main else "false"}
        if number > 1:
            parameters["page"] = str(number)
        body = await self._http.get("", parameters)
        return read_list(body, number)


def read_list(body: bytes, number: int) -> ListPage:
    """Return the page in a body. Each product stays as it came, byte for byte, and none is dropped.

    Raises:
        UpstreamError: No UTF-8, or no JSON; a status other than `ok`; no list `products`; or another page than the one
            asked for.
    """
    try:
        body.decode("utf-8")
    except UnicodeDecodeError:  # a guess, as for a Chinese upstream, could garble every name
        raise UpstreamError(Cause.BAD_ENCODING, "not UTF-8") from None
    (found, facts), notes, original = mended(_read, body)
    pagination = found.pagination or _Pagination(total_pages=1)
    if pagination.current_page not in {None, number}:
        raise UpstreamError(Cause.WRONG_SHAPE, "the answer is another page")
    came = rows_as_they_came(original, "products", len(found.products))
    products = [_listed(raw, as_it_came(data)) for raw, data in zip(found.products, came, strict=True)]
    return ListPage(products, facts, pagination.total_pages, pagination.total_products, notes)


def _read(body: bytes) -> tuple[_List, dict[str, msgspec.Raw]]:
    top = decoded(_top.decode, body)
    if top.status.casefold() != OK:
        said = top.message if isinstance(top.message, str) else ""
        raise UpstreamError(Cause.NOT_OK, f"status {top.status[:LONGEST_MESSAGE]}: {said[:LONGEST_MESSAGE]}")
    facts = {name: raw for name, raw in decoded(_facts.decode, body).items() if name not in _NOT_FACTS}
    return decoded(_list.decode, body), facts


def _listed(raw: msgspec.Raw, original: str | msgspec.UnsetType) -> Product:
    try:
        product = _product.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return Product(None, None, None, raw, original)
    created_at = product.created_at if isinstance(product.created_at, str) else None
    return Product(_identity(product.product_id), read_on_main(product.on_main), created_at, raw, original)


def _identity(value: object) -> str | None:
    """Return an id as text: `813`, `"813"` and `813.0` are one; the name of the shop's own lists is none."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    text = str(value).strip()
    return text if text not in {"", LISTS_ID} else None


def read_on_main(value: object) -> bool | None:
    """Return whether `OnMain` says yes, however it is written; None: it says nothing that can be read."""
    return _ON_MAIN.get(str(value).casefold())
