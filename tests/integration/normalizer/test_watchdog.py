"""A consumer that gets nothing although the queue holds messages ends its process."""

import asyncio
import socket
from functools import partial
from random import Random

import pytest
from aiormq.connection import Connection
from prometheus_client import CollectorRegistry
from tests.integration.normalizer.proxy import Proxy, forwarding
from tests.integration.normalizer.road import (
    CLOCK,
    Queue,
    Rows,
    a_consumption,
    a_lander,
    consuming,
    opened_store,
    until,
)
from tests.integration.normalizer.test_consuming import is_empty, pages
from yarl import URL

from common import topology
from common.settings import DatabaseSettings
from normalizer.core.errors import StalledError
from normalizer.entrypoints.metrics import ConsumerMetrics
from normalizer.entrypoints.subscriber import RawConsumer
from sandbox.stack import Stack, Vhost

pytestmark = pytest.mark.integration

CONNECTIONS = 2
"""Of a consumer: one consumes, one publishes."""


def make_queue_anew(stack: Stack, vhost: Vhost, **arguments: object) -> None:
    """Delete the queue and make it again, as an operator may do in the console."""
    management = stack.broker.management()
    management.delete("queues", vhost.name, topology.RAW_QUEUE)
    definitions = topology.for_vhost(stack.broker.definitions(), vhost.name)
    queue = next(queue for queue in definitions["queues"] if queue["name"] == topology.RAW_QUEUE)
    queue["arguments"] |= arguments
    management.post("definitions", body=definitions)


async def test_a_consumer_that_gets_nothing_while_messages_wait_ends(
    stack: Stack, vhost: Vhost, database: DatabaseSettings, queue: Queue, rows: Rows
) -> None:
    """Another consumer has the queue for itself and holds one message: a dead consumer looks just like ours."""
    await asyncio.to_thread(partial(make_queue_anew, stack, vhost, **{"x-single-active-consumer": True}))
    await queue.watcher.set_qos(prefetch_count=1)
    greedy = await queue.watcher.get_queue(topology.RAW_QUEUE, ensure=False)

    async def hold(_: object) -> None:
        """Never acknowledge."""

    tag = await greedy.consume(hold)
    await queue.publish(*pages(3))
    how = a_consumption(vhost.urls["normalizer"], stalled_after_s=0.5)
    async with opened_store(database) as store:
        consumer = RawConsumer(
            how,
            landing=a_lander(store),
            database=store,
            clock=CLOCK,
            random=Random(0),  # noqa: S311 - jitter
            metrics=ConsumerMetrics(CollectorRegistry()),
        )
        with pytest.raises(StalledError, match="holds messages"):
            async with asyncio.timeout(60):
                await consumer.run(asyncio.Event())
    assert await rows.count("raw_data") == 0
    await greedy.cancel(tag)
    await queue.watcher.close()


async def test_a_consumer_with_a_slow_batch_in_hand_or_an_empty_queue_goes_on(
    vhost: Vhost, database: DatabaseSettings, queue: Queue, rows: Rows
) -> None:
    async with consuming(vhost, database, stalled_after_s=0.1, prefetch=1, in_flight=1) as consumer:
        async with rows.connection.transaction():
            await rows.connection.execute("LOCK TABLE catalog_changes IN ACCESS EXCLUSIVE MODE")
            await queue.publish(*pages(3))
            await CLOCK.sleep(0.5)
        await until(partial(rows.are, 60))
        await until(partial(is_empty, queue))
        await CLOCK.sleep(0.5)
        await queue.publish(*pages(1, first=4))
        await until(partial(rows.are, 80))
        await consumer.stop()


async def test_a_broker_that_falls_silent_is_no_stall(
    vhost: Vhost, database: DatabaseSettings, queue: Queue, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client cancels whoever waits on a connection that it gives up: the watchdog, who is asking just then."""
    monkeypatch.setattr(Connection, "HEARTBEAT_GRACE_MULTIPLIER", 1)
    url = URL(vhost.urls["normalizer"])
    async with forwarding(url.port or 0) as proxy:
        through = str(url.with_port(proxy.port).update_query(heartbeat="1"))
        async with consuming(vhost, database, url=through, stalled_after_s=1.0, publish_timeout_s=30.0) as consumer:
            await queue.publish(*pages(1))
            await until(partial(rows.are, 20))
            await CLOCK.sleep(1.1)  # from now on it asks every quarter of a second
            proxy.hold_up()
            accepted = proxy.accepted
            await until(partial(has_accepted, proxy, accepted + CONNECTIONS))
            proxy.let_flow()
            await queue.publish(*pages(1, first=2))
            await until(partial(rows.are, 40))
            await consumer.stop()


async def test_a_broker_that_never_says_a_word_holds_up_no_stop(vhost: Vhost, database: DatabaseSettings) -> None:
    before = asyncio.all_tasks()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.setblocking(False)  # noqa: FBT003 - the name says it
        url = str(URL(vhost.urls["normalizer"]).with_port(silent.getsockname()[1]))
        async with consuming(vhost, database, url=url) as consumer:
            called, _ = await asyncio.get_running_loop().sock_accept(silent)
            with called:
                await consumer.stop()
    await until(partial(have_ended, asyncio.all_tasks() - before))  # nobody goes on connecting behind our back


async def have_ended(tasks: "set[asyncio.Task[object]]") -> bool:
    """Return whether all of them are done."""
    return all(task.done() for task in tasks)


async def has_accepted(proxy: Proxy, connections: int) -> bool:
    """Return whether there have been so many connections."""
    return proxy.accepted >= connections
