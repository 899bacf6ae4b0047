"""The gate: every path needs a token except those that are named open.

Some are open only to requests that name this machine in `Host`: a page of a stranger whose name leads to 127.0.0.1
makes the browser of somebody here ask for them, and is the origin that may read the answer (DNS rebinding). A proxy
that hands on the public name gets nothing there without a token either.
"""

from collections.abc import Collection
from functools import partial
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from starlette.types import ASGIApp, Receive, Scope, Send

from common.loopback import is_loopback
from gateway.core.access import Access
from gateway.core.autoapi import PREFIX
from gateway.core.errors import MalformedRequestError
from gateway.core.rate_limit import RateLimiter
from gateway.entrypoints.http.frame import ADMIT_AGAIN, CALLER, STANDING

_SCHEME: Final = "bearer "


class RequireToken:
    """ASGI middleware that lets requests pass by their token.

    Closed by default: a path that does not exist, and a route that somebody adds, needs a token too.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        access: Access,
        limiter: RateLimiter,
        open_paths: Collection[str],
        local_paths: Collection[str] = (),
    ) -> None:
        self._app = app
        self._limiter = limiter
        self._access = access
        self._open_paths = frozenset(open_paths)
        self._local_paths = frozenset(local_paths)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, with the caller's id in its scope.

        Raises:
            UnauthorizedError: No valid token.
            LimitedError: The token, or the address, has no request left.
            MalformedRequestError: More than one credential.
        """
        if scope["type"] == "http" and not self._is_open(scope):
            admit = partial(self._access.admit, _sent(scope))
            caller = await admit(client[0] if (client := scope.get("client")) else None)
            scope[CALLER] = caller
            scope[ADMIT_AGAIN] = admit
            scope[STANDING] = partial(self._limiter.standing, caller)
            await self._limiter.spend(caller)
        await self._app(scope, receive, send)

    def _is_open(self, scope: Scope) -> bool:
        path = scope["path"]
        return path in self._open_paths or (path in self._local_paths and _names_this_machine(scope["headers"]))


def _names_this_machine(headers: list[tuple[bytes, bytes]]) -> bool:
    """Return whether `Host` is a loopback address or `localhost`; one who sends none is no browser."""
    try:
        hosts = [urlsplit(f"//{value.decode('latin-1')}").hostname for name, value in headers if name == b"host"]
    except ValueError:
        return False
    return all(is_loopback(host or "") for host in hosts)


def _sent(scope: Scope) -> str | None:
    """Return the token of a request; under auto-api's contract it may be the parameter `api_key` too."""
    found = credential(scope["headers"])
    if not scope["path"].startswith(PREFIX):
        return found
    keys = [text for name, text in parse_qsl(scope["query_string"].decode("latin-1")) if name == "api_key"]
    if len(keys) + (found is not None) > 1:
        raise MalformedRequestError("one credential is expected, not several")
    return keys[0] if keys else found


def credential(headers: list[tuple[bytes, bytes]]) -> str | None:
    """Return the token of `Authorization: Bearer` or `X-API-Key`; None where there is none of that form.

    Raises:
        MalformedRequestError: More than one of them was sent, so it is not clear who asks.
    """
    sent = [(name, value) for name, value in headers if name in {b"authorization", b"x-api-key"}]
    if len(sent) > 1:
        raise MalformedRequestError("one credential is expected, not several")
    if not sent:
        return None
    name, value = sent[0]
    text = value.decode("latin-1")
    if name == b"x-api-key":
        return text.strip()
    return text[len(_SCHEME) :].strip() if text[: len(_SCHEME)].lower() == _SCHEME else None
