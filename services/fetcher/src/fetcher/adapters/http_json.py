"""GET over HTTP with hard bounds on time and size; every failure comes out as one UpstreamError.

The query holds the key: no error and no log line knows the URL.
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

from common.clock import Clock
from fetcher.adapters.http_answer import OK, Answer
from fetcher.adapters.http_route import route_to
from fetcher.adapters.http_wire import HttpConnection
from fetcher.core.errors import Cause, UpstreamError

USER_AGENT: Final = "feedmill/0.1"
_STATUS_CAUSES: Final[dict[int, Cause]] = {
    400: Cause.BAD_REQUEST,
    401: Cause.UNAUTHORIZED,
    403: Cause.FORBIDDEN,
    404: Cause.NOT_FOUND,
    405: Cause.METHOD_NOT_ALLOWED,
    429: Cause.RATE_LIMITED,
    502: Cause.BAD_GATEWAY,
}
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_SERVER_ERRORS: Final = range(500, 600)


class BoundedHttp:
    """One keep-alive connection to one upstream.

    Args:
        base_url: Address in front of every path.
        parameters: Added to every query; may hold a key.
        deadline_s: Seconds for a whole request, from connecting to the last byte.
        max_body_bytes: Bound on the body, decompressed.
        clock: Tells how long a `Retry-After` date is away.
        tls: Whom to trust under `https`; the public authorities where it is None.
    """

    def __init__(
        self,
        base_url: str,
        *,
        parameters: Mapping[str, str],
        deadline_s: float,
        max_body_bytes: int,
        clock: Clock,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._parameters = dict(parameters)
        self._deadline_s = deadline_s
        self._max_body_bytes = max_body_bytes
        self._clock = clock
        self._connection = HttpConnection(
            route_to(base_url, tls=tls),
            headers={"User-Agent": USER_AGENT, "Accept": "application/json", "Accept-Encoding": "identity"},
            max_body_bytes=max_body_bytes,
        )

    async def __aenter__(self) -> Self:
        """Return itself; the connection opens with the first request."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the connection."""
        self._connection.close()

    async def get(self, path: str, parameters: Mapping[str, str]) -> bytes:
        """Return the body of a 200 answer.

        Raises:
            UpstreamError: Any other answer, or none in time; the text holds neither URL nor key.
        """
        target = f"{path}?{urlencode({**parameters, **self._parameters})}"
        answer = None
        with suppress(TimeoutError):
            async with asyncio.timeout(self._deadline_s):
                answer = await self._connection.get(target)
        if answer is None:
            raise UpstreamError(Cause.TIMEOUT, f"no whole answer within {self._deadline_s:g} s")
        if answer.status != OK:
            raise self._refusal(answer)
        return _inflated(answer, self._max_body_bytes)

    def _refusal(self, answer: Answer) -> UpstreamError:
        retry_after_s = _retry_after_s(answer.headers.get("retry-after"), self._clock.now())
        return UpstreamError(_cause_of(answer.status), f"status {answer.status}", retry_after_s=retry_after_s)


def _cause_of(status: int) -> Cause:
    if status in _STATUS_CAUSES:
        return _STATUS_CAUSES[status]
    if status in _REDIRECTS:
        return Cause.REDIRECT
    return Cause.SERVER_ERROR if status in _SERVER_ERRORS else Cause.OTHER_STATUS


def _inflated(answer: Answer, limit: int) -> bytes:
    """Return the body, inflated where the upstream compressed it unasked; never holds more than twice `limit`."""
    encoding = answer.headers.get("content-encoding", "identity").strip().lower()
    if encoding in {"identity", ""}:
        return answer.body
    if encoding not in {"gzip", "x-gzip", "deflate"}:
        raise UpstreamError(Cause.BAD_ENCODING, "content encoding nobody asked for")
    inflater = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)
    failure = UpstreamError(Cause.CUT_BODY, "compressed body ends early")
    try:
        body = inflater.decompress(answer.body, limit + 1)
    except zlib.error:
        failure = UpstreamError(Cause.CUT_BODY, "compressed body is damaged")
    else:
        if len(body) > limit:
            failure = UpstreamError(Cause.TOO_LARGE, f"more than {limit:,} bytes")
        elif inflater.eof:
            return body
    raise failure


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
