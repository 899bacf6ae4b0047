"""`GET /info`: what is loaded, as a page for browsers and as plain text for others."""

import json
from collections.abc import Mapping, Sequence
from functools import partial
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI, Request, Response
from fastapi.responses import PlainTextResponse

from gateway.core.aggregate import FanOut, Question
from gateway.core.errors import InvalidParametersError
from gateway.core.info import Info, loaded
from gateway.core.ports import OfferReader, ProductReader, StatusReader
from gateway.core.product_query import ProductQuery
from gateway.core.query import DEFAULT_LIMIT
from gateway.entrypoints.http.error_map import INVALID_PARAMETERS, MALFORMED
from gateway.entrypoints.http.html_page import html_page
from gateway.entrypoints.http.info_html import body, fault_body, picture_origins
from gateway.entrypoints.http.info_query import PARAMETERS, InfoQuery, read_info_query
from gateway.entrypoints.http.info_text import text
from gateway.entrypoints.http.routes import add_route, query_pairs

INFO_PATH: Final = "/info"
_VARIES: Final = {"Vary": "Accept"}
_NO_STATUS: Final = '{"offers":[],"runs":[]}'
_ANY_PRODUCT: Final = ProductQuery(limit=1)


def add_info(
    app: FastAPI,
    *,
    offers: OfferReader,
    products: ProductReader,
    status: StatusReader,
    fan_out: FanOut,
    needs_token: bool,
) -> None:
    """Serve the page."""

    async def info(request: Request) -> Response:
        """Show what is loaded: products with prices, main pictures, categories and marks, and the offers.

        A browser (`Accept: text/html`) gets a page, everything else plain text. All filters must hold; name, mark and
        prices hold for offers too, as does an order by price. What cannot be read in 2 seconds is named and left out.
        """
        pairs = query_pairs(request)
        query, faults = read_info_query(pairs)
        is_browser = "text/html" in request.headers.get("accept", "")
        given = {name: value for name, value in pairs if name in PARAMETERS and value}
        if faults and is_browser:
            return _page(fault_body(faults, given), INVALID_PARAMETERS.status)
        if faults:
            raise InvalidParametersError(faults)
        shown = await gathered(query)
        if is_browser:
            return _page(body(shown, given), HTTPStatus.OK, picture_origins(shown))
        return PlainTextResponse(text(shown, given), headers=_VARIES)

    async def gathered(query: InfoQuery) -> Info:
        questions: dict[str, Question[Any]] = {
            "products": partial(products.numbered, query.products, query.page),
            "offers": partial(offers.page, query.offers, None),
            "status": status.status,
            "categories": partial(products.categories, None),
            "number of products": partial(products.numbered, _ANY_PRODUCT, 1),
        }
        found = await fan_out.ask(questions)
        return _shown(query, found.answers, list(found.missing))

    add_route(
        app,
        INFO_PATH,
        info,
        answer=PlainTextResponse,
        problems=(MALFORMED, INVALID_PARAMETERS),
        parameters=PARAMETERS,
        tag="shop",
        needs_token=needs_token,
    )


def _shown(query: InfoQuery, answers: Mapping[str, Any], missing: list[str]) -> Info:
    page, listed, counted = (answers.get(name) for name in ("products", "offers", "number of products"))
    categories = _items(answers.get("categories", ()))
    return Info(
        loaded=loaded(
            json.loads(answers.get("status", _NO_STATUS)),
            counted.total if counted else None,
            len(categories) if "categories" in answers else None,
        ),
        products=_items(page.items) if page else None,
        total=page.total if page else 0,
        page=query.page,
        page_size=DEFAULT_LIMIT,
        offers=_items(listed.items) if listed else None,
        offers_page=query.offers_page,
        offers_follow=listed is not None and listed.last is not None,
        categories=categories,
        missing=missing,
        not_for_offers=query.not_for_offers,
    )


def _page(content: str, status: HTTPStatus, pictures: Sequence[str] = ()) -> Response:
    allowed = f"img-src {' '.join(['data:', *pictures])}; form-action 'self'"
    answer = html_page("info_page", content, allowed, status)
    answer.headers.update(_VARIES)
    return answer


def _items(texts: Sequence[str]) -> Sequence[dict[str, Any]]:
    return [json.loads(item) for item in texts]
