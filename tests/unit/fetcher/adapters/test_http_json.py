"""Reading an answer's body, however it comes."""

import tracemalloc
from collections.abc import AsyncIterator

import httpx
import pytest

from common.testing.clock import VirtualClock
from fetcher.adapters.http_json import BoundedHttp

pytestmark = pytest.mark.unit

BODY_BYTES = 400_000


class _InPairs(httpx.AsyncByteStream):
    async def __aiter__(self) -> AsyncIterator[bytes]:
        for number in range(BODY_BYTES // 2):
            yield b"%02d" % (number % 100)


class _Upstream(httpx.AsyncBaseTransport):
    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, stream=_InPairs(), request=request)


async def test_a_body_in_tiny_chunks_takes_no_more_memory_than_its_size() -> None:
    http = BoundedHttp(
        "http://upstream.example",
        parameters={},
        deadline_s=60,
        max_body_bytes=BODY_BYTES,
        clock=VirtualClock(),
        transport=_Upstream(),
    )
    tracemalloc.start()
    try:
        async with http:
            body = await http.get("/offers", {})
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(body) == BODY_BYTES
    assert peak < 5 * BODY_BYTES
