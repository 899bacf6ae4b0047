"""News of the catalogue over a real broker: who may follow, a broker that goes and comes, and how soon clients know."""

import asyncio
import logging
import statistics
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from urllib.parse import urlsplit

import aio_pika
import httpx
import pytest
from aiormq.exceptions import ChannelAccessRefused
from tests.contract.gateway.fakes import TOKEN
from tests.integration.gateway.conftest import opened
from tests.integration.gateway.test_command import environment, running
from tests.integration.gateway.test_stream import ADD
from tests.integration.normalizer.proxy import Proxy

from common import topology
from common.clock import SystemClock
from common.settings import DatabaseSettings
from gateway.adapters.catalog_events import QUEUES, CatalogEvents
from gateway.adapters.database import Database
from gateway.adapters.tokens import PostgresTokens
from gateway.core.tokens import digest
from sandbox.stack import Stack, Vhost

pytestmark = pytest.mark.integration

__all__ = ["environment"]


class Follower:
    """A follower that counts how often it was woken."""

    def __init__(self, url: str) -> None:
        self.woken = 0
        self._moved = asyncio.Event()
        self.events = CatalogEvents(
            url,
            name="gateway@test",
            new_instance=iter(f"test.{number}" for number in range(100)).__next__,
            wake=self._wake,
            clock=SystemClock(),
            reconnect_interval_s=0.05,
        )

    def _wake(self) -> None:
        self.woken += 1
        self._moved.set()

    async def until(self, woken: int) -> None:
        """Return when it was woken so often."""
        async with asyncio.timeout(60):
            while self.woken < woken:
                self._moved.clear()
                await self._moved.wait()


@asynccontextmanager
async def following(url: str) -> AsyncIterator[Follower]:
    """Follow while the block runs; it begins when the broker knows the queue."""
    follower = Follower(url)
    task = asyncio.create_task(follower.events.follow())
    try:
        await follower.until(1)
        yield follower
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def publishing(vhost: Vhost) -> AsyncIterator[aio_pika.abc.AbstractExchange]:
    """Publish as the normalizer, with its rights."""
    async with await aio_pika.connect(vhost.urls["normalizer"]) as connection:
        yield await (await connection.channel()).get_exchange(topology.CATALOG_EXCHANGE, ensure=False)


async def tell(exchange: aio_pika.abc.AbstractExchange, platform: str = "che168") -> None:
    """Say that a platform's catalogue has changed."""
    await exchange.publish(aio_pika.Message(b"{}"), topology.catalog_key(platform))


async def test_each_message_wakes_with_the_narrow_rights_of_the_gateway(vhost: Vhost, stack: Stack) -> None:
    async with following(vhost.urls["gateway"]) as follower, publishing(vhost) as exchange:
        for platform in ("che168", "bot_igor"):
            await tell(exchange, platform)
        await follower.until(3)
        assert await follower.events.depths() == dict.fromkeys(QUEUES, 0)
        queues = stack.broker.management().get("queues", vhost.name)
        (own,) = [queue for queue in queues if queue["name"] not in topology.QUEUES]
        assert (own["name"], own["exclusive"], own["auto_delete"]) == ("gateway.catalog.test.0", True, True)
    assert await follower.events.depths() is None


async def test_the_gateway_may_read_no_other_queue_and_write_nothing(vhost: Vhost) -> None:
    async with await aio_pika.connect(vhost.urls["gateway"]) as connection:
        for name in topology.QUEUES:
            queue = await (await connection.channel()).declare_queue(name, passive=True)
            with pytest.raises(ChannelAccessRefused):
                await queue.get(fail=False)
        for name in topology.EXCHANGES:
            exchange = await (await connection.channel()).get_exchange(name, ensure=False)
            with pytest.raises(ChannelAccessRefused):
                await exchange.publish(aio_pika.Message(b"x"), "x")
        for name in ("normalizer.raw.2", "gateway.catalog"):
            with pytest.raises(ChannelAccessRefused):
                await (await connection.channel()).declare_queue(name, exclusive=True)


async def test_a_broker_that_goes_is_said_once_and_followed_again_when_it_comes(
    vhost: Vhost, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "gateway")
    url = vhost.urls["gateway"]
    port = urlsplit(url).port
    assert port is not None
    proxy = Proxy(port)
    await proxy.open()
    try:
        async with following(url.replace(f":{port}/", f":{proxy.port}/")) as follower, publishing(vhost) as exchange:
            for round_ in range(2):
                await proxy.cut()
                async with asyncio.timeout(60):
                    while await follower.events.depths() is not None:
                        await SystemClock().sleep(0.01)
                await SystemClock().sleep(0.2)  # several attempts fail
                await proxy.open()
                await follower.until(2 + 2 * round_)
                await tell(exchange)
                await follower.until(3 + 2 * round_)
    finally:
        await proxy.cut()
    said = [
        (line.levelname, line.getMessage().split(" error=")[0])
        for line in caplog.records
        if line.name.startswith("gateway")
    ]
    once = [
        ("WARNING", "broker away, changes are looked for every second"),
        ("INFO", "broker is back, it tells of changes"),
    ]
    assert said == once * 2


@pytest.fixture
async def pool(environment: Mapping[str, str], database: DatabaseSettings) -> AsyncIterator[Database]:
    """The database, with a valid token."""
    async with opened(database) as plain:
        async with PostgresTokens(plain).transaction() as transaction:
            await transaction.add(
                [digest(TOKEN, environment["SECRET_KEY"].encode())], description=None, expires_at=None
            )
        yield plain


async def delays(
    pool: Database, client: httpx.AsyncClient, tells: Sequence[Callable[[], Awaitable[None]]]
) -> Sequence[float]:
    """Return the seconds from a commit to its event, after each of which something is told, from few to many."""
    clock, taken = SystemClock(), []
    async with live(client) as ids:
        for told in tells:
            await clock.sleep(0.13)
            await pool.fetch(ADD, 1)
            committed = clock.monotonic()
            await told()
            await anext(ids)
            taken.append(clock.monotonic() - committed)
    print(f"commit to event: median {statistics.median(taken):.3f} s, most {max(taken):.3f} s")  # noqa: T201 - a figure to read
    return sorted(taken)


async def test_a_stream_hears_of_a_change_at_once(environment: Mapping[str, str], pool: Database, vhost: Vhost) -> None:
    near = {**environment, "RABBITMQ_URL": vhost.urls["gateway"]}
    async with running(near) as (_, client), publishing(vhost) as exchange:
        taken = await delays(pool, client, [partial(tell, exchange)] * 8)
    assert taken[2] < 0.6, "who looks every second needs 0.87 s each time, but for the first"


async def test_without_a_broker_it_hears_within_a_second_and_the_gateway_says_so_once(
    environment: Mapping[str, str], pool: Database
) -> None:
    away = {"RABBITMQ_URL": "amqp://127.0.0.1:1/feedmill", "FEEDMILL__RABBITMQ__RECONNECT_INTERVAL_S": "0.02"}
    async with running({**environment, **away}) as (process, client):
        assert (await client.get("/health/ready")).status_code == 200
        assert len(await delays(pool, client, [partial(SystemClock().sleep, 0)] * 2)) == 2
        process.terminate()
        _, log = await process.communicate()
    lines = [line for line in log.decode().splitlines() if "request" not in line]
    assert [line.split(" error=")[0].split(" host=")[0] for line in lines] == [
        "[INFO] listening",
        "[WARNING] broker away, changes are looked for every second",
        "[INFO] stopped",
    ]
    assert process.returncode == 0


@asynccontextmanager
async def live(client: httpx.AsyncClient) -> AsyncIterator[AsyncIterator[int]]:
    """Follow the changes from now on."""
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with client.stream("GET", "/offers/stream", headers=headers, timeout=60) as answer:
        lines = answer.aiter_lines()
        assert await anext(lines) == "retry: 3000"
        yield (int(line.removeprefix("id: ")) async for line in lines if line.startswith("id: "))
