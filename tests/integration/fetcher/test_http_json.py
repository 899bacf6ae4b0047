"""The HTTP edge on real sockets: every way to fail has its cause, its bound, and no key in it."""

import asyncio
import gzip
import logging
import resource
import socket
import struct
import traceback
import zlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime

import httpx
import pytest
from tests.integration.fetcher.raw_server import Answer, raw_server, sending, whole

from common.log import LineFormatter
from common.testing.clock import VirtualClock
from fetcher.adapters.autoapi import AutoApi
from fetcher.adapters.http_json import BoundedHttp
from fetcher.core.errors import Cause, UpstreamError
from sandbox.upstream.server import UpstreamProcess

pytestmark = pytest.mark.integration

CANARY = "canary-4f1c9e-key"
NOW = datetime(2026, 11, 21, 7, 28, tzinfo=UTC)
LIMIT = 1_000_000
PAGE = b'{"result":[],"meta":{"page":1,"next_page":null,"limit":20}}'


@asynccontextmanager
async def http_to(url: str, *, deadline_s: float = 5.0, key: str = CANARY) -> AsyncIterator[BoundedHttp]:
    """Open the edge towards `url`."""
    clock = VirtualClock(NOW)
    async with BoundedHttp(
        url, parameters={"api_key": key}, deadline_s=deadline_s, max_body_bytes=LIMIT, clock=clock
    ) as http:
        yield http


async def failure_of(url: str, *, deadline_s: float = 5.0) -> UpstreamError:
    """Return how asking for page 1 fails."""
    async with http_to(url, deadline_s=deadline_s) as http:
        with pytest.raises(UpstreamError) as caught:
            await AutoApi(http, clock=VirtualClock(NOW)).offers(1)
    return caught.value


async def _hang(_: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()


async def _drip(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
    while True:
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.02)  # noqa: TID251 - a real server's pause


async def _endless(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        writer.write(b"1000\r\n" + b" " * 4096 + b"\r\n")
        await writer.drain()


async def _reset(writer: asyncio.StreamWriter) -> None:
    reset_on_close = struct.pack("ii", 1, 0)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset_on_close)
    writer.transport.abort()


BOMB = gzip.compress(b" " * 200_000_000, compresslevel=9)

CASES = [
    pytest.param(sending(whole("200 OK", body=b"<html>")), Cause.NOT_JSON, id="HTML under 200"),
    pytest.param(sending(whole("200 OK")), Cause.NOT_JSON, id="empty body"),
    pytest.param(sending(whole("400 Bad Request")), Cause.BAD_REQUEST, id="400"),
    pytest.param(sending(whole("401 Unauthorized")), Cause.UNAUTHORIZED, id="401"),
    pytest.param(sending(whole("403 Forbidden")), Cause.FORBIDDEN, id="403"),
    pytest.param(sending(whole("404 Not Found", body=b"<html>")), Cause.NOT_FOUND, id="404"),
    pytest.param(sending(whole("405 Method Not Allowed")), Cause.METHOD_NOT_ALLOWED, id="405"),
    pytest.param(sending(whole("408 Request Timeout")), Cause.OTHER_STATUS, id="408"),
    pytest.param(sending(whole("422 Unprocessable")), Cause.OTHER_STATUS, id="422"),
    pytest.param(sending(whole("204 No Content")), Cause.OTHER_STATUS, id="204"),
    pytest.param(sending(whole("429 Too Many Requests")), Cause.RATE_LIMITED, id="429"),
    pytest.param(sending(whole("500 Oops")), Cause.SERVER_ERROR, id="500"),
    pytest.param(sending(whole("502 Bad Gateway")), Cause.BAD_GATEWAY, id="502"),
    pytest.param(sending(whole("503 Unavailable")), Cause.SERVER_ERROR, id="503"),
    pytest.param(
        sending(whole("302 Found", headers="Location: http://127.0.0.1:9/\r\n")), Cause.REDIRECT, id="redirect"
    ),
    pytest.param(sending(whole("200 OK", body=PAGE)[:-20]), Cause.CUT_BODY, id="cut body"),
    pytest.param(sending(b""), Cause.CUT_BODY, id="closed without an answer"),
    pytest.param(sending(b"SSH-2.0-OpenSSH_9.2\r\n\r\n"), Cause.CUT_BODY, id="another protocol"),
    pytest.param(_reset, Cause.CONNECTION, id="reset"),
    pytest.param(sending(whole("200 OK", body=b" " * (LIMIT + 1))), Cause.TOO_LARGE, id="too large"),
    pytest.param(_endless, Cause.TOO_LARGE, id="chunks without end"),
    pytest.param(
        sending(whole("200 OK", body=BOMB, headers="Content-Encoding: gzip\r\n")), Cause.TOO_LARGE, id="gzip bomb"
    ),
    pytest.param(
        sending(whole("200 OK", body=BOMB[:1000], headers="Content-Encoding: gzip\r\n")),
        Cause.TOO_LARGE,
        id="cut gzip bomb",
    ),
    pytest.param(
        sending(whole("200 OK", body=gzip.compress(PAGE)[:-12], headers="Content-Encoding: gzip\r\n")),
        Cause.CUT_BODY,
        id="cut gzip",
    ),
    pytest.param(
        sending(whole("200 OK", body=PAGE, headers="Content-Encoding: gzip\r\n")), Cause.CUT_BODY, id="no gzip at all"
    ),
    pytest.param(
        sending(whole("200 OK", body=PAGE, headers="Content-Encoding: br\r\n")), Cause.BAD_ENCODING, id="brotli"
    ),
]


@pytest.mark.parametrize(("answer", "cause"), CASES)
async def test_each_failure_has_its_cause(answer: Answer, cause: Cause) -> None:
    async with raw_server(answer) as server:
        assert (await failure_of(server.url)).cause is cause


@pytest.mark.parametrize("answer", [_hang, _drip], ids=["silent", "one byte at a time"])
async def test_the_deadline_holds_for_the_whole_request(answer: Answer) -> None:
    async with raw_server(answer) as server:
        assert (await failure_of(server.url, deadline_s=0.3)).cause is Cause.TIMEOUT


async def test_an_address_where_nobody_listens_has_its_cause() -> None:
    assert (await failure_of("http://127.0.0.1:9/api")).cause is Cause.CONNECTION


class _NoSuchName(httpx.AsyncBaseTransport):
    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("Name or service not known", request=request) from socket.gaierror(-2, "not known")


async def test_a_name_without_an_address_has_its_cause() -> None:
    http = BoundedHttp(
        "http://feedmill.invalid",
        parameters={"api_key": CANARY},
        deadline_s=1,
        max_body_bytes=LIMIT,
        clock=VirtualClock(NOW),
        transport=_NoSuchName(),
    )
    async with http:
        with pytest.raises(UpstreamError) as caught:
            await http.get("/offers", {})
    assert caught.value.cause is Cause.NAME_NOT_FOUND
    assert caught.value.__context__ is None


async def test_a_server_without_tls_has_its_cause() -> None:
    async with raw_server(sending(whole("200 OK", body=PAGE))) as server:
        assert (await failure_of(server.url.replace("http:", "https:"))).cause is Cause.TLS


async def test_a_bomb_is_not_inflated_in_memory() -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    async with raw_server(sending(whole("200 OK", body=BOMB, headers="Content-Encoding: gzip\r\n"))) as server:
        await failure_of(server.url)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000, "KiB"


@pytest.mark.parametrize(
    ("pack", "encoding"), [(gzip.compress, "gzip"), (zlib.compress, "deflate")], ids=["gzip", "deflate"]
)
async def test_a_compressed_answer_that_nobody_asked_for_is_read(pack: type[bytes], encoding: str) -> None:
    answer = sending(whole("200 OK", body=pack(PAGE), headers=f"Content-Encoding: {encoding}\r\n"))
    async with raw_server(answer) as server, http_to(server.url) as http:
        assert (await AutoApi(http, clock=VirtualClock(NOW)).offers(1)).next_position is None


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120.0),
        ("Sat, 21 Nov 2026 07:29:00 GMT", 60.0),
        ("0", None),
        ("-5", None),
        ("Sat, 21 Nov 2026 07:00:00 GMT", None),
        ("soon", None),
        ("", None),
    ],
    ids=["seconds", "date", "zero", "negative", "past", "a word", "empty"],
)
async def test_retry_after_is_read_in_both_forms(value: str, seconds: float | None) -> None:
    async with raw_server(sending(whole("429 Slow", headers=f"Retry-After: {value}\r\n"))) as server:
        assert (await failure_of(server.url)).retry_after_s == seconds


async def test_the_request_is_what_the_contract_asks_for() -> None:
    async with raw_server(sending(whole("200 OK", body=PAGE))) as server, http_to(server.url) as http:
        await AutoApi(http, clock=VirtualClock(NOW)).offers(1)
    head = server.requests[0]
    assert head.startswith(f"GET /api/v2/che168/offers?page=1&api_key={CANARY} HTTP/1.1\r\n")
    assert "accept-encoding: identity" in head.lower()


@pytest.mark.parametrize(("answer", "cause"), [*CASES, pytest.param(_hang, Cause.TIMEOUT, id="silent")])
async def test_the_key_is_in_no_error_and_no_log_line(
    answer: Answer, cause: Cause, caplog: pytest.LogCaptureFixture
) -> None:
    async with raw_server(answer) as server:
        failure = await failure_of(server.url, deadline_s=0.5)
    assert failure.cause is cause
    said = "".join(traceback.format_exception(failure, chain=True)) + repr(failure.__dict__)
    assert CANARY not in said
    link: BaseException | None = failure
    while link is not None:
        assert not hasattr(link, "request"), "what httpx raises knows the URL"
        link = link.__cause__ or link.__context__
    own = [record for record in caplog.records if record.name.split(".")[0] == "fetcher"]
    assert CANARY not in "".join(record.getMessage() for record in own)


async def test_the_key_stays_out_of_the_log_even_where_the_client_writes_the_url(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    async with raw_server(sending(whole("200 OK", body=PAGE))) as server, http_to(server.url) as http:
        await http.get("/offers", {"page": "1"})
    assert any(CANARY in record.getMessage() for record in caplog.records), "the client logs no URL: test is empty"
    formatter = LineFormatter(with_time=False)
    assert not [line for line in map(formatter.format, caplog.records) if CANARY in line]


@pytest.fixture(scope="module")
def upstream() -> Iterator[UpstreamProcess]:
    """A stand-in with 45 offers."""
    with UpstreamProcess("--offers", "45", "--seed", "7", "--quirks", "off") as process:
        yield process


async def test_the_stand_in_is_read_to_its_end(upstream: UpstreamProcess) -> None:
    async with http_to(upstream.base_url, key=upstream.api_key) as http:
        api = AutoApi(http, clock=VirtualClock(NOW))
        page, seen = 1, list[str | None]()
        while page:
            found = await api.offers(page)
            seen += [row.inner_id for row in found.rows]
            page = found.next_position or 0
    assert len(set(seen)) == 45


async def test_the_stand_in_names_a_change_id(upstream: UpstreamProcess) -> None:
    async with http_to(upstream.base_url, key=upstream.api_key) as http:
        assert await AutoApi(http, clock=VirtualClock(NOW)).change_id(date(2026, 1, 1)) >= 0


@pytest.mark.parametrize(
    ("fault", "cause"),
    [
        ({"kind": "status", "code": 503}, Cause.SERVER_ERROR),
        ({"kind": "cut_body"}, Cause.CUT_BODY),
        ({"kind": "reset"}, Cause.CONNECTION),
        ({"kind": "html_200"}, Cause.NOT_JSON),
        ({"kind": "not_json"}, Cause.NOT_JSON),
        ({"kind": "wrong_shape"}, Cause.WRONG_SHAPE),
        ({"kind": "hang"}, Cause.TIMEOUT),
    ],
    ids=lambda value: value["kind"] if isinstance(value, dict) else str(value),
)
async def test_the_stand_ins_faults_are_known(
    upstream: UpstreamProcess, fault: dict[str, object], cause: Cause
) -> None:
    async with httpx.AsyncClient() as control:
        (await control.post(f"{upstream.admin}/faults", json=[fault])).raise_for_status()
        async with http_to(upstream.base_url, key=upstream.api_key, deadline_s=0.5) as http:
            api = AutoApi(http, clock=VirtualClock(NOW))
            with pytest.raises(UpstreamError) as caught:
                await api.offers(1)
            assert caught.value.cause is cause
            (await control.delete(f"{upstream.admin}/faults")).raise_for_status()
            assert (await api.offers(1)).rows, "the next request on the same client works"


async def test_a_wrong_key_is_refused_by_the_stand_in(upstream: UpstreamProcess) -> None:
    assert (await failure_of(upstream.base_url)).cause in {Cause.UNAUTHORIZED, Cause.FORBIDDEN}
