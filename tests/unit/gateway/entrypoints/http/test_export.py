"""`GET /offers/export`: files that come whole or visibly broken, and that cost nothing once nobody wants them."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import httpx
import pytest
from tests.contract.gateway.exports import FakeExports
from tests.contract.gateway.fakes import KEY, TOKEN, a_client, some_parts, some_tokens

from common.errors import UnavailableError
from common.testing.clock import VirtualClock
from gateway.core.access import Access
from gateway.core.errors import FormatMissingError, QueryTimeoutError
from gateway.entrypoints.http.api import Parts, build_api

pytestmark = pytest.mark.unit

Message = MutableMapping[str, Any]


async def get(exports: FakeExports, path: str = "/offers/export") -> httpx.Response:
    """Ask once."""
    async with a_client(await some_parts(exports=exports)) as client:
        return await client.get(path)


class Caller:
    """A client of the application, message by message, which does something after each part of the file."""

    def __init__(self, parts: Parts, *, after_part: Callable[["Caller"], Awaitable[None]] | None = None) -> None:
        self.app = build_api(parts)
        self._after_part = after_part
        self._left = asyncio.Event()
        self.messages: list[Message] = []

    async def leave(self) -> None:
        """Be gone from now on."""
        self._left.set()

    async def ask(self, method: str = "GET") -> None:
        """Ask for an export."""
        scope: Message = {
            "type": "http",
            "method": method,
            "path": "/offers/export",
            "raw_path": b"/offers/export",
            "query_string": b"",
            "headers": [(b"host", b"gateway"), (b"authorization", f"Bearer {TOKEN}".encode())],
            "client": ("127.0.0.1", 1),
            "server": ("gateway", 80),
            "scheme": "http",
            "http_version": "1.1",
            "root_path": "",
            "asgi": {"version": "3.0"},
        }
        await self.app(scope, self._receive, self._send)

    @property
    def is_whole(self) -> bool:
        """Whether the answer was brought to its end."""
        return bool(self.messages) and not self.messages[-1].get("more_body", True)

    async def _receive(self) -> Message:
        await self._left.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        self.messages.append(message)
        if message.get("body") and self._after_part is not None:
            await self._after_part(self)
        await asyncio.sleep(0)  # noqa: TID251 - lets other tasks run, takes no time


@pytest.mark.parametrize(
    ("query", "media_type", "name"),
    [
        ("", "application/x-ndjson", "offers.ndjson"),
        ("?format=csv", "text/csv; charset=utf-8; header=present", "offers.csv"),
        ("?format=parquet", "application/vnd.apache.parquet", "offers.parquet"),
    ],
)
async def test_a_file_comes_in_parts_and_says_what_it_is(query: str, media_type: str, name: str) -> None:
    exports = FakeExports()
    answer = await get(exports, f"/offers/export{query}")
    assert (answer.status_code, answer.content) == (200, b"".join(exports.parts))
    assert answer.headers["Content-Type"] == media_type
    assert answer.headers["Content-Disposition"] == f'attachment; filename="{name}"'
    assert "Content-Length" not in answer.headers
    assert exports.open == 0


async def test_a_file_without_offers_is_whole_and_empty() -> None:
    answer = await get(FakeExports(parts=()))
    assert (answer.status_code, answer.content) == (200, b"")


@pytest.mark.parametrize(
    ("failure", "status", "kind"),
    [
        (FormatMissingError("Parquet needs pyarrow"), 501, "format-missing"),
        (UnavailableError("away"), 503, "unavailable"),
        (QueryTimeoutError("too long"), 503, "query-timeout"),
    ],
)
async def test_what_fails_before_the_first_part_is_a_problem(failure: Any, status: int, kind: str) -> None:
    exports = FakeExports(parts=(), failure=failure)
    answer = await get(exports)
    assert (answer.status_code, answer.headers["Content-Type"]) == (status, "application/problem+json")
    assert (answer.json()["type"], answer.json()["detail"]) == (f"/docs#problem-{kind}", str(failure))
    assert exports.open == 0


async def test_what_fails_later_leaves_the_answer_without_its_end(caplog: pytest.LogCaptureFixture) -> None:
    exports = FakeExports(failure=UnavailableError("the database went away"))
    caller = Caller(await some_parts(exports=exports))
    await caller.ask()
    assert [message.get("body") for message in caller.messages[1:]] == list(exports.parts)
    assert not caller.is_whole
    assert exports.open == 0
    assert [line.getMessage() for line in caplog.records if line.levelname == "WARNING"] == [
        'export broken off error="the database went away"'
    ]


async def test_a_client_that_goes_ends_the_export() -> None:
    exports = FakeExports(parts=[b"x"] * 1000)
    caller = Caller(await some_parts(exports=exports), after_part=Caller.leave)
    await caller.ask()
    assert exports.given < 10
    assert exports.open == 0
    assert not caller.is_whole


async def test_few_run_at_once_and_a_place_is_free_again_after_one() -> None:
    answers: list[httpx.Response] = []

    async def another(caller: Caller) -> None:
        transport = httpx.ASGITransport(app=caller.app)
        headers = {"Authorization": f"Bearer {TOKEN}"}
        async with httpx.AsyncClient(transport=transport, base_url="http://gateway", headers=headers) as client:
            answers.append(await client.get("/offers/export"))

    caller = Caller(await some_parts(exports=FakeExports(parts=[b"x"]), most_exports=1), after_part=another)
    await caller.ask()
    assert caller.is_whole
    await another(caller)
    assert [answer.status_code for answer in answers] == [503, 200]
    assert answers[0].json()["type"] == "/docs#problem-too-many-exports"
    assert answers[0].headers["Retry-After"] == "30"


async def test_an_export_that_takes_too_long_is_broken_off() -> None:
    clock = VirtualClock()
    exports = FakeExports(parts=[b"x"] * 10)
    caller = Caller(await some_parts(exports=exports, clock=clock), after_part=lambda _: clock.sleep(180))
    await caller.ask()
    assert exports.given == 4
    assert not caller.is_whole


async def test_a_token_that_is_revoked_meanwhile_ends_the_export() -> None:
    clock = VirtualClock()
    store = await some_tokens(clock, TOKEN)
    access = Access(store, key=KEY, clock=clock, cache_ttl_s=4)
    exports = FakeExports(parts=[b"x"] * 10)

    async def revoked(_: Caller) -> None:
        store.digests.clear()
        await clock.sleep(5)

    caller = Caller(await some_parts(exports=exports, clock=clock, access=access), after_part=revoked)
    await caller.ask()
    assert exports.given == 1
    assert not caller.is_whole


async def test_a_head_request_makes_one_part_at_most() -> None:
    exports = FakeExports(parts=[b"x"] * 10)
    caller = Caller(await some_parts(exports=exports))
    await caller.ask("HEAD")
    assert (exports.given, caller.is_whole, caller.messages[0]["status"]) == (1, True, 200)
    assert not any(message.get("body") for message in caller.messages)


@pytest.mark.parametrize("query", ["format=xml", "limit=3", "sort=price", "marc=BMW", "format=csv&format=csv"])
async def test_wrong_parameters_are_refused(query: str) -> None:
    exports = FakeExports()
    assert (await get(exports, f"/offers/export?{query}")).status_code == 422
    assert exports.asked == []
