"""`GET /products`, `/products/{product_id}` and `/categories`: the shops."""

import json
from typing import Final

from fastapi import FastAPI, Request, Response

from gateway.core import parameters
from gateway.core.cursor import CursorSigner
from gateway.core.errors import AmbiguousIdError, NotFoundError
from gateway.core.ports import ProductReader
from gateway.core.product_query import PARAMETERS, PLATFORM_ONLY, ProductPosition, ProductQuery, read_product_query
from gateway.entrypoints.http.error_map import (
    AMBIGUOUS,
    INVALID_CURSOR,
    INVALID_PARAMETERS,
    MALFORMED,
    NOT_FOUND,
    TIMEOUT,
    UNAVAILABLE,
)
from gateway.entrypoints.http.etag import tagged_response
from gateway.entrypoints.http.routes import add_route, json_response, path_value, query_pairs
from gateway.entrypoints.http.shop_models import CategoryList, ProductDetail, ProductList

SHARED: Final = (MALFORMED, INVALID_PARAMETERS, TIMEOUT, UNAVAILABLE)
"""Problems that each endpoint here can answer with."""


def add_products(app: FastAPI, reader: ProductReader, cursors: CursorSigner) -> None:
    """Serve the shops."""

    async def list_products(request: Request) -> Response:
        """List products, filtered and sorted, page by page.

        All filters must hold. The price of a product is the lowest of what can be ordered of it (`parameters` of the
        detail); its picture is the main one. A page is read from where the page before ended (`cursor`).

        Example: `/products?category=Bouquets&price_to=5000&sort=price`
        """
        query, cursor = read_product_query(query_pairs(request))
        page = await reader.page(query, None if cursor is None else _opened(cursors, query, cursor))
        next_cursor = None if page.last is None else _sealed(cursors, query, page.last)
        return json_response(f'{{"items":[{",".join(page.items)}],"next_cursor":{json.dumps(next_cursor)}}}')

    async def get_product(request: Request) -> Response:
        """Return one product with all its parts: parameters, colours, pictures, texts, reviews, what is not sold.

        An id belongs to a shop. Without `platform` it is looked up in all; where several have it, the answer is 409
        and lists them. `ETag` names the state of the product; `If-None-Match` with it answers 304 until it changes.
        """
        values = parameters.read(query_pairs(request), PLATFORM_ONLY)
        platform = values.get("platform")
        found = await reader.find(path_value(request, "product_id"), None if platform is None else str(platform))
        if not found:
            raise NotFoundError("no product has this id")
        if len(found) > 1:
            raise AmbiguousIdError([product.platform for product in found])
        return tagged_response(request, found[0].body)

    add_route(
        app,
        "/products",
        list_products,
        answer=ProductList,
        problems=(INVALID_CURSOR, *SHARED),
        parameters=PARAMETERS,
        tag="shop",
    )
    add_route(
        app,
        "/products/{product_id}",
        get_product,
        answer=ProductDetail,
        problems=(NOT_FOUND, AMBIGUOUS, *SHARED),
        parameters=PLATFORM_ONLY,
        tag="shop",
    )
    _add_categories(app, reader)


def _add_categories(app: FastAPI, reader: ProductReader) -> None:
    async def list_categories(request: Request) -> Response:
        """List the categories of the shops in their own order, each with the number of its products."""
        platform = parameters.read(query_pairs(request), PLATFORM_ONLY).get("platform")
        items = await reader.categories(None if platform is None else str(platform))
        return json_response(f'{{"items":[{",".join(items)}]}}')

    add_route(
        app,
        "/categories",
        list_categories,
        answer=CategoryList,
        problems=SHARED,
        parameters=PLATFORM_ONLY,
        tag="shop",
    )


def _sealed(cursors: CursorSigner, query: ProductQuery, last: ProductPosition) -> str:
    position = json.dumps([last.key, last.platform, last.product_id], ensure_ascii=False, separators=(",", ":"))
    return cursors.seal(query.identity, position)


def _opened(cursors: CursorSigner, query: ProductQuery, cursor: str) -> ProductPosition:
    return ProductPosition(*json.loads(cursors.unseal(query.identity, cursor)))
