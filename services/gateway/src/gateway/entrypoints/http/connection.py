"""Connections within bounds that uvicorn leaves open: time for a request to come, size of its head, and their number.

A connection waits while it has no whole request to answer: it is new, or between requests, or in the middle of one.
When there are too many, the one that has waited longest makes room, so that clients who open connections and send
nothing, or a byte now and then, keep nobody else out.

A connection whose client is still sending is closed in two steps (RFC 9112, 9.6): we end our side, and read what comes
without looking at it until the client ends, or its time is over. Closed at once, the kernel would answer what comes
with a reset, and the client would often see that instead of the reason.

A request that is refused behind others that are still to be answered is told so after their answers. What comes behind
it is read without looking at it for as long as a request may take to come; then who sends on has to wait. By sending it
would put off the kernel's word that it takes nothing of its answers (TCP_USER_TIMEOUT), and keep its place.

Of many requests sent at once, those beyond a bound wait as bytes, and nothing is read meanwhile: uvicorn would read on
with every answer, and as a request takes a hundred times the memory of its bytes, one client could take all of it.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, cast

from starlette.types import ASGIApp
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from common.log import fields
from gateway.core.autoapi import PREFIX
from gateway.core.errors import (
    GatewayError,
    HeadersTooLargeError,
    MalformedRequestError,
    SlowRequestError,
    TooLongError,
    TooManyConnectionsError,
)
from gateway.entrypoints.http.error_map import autoapi_problem, problem
from gateway.entrypoints.http.frame import MAX_ADDRESS_BYTES, PROTECTIVE_HEADERS

MAX_HEAD_BYTES: Final = 16 * 1024 + MAX_ADDRESS_BYTES
"""Request line and headers together."""
SLICE_BYTES: Final = 4096
"""So much is read of a head before it is looked at again."""
MOST_BEHIND: Final = 100
"""With so many requests waiting behind the one that is being answered no more are looked at; a slice may hold more."""
_log = logging.getLogger("gateway.access")


@dataclass(frozen=True, slots=True)
class Guard:
    """What all connections of a server share.

    Attributes:
        new_id: Makes request ids.
        policy: What RateLimit-Policy says.
        receive_timeout_s: How long a request may take to come, counted from the connection or its first byte.
        most_connections: How many there may be.
        waiting: The connections that have nothing to answer; the first has waited longest.
    """

    new_id: Callable[[], str]
    policy: str
    receive_timeout_s: float
    most_connections: int
    waiting: "dict[GuardedProtocol, None]" = field(default_factory=dict)

    def protocol(self, **known: Any) -> "GuardedProtocol":
        """Return what speaks on a new connection, as uvicorn asks for it."""
        return GuardedProtocol(self, **known)

    def make_room(self, connections: int) -> bool:
        """Close the connection that has waited longest where there are too many; return whether there is room."""
        if connections <= self.most_connections:
            return True
        oldest = next(iter(self.waiting), None)
        if oldest is None:
            return False
        del self.waiting[oldest]
        oldest.transport.close()
        return True


class GuardedProtocol(HttpToolsProtocol):
    """One connection."""

    def __init__(self, guard: Guard, **known: Any) -> None:
        super().__init__(**known)
        self._guard = guard
        self._deadline: asyncio.TimerHandle | None = None
        self._head_bytes = 0
        self._reads_head = True
        self._is_whole = False
        self._lingers = False
        self._refusal: GatewayError | None = None
        self._under_way: RequestResponseCycle | None = None
        self._held = b""
        self.url = b""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn has it
        """Begin to wait for the first request, or send the client away."""
        super().connection_made(transport)
        self.flow = _Flow(transport, self._is_full)
        self._sending = cast("asyncio.Transport", _Sending(self._write, self._has_ended, self.end))
        if not self._guard.make_room(len(self.connections)):
            self._say(TooManyConnectionsError("as many requests are being answered as can be"))
            self.transport.close()
            return
        self._guard.waiting[self] = None
        self._set_deadline()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._guard.waiting.pop(self, None)
        self._drop_deadline()
        self._leave()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on, and see to it that a request that has begun comes to its end."""
        if self._hears_no_more():
            if not self._has_ended() and self._deadline is None:
                self.flow.pause_reading()
            return
        for start in range(0, len(data), SLICE_BYTES):
            if self._is_full():
                self._held += data[start:]
                break
            part = data[start : start + SLICE_BYTES] if len(data) > SLICE_BYTES else data
            self._is_whole = False
            super().data_received(part)
            if self._hears_no_more():
                return
            if self._reads_head and not self._is_whole:
                self._head_bytes += len(part)
            if self._head_bytes > MAX_HEAD_BYTES:
                self.refuse(_too_large(self.url))
                return
        if self._is_whole:
            self._drop_deadline()
        elif self._deadline is None:
            self._set_deadline()

    def on_message_begin(self) -> None:
        """Begin to read a head."""
        self._is_whole, self._reads_head, self._head_bytes = False, True, 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Begin to answer."""
        self._guard.waiting.pop(self, None)
        super().on_headers_complete()  # or this is no request
        self._reads_head, self._head_bytes = False, 0

    def on_message_complete(self) -> None:
        """Note that the request is whole."""
        self._is_whole = self._reads_head = True
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Answer the next request, wait for it, or refuse it if that had to wait for this answer."""
        if self._has_ended():
            return
        if self._refusal is not None and not self.pipeline:
            self.refuse(self._refusal)
            return
        super().on_response_complete()
        if self._held and len(self.pipeline) < MOST_BEHIND:
            held, self._held = self._held, b""
            self.data_received(held)
        if not self._is_answering and not self._has_ended():
            self._guard.waiting[self] = None

    def shutdown(self) -> None:
        """Begin to end in order; a client that was refused has heard all that it will."""
        if self._lingers:
            self.transport.close()
        else:
            super().shutdown()

    def end(self) -> None:
        """End our side of the connection, and all of it where the client has sent what it announced."""
        if self._lingers:
            return
        self._drop_deadline()
        self._leave()
        if self._is_whole:
            self.transport.close()
        elif not self.transport.is_closing():
            self._lingers = True
            self.transport.write_eof()
            self.flow.resume_reading()
            self._guard.waiting[self] = None
            self._deadline = self.loop.call_later(self._guard.receive_timeout_s, self.transport.close)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGIApp) -> None:  # type: ignore[override] # the same
        self._under_way = cycle
        cycle.transport = self._sending
        super()._start_asgi_task(cycle, app)  # type: ignore[arg-type] # as above

    def _leave(self) -> None:
        """Let who answers know that it is too late; uvicorn tells only who answers the last of several requests."""
        if self._under_way is not None and self._is_answering:
            self._under_way.disconnected = True
            self._under_way.message_event.set()

    def _write(self, data: bytes) -> None:
        if not self._has_ended():
            self.transport.write(data)

    def _has_ended(self) -> bool:
        return self._lingers or self.transport.is_closing()

    def _hears_no_more(self) -> bool:
        return self._refusal is not None or self._has_ended()

    def _is_full(self) -> bool:
        """Return whether those who wait are to be answered before more is read."""
        return not self._hears_no_more() and (bool(self._held) or len(self.pipeline) >= MOST_BEHIND)

    def _unsupported_upgrade_warning(self) -> None:
        """Answer a request for another protocol as any other, but close then: the parser reads nothing behind it."""
        self.cycle.keep_alive = False

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP, or no clear one; `msg` is uvicorn's word for it."""
        del msg
        how = "in an address, letters beyond ASCII must be percent-encoded (curl --get --data-urlencode)"
        self.refuse(MalformedRequestError(f"this is not HTTP/1.1 by the book; {how}"))

    def refuse(self, error: GatewayError) -> None:
        """Send a problem and end, once what came before is answered; no problem in the middle of an answer."""
        self._refusal = error
        if self._is_answering and self._is_behind:
            if not self._reads_head:
                self.pipeline.popleft()
            self.flow.resume_reading()  # or nobody would notice that the client goes
            if self._deadline is None:
                self._set_deadline()
            return
        if not (self._is_answering and self.cycle.response_started):
            self._say(error)
        self.end()

    def _say(self, error: GatewayError) -> None:
        self._write(_answer(error, self.url, self._guard, self.server_state.default_headers))

    @property
    def _is_answering(self) -> bool:
        return self._under_way is not None and not self._under_way.response_complete

    @property
    def _is_behind(self) -> bool:
        """Whether the request that is being read, a head or the last of those that wait, came behind another one."""
        return self._reads_head or bool(self.pipeline)

    def _set_deadline(self) -> None:
        self._deadline = self.loop.call_later(self._guard.receive_timeout_s, self._too_late)

    def _drop_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _too_late(self) -> None:
        """Give up on a request; one that comes behind an answer under way gets a new time with its next byte."""
        self._deadline = None
        if self._is_answering:
            return
        if self._head_bytes or not self._reads_head:
            self._say(SlowRequestError(f"a request must come within {self._guard.receive_timeout_s:g} s"))
        self.transport.close()


class _Flow(FlowControl):
    """Reads on when asked to, but not while `is_full`."""

    def __init__(self, transport: asyncio.Transport, is_full: Callable[[], bool]) -> None:
        super().__init__(transport)
        self._is_full = is_full

    def resume_reading(self) -> None:
        """Read on if there is room; with the next answer this is asked again."""
        if not self._is_full():
            super().resume_reading()


@dataclass(frozen=True, slots=True)
class _Sending:
    """What an answer does with the transport."""

    write: Callable[[bytes], None]
    is_closing: Callable[[], bool]
    close: Callable[[], None]


def _too_large(address: bytes) -> GatewayError:
    if len(address) > MAX_ADDRESS_BYTES:
        return TooLongError(f"path and query may have {MAX_ADDRESS_BYTES} bytes")
    return HeadersTooLargeError(f"a request's head may have {MAX_HEAD_BYTES} bytes")


def _answer(error: GatewayError, address: bytes, guard: Guard, added: list[tuple[bytes, bytes]]) -> bytes:
    request_id = guard.new_id()
    is_autoapi = address.startswith(PREFIX.encode())
    said = autoapi_problem(error) if is_autoapi else problem(error, request_id=request_id)
    headers = {
        **dict(added),
        **dict(PROTECTIVE_HEADERS),
        **{name.encode(): value.encode() for name, value in said.headers.items()},
        b"content-type": said.media_type.encode(),
        b"content-length": str(len(said.body)).encode(),
        b"connection": b"close",
        b"x-request-id": request_id.encode(),
        b"ratelimit-policy": guard.policy.encode(),
    }
    _log.info(fields("request refused", status=said.kind.status.value, id=request_id))
    lines = [name + b": " + value + b"\r\n" for name, value in headers.items()]
    return b"".join([STATUS_LINE[said.kind.status.value], *lines, b"\r\n", said.body])
