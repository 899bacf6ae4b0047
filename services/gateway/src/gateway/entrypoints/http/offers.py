"""`GET /offers` and `GET /offers/{inner_id}`."""

import json

from fastapi import FastAPI, Request, Response

from gateway.core import parameters
from gateway.core.cursor import CursorSigner
from gateway.core.errors import AmbiguousIdError, NotFoundError
from gateway.core.ports import OfferReader
from gateway.core.query import PARAMETERS, PLATFORM_ONLY, Count, read_query
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
from gateway.entrypoints.http.models import OfferDetail, OfferList
from gateway.entrypoints.http.routes import add_route, json_response, path_value, query_pairs


def add_offers(app: FastAPI, reader: OfferReader, cursors: CursorSigner) -> None:
    """Serve the catalogue."""

    async def list_offers(request: Request) -> Response:
        """List active offers, filtered and sorted, page by page.

        All filters must hold. A page is read from where the page before ended (`cursor`), so it costs the same however
        far one pages, and offers that come or go meanwhile shift nothing.

        Example: `/offers?mark=BMW&year_from=2019&price_from=50000&price_to=150000&sort=-price&limit=20`
        """
        query, cursor = read_query(query_pairs(request))
        page = await reader.page(query, None if cursor is None else cursors.verify(query, cursor))
        total = None
        if query.count is not Count.NONE:
            total = await reader.total(query.conditions, exact=query.count is Count.EXACT)
        rest = {
            "next_cursor": None if page.last is None else cursors.sign(query, page.last),
            "total": None if total is None else total.number,
            "total_exact": None if total is None else total.exact,
        }
        return json_response(f'{{"items":[{",".join(page.items)}],{json.dumps(rest).removeprefix("{")}')

    async def get_offer(request: Request) -> Response:
        """Return one offer in full, a withdrawn one (`active: false`) too.

        An id belongs to a platform. Without `platform` it is looked up on all; where several have it, the answer is
        409 and lists them. `ETag` names the state of the offer; `If-None-Match` with it answers 304 until it changes.
        """
        values = parameters.read(query_pairs(request), PLATFORM_ONLY)
        platform = values.get("platform")
        inner_id = path_value(request, "inner_id")
        found = await reader.find(inner_id, None if platform is None else str(platform))
        if not found:
            raise NotFoundError("no offer has this id")
        if len(found) > 1:
            raise AmbiguousIdError([offer.platform for offer in found])
        return tagged_response(request, found[0].body)

    shared = (MALFORMED, INVALID_PARAMETERS, TIMEOUT, UNAVAILABLE)
    add_route(
        app,
        "/offers",
        list_offers,
        answer=OfferList,
        problems=(INVALID_CURSOR, *shared),
        parameters=PARAMETERS,
        tag="offers",
    )
    add_route(
        app,
        "/offers/{inner_id}",
        get_offer,
        answer=OfferDetail,
        problems=(NOT_FOUND, AMBIGUOUS, *shared),
        parameters=PLATFORM_ONLY,
        tag="offers",
    )
