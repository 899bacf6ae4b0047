"""`GET /changes`, `/change_id` and `/offers/stream`: following the catalogue."""

from collections.abc import AsyncIterator, Mapping
from datetime import UTC, date, datetime, time, tzinfo
from typing import Final

from fastapi import FastAPI, Request, Response

from common.errors import FeedmillError, UnavailableError
from gateway.core import parameters
from gateway.core.change_feed import ChangeFeed
from gateway.core.errors import Fault, InvalidParametersError, QueryTimeoutError
from gateway.core.parameters import Day, Parameter, Whole
from gateway.core.ports import ChangeReader
from gateway.core.query import PARAMETERS as OFFER_PARAMETERS
from gateway.entrypoints.http.error_map import (
    GONE,
    INVALID_PARAMETERS,
    MALFORMED,
    TIMEOUT,
    TOO_MANY_STREAMS,
    UNAVAILABLE,
)
from gateway.entrypoints.http.event_stream import BEAT, LAST_EVENT_ID, EventStream, event
from gateway.entrypoints.http.frame import ADMIT_AGAIN
from gateway.entrypoints.http.models import ChangeList, ChangePosition
from gateway.entrypoints.http.routes import add_route, json_response, query_pairs

MAX_ID: Final = 2**62
BEAT_INTERVAL_S: Final = 15.0
RETRY_MS: Final = 3000
_START: Final = Parameter("change_id", Whole(0, MAX_ID), "The first id wanted; 0: from the beginning.", 0, 0)
_LIMIT: Final = Parameter("limit", Whole(1, 1000), "Changes on a page.", 100, 100)
_PLATFORM: Final = OFFER_PARAMETERS["platform"]
_DATE: Final = Parameter("date", Day(), "Day in UTC.", "2026-11-20", required=True)
_LIVE: Final = Parameter("change_id", Whole(0, MAX_ID), "The first id wanted; by default what happens from now on.", 0)
LIST_PARAMETERS: Final[Mapping[str, Parameter]] = {p.name: p for p in (_START, _LIMIT, _PLATFORM)}
DAY_PARAMETERS: Final[Mapping[str, Parameter]] = {p.name: p for p in (_DATE, _PLATFORM)}
STREAM_PARAMETERS: Final[Mapping[str, Parameter]] = {p.name: p for p in (_LIVE, _PLATFORM)}


def add_changes(app: FastAPI, reader: ChangeReader, feed: ChangeFeed) -> None:
    """Serve the changes."""

    async def list_changes(request: Request) -> Response:
        """List what changed, oldest first, from an id on: what came, what went, which fields have other values.

        Ask again with `next_change_id`. It is never null; a page without items means that nothing has happened since.
        A page of long changes may hold fewer than `limit`.
        Ids grow and have gaps. Products of shops are among them; `_catalogue` stands for a shop's categories and marks.
        What the operator keeps no longer (after 90 days by default) is gone: a position before that is answered with
        410, and 0 begins with the oldest change that is kept.
        """
        values = parameters.read(query_pairs(request), LIST_PARAMETERS)
        start, limit = int(str(values.get("change_id", 0))), int(str(values.get("limit", 100)))
        found = await reader.changes(start, limit=limit, platform=_text(values.get("platform")))
        following = found[-1].change_id + 1 if found else start
        items = ",".join(change.body for change in found)
        return json_response(f'{{"items":[{items}],"next_change_id":{following}}}')

    async def change_id(request: Request) -> Response:
        """Return the id at which the changes of a day begin.

        When nothing has happened since, it is one that no change has had yet.
        """
        values = parameters.read(query_pairs(request), DAY_PARAMETERS)
        first = await first_of_day(reader, str(values["date"]), _text(values.get("platform")))
        return json_response(f'{{"change_id":{first}}}')

    async def stream_changes(request: Request) -> Response:
        """Follow the changes live, as server-sent events: `id` and `event` are id and type, `data` is as in `/changes`.

        `Last-Event-ID` continues after that change; otherwise it begins at `change_id`, or now. Nothing is left out or
        sent twice. A comment every 15 s keeps the line open. A browser's own `EventSource` cannot send a token: read
        the stream by `fetch`, or put a proxy in front that adds the header.
        """
        values = parameters.read(query_pairs(request), STREAM_PARAMETERS)
        start = _start(request, values.get("change_id"))
        if start is None:
            start = await reader.last_id() + 1
        else:
            await reader.ensure_kept(start)
        return EventStream(_events(feed, request, start, _text(values.get("platform"))), place=feed.place())

    shared = (MALFORMED, GONE, INVALID_PARAMETERS, TIMEOUT, UNAVAILABLE)
    add_route(
        app, "/changes", list_changes, answer=ChangeList, problems=shared, parameters=LIST_PARAMETERS, tag="changes"
    )
    add_route(
        app, "/change_id", change_id, answer=ChangePosition, problems=shared, parameters=DAY_PARAMETERS, tag="changes"
    )
    add_route(
        app,
        "/offers/stream",
        stream_changes,
        answer=EventStream,
        problems=(TOO_MANY_STREAMS, *shared),
        parameters=STREAM_PARAMETERS,
        tag="changes",
    )


async def first_of_day(reader: ChangeReader, day: str, platform: str | None, *, zone: tzinfo = UTC) -> int:
    """Return the id at which the changes of a day, such as 2026-11-20, begin."""
    first = await reader.first_id_since(datetime.combine(date.fromisoformat(day), time(), zone), platform)
    return await reader.last_id() + 1 if first is None else first


async def _events(feed: ChangeFeed, request: Request, start: int, platform: str | None) -> AsyncIterator[str]:
    yield f"retry: {RETRY_MS}\n\n"
    said_at = feed.clock.monotonic()
    async for changes in feed.listen(start):
        if not await _may_go_on(request, feed):
            return  # the client comes back, and is told why it may not
        wanted = [change for change in changes if platform in {None, change.platform}]
        if wanted:
            yield "".join(event(change) for change in wanted)
        elif feed.clock.monotonic() - said_at >= BEAT_INTERVAL_S:
            yield BEAT
        else:
            continue
        said_at = feed.clock.monotonic()


async def _may_go_on(request: Request, feed: ChangeFeed) -> bool:
    """Return whether the caller's token is valid still; while the database cannot say, nothing is sent or ended."""
    while True:
        try:
            await request.scope[ADMIT_AGAIN]()
        except (UnavailableError, QueryTimeoutError):
            if feed.stopped:
                return False
            await feed.next_look()
        except FeedmillError:
            return False
        else:
            return True


def _start(request: Request, asked: object) -> int | None:
    last = request.headers.get("last-event-id")
    if last is None:
        return None if asked is None else int(str(asked))
    try:
        return int(LAST_EVENT_ID.kind.read(last)) + 1
    except ValueError as error:
        raise InvalidParametersError([Fault(LAST_EVENT_ID.name, str(error))]) from error


def _text(value: object) -> str | None:
    return None if value is None else str(value)
