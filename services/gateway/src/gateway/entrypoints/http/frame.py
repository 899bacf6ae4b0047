"""What surrounds every request: its id, bounds, protective headers, errors as problems, and one line in the log."""

import logging
import re
from collections.abc import Callable
from typing import Final, Protocol

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from common.clock import Clock
from common.log import fields
from gateway.core.autoapi import PREFIX
from gateway.core.errors import BodyRefusedError, HeadersTooLargeError, MalformedRequestError, TooLongError
from gateway.entrypoints.http.error_map import INTERNAL, Problem, autoapi_problem, problem

MAX_ADDRESS_BYTES: Final = 4096
MAX_HEADERS: Final = 100
_VERSIONS: Final = frozenset({"1.0", "1.1"})
PROBES: Final = frozenset({"/health/live", "/health/ready", "/metrics"})
CALLER: Final = "feedmill.caller"
"""Where the id of the caller's token stands in the scope."""

ADMIT_AGAIN: Final = "feedmill.admit_again"
"""Where that stands which asks again whether the caller may still pass."""

STANDING: Final = "feedmill.standing"
"""Where that stands which tells how much the caller may still ask; absent where the caller is not known."""

HEADERS_ONLY: Final = "feedmill.headers_only"
"""Stands in the scope of a HEAD request, whose handler need not make a long body."""

PROTECTIVE_HEADERS: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"private, no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
)
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_log = logging.getLogger("gateway.access")
_failures = logging.getLogger(__name__)


class Answered(Protocol):
    """Hears of every answer."""

    def __call__(self, route: str, status: int | None, *, took_s: float) -> None:
        """Hear of an answer; `route` is - where none was found, the status None where the client went before."""
        ...


class Frame:
    """ASGI middleware around everything that the gateway answers.

    Args:
        app: What answers.
        clock: For durations.
        new_id: Makes a request id where the client sent none that is fit.
        policy: What RateLimit-Policy says.
        answered: Told of each answer.
    """

    def __init__(
        self, app: ASGIApp, *, clock: Clock, new_id: Callable[[], str], policy: str, answered: Answered
    ) -> None:
        self._app = app
        self._answered = answered
        self._policy = policy.encode()
        self._clock = clock
        self._new_id = new_id

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = self._clock.monotonic()
        headers = Headers(scope=scope)
        sent_id = headers.get("x-request-id", "")
        request_id = sent_id if _REQUEST_ID.fullmatch(sent_id) else self._new_id()
        inner = {**scope, "method": "GET", HEADERS_ONLY: True} if scope["method"] == "HEAD" else scope
        answer = _Answer(send, inner, request_id, self._policy, without_body=scope["method"] == "HEAD")
        try:
            _check_bounds(scope, headers)
            await self._app(inner, receive, answer.send)
        except Exception as error:  # noqa: BLE001 - the outermost place: whatever it is, the client gets a problem
            await self._fail(error, answer, scope["path"])
        took_s = self._clock.monotonic() - started
        route = getattr(inner.get("route"), "path", "-")
        self._answered(route, answer.status, took_s=took_s)
        _note(inner, route, answer, took_s * 1000)

    async def _fail(self, error: Exception, answer: "_Answer", path: str) -> None:
        said = autoapi_problem(error) if path.startswith(PREFIX) else problem(error, request_id=answer.request_id)
        if said.kind is INTERNAL:
            _failures.error(fields("request failed", request_id=answer.request_id), exc_info=error)
        if answer.status is None:
            await answer.respond(said)


def _check_bounds(scope: Scope, headers: Headers) -> None:
    if len(scope.get("raw_path") or b"") + len(scope["query_string"]) > MAX_ADDRESS_BYTES:
        raise TooLongError(f"path and query may have {MAX_ADDRESS_BYTES} bytes")
    version, hosts = scope["http_version"], [name for name, _ in scope["headers"]].count(b"host")
    if version not in _VERSIONS or hosts > 1 or (hosts == 0 and version == "1.1"):
        raise MalformedRequestError("HTTP/1.1 with one Host is expected")
    if len(scope["headers"]) > MAX_HEADERS:
        raise HeadersTooLargeError(f"a request may have {MAX_HEADERS} headers")
    if headers.get("content-length", "0") != "0" or "transfer-encoding" in headers:
        raise BodyRefusedError("a body is not expected here")


def _note(scope: Scope, route: str, answer: "_Answer", elapsed_ms: float) -> None:
    level = logging.DEBUG if route in PROBES else logging.INFO
    if _log.isEnabledFor(level):
        line = fields(
            "request",
            method=scope["method"],
            route=route,
            status=answer.status,
            ms=f"{elapsed_ms:.1f}",
            caller=scope.get(CALLER, "-"),
            id=answer.request_id,
        )
        _log.handle(_log.makeRecord(_log.name, level, __file__, 0, line, (), None))  # its place need not be looked for


class _Answer:
    """The sending side of one request: adds our headers and remembers the status."""

    def __init__(self, send: Send, scope: Scope, request_id: str, policy: bytes, *, without_body: bool) -> None:
        self._send = send
        self._scope = scope
        self._policy = policy
        self._without_body = without_body
        self.request_id = request_id
        self.status: int | None = None

    async def send(self, message: Message) -> None:
        """Pass a message on."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            present = {name for name, _ in message["headers"]}
            added = [header for header in PROTECTIVE_HEADERS if header[0] not in present]
            message["headers"] = [
                *message["headers"],
                *added,
                (b"x-request-id", self.request_id.encode()),
                *self._limits(),
            ]
        elif self._without_body:
            message = {**message, "body": b""}
        await self._send(message)

    def _limits(self) -> list[tuple[bytes, bytes]]:
        standing = self._scope.get(STANDING)
        known = [] if standing is None else [(b"ratelimit", standing().header.encode())]
        return [(b"ratelimit-policy", self._policy), *known]

    async def respond(self, said: Problem) -> None:
        """Send a whole problem."""
        named = [(name.lower().encode(), value.encode()) for name, value in said.headers.items()]
        named += [(b"content-type", said.media_type.encode()), (b"content-length", str(len(said.body)).encode())]
        await self.send({"type": "http.response.start", "status": said.kind.status.value, "headers": named})
        await self.send({"type": "http.response.body", "body": said.body})
