"""The table of causes on real sockets: each has its verdict, its words, and neither address nor key in them."""

import asyncio
import re
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import httpx
import pytest
from tests.integration.fetcher.causes import CASES, LIMIT, PAGE, QUICK, CauseCase
from tests.integration.fetcher.cursor_causes import CURSOR_CASES
from tests.integration.fetcher.raw_server import Answer, raw_server, repeating, resetting, sending, whole

from common.events import ChangeId, InnerId
from common.testing.clock import VirtualClock
from fetcher.adapters.autoapi import AutoApi
from fetcher.adapters.http_json import BoundedHttp
from fetcher.core.errors import UpstreamError
from fetcher.core.retry import Attempts, RetryPolicy, decide

pytestmark = pytest.mark.integration

CANARY = "canary-4f1c9e-key"
NOW = datetime(2026, 11, 21, 7, 28, tzinfo=UTC)
PAGE_NUMBER = 3
POLICY = RetryPolicy()


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@asynccontextmanager
async def upstream_at(
    url: str, *, deadline_s: float = 30.0, transport: httpx.AsyncBaseTransport | None = None
) -> AsyncIterator[AutoApi]:
    """Open the fetcher's way to an upstream."""
    clock = VirtualClock(NOW)
    async with BoundedHttp(
        url,
        parameters={"api_key": CANARY},
        deadline_s=deadline_s,
        max_body_bytes=LIMIT,
        clock=clock,
        transport=transport,
    ) as http:
        yield AutoApi(http, clock=clock)


ASKS: Mapping[str, Callable[[AutoApi], Awaitable[object]]] = {
    "offers": lambda upstream: upstream.offers(PAGE_NUMBER),
    "changes": lambda upstream: upstream.changes(ChangeId(10)),
    "change_id": lambda upstream: upstream.change_id(NOW.date()),
    "offer": lambda upstream: upstream.offer(InnerId("10")),
}


async def outcome_of(case: CauseCase) -> object:
    """Return what asking comes to: an answer or an UpstreamError."""
    async with case.upstream() as url, upstream_at(url, deadline_s=case.deadline_s) as upstream:
        try:
            return await ASKS[case.ask](upstream)
        except UpstreamError as error:
            return error


ALL_CASES = [*CASES, *CURSOR_CASES]


@pytest.mark.parametrize("case", ALL_CASES, ids=[case.name[:60] for case in ALL_CASES])
async def test_each_cause_has_its_verdict_and_its_words(case: CauseCase) -> None:
    outcome = await outcome_of(case)
    if not isinstance(outcome, UpstreamError):
        assert (None, getattr(outcome, "notes", "")) == (case.verdict, case.text)
        return
    verdict = decide(outcome, Attempts(), POLICY, elapsed_s=0, chance=0.0)
    assert (verdict, str(outcome)) == (case.verdict, case.text)
    _assert_tells_nothing(outcome)


def _assert_tells_nothing(error: UpstreamError) -> None:
    said = str(error) + repr(error.__dict__)
    assert not re.search(r"127\.0\.0\.1|localhost|invalid|://|api_key|canary", said)
    assert CANARY not in "".join(traceback.format_exception(error, chain=True))
    link: BaseException | None = error
    while link is not None:
        assert not hasattr(link, "request"), "what httpx raises knows the URL"
        link = link.__cause__ or link.__context__


def test_the_table_has_its_size() -> None:
    names = [case.name for case in ALL_CASES]
    assert len(set(names)) == len(names) >= 40


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "307 Temporary", "308 Permanent"])
async def test_a_redirect_is_never_followed(status: str) -> None:
    async with raw_server(sending(whole("200 OK", body=PAGE))) as other:
        for target in (f"{other.url}/offers?page=3", "/api/v2/che168/offers?page=3"):
            answer = sending(whole(status, headers=f"Location: {target}\r\n"))
            async with raw_server(answer) as server, upstream_at(server.url) as upstream:
                with pytest.raises(UpstreamError, match="redirect: status"):
                    await upstream.offers(PAGE_NUMBER)
            assert len(server.requests) == 1
        assert other.requests == []


GOOD = sending(whole("200 OK", body=PAGE))


async def test_requests_share_a_connection() -> None:
    async with raw_server(GOOD, keeps_alive=True) as server, upstream_at(server.url) as upstream:
        for _ in range(3):
            await upstream.offers(PAGE_NUMBER)
    assert (len(server.requests), server.connections) == (3, 1)


async def test_a_connection_closed_between_two_requests_is_replaced_quietly() -> None:
    async with raw_server(GOOD) as server, upstream_at(server.url) as upstream:
        await upstream.offers(PAGE_NUMBER)
        await asyncio.sleep(0.05)  # noqa: TID251 - the server's goodbye is on its way
        await upstream.offers(PAGE_NUMBER)
    assert (len(server.requests), server.connections) == (2, 2)


@pytest.mark.parametrize(
    ("goodbye", "text"),
    [
        (sending(), "cut_body: answer ended early or is no HTTP"),
        (resetting(), "connection: connection lost"),
    ],
    ids=["closed", "reset"],
)
async def test_a_connection_that_ends_as_a_request_comes_is_a_hiccup(goodbye: Answer, text: str) -> None:
    async def leave(writer: asyncio.StreamWriter) -> None:
        await goodbye(writer)
        writer.close()

    answers = (GOOD, leave, GOOD)
    async with raw_server(*answers, keeps_alive=True) as server, upstream_at(server.url) as upstream:
        await upstream.offers(PAGE_NUMBER)
        with pytest.raises(UpstreamError) as caught:
            await upstream.offers(PAGE_NUMBER)
        await upstream.offers(PAGE_NUMBER)
    assert str(caught.value) == text
    assert decide(caught.value, Attempts(), POLICY, elapsed_s=0, chance=0.0) == QUICK
    assert (len(server.requests), server.connections) == (3, 2)


async def test_a_failed_request_leaves_nothing_for_the_next_one() -> None:
    late = repeating(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", b" ", pause_s=0.02)
    async with raw_server(late, GOOD) as server, upstream_at(server.url, deadline_s=1.0) as upstream:
        with pytest.raises(UpstreamError, match="timeout"):
            await upstream.offers(PAGE_NUMBER)
        assert (await upstream.offers(PAGE_NUMBER)).next_position == PAGE_NUMBER + 1
    assert server.connections == 2


@pytest.mark.parametrize("is_deadline_ours", [True, False], ids=["its own deadline", "cancelled from outside"])
async def test_a_request_cut_off_at_any_moment_leaves_the_way_free(*, is_deadline_ours: bool) -> None:
    limits = httpx.Limits(max_connections=1, max_keepalive_connections=1)
    cut = 0
    async with raw_server(GOOD, keeps_alive=True) as server:
        for step in range(120):
            transport = httpx.AsyncHTTPTransport(limits=limits, verify=False)
            moment_s = step * 4e-5
            hasty, patient = (
                BoundedHttp(
                    server.url,
                    parameters={},
                    deadline_s=deadline_s,
                    max_body_bytes=LIMIT,
                    clock=VirtualClock(NOW),
                    transport=transport,
                )
                for deadline_s in (moment_s if is_deadline_ours else 30.0, 30.0)
            )
            try:
                async with asyncio.timeout(30.0 if is_deadline_ours else moment_s):
                    await hasty.get("/offers", {})
            except (UpstreamError, TimeoutError):
                cut += 1
            assert await patient.get("/offers", {}) == PAGE
            await transport.aclose()
    assert cut >= 20
