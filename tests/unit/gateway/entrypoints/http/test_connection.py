"""One connection, byte by byte: who hears what of several requests, and what is left where one is refused."""

import asyncio
import re
from collections.abc import Callable
from typing import Any

import pytest
import uvicorn
from starlette.types import Message, Receive, Scope, Send
from uvicorn.server import ServerState

from gateway.entrypoints.http.connection import MAX_HEAD_BYTES, MOST_BEHIND, SLICE_BYTES, Guard, GuardedProtocol

pytestmark = pytest.mark.unit

A_REQUEST = b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n"
BAD_CHUNK = b"GET /b HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"
BAD_ADDRESS = b"GET http://[ HTTP/1.1\r\nHost: x\r\n\r\n"
TOO_LARGE = b"GET /c HTTP/1.1\r\nX: " + b"x" * MAX_HEAD_BYTES


class Wire(asyncio.Transport):
    """The client's end: what it has heard, and whether it hears more."""

    def __init__(self) -> None:
        super().__init__()
        self.heard = b""
        self.is_ended = False
        self.is_closed = False
        self.is_paused = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Hear it."""
        assert not self.is_ended
        assert not self.is_closed
        self.heard += bytes(data)

    def write_eof(self) -> None:
        """Hear that there is no more."""
        self.is_ended = True

    def close(self) -> None:
        """Be cut off."""
        self.is_closed = True

    def pause_reading(self) -> None:
        """Send no more for now."""
        self.is_paused = True

    def resume_reading(self) -> None:
        """Send on."""
        self.is_paused = False

    def is_closing(self) -> bool:
        """Return whether it is."""
        return self.is_closed


class Loop:
    """The loop, but nothing is ever late by itself."""

    def __init__(self) -> None:
        self._later: list[tuple[asyncio.Handle, Callable[[], None]]] = []

    def create_task(self, work: Any) -> "asyncio.Task[None]":
        """Start it."""
        return asyncio.get_running_loop().create_task(work)

    def call_later(self, seconds: float, call: Callable[[], None]) -> asyncio.Handle:
        """Keep a call until all are late."""
        del seconds
        handle = asyncio.Handle(call, (), asyncio.get_running_loop())
        self._later.append((handle, call))
        return handle

    def let_all_be_late(self) -> None:
        """Make the calls that nobody has cancelled."""
        later, self._later = self._later, []
        for handle, call in later:
            if not handle.cancelled():
                call()


class Client:
    """A connection to an app whose answers end when the test says so."""

    def __init__(self) -> None:
        self.loop, self.wire, self.guard = Loop(), Wire(), Guard(lambda: "id", "10;w=1", 5.0, 10)
        self.asked: list[str] = []
        self.left: list[str] = []
        self.answer = asyncio.Event()
        self.headers: list[tuple[bytes, bytes]] = []
        self.begins_at_once = False
        config = uvicorn.Config(self._app, ws="none", lifespan="off", interface="asgi3", log_config=None)
        known = {"config": config, "server_state": ServerState(), "app_state": {}, "_loop": self.loop}
        self.protocol: GuardedProtocol = self.guard.protocol(**known)
        self.protocol.connection_made(self.wire)

    async def _app(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.asked.append(scope["path"])
        if self.begins_at_once:
            await send({"type": "http.response.start", "status": 200, "headers": self.headers})
            await send({"type": "http.response.body", "body": b"a part", "more_body": True})
        message: Message = await receive()
        while message["type"] == "http.request":
            heard = asyncio.ensure_future(receive())
            answering = asyncio.ensure_future(self.answer.wait())
            await asyncio.wait({heard, answering}, return_when=asyncio.FIRST_COMPLETED)
            answering.cancel()
            if self.answer.is_set():
                await send({"type": "http.response.start", "status": 200, "headers": self.headers})
                await send({"type": "http.response.body", "body": b"answer to " + scope["raw_path"]})
            message = await heard
        if not self.answer.is_set():
            self.left.append(scope["path"])

    async def send(self, data: bytes) -> None:
        """Send, and let those who answer begin."""
        self.protocol.data_received(data)
        await a_moment()


async def a_moment() -> None:
    """Let all do what they can."""
    for _ in range(20):
        await asyncio.sleep(0)  # noqa: TID251 - takes no time


@pytest.fixture
async def client() -> Client:
    """A new connection."""
    return Client()


async def test_who_answers_hears_that_the_client_has_gone_though_another_request_waits(client: Client) -> None:
    await client.send(A_REQUEST + b"GET /b HTTP/1.1\r\nHost: x\r\n\r\n")
    client.protocol.connection_lost(None)
    await a_moment()
    assert (client.asked, client.left) == (["/a"], ["/a"])
    assert not client.guard.waiting


@pytest.mark.parametrize(
    "bad",
    [BAD_ADDRESS, BAD_CHUNK, BAD_CHUNK + b"z" * 2 * SLICE_BYTES, TOO_LARGE, b"\0"],
    ids=["address", "chunk", "long chunk", "size", "no HTTP"],
)
@pytest.mark.parametrize("is_later", [False, True], ids=["at once", "later"])
async def test_what_came_before_a_refused_request_is_answered_first(
    client: Client, bad: bytes, *, is_later: bool
) -> None:
    whole = A_REQUEST + A_REQUEST
    for part in [whole, bad] if is_later else [whole + bad]:
        await client.send(part)
    await client.send(A_REQUEST)
    assert (client.asked, client.left, client.wire.heard, client.wire.is_ended) == (["/a"], [], b"", False)
    assert not client.wire.is_paused
    client.answer.set()
    await a_moment()
    statuses = re.findall(rb"HTTP/1\.1 (\d{3}) ", client.wire.heard)
    assert statuses == [b"200", b"200", b"431" if bad == TOO_LARGE else b"400"]
    assert client.wire.heard.count(b"answer to /a") == 2
    assert (client.asked, client.wire.is_ended, client.wire.is_closed) == (["/a", "/a"], True, False)


async def test_nothing_is_said_in_the_middle_of_an_answer(client: Client) -> None:
    client.begins_at_once = True
    await client.send(b"POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
    await client.send(b"zz\r\n")
    assert client.wire.heard.endswith(b"a part\r\n")
    assert (client.left, client.wire.is_ended) == (["/a"], True)


async def test_who_answers_hears_that_the_client_has_gone_though_something_wrong_came_behind(client: Client) -> None:
    await client.send(A_REQUEST + BAD_CHUNK)
    client.protocol.connection_lost(None)
    await a_moment()
    assert (client.asked, client.left, client.wire.heard) == (["/a"], ["/a"], b"")
    assert not client.guard.waiting


@pytest.mark.parametrize("bad", [BAD_ADDRESS, BAD_CHUNK, TOO_LARGE], ids=["address", "chunk", "size"])
async def test_who_sends_on_behind_a_refused_request_has_its_time_and_then_waits_for_the_answer(
    client: Client, bad: bytes
) -> None:
    await client.send(A_REQUEST + A_REQUEST + bad)
    await client.send(b"z")
    assert not client.wire.is_paused
    client.loop.let_all_be_late()
    assert not client.wire.is_paused, "who sends nothing more is heard when it goes"
    await client.send(b"z")
    assert (client.wire.is_paused, client.left, client.wire.heard) == (True, [], b"")
    client.answer.set()
    await a_moment()
    assert client.wire.heard.count(b"answer to /a") == 2
    assert (client.wire.is_paused, client.wire.is_ended, client.wire.is_closed) == (False, True, False)
    await client.send(b"z")
    assert not client.wire.is_paused, "it has its time to end as well"


async def test_one_who_wants_no_more_after_an_answer_is_told_nothing_about_what_came_behind(client: Client) -> None:
    client.headers = [(b"connection", b"close")]
    await client.send(A_REQUEST + BAD_ADDRESS)
    client.answer.set()
    await a_moment()
    assert client.wire.heard.startswith(b"HTTP/1.1 200 ")
    assert client.wire.heard.endswith(b"answer to /a\r\n0\r\n\r\n")
    assert client.wire.is_ended


async def test_an_address_that_is_none_is_refused(client: Client) -> None:
    await client.send(BAD_ADDRESS)
    assert client.wire.heard.startswith(b"HTTP/1.1 400 ")
    assert client.wire.is_ended


async def test_letters_beyond_ascii_are_refused_with_what_helps(client: Client) -> None:
    await client.send("GET /products?name=ваза HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    assert client.wire.heard.startswith(b"HTTP/1.1 400 ")
    assert b"percent-encoded" in client.wire.heard


async def test_several_requests_are_answered_in_turn(client: Client) -> None:
    client.answer.set()
    await client.send(A_REQUEST + b"GET /b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert client.wire.heard.index(b"answer to /a") < client.wire.heard.index(b"answer to /b")
    assert client.wire.is_closed


@pytest.mark.parametrize("last", [b"", A_REQUEST[:9]], ids=["whole", "part of one"])
async def test_of_many_requests_a_few_wait_as_such_and_nothing_is_read_meanwhile(client: Client, last: bytes) -> None:
    await client.send(1000 * A_REQUEST + last)
    most = MOST_BEHIND + SLICE_BYTES // len(A_REQUEST)
    assert (client.wire.is_paused, len(client.protocol.pipeline) <= most) == (True, True)
    client.answer.set()
    for _ in range(1000):
        await a_moment()
    assert client.wire.heard.count(b"answer to /a") == 1000
    assert not client.wire.is_paused
    await client.send(A_REQUEST[len(last) :])
    assert client.wire.heard.count(b"answer to /a") == 1001


async def test_what_is_malformed_behind_many_requests_is_refused_when_they_are_answered(client: Client) -> None:
    await client.send(1000 * A_REQUEST + BAD_ADDRESS)
    client.answer.set()
    for _ in range(1000):
        await a_moment()
    statuses = re.findall(rb"HTTP/1\.1 (\d{3}) ", client.wire.heard)
    assert statuses == [b"200"] * 1000 + [b"400"]
    assert (client.wire.is_ended, client.wire.is_paused) == (True, False)


async def test_who_is_let_go_with_many_requests_waiting_is_heard_until_its_time_is_over(client: Client) -> None:
    client.headers = [(b"connection", b"close")]
    await client.send(1000 * A_REQUEST + BAD_ADDRESS)
    client.answer.set()
    await a_moment()
    assert (client.asked, client.wire.is_paused) == (["/a"], False)


async def test_one_who_was_refused_has_its_time_whatever_ends_meanwhile(client: Client) -> None:
    client.headers = [(b"connection", b"close")]
    await client.send(A_REQUEST + BAD_CHUNK)
    client.answer.set()
    await a_moment()
    client.protocol.end()
    assert (client.wire.is_ended, client.wire.is_closed) == (True, False)
    client.loop.let_all_be_late()
    assert client.wire.is_closed


async def test_one_who_was_refused_holds_up_no_end_of_the_server(client: Client) -> None:
    await client.send(b"POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n")
    assert client.wire.heard.startswith(b"HTTP/1.1 400 ")
    assert not client.wire.is_closed
    client.protocol.shutdown()
    assert client.wire.is_closed


async def test_one_who_is_being_answered_is_answered_when_the_server_ends(client: Client) -> None:
    await client.send(A_REQUEST)
    client.protocol.shutdown()
    assert not client.wire.is_closed
    client.answer.set()
    await a_moment()
    assert b"answer to /a" in client.wire.heard
    assert client.wire.is_closed


async def test_one_too_many_is_closed_at_once_and_makes_no_room_for_the_next() -> None:
    full = Guard(lambda: "id", "10;w=1", 5.0, 0)
    server, first, second = ServerState(), Wire(), Wire()
    config = uvicorn.Config(nobody, ws="none", lifespan="off", interface="asgi3", log_config=None)
    for wire in (first, second):
        full.protocol(config=config, server_state=server, app_state={}, _loop=Loop()).connection_made(wire)
    assert (first.is_closed, second.is_closed) == (True, True)
    assert second.heard.startswith(b"HTTP/1.1 503 ")


async def nobody(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer nothing."""
    del scope, receive, send
    pytest.fail("nothing was to be answered")
