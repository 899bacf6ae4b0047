"""Connections of a running gateway: how many there are, and what becomes of clients who send or take nothing."""

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from tests.contract.gateway.fakes import TOKEN
from tests.integration.gateway.live import Live, filled, live
from tests.integration.gateway.raw_http import Reply, a_request, exchange

from common.clock import SystemClock
from common.settings import DatabaseSettings

pytestmark = pytest.mark.integration

MOST = 20
TOKEN_HEADER = b"X-API-Key: " + TOKEN.encode()
STREAM = b"GET /offers/stream HTTP/1.1\r\nHost: x\r\n" + TOKEN_HEADER + b"\r\n\r\n"


@pytest.fixture(scope="module")
async def gateway(module_database: DatabaseSettings, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Live]:
    """A gateway for twenty connections, behind no proxy."""
    await filled(module_database)
    bounds = {
        "most_connections": str(MOST),
        "send_timeout_s": "0.5",
        "receive_timeout_s": "2",
        "shutdown_timeout_s": "1",
    }
    limit = {"rate_limit_per_minute": "1000000", "rate_limit_burst": "1000000"}
    async with live(module_database, tmp_path_factory.mktemp("connected"), **bounds, **limit) as running:
        yield running


def connections(gateway: Live) -> int:
    """Return how many connections the gateway's port has, by the kernel's own list."""
    port = f":{gateway.port:04X}"
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(row[1].endswith(port) and row[3] == "01" for row in rows)


async def until_there_are(gateway: Live, most: int) -> None:
    """Wait until the gateway has at most so many connections."""
    clock = SystemClock()
    deadline = clock.monotonic() + 60
    while connections(gateway) > most:
        assert clock.monotonic() < deadline, connections(gateway)
        await clock.sleep(0.05)


async def test_clients_who_send_nothing_keep_nobody_out(gateway: Live) -> None:
    silent = [await asyncio.open_connection("127.0.0.1", gateway.port) for _ in range(3 * MOST)]
    for number in range(20):
        reply = await exchange(gateway.port, a_request(b"/offers?limit=1", TOKEN_HEADER))
        assert reply.status == 200, number
    assert connections(gateway) <= MOST
    ended = [await asyncio.wait_for(reader.read(), 60) for reader, _ in silent[: 2 * MOST]]
    assert ended == [b""] * 2 * MOST, "the first that came are the first to go, without a word"
    for _, writer in silent:
        writer.close()
    await until_there_are(gateway, 0)


async def test_when_all_are_being_answered_one_more_is_told_to_come_later(gateway: Live) -> None:
    streams = [await asyncio.open_connection("127.0.0.1", gateway.port) for _ in range(MOST)]
    for _, writer in streams:
        writer.write(STREAM)
    for reader, _ in streams:
        assert b" 200 OK" in await reader.readline()
    reply = await exchange(gateway.port, a_request(b"/health/live"))
    assert (reply.status, b"too-many-connections" in reply.body) == (503, True)
    assert b"\r\nretry-after: 1" in reply.head
    for _, writer in streams:
        writer.close()
    await until_there_are(gateway, 0)
    assert (await exchange(gateway.port, a_request(b"/health/live"))).status == 200


async def said_to_one_who_sends_it_all_first(gateway: Live, head: bytes, then: bytes) -> bytes:
    """Return what a client hears that listens only when it has sent everything, as most do."""
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    writer.write(head)
    for _ in range(400):
        writer.write(then)
        await writer.drain()
    said = await reader.read()
    writer.close()
    return said


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"POST /offers HTTP/1.1\r\nHost: x\r\nContent-Length: 26214400\r\n\r\n", 413),
        (b"GET /offers HTTP/1.1\r\nHost: x\r\nno header\r\n\r\n", 400),
        (b"GET /offers HTTP/1.1\r\nHost: x\r\nX: ", 431),
    ],
)
async def test_who_is_still_sending_hears_why_it_is_refused(gateway: Live, head: bytes, status: int) -> None:
    said = await asyncio.wait_for(said_to_one_who_sends_it_all_first(gateway, head, b"x" * 65536), 60)
    assert Reply(said).statuses == [status]
    await until_there_are(gateway, 0)


async def test_what_came_before_something_malformed_is_answered_first(gateway: Live) -> None:
    wanted = b"GET /offers?limit=100 HTTP/1.1\r\nHost: x\r\n" + TOKEN_HEADER + b"\r\n\r\n"
    reply = await exchange(gateway.port, wanted * 3 + b"no request\r\n\r\n")
    assert reply.statuses == [200, 200, 200, 400]
    await until_there_are(gateway, 0)


async def test_thousands_of_requests_sent_at_once_are_answered_in_turn(gateway: Live) -> None:
    wanted = b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n"
    reply = await exchange(gateway.port, wanted * 3000 + b"no request\r\n\r\n")
    assert reply.statuses == [200] * 3000 + [400]
    await until_there_are(gateway, 0)


async def test_who_follows_a_stream_and_sends_something_malformed_gives_its_place_back(gateway: Live) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    writer.write(STREAM + b"no request\r\n\r\n")
    assert b" 200 OK" in await reader.readline()
    writer.close()
    await until_there_are(gateway, 0)


async def test_who_never_ends_to_send_is_cut_off(gateway: Live) -> None:
    refused = b"POST /offers HTTP/1.1\r\nHost: x\r\nContent-Length: 999999999\r\n\r\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    writer.write(refused)
    assert (await reader.read()).startswith(b"HTTP/1.1 413"), "our side ends at once"
    async with asyncio.timeout(60):
        while not writer.is_closing():
            writer.write(b"x")
            await SystemClock().sleep(0.05)
    writer.close()
    await until_there_are(gateway, 0)


async def test_a_client_who_takes_nothing_is_let_go(gateway: Live) -> None:
    with socket.socket() as greedy:
        greedy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        greedy.settimeout(0)
        await asyncio.get_running_loop().sock_connect(greedy, ("127.0.0.1", gateway.port))
        wanted = b"GET /offers?limit=100 HTTP/1.1\r\nHost: x\r\n" + TOKEN_HEADER + b"\r\n\r\n"
        await asyncio.get_running_loop().sock_sendall(greedy, wanted * 100)
        await until_there_are(gateway, 0)


async def test_nobody_chooses_the_address_that_guesses_are_counted_by(gateway: Live) -> None:
    async with httpx.AsyncClient(base_url=gateway.url, headers={"X-API-Key": "a" * 16}) as client:
        answers = [(await client.get("/offers", headers={"X-Forwarded-For": f"10.0.0.{n}"})) for n in range(25)]
    assert [answer.status_code for answer in answers[:20]] == [401] * 20
    assert {answer.status_code for answer in answers[21:]} == {429}
