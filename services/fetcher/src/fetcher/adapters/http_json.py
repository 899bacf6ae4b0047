"""GET over HTTP with hard bounds on time and size; every failure comes out as one UpstreamError.

The query holds the key, and what httpx raises knows the request. So none of that leaves this module, not even as the
context of another. Of httpx only the transport is used: its client costs a page as much as everything else here.
"""

import asyncio
import ssl
import zlib
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final, Self
from urllib.parse import urlencode
from urllib.request import getproxies, proxy_bypass

import httpx

from common.clock import Clock
from common.errors import ConfigurationError
from common.loopback import is_loopback
from fetcher.core.errors import Cause, UpstreamError

HEADERS: Final = {"User-Agent": "feedmill/0.1", "Accept": "application/json", "Accept-Encoding": "identity"}
_OK: Final = 200
_STATUS_CAUSES: Final[dict[int, Cause]] = {
    400: Cause.BAD_REQUEST,
    401: Cause.UNAUTHORIZED,
    403: Cause.FORBIDDEN,
    404: Cause.NOT_FOUND,
    405: Cause.METHOD_NOT_ALLOWED,
    429: Cause.RATE_LIMITED,
    502: Cause.BAD_GATEWAY,
}
_ENDED: Final = (ssl.SSLEOFError, ssl.SSLZeroReturnError)
"""A connection that ends in the handshake, as Python 3.11.7 and 3.11.2 say it."""
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})


class BoundedHttp:
    """One keep-alive connection to one upstream.

    Args:
        base_url: Address in front of every path.
        parameters: Added to every query; may hold a key.
        deadline_s: Seconds for a whole request, from connecting to the last byte.
        max_body_bytes: Bound on the body, decompressed.
        clock: Tells how long a `Retry-After` date is away.
        authorization: The header of that name; None: it is not sent.
        transport: Another way to the upstream, for tests.

    Raises:
        ConfigurationError: `base_url` is no address.
    """

    def __init__(
        self,
        base_url: str,
        *,
        parameters: Mapping[str, str],
        deadline_s: float,
        max_body_bytes: int,
        clock: Clock,
        authorization: str | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._parameters = dict(parameters)
        self._deadline_s = deadline_s
        self._max_body_bytes = max_body_bytes
        self._clock = clock
        self._base_url = base_url.rstrip("/")
        url = _address(base_url)
        own = {"Authorization": authorization} if authorization else {}
        self._headers = httpx.Headers(HEADERS | {"Host": url.netloc.decode("ascii")} | own)
        self._transport = transport or httpx.AsyncHTTPTransport(
            limits=httpx.Limits(max_connections=1, max_keepalive_connections=1), proxy=_proxy_to(url)
        )

    async def __aenter__(self) -> Self:
        """Return itself; the connection opens with the first request."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the connection."""
        await self._transport.aclose()

    async def get(self, path: str, parameters: Mapping[str, str]) -> bytes:
        """Return the body of a 200 answer.

        Raises:
            UpstreamError: Any other answer, or none in time; the text holds neither URL nor key.
        """
        failure: UpstreamError | None = None
        body = b""
        try:
            async with asyncio.timeout(self._deadline_s):
                body = await self._exchange(path, {**parameters, **self._parameters})
        except UpstreamError as error:
            failure = error
        except asyncio.CancelledError:
            await self._drop_connection()
            raise
        except (TimeoutError, httpx.TimeoutException):
            await self._drop_connection()
            failure = UpstreamError(Cause.TIMEOUT, f"no whole answer within {self._deadline_s:g} s")
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
            failure = _translated(error)
        if failure is not None:  # raised outside the handlers, so that it has no context that knows the URL
            raise failure
        return body

    async def _drop_connection(self) -> None:
        """Free the only place in the pool: a request cut off at the wrong moment leaves it taken for good."""
        with suppress(Exception):
            await self._transport.aclose()

    async def _exchange(self, path: str, query: Mapping[str, str]) -> bytes:
        request = httpx.Request("GET", f"{self._base_url}{path}?{urlencode(query)}", headers=self._headers)
        response = await self._transport.handle_async_request(request)
        try:
            if response.status_code != _OK:
                raise self._refusal(response)
            return await _read(response, self._max_body_bytes)
        finally:
            await response.aclose()

    def _refusal(self, response: httpx.Response) -> UpstreamError:
        status = response.status_code
        retry_after_s = _retry_after_s(response.headers.get("Retry-After"), self._clock.now())
        return UpstreamError(_cause_of(status), f"status {status}", retry_after_s=retry_after_s, status=status)


def _cause_of(status: int) -> Cause:
    if status in _STATUS_CAUSES:
        return _STATUS_CAUSES[status]
    if status in _REDIRECTS:
        return Cause.REDIRECT
    return Cause.SERVER_ERROR if httpx.codes.is_server_error(status) else Cause.OTHER_STATUS


async def _read(response: httpx.Response, limit: int) -> bytes:
    """Return the body, inflated where the upstream compressed it unasked; never holds much more than `limit`."""
    encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in {"identity", "", "gzip", "x-gzip", "deflate"}:
        raise UpstreamError(Cause.BAD_ENCODING, "content encoding nobody asked for")
    inflater = None if encoding in {"identity", ""} else zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)
    body = bytearray()  # and no list of chunks: they may be of two bytes, which would cost thirty times as much
    async for raw in response.aiter_raw():
        chunk = raw if inflater is None else _inflate(inflater, raw, limit + 1 - len(body))
        body += chunk
        if len(body) > limit:
            raise UpstreamError(Cause.TOO_LARGE, f"more than {limit:,} bytes")
    if inflater is not None and not inflater.eof:
        raise UpstreamError(Cause.CUT_BODY, "compressed body ends early")
    return bytes(body)


def _inflate(inflater: "zlib._Decompress", raw: bytes, room: int) -> bytes:
    try:
        return inflater.decompress(raw, room)
    except zlib.error:
        failure = UpstreamError(Cause.CUT_BODY, "compressed body is damaged")
    raise failure


def _translated(error: Exception) -> UpstreamError:
    match error:
        case httpx.ConnectError():
            return _connect_failure(error)
        case httpx.RemoteProtocolError():
            return UpstreamError(Cause.CUT_BODY, "answer ended early or is no HTTP")
        case httpx.NetworkError():
            return UpstreamError(Cause.CONNECTION, "connection lost")
        case _:
            return UpstreamError(Cause.CONNECTION, type(error).__name__)


def _connect_failure(error: BaseException) -> UpstreamError:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLError) and not isinstance(cause, _ENDED):
            return UpstreamError(Cause.TLS, _tls_reason(cause))
        if isinstance(cause, OSError) and type(cause).__name__ == "gaierror":
            return UpstreamError(Cause.NAME_NOT_FOUND, "the host name has no address")
        cause = cause.__cause__ or cause.__context__
    return UpstreamError(Cause.CONNECTION, "cannot connect")


def _tls_reason(error: ssl.SSLError) -> str:
    """Return what is wrong, such as `certificate has expired`, without the host name that OpenSSL adds."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message.partition(",")[0]
    return error.reason or "handshake failed"


def _retry_after_s(value: str | None, now: datetime) -> float | None:
    """Return seconds from either form of `Retry-After` (RFC 9110 §10.2.3); None for none, garbage, zero or the past."""
    if value is None:
        return None
    text = value.strip()
    if text.isascii() and text.isdigit():
        seconds = float(text)
    else:
        try:
            moment = parsedate_to_datetime(text)
        except ValueError:
            return None
        seconds = ((moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - now).total_seconds()
    return seconds if seconds > 0 else None


def _address(base_url: str) -> httpx.URL:
    try:
        url = httpx.URL(base_url)
    except httpx.InvalidURL:
        url = httpx.URL()
    if url.scheme not in {"http", "https"} or not url.host:
        raise ConfigurationError("base_url: no address that begins with http:// or https://")
    return url


def _proxy_to(url: httpx.URL) -> str | None:
    """Return the proxy that the environment names, as curl reads it; to this very machine it is only in the way."""
    if is_loopback(url.host) or proxy_bypass(url.netloc.decode("ascii")):
        return None
    known = getproxies()
    proxy = known.get(url.scheme) or known.get("all")
    return proxy if not proxy or "://" in proxy else f"http://{proxy}"
