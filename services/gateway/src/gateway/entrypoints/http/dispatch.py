"""The short way to a handler: by its path alone, past FastAPI's own routing, which costs as much as an answer."""

from collections.abc import Iterable, Mapping
from typing import Final

from starlette.requests import Request
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.entrypoints.http.routes import DirectRoute

_NOTHING: Final[Mapping[str, str]] = {}


class Dispatch:
    """ASGI middleware that calls the handler of a GET; whatever else is asked goes on to FastAPI, which says no.

    A path without parameters comes before one with them, whichever was added first.
    """

    def __init__(self, app: ASGIApp, *, routes: Iterable[BaseRoute]) -> None:
        direct = [route for route in routes if isinstance(route, DirectRoute)]
        self._app = app
        self._fixed = {route.path: route for route in direct if not route.param_convertors}
        self._with_ids = [route for route in direct if route.param_convertors]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or pass the request on."""
        if scope["type"] != "http" or scope["method"] != "GET":
            await self._app(scope, receive, send)
            return
        route, ids = self._find(scope["path"])
        if route is None:
            await self._app(scope, receive, send)
            return
        scope["route"] = route
        scope["path_params"] = ids
        response = await route.endpoint(Request(scope, receive, send))
        await response(scope, receive, send)

    def _find(self, path: str) -> tuple[DirectRoute | None, Mapping[str, str]]:
        route = self._fixed.get(path)
        if route is not None:
            return route, _NOTHING
        for route in self._with_ids:
            match = route.path_regex.match(path)
            if match is not None:
                return route, match.groupdict()
        return None, _NOTHING
