"""A gateway under attack: it refuses, it tells nothing, and those who mean well notice nothing of it."""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from urllib.parse import unquote_to_bytes

import httpx
import pytest
from tests.contract.gateway.fakes import TOKEN
from tests.integration.gateway.attacks import Attack, all_attacks
from tests.integration.gateway.live import SECRET, Live, filled, live
from tests.integration.gateway.raw_http import exchange
from tests.integration.gateway.test_command import resident_kb
from tests.integration.gateway.wire_attacks import wire_attacks

from common.clock import SystemClock
from common.settings import DatabaseSettings

pytestmark = pytest.mark.integration

ATTACKS = [*all_attacks(), *wire_attacks()]
LEAKS = (
    *(
        b"Traceback",
        b'File "',
        b".py",
        b"site-packages",
        b"asyncpg",
        b"sqlalchemy",
        b"postgres",
        b"Postgres",
        b"uvicorn",
    ),
    *(
        b"starlette",
        b"fastapi",
        b"FastAPI",
        b"httptools",
        b"processed_data",
        b"api_tokens",
        b"SELECT ",
        b"syntax error",
    ),
    *(b"/home/", b"python", b"Python", SECRET.encode(), TOKEN.encode()),
)
LATE_S = 10.0
RECEIVE_S = 0.5
"""How long a request may take to come."""
MAX_RESIDENT_KB = 130 * 1024
PROTECTED = (b"x-content-type-options: nosniff", b"x-request-id: ", b"content-security-policy: ", b"cache-control: ")


@dataclass
class Healthy:
    """A client that means well: what it was answered, and how long the longest answer took."""

    statuses: dict[int, int] = field(default_factory=dict)
    longest_s: float = 0.0

    async def ask(self, gateway: Live) -> None:
        """Ask again and again, on connections of its own, until cancelled."""
        clock = SystemClock()
        headers = {"Authorization": f"Bearer {TOKEN}", "Connection": "close"}
        async with httpx.AsyncClient(base_url=gateway.url, headers=headers, timeout=30) as client:
            while True:
                started = clock.monotonic()
                try:
                    answer = await client.get("/offers?mark=BMW&limit=5")
                except httpx.TransportError:
                    if clock.monotonic() - started < RECEIVE_S:
                        raise
                    continue  # this machine stalled between connecting and sending: it was given up rightly
                self.longest_s = max(self.longest_s, clock.monotonic() - started)
                self.statuses[answer.status_code] = self.statuses.get(answer.status_code, 0) + 1
                await clock.sleep(0.02)


@pytest.fixture(scope="module")
async def gateway(module_database: DatabaseSettings, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Live]:
    """A gateway that gives requests half a second to come; somebody who means well asks it all the time."""
    await filled(module_database)
    folder, healthy = tmp_path_factory.mktemp("attacked"), Healthy()
    bounds = {"receive_timeout_s": str(RECEIVE_S), "rate_limit_per_minute": "1000000", "rate_limit_burst": "1000000"}
    async with live(module_database, folder, **bounds, trusted_proxies='["127.0.0.1/32"]') as running:
        asking = asyncio.create_task(healthy.ask(running))
        yield running
        assert not asking.done(), asking
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        assert set(healthy.statuses) == {200}
        assert healthy.longest_s < LATE_S
        assert resident_kb(running.process.pid) < MAX_RESIDENT_KB
    assert running.process.returncode == 0
    said = running.said()
    assert "Traceback" not in said
    assert not any(secret in said for secret in (SECRET, TOKEN))
    assert all(re.match(r"\[(INFO|WARNING|ERROR)\] ", line) for line in said.splitlines())


def leaked(attack: Attack, raw: bytes) -> list[bytes]:
    """Return what the answer tells that the attack did not say itself."""
    sent = unquote_to_bytes(b"".join(attack.parts))
    return [word for word in LEAKS if word in raw and (word not in sent or word == TOKEN.encode())]


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
async def test_an_attack_is_refused_and_learns_nothing(gateway: Live, attack: Attack) -> None:
    reply = await exchange(gateway.port, *attack.parts, pause_s=attack.pause_s)
    assert reply.status in attack.right, reply.raw[:500]
    assert all(status < 500 for status in reply.statuses)
    assert leaked(attack, reply.raw) == []
    assert b"\r\nserver:" not in reply.head
    assert reply.status == 0 or all(name in reply.head for name in PROTECTED), reply.head
    assert b"x-evil" not in reply.head
    assert b"set-cookie" not in reply.head


def test_there_are_enough_attacks_and_each_has_a_name_of_its_own() -> None:
    assert len({attack.name for attack in ATTACKS}) == len(ATTACKS) >= 100


def test_a_leak_is_seen() -> None:
    attack = Attack("sql", (b"GET /offers?mark=SELECT%20 HTTP/1.1",))
    assert leaked(attack, b"SELECT ") == []
    assert leaked(attack, b'  File "x.py"') == [b'File "', b".py"]
    assert leaked(Attack("token", (TOKEN.encode(),)), b"you sent " + TOKEN.encode()) == [TOKEN.encode()]


async def test_a_request_for_another_protocol_is_answered_and_the_connection_closed(gateway: Live) -> None:
    head = b"GET /health/live HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
    reply = await exchange(gateway.port, head + b"HTTP2-Settings: AAMAAABk\r\n\r\n")
    assert (reply.status, b"\r\nconnection: close" in reply.head) == (200, True), "what follows would not be read"


@contextlib.asynccontextmanager
async def client_of(gateway: Live) -> AsyncIterator[httpx.AsyncClient]:
    """Open a client with a token."""
    async with httpx.AsyncClient(base_url=gateway.url, headers={"X-API-Key": TOKEN}, timeout=30) as client:
        yield client


async def test_a_cursor_with_one_bit_changed_is_refused(gateway: Live) -> None:
    async with client_of(gateway) as client:
        for path in ("/offers?sort=price&limit=3", "/offers?limit=1"):
            cursor = (await client.get(path)).json()["next_cursor"]
            assert (await client.get(f"{path}&cursor={cursor}")).status_code == 200
            for place, bit in ((place, bit) for place in range(len(cursor)) for bit in range(0, 6, 2)):
                changed = cursor[:place] + chr(ord(cursor[place]) ^ 1 << bit) + cursor[place + 1 :]
                answer = await client.get(path.partition("?")[0], params={**_query(path), "cursor": changed})
                assert answer.status_code in {400, 422}, (cursor, changed)


def _query(path: str) -> dict[str, str]:
    return dict(httpx.URL(path).params)


async def test_a_cursor_opens_nothing_but_the_list_that_it_was_given_for(gateway: Live) -> None:
    async with client_of(gateway) as client:
        by_price = (await client.get("/offers?sort=price&limit=1")).json()["next_cursor"]
        newest = (await client.get("/offers?limit=1")).json()["next_cursor"]
        for path in ("/offers?sort=-price", "/offers?sort=year", "/offers", "/offers?sort=price&mark=BMW", "/products"):
            assert (await client.get(f"{path}{'&' if '?' in path else '?'}cursor={by_price}")).status_code == 400, path
        mixed = (newest[:22] + by_price[22:], by_price + "A", by_price[:-1], by_price + "==", by_price[::-1], "A", "=")
        for cursor in (*mixed, by_price.upper(), by_price + newest):
            assert (await client.get(f"/offers?sort=price&cursor={cursor}")).status_code == 400, cursor


async def test_html_in_the_data_is_text_on_the_page_and_json_elsewhere(gateway: Live) -> None:
    async with client_of(gateway) as client:
        page = (await client.get("/info", headers={"Accept": "text/html"})).text
        assert "<script" not in page
        assert "&lt;script&gt;alert(1)" in page
        listed = await client.get("/offers?q=script")
        assert (listed.headers["Content-Type"], len(listed.json()["items"])) == ("application/json", 1)


async def test_guesses_are_counted_by_the_address_that_a_trusted_proxy_names(gateway: Live) -> None:
    async with httpx.AsyncClient(base_url=gateway.url) as client:

        async def guess(address: str) -> httpx.Response:
            return await client.get("/offers", headers={"X-API-Key": "a" * 16, "X-Forwarded-For": address})

        first = [(await guess("203.0.113.7")).status_code for _ in range(25)]
        assert first[:20] == [401] * 20
        assert set(first[21:]) == {429}
        refused = await guess("198.51.100.1, 203.0.113.7")
        assert (refused.status_code, int(refused.headers["Retry-After"]) > 0) == (429, True)
        assert (await guess("203.0.113.8")).status_code == 401
        known = {"X-API-Key": TOKEN, "X-Forwarded-For": "203.0.113.7"}
        assert (await client.get("/offers", headers=known)).status_code == 200


async def test_a_wrong_token_takes_as_long_wherever_it_is_wrong(gateway: Live) -> None:
    clock = SystemClock()
    wrong = ("0" + TOKEN[1:], TOKEN[:-1] + "0", TOKEN[:8], TOKEN * 2, "")
    took: dict[str, list[float]] = {token: [] for token in wrong}
    async with httpx.AsyncClient(base_url=gateway.url) as client:
        for number in range(60):
            for place, token in enumerate(wrong):
                headers = {"X-API-Key": token, "X-Forwarded-For": f"192.0.{place}.{number}"}
                started = clock.monotonic()
                assert (await client.get("/offers", headers=headers)).status_code == 401
                took[token].append(clock.monotonic() - started)
    usual = [min(times) for times in took.values()]  # the slower ones tell of the machine
    assert max(usual) < 1.6 * min(usual)
