"""Orders are taken from the real queue one at a time, through everything that can happen to a consumer."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import aio_pika
import pytest
from tests.e2e.road import until

from common import topology
from common.testing.clock import VirtualClock
from fetcher.entrypoints.order_queue import CHECK_S, OrderQueue
from sandbox.stack import Stack, Vhost

pytestmark = pytest.mark.integration


@dataclass
class Obedient:
    """Keeps orders; the first ones raise what `defects` holds; while `gate` is closed none is accepted."""

    orders: list[tuple[bytes, str]] = field(default_factory=list)
    defects: list[Exception] = field(default_factory=list)
    gate: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, body: bytes, routing_key: str) -> None:
        """Keep an order."""
        self.orders.append((body, routing_key))
        await self.gate.wait()
        if self.defects:
            raise self.defects.pop(0)


@asynccontextmanager
async def consuming(vhost: Vhost, obey: Obedient, clock: VirtualClock) -> AsyncIterator[None]:
    orders = OrderQueue(
        vhost.urls["fetcher"],
        connection_name="fetcher@test",
        obey=obey,
        clock=clock,
        connect_timeout_s=10,
        pause_s=1,
    )
    task = asyncio.create_task(orders.keep_consuming())
    yield
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def order(vhost: Vhost, *bodies: bytes) -> None:
    async with await aio_pika.connect(vhost.urls["operator"]) as connection:
        exchange = await (await connection.channel()).get_exchange(topology.COMMANDS_EXCHANGE, ensure=False)
        for body in bodies:
            await exchange.publish(aio_pika.Message(body), "fetcher.command")


async def waiting(vhost: Vhost) -> int:
    """Return how many orders wait in the queue, unacknowledged ones not among them."""
    async with await aio_pika.connect(vhost.urls["operator"]) as connection:
        queue = await (await connection.channel()).declare_queue(topology.COMMANDS_QUEUE, passive=True)
        return queue.declaration_result.message_count or 0


async def test_one_order_at_a_time_is_taken_and_gone_when_it_is_accepted(vhost: Vhost) -> None:
    obey = Obedient()
    async with consuming(vhost, obey, VirtualClock(auto_advance=False)):
        await order(vhost, b"pause", b"resume")
        await until(lambda: obey.orders, within_s=60, what="the first order")
        assert await waiting(vhost) == 1
        obey.gate.set()
        await until(lambda: len(obey.orders) == 2, within_s=60, what="the second order")
    assert obey.orders == [(b"pause", "fetcher.command"), (b"resume", "fetcher.command")]
    assert await waiting(vhost) == 0


async def test_an_order_that_was_not_accepted_is_there_again(vhost: Vhost) -> None:
    obey = Obedient()
    async with consuming(vhost, obey, VirtualClock(auto_advance=False)):
        await order(vhost, b"pause")
        await until(lambda: obey.orders, within_s=60, what="the order")
    await until(lambda: waiting(vhost), within_s=60, what="the order is back")


async def test_a_defect_costs_one_order_and_is_said(vhost: Vhost, caplog: pytest.LogCaptureFixture) -> None:
    obey = Obedient(defects=[ZeroDivisionError()])
    obey.gate.set()
    async with consuming(vhost, obey, VirtualClock(auto_advance=False)):
        await order(vhost, b"pause", b"resume")
        await until(lambda: len(obey.orders) == 2, within_s=60, what="both orders")
    assert "order cannot be followed" in caplog.text
    assert await waiting(vhost) == 0


async def test_a_queue_that_somebody_deletes_is_missed_and_taken_up_again(
    stack: Stack, vhost: Vhost, caplog: pytest.LogCaptureFixture
) -> None:
    obey, clock = Obedient(), VirtualClock(auto_advance=False)
    obey.gate.set()
    async with consuming(vhost, obey, clock):
        await order(vhost, b"pause")
        await until(lambda: obey.orders, within_s=60, what="the first order")
        await asyncio.to_thread(stack.broker.management().delete, "queues", vhost.name, topology.COMMANDS_QUEUE)

        async def is_said() -> bool:
            await clock.advance(CHECK_S)
            return "orders cannot be taken, waiting for the broker" in caplog.text

        await until(is_said, within_s=60, what="the loss is said")
        await asyncio.to_thread(stack.create_vhost, vhost.name)  # loads the definitions once more
        await order(vhost, b"resume")

        async def is_taken() -> bool:
            await clock.advance(1)
            return len(obey.orders) == 2

        await until(is_taken, within_s=60, what="the second order")
    assert caplog.text.count("orders cannot be taken") == 1
