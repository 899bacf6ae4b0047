"""`GET /offers/facets` and `GET /filters`: what one can filter by."""

import json
from dataclasses import asdict

from fastapi import FastAPI, Request, Response

from common.clock import Clock
from gateway.core import parameters
from gateway.core.facets import FacetCache
from gateway.core.ports import OfferReader
from gateway.core.query import FILTERS_ONLY, PLATFORM_ONLY, read_filters
from gateway.entrypoints.http.error_map import INVALID_PARAMETERS, TIMEOUT, UNAVAILABLE
from gateway.entrypoints.http.models import FacetList, SourceFilterList
from gateway.entrypoints.http.routes import add_route, json_response, query_pairs


def add_facets(app: FastAPI, reader: OfferReader, clock: Clock) -> None:
    """Serve them; before the single offer, whose path they would match."""
    cache = FacetCache(reader.facets, clock=clock)

    async def offer_facets(request: Request) -> Response:
        """Count the values of each field among the offers that meet all filters, the 50 most frequent of each field.

        The counts may be up to 30 seconds old. Values are as they are stored; filters take them in any case of letters.
        """
        facets = await cache.get(read_filters(query_pairs(request)))
        values = {name: [asdict(found) for found in counts] for name, counts in facets.values.items()}
        body = {"total": facets.total, "facets": values}
        return json_response(json.dumps(body, ensure_ascii=False, separators=(",", ":")))

    async def source_filters(request: Request) -> Response:
        """Return the filters that the marketplaces themselves offer, as they came, each with the time of fetching."""
        platform = parameters.read(query_pairs(request), PLATFORM_ONLY).get("platform")
        found = await reader.filters(None if platform is None else str(platform))
        return json_response(f'{{"items":[{",".join(found)}]}}')

    problems = (INVALID_PARAMETERS, TIMEOUT, UNAVAILABLE)
    add_route(
        app,
        "/offers/facets",
        offer_facets,
        answer=FacetList,
        problems=problems,
        parameters=FILTERS_ONLY,
        tag="offers",
    )
    add_route(
        app,
        "/filters",
        source_filters,
        answer=SourceFilterList,
        problems=problems,
        parameters=PLATFORM_ONLY,
        tag="offers",
    )
