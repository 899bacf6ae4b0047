"""HTTP/1.1 GET over one keep-alive connection, plain or under TLS, straight or through a proxy.

A general client spends 1.0 ms of processor time on a page of 88 KB, most of it on pools, locks and copies that one
request at a time does not need; this spends 0.1 ms.
"""

import asyncio
import socket
import ssl
from collections.abc import Mapping
from typing import cast

from fetcher.adapters.http_answer import OK, Answer, Exchange
from fetcher.adapters.http_route import Place, Proxy, Route
from fetcher.core.errors import Cause, UpstreamError


class HttpConnection:
    """One connection to one upstream, opened by the first request and again whenever it is gone.

    Args:
        route: The way there.
        headers: Sent with every request.
        max_body_bytes: Bound on a body as it is sent.
    """

    def __init__(self, route: Route, *, headers: Mapping[str, str], max_body_bytes: int) -> None:
        self._route = route
        self._max_body_bytes = max_body_bytes
        lines = {"Host": route.place.authority, **headers}
        self._prefix = route.path
        if route.proxy is not None and route.tls is None:  # a proxy of plain HTTP is told the whole address
            self._prefix = f"http://{route.place.authority}{route.path}"
            lines |= route.proxy.headers
        self._lines = _written(lines)
        self._stream: _Stream | None = None

    async def get(self, target: str) -> Answer:
        """Return the answer to a request for `target`: path and query, percent-encoded.

        Cancelling it closes the connection, for the rest of the answer may still come.

        Raises:
            UpstreamError: No whole answer.
        """
        if self._stream is None or self._stream.is_closed:
            self._stream = await self._opened()
        return await self._stream.ask(f"GET {self._prefix}{target} HTTP/1.1\r\n{self._lines}\r\n")

    def close(self) -> None:
        """Close the connection."""
        if self._stream is not None:
            self._stream.close()

    async def _opened(self) -> "_Stream":
        try:
            if self._route.proxy is None:
                return await self._connected(self._route.place, self._route.tls)
            return await self._through(self._route.proxy)
        except ssl.SSLEOFError:
            failure = UpstreamError(Cause.CONNECTION, "cannot connect")
        except ssl.SSLError as error:
            failure = UpstreamError(Cause.TLS, _tls_reason(error))
        except (socket.gaierror, UnicodeError):
            failure = UpstreamError(Cause.NAME_NOT_FOUND, "the host name has no address")
        except OSError:
            failure = UpstreamError(Cause.CONNECTION, "cannot connect")
        raise failure  # outside the handlers, so that its context is no foreign error

    async def _connected(self, place: Place, tls: ssl.SSLContext | None) -> "_Stream":
        loop = asyncio.get_running_loop()
        _, stream = await loop.create_connection(lambda: _Stream(self._max_body_bytes), place.host, place.port, ssl=tls)
        return stream

    async def _through(self, proxy: Proxy) -> "_Stream":
        stream = await self._connected(proxy.place, None)
        if self._route.tls is not None:
            there = f"{self._route.place.host}:{self._route.place.port}"
            lines = _written({"Host": there, **proxy.headers})
            answer = await stream.ask(f"CONNECT {there} HTTP/1.1\r\n{lines}\r\n", is_tunnel=True)
            if answer.status != OK:
                raise UpstreamError(Cause.CONNECTION, f"the proxy answers with status {answer.status}")
            await stream.secure(self._route.tls, self._route.place.host)
        return stream


class _Stream(asyncio.Protocol):
    """The bytes of a connection: a request out, its answer in."""

    def __init__(self, max_body_bytes: int) -> None:
        self._max_body_bytes = max_body_bytes
        self._transport: asyncio.Transport | None = None
        self._exchange: Exchange | None = None

    @property
    def is_closed(self) -> bool:
        """Whether no request can be sent any more."""
        return self._open.is_closing()

    @property
    def _open(self) -> asyncio.Transport:
        assert self._transport is not None  # noqa: S101 - set before anybody is given the stream
        return self._transport

    async def ask(self, request: str, *, is_tunnel: bool = False) -> Answer:
        """Send a request and return its answer."""
        self._exchange = Exchange(self._max_body_bytes, is_tunnel=is_tunnel)
        self._open.write(request.encode("ascii"))
        try:
            return await self._exchange.outcome
        finally:
            if not self._exchange.keeps_connection:
                self._open.abort()

    async def secure(self, tls: ssl.SSLContext, host: str) -> None:
        """Go on under TLS."""
        loop = asyncio.get_running_loop()
        self._transport = await loop.start_tls(self._open, self, tls, server_hostname=host)

    def close(self) -> None:
        """Close the connection."""
        self._open.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by class

    def data_received(self, data: bytes) -> None:
        """Hand bytes to the answer that waits for them."""
        if self._exchange is None or self._exchange.outcome.done():
            self._open.abort()  # nobody asked for them, and the next answer must not begin with them
        else:
            self._exchange.feed(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the answer that nothing more will come."""
        if self._exchange is not None:
            self._exchange.end(exc)


def _written(lines: Mapping[str, str]) -> str:
    return "".join(f"{name}: {value}\r\n" for name, value in lines.items())


def _tls_reason(error: ssl.SSLError) -> str:
    """Return what is wrong, such as `certificate has expired`, without the host name that OpenSSL adds."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message.partition(",")[0]
    return error.reason or "handshake failed"
