"""The HTTP edge on real sockets: what it sends, what it keeps to itself, and how the stand-in fails."""

import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, nullcontext
from datetime import UTC, date, datetime

import httpx
import pytest
from tests.forking import Upstream
from tests.integration.fetcher.raw_server import raw_server, sending, whole

from common.errors import ConfigurationError
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


async def test_the_request_is_what_the_contract_asks_for() -> None:
    async with raw_server(sending(whole("200 OK", body=PAGE))) as server, http_to(server.url) as http:
        await AutoApi(http, clock=VirtualClock(NOW)).offers(1)
    head = server.requests[0]
    assert head.startswith(f"GET /api/v2/che168/offers?page=1&api_key={CANARY} HTTP/1.1\r\n")
    assert "accept-encoding: identity" in head.lower()


async def test_nobody_logs_the_key(caplog: pytest.LogCaptureFixture) -> None:
    for name in (None, "httpx", "httpcore"):  # a service quietens the latter two
        caplog.set_level(logging.DEBUG, logger=name)
    async with raw_server(sending(whole("200 OK", body=PAGE))) as server, http_to(server.url) as http:
        await http.get("/offers", {"page": "1"})
    assert caplog.records, "the client logs nothing: test is empty"
    assert not [record for record in caplog.records if CANARY in record.getMessage()]


@pytest.mark.parametrize("base_url", ["", "api.example", "ftp://api.example", "http://", "http://a:x", "http://[::1"])
def test_what_is_no_address_is_refused_without_repeating_it(base_url: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        BoundedHttp(base_url, parameters={}, deadline_s=1, max_body_bytes=1, clock=VirtualClock())
    assert str(caught.value) == "base_url: no address that begins with http:// or https://"


@pytest.mark.parametrize(
    ("base_url", "exceptions", "is_asked"),
    [
        ("http://upstream.example:81/api", "", True),
        ("http://upstream.example:81/api", "upstream.example", False),
        ("http://127.0.0.1:9/api", "", False),
        ("http://localhost:9/api", "", False),
    ],
    ids=["another machine", "an exception", "this machine by number", "this machine by name"],
)
async def test_a_proxy_of_the_environment_is_used(
    base_url: str, exceptions: str, *, is_asked: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with raw_server(sending(whole("200 OK", body=PAGE))) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url.removeprefix("http://"))
        monkeypatch.setenv("NO_PROXY", exceptions)
        async with http_to(base_url) as http:
            with nullcontext() if is_asked else pytest.raises(UpstreamError):
                assert await http.get("/offers", {}) == PAGE
    seen = [head.split("\r\n")[0] for head in proxy.requests]
    assert seen == [f"GET {base_url}/offers?api_key={CANARY} HTTP/1.1"] * is_asked


@pytest.fixture(scope="module")
def upstream() -> Iterator[UpstreamProcess]:
    """A stand-in with 45 offers."""
    with Upstream("--offers", "45", "--seed", "7", "--quirks", "off") as process:
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
