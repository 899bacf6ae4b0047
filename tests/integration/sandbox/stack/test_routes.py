"""What the policies do to a message that nobody takes, and what the operator can do about it in the console."""

from typing import Final

import aio_pika
import pytest
from aio_pika import DeliveryMode, Message
from aio_pika.abc import AbstractIncomingMessage

from common import topology
from common.clock import SystemClock
from sandbox.stack import Stack, Vhost

pytestmark = pytest.mark.integration

_TRIES: Final = 100


async def published(vhost: Vhost, key: str) -> object:
    """Publish as the fetcher does and return the broker's answer."""
    async with await aio_pika.connect(vhost.urls["fetcher"]) as connection:
        channel = await connection.channel(on_return_raises=True)
        exchange = await channel.get_exchange(topology.RAW_EXCHANGE, ensure=False)
        return await exchange.publish(Message(b'{"n":1}', delivery_mode=DeliveryMode.PERSISTENT), key, mandatory=True)


async def published_until_refused(vhost: Vhost) -> None:
    for _ in range(_TRIES):
        await published(vhost, "raw.che168.page")


async def taken(url: str, queue: str, *, ack: bool = True) -> AbstractIncomingMessage:
    """Return the next message of a queue within about 10 s: acked, or rejected for good."""
    clock = SystemClock()
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        source = await channel.get_queue(queue, ensure=False)
        for _ in range(_TRIES):
            message = await source.get(fail=False)
            if message is not None:
                await (message.ack() if ack else message.reject(requeue=False))
                return message
            await clock.sleep(0.1)
    pytest.fail(f"no message in {queue}")


async def test_a_page_without_a_binding_is_confirmed_and_kept_as_unrouted(vhost: Vhost) -> None:
    await published(vhost, "strange.key")
    message = await taken(vhost.urls["operator"], topology.UNROUTED_QUEUE)
    assert (message.routing_key, message.body) == ("strange.key", b'{"n":1}')


async def test_a_rejected_page_is_kept_in_the_dead_queue_with_its_origin(vhost: Vhost) -> None:
    await published(vhost, "raw.che168.page")
    await taken(vhost.urls["normalizer"], topology.RAW_QUEUE, ack=False)
    message = await taken(vhost.urls["normalizer"], topology.DEAD_QUEUE)
    assert message.routing_key == topology.DEAD_KEY
    assert message.headers["x-first-death-queue"] == topology.RAW_QUEUE
    assert message.headers["x-first-death-reason"] == "rejected"


async def test_what_the_fetcher_tells_is_kept_for_people_and_the_oldest_gives_way(stack: Stack, vhost: Vhost) -> None:
    full = {"pattern": "^fetcher[.]events$", "apply-to": "queues", "priority": 99}
    limit = {"max-length": 2, "overflow": "drop-head"}
    stack.broker.management("operator").put("policies", vhost.name, "short", body={**full, "definition": limit})
    async with await aio_pika.connect(vhost.urls["fetcher"]) as connection:
        exchange = await (await connection.channel()).get_exchange(topology.EVENTS_EXCHANGE, ensure=False)
        for number in (1, 2, 3):
            await exchange.publish(Message(str(number).encode()), "fetcher.pause.done")
    bodies = [(await taken(vhost.urls["operator"], topology.EVENTS_QUEUE)).body for _ in range(2)]
    assert bodies == [b"2", b"3"]


async def test_a_full_queue_refuses_a_page_instead_of_dropping_one(stack: Stack, vhost: Vhost) -> None:
    operator = stack.broker.management("operator")
    full = {"pattern": "^normalizer[.]raw$", "apply-to": "queues", "priority": 99}
    limit = {"max-length": 1, "overflow": "reject-publish"}
    operator.put("policies", vhost.name, "full", body={**full, "definition": limit})
    with pytest.raises(aio_pika.exceptions.DeliveryError):
        await published_until_refused(vhost)


async def test_the_operator_moves_a_dead_message_back_in_the_console(stack: Stack, vhost: Vhost) -> None:
    await published(vhost, "raw.che168.page")
    await taken(vhost.urls["normalizer"], topology.RAW_QUEUE, ack=False)
    shovel = {
        "src-uri": f"amqp:///{vhost.name}",
        "src-queue": topology.DEAD_QUEUE,
        "src-protocol": "amqp091",
        "src-delete-after": "queue-length",
        "dest-uri": f"amqp:///{vhost.name}",
        "dest-queue": topology.RAW_QUEUE,
        "dest-protocol": "amqp091",
        "dest-add-forward-headers": False,
        "ack-mode": "on-confirm",
    }
    await holds(vhost, topology.DEAD_QUEUE, 1)
    stack.broker.management("operator").put("parameters", "shovel", vhost.name, "move", body={"value": shovel})
    assert (await taken(vhost.urls["normalizer"], topology.RAW_QUEUE)).body == b'{"n":1}'
    await holds(vhost, topology.DEAD_QUEUE, 0)


async def holds(vhost: Vhost, queue: str, expected: int) -> None:
    """Wait about 10 s at most until `queue` holds `expected` messages."""
    clock, count = SystemClock(), None
    async with await aio_pika.connect(vhost.urls["operator"]) as connection:
        for _ in range(_TRIES):
            channel = await connection.channel()
            count = (await channel.declare_queue(queue, passive=True)).declaration_result.message_count
            await channel.close()
            if count == expected:
                return
            await clock.sleep(0.1)
    pytest.fail(f"{queue} holds {count} messages, not {expected}")
