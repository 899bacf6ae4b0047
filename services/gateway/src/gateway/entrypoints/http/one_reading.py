"""What one request reads is read as of moments that only go forward, whichever database answers."""

from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.core.reads import begin_reading


class OneReading:
    """ASGI middleware that begins the request's reading; only where there is a replica."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        begin_reading()
        await self._app(scope, receive, send)
