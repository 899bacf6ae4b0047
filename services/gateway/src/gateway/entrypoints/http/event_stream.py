"""Server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html)."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractContextManager
from typing import ClassVar, Final

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from gateway.core.change_feed import StoredChange
from gateway.core.parameters import Parameter, Whole
from gateway.entrypoints.http.frame import HEADERS_ONLY

EVENT_STREAM: Final = "text/event-stream"
BEAT: Final = ": still here\n\n"
SEND_TIMEOUT_S: Final = 30.0
"""How long a client may take nothing of what is sent to it."""
LAST_EVENT_ID: Final = Parameter(
    "Last-Event-ID", Whole(0, 2**62), "`id` of the last event that arrived: continues after it.", 3294715
)


def event(change: StoredChange) -> str:
    """Return one event; the body is JSON on one line."""
    return f"id: {change.change_id}\nevent: {change.change_type}\ndata: {change.body}\n\n"


class EventStream(StreamingResponse):
    """A stream that holds a place while it runs, and lets go of a client that takes nothing any more."""

    media_type = EVENT_STREAM
    REQUEST_HEADERS: ClassVar[Sequence[Parameter]] = (LAST_EVENT_ID,)

    def __init__(self, events: AsyncIterator[str], *, place: AbstractContextManager[None]) -> None:
        super().__init__(events, headers={"X-Accel-Buffering": "no"})
        self._place = place

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the events until they end or the client is gone; to a HEAD, none.

        Raises:
            TooManyStreamsError: There is no place.
        """
        if scope.get(HEADERS_ONLY):
            self.body_iterator = _nothing()
        with self._place:
            await super().__call__(scope, receive, send)

    async def stream_response(self, send: Send) -> None:
        """Send the events; a client that takes nothing is left without the end of an answer."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        try:
            async for chunk in self.body_iterator:
                body = chunk.encode() if isinstance(chunk, str) else bytes(chunk)
                async with asyncio.timeout(SEND_TIMEOUT_S):
                    await send({"type": "http.response.body", "body": body, "more_body": True})
        except TimeoutError:
            return
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _nothing() -> AsyncIterator[str]:
    return
    yield
