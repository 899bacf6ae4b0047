"""The end of the road for tests: messages in a queue, a consumer on it, rows in a database."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from random import Random
from typing import Any

import aio_pika
import asyncpg
from aio_pika.abc import AbstractIncomingMessage
from prometheus_client import CollectorRegistry
from tests.lent import connected

from common import topology
from common.broker_nodes import Nodes
from common.clock import SystemClock
from common.db.session import create_pool
from common.events import PageFetched, encode
from common.settings import DatabaseSettings
from normalizer.adapters.postgres import PostgresStore, prepare
from normalizer.core.batch import Limits
from normalizer.core.land import Lander
from normalizer.core.offers.record import PlatformProfile
from normalizer.entrypoints.metrics import ConsumerMetrics
from normalizer.entrypoints.subscriber import Consumption, Landing, RawConsumer
from sandbox.stack import Vhost

PROFILES = {"che168": PlatformProfile(renames={"new_price": "price"})}
CLOCK = SystemClock()


async def until(is_so: Callable[[], Awaitable[bool]], *, within_s: float = 60.0) -> None:
    """Poll until it is so.

    Raises:
        AssertionError: It was not so in time.
    """
    end = CLOCK.monotonic() + within_s
    while not await is_so():
        assert CLOCK.monotonic() < end, f"not so within {within_s} s"
        await CLOCK.sleep(0.02)


@dataclass
class Queue:
    """The broker as the fetcher and an operator see it."""

    exchange: aio_pika.abc.AbstractExchange
    watcher: aio_pika.abc.AbstractChannel

    async def publish(self, *pages: PageFetched) -> None:
        """Publish pages as the fetcher does."""
        for page in pages:
            await self.publish_body(encode(page), topology.routing_key(page.platform, page.kind), page.message_id)

    async def publish_body(self, body: bytes, key: str = "raw.che168.page", message_id: str = "m1") -> None:
        """Publish anything, confirmed."""
        message = aio_pika.Message(
            body, message_id=message_id, delivery_mode=2, headers={"x-origin": "test"}, content_type="application/json"
        )
        await self.exchange.publish(message, key)

    async def ready(self, name: str = topology.RAW_QUEUE) -> int:
        """Return how many messages wait and are with no consumer."""
        queue = await self.watcher.declare_queue(name, passive=True)
        return queue.declaration_result.message_count or 0

    async def take(self, name: str = topology.DEAD_QUEUE) -> AbstractIncomingMessage:
        """Take one message off a queue."""
        queue = await self.watcher.get_queue(name, ensure=False)
        found: list[AbstractIncomingMessage] = []

        async def is_there() -> bool:
            message = await queue.get(fail=False)
            found.extend([] if message is None else [message])
            return message is not None

        await until(is_there)
        await found[0].ack()
        return found[0]


@asynccontextmanager
async def opened_queue(vhost: Vhost) -> AsyncIterator[Queue]:
    """Connect as the fetcher to publish, and as the operator to look."""
    async with (
        await aio_pika.connect(vhost.urls["fetcher"]) as fetcher,
        await aio_pika.connect(vhost.urls["operator"]) as operator,
    ):
        exchange = await (await fetcher.channel()).get_exchange(topology.RAW_EXCHANGE, ensure=False)
        yield Queue(exchange, await operator.channel())


@asynccontextmanager
async def opened_store(settings: DatabaseSettings) -> AsyncIterator[PostgresStore]:
    """Open the store on a database."""
    async with create_pool(settings, application="normalizer@test", prepare=prepare) as pool:
        yield PostgresStore(pool, acquire_within_s=settings.connect_timeout_s)


def a_lander(store: PostgresStore) -> Lander:
    """Return what lands pages of che168."""
    return Lander(store, PROFILES)


def a_consumption(url: str, **changes: Any) -> Consumption:
    """Return how to consume, with waits that suit a test."""
    how = Consumption(
        nodes=Nodes(url),
        platforms=frozenset(PROFILES),
        limits=Limits(weight=200, linger_s=0.05),
        in_flight=2,
        prefetch=60,
        give_back_after_s=30.0,
        stop_within_s=5.0,
        stalled_after_s=60.0,
        reconnect_interval_s=0.1,
        publish_timeout_s=5.0,
    )
    return replace(how, **changes)


class Consuming:
    """A consumer that runs, until it is told to stop."""

    def __init__(self, how: Consumption, landing: Landing, database: Any) -> None:
        self._stop = asyncio.Event()
        self.registry = CollectorRegistry()
        consumer = RawConsumer(
            how,
            landing=landing,
            database=database,
            clock=CLOCK,
            random=Random(0),  # noqa: S311 - jitter
            metrics=ConsumerMetrics(self.registry),
        )
        self._task = asyncio.create_task(consumer.run(self._stop))

    async def has_heard_of(self, batches: int) -> bool:
        """Return whether it has heard of so many commits; rows are seen before the answer has arrived."""
        return self.registry.get_sample_value("feedmill_batches_total", {"end": "landed"}) == batches

    async def stop(self) -> float:
        """Stop it as SIGTERM does; return the seconds that it took."""
        started = CLOCK.monotonic()
        self._stop.set()
        async with asyncio.timeout(60):
            await self._task
        return CLOCK.monotonic() - started


@asynccontextmanager
async def consuming(
    vhost: Vhost, settings: DatabaseSettings, *, landing: Landing | None = None, **changes: Any
) -> AsyncIterator[Consuming]:
    """Consume the queue into the database, or into `landing`; stops at the end."""
    async with AsyncExitStack() as exits:
        store = await exits.enter_async_context(opened_store(settings))
        how = a_consumption(changes.pop("url", vhost.urls["normalizer"]), **changes)
        running = Consuming(how, landing or a_lander(store), store)
        exits.push_async_callback(running.stop)
        yield running


@dataclass
class Rows:
    """The database as a reader sees it."""

    connection: "asyncpg.Connection[Any]"

    async def count(self, table: str) -> int:
        """Return the number of committed rows."""
        number: int = await self.connection.fetchval(f"SELECT count(*) FROM {table}")  # noqa: S608 - a name of our own
        return number

    async def are(self, expected: int, table: str = "raw_data") -> bool:
        """Return whether there are so many."""
        return await self.count(table) == expected

    async def somebody_waits(self) -> bool:
        """Return whether a session of this database waits for a lock."""
        number: int = await self.connection.fetchval(
            "SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid)"
            " WHERE NOT granted AND datname = current_database()"
        )
        return number > 0

    async def ledger(self) -> list[tuple[Any, ...]]:
        """Return `(status, pages, records, landed, quarantined)` by status."""
        rows = await self.connection.fetch(
            "SELECT status, count(*), sum(records), sum(landed), sum(quarantined) FROM feed_pages GROUP BY 1"
        )
        return [tuple(row) for row in rows]


@asynccontextmanager
async def opened_rows(settings: DatabaseSettings) -> AsyncIterator[Rows]:
    """Connect to look at the tables."""
    async with connected(settings) as connection:
        yield Rows(connection)


class FailingLanding:
    """Lands nothing: raises `error` as often as `times`, then lands."""

    def __init__(self, landing: Landing, error: Exception, *, times: int) -> None:
        self._landing = landing
        self._error = error
        self.left = times

    async def land(self, pages: Sequence[PageFetched], /) -> Mapping[str, int]:
        """Raise or land."""
        if self.left:
            self.left -= 1
            raise self._error
        return await self._landing.land(list(pages))
