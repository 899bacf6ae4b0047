"""`X-Data-As-Of` on every answer that shows the catalogue."""

import re
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import Final
from urllib.parse import unquote_plus

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.core.as_of import AREAS, AsOf

DATED: Final[Mapping[str, str]] = {
    "X-Data-As-Of": "The moment (RFC 3339, UTC) up to which all that the sources said is in the catalogue: when the"
    " last complete run began, the earliest where several platforms are shown. Some of it may be newer. Absent until"
    " a first load is complete."
}
_NAME: Final = b"x-data-as-of"
_PLATFORM: Final = re.compile(rb"(?:^|&)platform=([^&]+)")


class DataAge:
    """ASGI middleware that says as of when the catalogue is complete; errors are raised past it and say nothing."""

    def __init__(self, app: ASGIApp, *, as_of: AsOf) -> None:
        self._app = app
        self._as_of = as_of

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        area = area_of(scope["path"]) if scope["type"] == "http" else ""
        if area not in AREAS:
            await self._app(scope, receive, send)
            return
        moment = await self._as_of.of(area, _platform(scope["query_string"]))

        async def dated(message: Message) -> None:
            if moment is not None and message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], (_NAME, _stamp(moment))]}
            await send(message)

        await self._app(scope, receive, dated)


def area_of(path: str) -> str:
    """Return the first part of a path: `offers` of `/offers/export`."""
    return path[1:].split("/", 1)[0]


@lru_cache(maxsize=32)
def _stamp(moment: datetime) -> bytes:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ").encode()


def _platform(query: bytes) -> str | None:
    found = _PLATFORM.search(query)
    return None if found is None else unquote_plus(found[1].decode("latin-1"))
