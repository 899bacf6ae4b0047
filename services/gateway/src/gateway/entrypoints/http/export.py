"""`GET /offers/export`: all offers that meet the filters, as one file."""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from fastapi import FastAPI, Request, Response
from starlette.types import Receive, Scope, Send

from common.clock import Clock
from common.errors import FeedmillError
from common.log import fields
from gateway.core.errors import BrokenOffError
from gateway.core.export import EXPORT_PARAMETERS, ExportFormat, ExportPlaces, read_export
from gateway.core.ports import OfferExporter
from gateway.entrypoints.http.error_map import FORMAT_MISSING, TIMEOUT, TOO_MANY_EXPORTS, UNAVAILABLE
from gateway.entrypoints.http.event_stream import SEND_TIMEOUT_S
from gateway.entrypoints.http.frame import ADMIT_AGAIN, HEADERS_ONLY
from gateway.entrypoints.http.routes import add_route, query_pairs

MOST_S: Final = 600.0
"""How long one export may take: its snapshot keeps the database from cleaning up."""
MEDIA_TYPES: Final[Mapping[ExportFormat, str]] = {
    ExportFormat.NDJSON: "application/x-ndjson",
    ExportFormat.CSV: "text/csv; charset=utf-8; header=present",
    ExportFormat.PARQUET: "application/vnd.apache.parquet",
}
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Export:
    """One export: the parts of its file, the place that it holds meanwhile, and time."""

    parts: AbstractAsyncContextManager[AsyncIterator[bytes]]
    place: AbstractContextManager[None]
    clock: Clock


class ExportFile(Response):
    """A file of unknown length, sent part by part as the client takes it.

    What goes wrong before the first part is a problem; afterwards the connection is closed without the end of the
    answer, so a client never takes half a file for the whole. A client that is gone ends the query.
    """

    media_type = MEDIA_TYPES[ExportFormat.NDJSON]
    CONTENT: ClassVar[Mapping[str, Any]] = {
        MEDIA_TYPES[ExportFormat.NDJSON]: {
            "schema": {"type": "string"},
            "example": '{"platform":"che168","inner_id":"50837332","price":98000}\n',
        },
        MEDIA_TYPES[ExportFormat.CSV]: {
            "schema": {"type": "string"},
            "example": 'platform,inner_id,price\r\n"che168","50837332",98000\r\n',
        },
        MEDIA_TYPES[ExportFormat.PARQUET]: {"schema": {"type": "string", "format": "binary"}},
    }

    def __init__(self, export: Export, kind: ExportFormat) -> None:
        super().__init__(
            headers={
                "Content-Type": MEDIA_TYPES[kind],
                "Content-Disposition": f'attachment; filename="offers.{kind}"',
                "X-Accel-Buffering": "no",
            }
        )
        del self.headers["Content-Length"]
        self._export = export

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the file until its end or until the client is gone.

        Raises:
            TooManyExportsError: There is no place.
            FeedmillError: The file cannot be made, or not to its end.
        """
        with self._export.place:
            sending = asyncio.create_task(self._send(scope, send))
            gone = asyncio.create_task(_gone(receive))
            try:
                await asyncio.wait((sending, gone), return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in (sending, gone):
                    task.cancel()
                await asyncio.gather(sending, gone, return_exceptions=True)
            if not sending.cancelled():
                sending.result()

    async def _send(self, scope: Scope, send: Send) -> None:
        started = self._export.clock.monotonic()
        async with self._export.parts as parts:
            part = await anext(parts, b"")
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            while part and not scope.get(HEADERS_ONLY):
                try:
                    await _sent(part, send)
                    await self._check(scope, started)
                    part = await anext(parts, b"")
                except FeedmillError as error:
                    _log.warning(fields("export broken off", error=error))
                    raise
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _check(self, scope: Scope, started: float) -> None:
        if self._export.clock.monotonic() - started > MOST_S:
            raise BrokenOffError(f"the export took more than {MOST_S:.0f} s")
        if admit := scope.get(ADMIT_AGAIN):
            await admit()


def add_export(app: FastAPI, exporter: OfferExporter, *, most: int, clock: Clock) -> None:
    """Serve the export; before the single offer, whose path it would match."""
    places = ExportPlaces(most)

    async def export_offers(request: Request) -> Response:
        """Write all active offers that meet all filters into one file, as of one moment, those that came first first.

        `ndjson` has an offer as in the list on each line. `csv` has a header; where a spreadsheet would take a text for
        a formula, an apostrophe stands in front of it. The file is whole if the answer ends as HTTP wants it; when
        something fails meanwhile, the connection is closed before. Few exports run at once, each for at most 10
        minutes.

        Example: `/offers/export?format=csv&mark=BMW&fields=inner_id,model,price`
        """
        query = read_export(query_pairs(request))
        return ExportFile(Export(exporter.opened(query), places.place(), clock), query.format)

    add_route(
        app,
        "/offers/export",
        export_offers,
        answer=ExportFile,
        problems=(FORMAT_MISSING, TOO_MANY_EXPORTS, TIMEOUT, UNAVAILABLE),
        parameters=EXPORT_PARAMETERS,
        tag="offers",
    )


async def _sent(part: bytes, send: Send) -> None:
    try:
        async with asyncio.timeout(SEND_TIMEOUT_S):
            await send({"type": "http.response.body", "body": part, "more_body": True})
    except TimeoutError as error:
        raise BrokenOffError(f"the client took nothing for {SEND_TIMEOUT_S:.0f} s") from error


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
