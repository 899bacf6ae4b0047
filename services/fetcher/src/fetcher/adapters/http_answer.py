"""One HTTP/1.1 answer, put together from the bytes of a connection; whatever is no whole answer is an UpstreamError."""

import asyncio
from dataclasses import dataclass, field
from typing import Final

import httptools

from fetcher.core.errors import Cause, UpstreamError

OK: Final = 200
MAX_HEAD_BYTES: Final = 65_536


@dataclass(slots=True)
class Answer:
    """What came back.

    Attributes:
        headers: By name in lower case; the values of a repeated one are joined by `, `.
        body: As it was sent, not inflated; empty where `status` is not 200, for then it is not read.
    """

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


class Exchange:
    """The answer to one request, on its way.

    Args:
        max_body_bytes: Bound on the body as it is sent.
        is_tunnel: The request was CONNECT: its answer has no body, and what follows belongs to somebody else.
    """

    def __init__(self, max_body_bytes: int, *, is_tunnel: bool = False) -> None:
        self.outcome: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self.keeps_connection = False
        self._max_body_bytes = max_body_bytes
        self._is_tunnel = is_tunnel
        self._parser = httptools.HttpResponseParser(self)
        self._answer = Answer()
        self._has_head = False
        self._head_bytes = 0
        self._body_bytes = 0
        self._chunks: list[bytes] = []

    def feed(self, data: bytes) -> None:
        """Take bytes; the parser calls the methods below."""
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._fail(Cause.CUT_BODY, _NO_HTTP)
        if not self._has_head:  # the parser holds a header back until it is whole
            self._count_head(len(data))

    def end(self, error: Exception | None) -> None:
        """Hear that the connection is gone; that completes an answer which says nothing of its length."""
        if error is not None:
            self._fail(Cause.CONNECTION, "connection lost")
        elif self._has_head and not {"content-length", "transfer-encoding"} & self._answer.headers.keys():
            self._finish(keep=False)
        else:
            self._fail(Cause.CUT_BODY, _NO_HTTP)

    def on_message_begin(self) -> None:
        """Refuse what follows a whole answer: nobody asked for it."""
        if self.outcome.done():
            self.keeps_connection = False
            raise ValueError

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header."""
        self._count_head(len(name) + len(value))
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        known = self._answer.headers.get(key)
        self._answer.headers[key] = text if known is None else f"{known}, {text}"

    def on_headers_complete(self) -> None:
        """Answer at once where no body is wanted."""
        status = self._answer.status = self._parser.get_status_code()
        self._has_head = status >= OK  # lower ones announce another answer (RFC 9110 §15.2)
        if self._has_head and (self._is_tunnel or status != OK):
            self._finish(keep=self._is_tunnel and status == OK)

    def on_body(self, chunk: bytes) -> None:
        """Take a part of the body."""
        self._body_bytes += len(chunk)
        if self._body_bytes <= self._max_body_bytes:
            self._chunks.append(chunk)
        else:
            self._fail(Cause.TOO_LARGE, f"more than {self._max_body_bytes:,} bytes")

    def on_message_complete(self) -> None:
        """Give the answer, if this was the final one."""
        if self._has_head:
            self._finish(keep=self._parser.should_keep_alive())
        else:
            self._answer = Answer()

    def _count_head(self, size: int) -> None:
        self._head_bytes += size
        if self._head_bytes > MAX_HEAD_BYTES:
            self._fail(Cause.CUT_BODY, _NO_HTTP)

    def _finish(self, *, keep: bool) -> None:
        if not self.outcome.done():
            self._answer.body = b"".join(self._chunks)
            self.keeps_connection = keep
            self.outcome.set_result(self._answer)

    def _fail(self, cause: Cause, detail: str) -> None:
        self._chunks.clear()
        if not self.outcome.done():
            self.outcome.set_exception(UpstreamError(cause, detail))


_NO_HTTP: Final = "answer ended early or is no HTTP"
