"""Cross-origin requests (https://fetch.spec.whatwg.org/#http-cors-protocol), for the origins that are listed."""

from collections.abc import Collection, Sequence
from http import HTTPStatus
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.entrypoints.http.frame import PROTECTIVE_HEADERS

EXPOSED: Final = (
    b"Content-Disposition, ETag, RateLimit, RateLimit-Policy, Retry-After, X-Data-As-Of, X-Request-Id, X-Sources"
)
"""What a script may read of an answer's headers, besides the few that are always allowed."""
ALLOWED: Final = (
    b"Authorization, X-API-Key, If-None-Match, Last-Event-ID, X-Request-Id, Traceparent, Tracestate, Content-Type"
)
"""What a script may send: all that is read here, and the type of no content, which many clients always name."""
REMEMBERED_S: Final = b"600"
"""How long a browser need not ask again."""
_VARY: Final = (b"vary", b"Origin")
Headers = Sequence[tuple[bytes, bytes]]


class Cors:
    """ASGI middleware around everything, errors included, since a script must be able to read those too.

    Credentials are never allowed: a token is sent by the script itself, not by the browser.

    Args:
        app: What answers.
        origins: Those that may ask, such as `https://cars.example`; compared as they are.
    """

    def __init__(self, app: ASGIApp, *, origins: Collection[str]) -> None:
        self._app = app
        self._origins = frozenset(origin.encode() for origin in origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a preflight of a listed origin; pass everything else on and say whether its answer may be read."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        sent = dict(scope["headers"])
        origin = sent.get(b"origin")
        if origin not in self._origins:
            await self._app(scope, receive, _adding(send, [_VARY]))
        elif scope["method"] == "OPTIONS" and b"access-control-request-method" in sent:
            await send(_preflight([*PROTECTIVE_HEADERS, _VARY, (b"access-control-allow-origin", origin)]))
            await send({"type": "http.response.body", "body": b""})
        else:
            readable = [(b"access-control-allow-origin", origin), (b"access-control-expose-headers", EXPOSED)]
            await self._app(scope, receive, _adding(send, [_VARY, *readable]))


def _preflight(headers: Headers) -> Message:
    allowed = [
        (b"access-control-allow-methods", b"GET, HEAD"),
        (b"access-control-allow-headers", ALLOWED),
        (b"access-control-max-age", REMEMBERED_S),
    ]
    return {
        "type": "http.response.start",
        "status": HTTPStatus.NO_CONTENT.value,
        "headers": [*headers, *allowed],
    }


def _adding(send: Send, added: Headers) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message["headers"], *added]}
        await send(message)

    return sending
