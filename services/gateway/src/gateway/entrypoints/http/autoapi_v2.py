"""`GET /api/v2/{platform}/…`: auto-api's contract, so that its clients, and another feedmill, can read from us."""

import json
from collections.abc import Mapping, Sequence
from typing import Final

from fastapi import FastAPI, Request, Response

from gateway.core import autoapi
from gateway.core.autoapi import PAGE, PREFIX, Dialect, Event
from gateway.core.errors import NotFoundError
from gateway.core.ports import ChangeReader, RecordReader
from gateway.entrypoints.http.autoapi_models import (
    AutoApiChangeId,
    AutoApiChanges,
    AutoApiFilters,
    AutoApiOffers,
    AutoApiRecord,
)
from gateway.entrypoints.http.changes import first_of_day
from gateway.entrypoints.http.error_map import GONE, INVALID_PARAMETERS, MALFORMED, NOT_FOUND, TIMEOUT, UNAVAILABLE
from gateway.entrypoints.http.routes import add_route, json_response, query_pairs

PROBLEMS: Final = (MALFORMED, NOT_FOUND, GONE, INVALID_PARAMETERS, TIMEOUT, UNAVAILABLE)
NO_REFERENCE: Final = '{"mark":{},"transmission_type":[],"color":[],"body_type":[],"engine_type":[],"drive_type":[]}'


def add_autoapi(app: FastAPI, records: RecordReader, changes: ChangeReader, *, dialects: Mapping[str, Dialect]) -> None:
    """Serve the platforms of `dialects` by auto-api's contract."""

    def platform_of(request: Request) -> str:
        platform: str = request.path_params["platform"]
        if platform not in dialects:
            raise NotFoundError("Source not found")
        return platform

    async def autoapi_filters(request: Request) -> Response:
        """Return the platform's own reference of marks, models and words, as it came."""
        found = await records.filters(platform_of(request))
        return json_response(NO_REFERENCE if found is None else found)

    async def autoapi_offers(request: Request) -> Response:
        """List active offers, 20 on a page, oldest first; `meta.next_page` is null on the last.

        As in the original, unknown parameters are ignored.
        """
        platform, values = platform_of(request), autoapi.read(query_pairs(request), autoapi.OFFERS)
        page = int(str(values["page"]))
        found = await records.offers(platform, page, autoapi.conditions(values))
        following = page + 1 if len(found) > PAGE else None
        return _answer(found[:PAGE], {"page": page, "next_page": following, "limit": PAGE})

    async def autoapi_offer(request: Request) -> Response:
        """Return the record of one active offer."""
        platform, values = platform_of(request), autoapi.read(query_pairs(request), autoapi.OFFER)
        found = await records.offer(platform, str(values["inner_id"]))
        if found is None:
            raise NotFoundError("Offer not found")
        return json_response(found)

    async def autoapi_change_id(request: Request) -> Response:
        """Return the id at which the events of a day begin."""
        platform, values = platform_of(request), autoapi.read(query_pairs(request), autoapi.CHANGE_ID)
        first = await first_of_day(changes, str(values["date"]), platform, zone=dialects[platform].zone)
        return json_response(f'{{"change_id":{first}}}')

    async def autoapi_changes(request: Request) -> Response:
        """List events from an id on, 20 on a page; `meta.next_change_id` is null when there are none.

        A change of the price alone is `changed`; any other comes as `added` with the whole record.
        """
        platform, values = platform_of(request), autoapi.read(query_pairs(request), autoapi.CHANGES)
        start = int(str(values["change_id"]))
        found = await records.changes(platform, start)
        await changes.ensure_kept(start)  # after the events: what goes in between is noticed
        following = found[-1].id + 1 if found else None
        return _answer(found, {"cur_change_id": start, "next_change_id": following, "limit": PAGE})

    for name, handler, answer, known in (
        ("filters", autoapi_filters, AutoApiFilters, autoapi.NOTHING),
        ("offers", autoapi_offers, AutoApiOffers, autoapi.OFFERS),
        ("offer", autoapi_offer, AutoApiRecord, autoapi.OFFER),
        ("change_id", autoapi_change_id, AutoApiChangeId, autoapi.CHANGE_ID),
        ("changes", autoapi_changes, AutoApiChanges, autoapi.CHANGES),
    ):
        path = f"{PREFIX}{{platform}}/{name}"
        add_route(app, path, handler, answer=answer, problems=PROBLEMS, parameters=known, tag="auto-api")


def _answer(events: Sequence[Event], meta: Mapping[str, int | None]) -> Response:
    return json_response(f'{{"result":[{",".join(map(_text, events))}],"meta":{json.dumps(meta)}}}')


def _text(event: Event) -> str:
    head = {"id": event.id, "inner_id": event.inner_id, "change_type": event.change_type}
    body = json.dumps(head | {"created_at": event.created_at}, ensure_ascii=False)
    return body if event.data is None else f'{body.removesuffix("}")},"data":{event.data}}}'
