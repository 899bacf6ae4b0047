"""Each user of the broker can do what its service does, and nothing else."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final

import aio_pika
import pytest
from aio_pika.abc import AbstractChannel, AbstractConnection
from aiormq.exceptions import ChannelAccessRefused
from faststream.rabbit import ExchangeType, QueueType, RabbitBroker, RabbitExchange, RabbitQueue

from common import topology
from common.amqp import connected
from common.broker_nodes import Nodes
from sandbox.stack import Vhost

pytestmark = pytest.mark.integration

OWN_QUEUE: Final = topology.catalog_queue("test")
Cell = tuple[str, str]
Action = Callable[[AbstractChannel], Awaitable[object]]

EXPECTED: Final[dict[str, set[Cell]]] = {
    "fetcher": {
        ("publish", topology.RAW_EXCHANGE),
        ("publish", topology.EVENTS_EXCHANGE),
        ("read", topology.COMMANDS_QUEUE),
    },
    "normalizer": {
        ("publish", topology.CATALOG_EXCHANGE),
        ("publish", topology.DEAD_EXCHANGE),
        ("read", topology.RAW_QUEUE),
        ("read", topology.DEAD_QUEUE),
    },
    "gateway": {
        ("declare queue", OWN_QUEUE),
        ("bind to catalog", OWN_QUEUE),
        ("delete queue", OWN_QUEUE),
    },
    "operator": {
        ("publish", topology.COMMANDS_EXCHANGE),
        *(("read", queue) for queue in topology.QUEUES),
    },
}
"""User → what it may do. Everything else of `actions` must be refused."""


def actions() -> dict[Cell, Action]:
    """Return every verb on every object; each runs on a channel of its own."""
    queues, exchanges = (*topology.QUEUES, OWN_QUEUE, "strange"), topology.EXCHANGES
    verbs: list[tuple[str, Callable[[AbstractChannel, str], Awaitable[object]], tuple[str, ...]]] = [
        ("declare queue", declare, (OWN_QUEUE, "strange")),
        ("bind to catalog", bind, (OWN_QUEUE, *topology.QUEUES)),
        ("publish", publish, ("", *exchanges)),
        ("read", read, topology.QUEUES),
        ("delete exchange", lambda channel, name: channel.exchange_delete(name), exchanges),
        ("declare exchange", lambda channel, name: channel.declare_exchange(name), ("feedmill.strange",)),
        ("delete queue", lambda channel, name: channel.queue_delete(name), queues),
    ]
    return {(verb, name): on(action, name) for verb, action, names in verbs for name in names}


def on(action: Callable[[AbstractChannel, str], Awaitable[object]], name: str) -> Action:
    return lambda channel: action(channel, name)


async def declare(channel: AbstractChannel, name: str) -> None:
    await channel.declare_queue(name, durable=True)


async def publish(channel: AbstractChannel, name: str) -> None:
    target = await channel.get_exchange(name, ensure=False) if name else channel.default_exchange
    await target.publish(aio_pika.Message(b"{}"), "nowhere", mandatory=False)


async def read(channel: AbstractChannel, name: str) -> None:
    await (await channel.get_queue(name, ensure=False)).get(fail=False)


async def bind(channel: AbstractChannel, name: str) -> None:
    await (await channel.get_queue(name, ensure=False)).bind(topology.CATALOG_EXCHANGE, "#")


async def is_allowed(connection: AbstractConnection, action: Action) -> bool:
    channel = await connection.channel()
    try:
        await action(channel)
    except ChannelAccessRefused:
        return False
    await channel.close()
    return True


@pytest.fixture(params=sorted(EXPECTED))
async def user(request: pytest.FixtureRequest, vhost: Vhost) -> AsyncIterator[tuple[str, AbstractConnection]]:
    """Each user in turn, connected."""
    connection = await aio_pika.connect(vhost.urls[request.param])
    yield request.param, connection
    await connection.close()


async def test_a_user_may_do_exactly_what_its_row_says(user: tuple[str, AbstractConnection]) -> None:
    name, connection = user
    allowed = {cell for cell, action in actions().items() if await is_allowed(connection, action)}
    assert allowed == EXPECTED[name]


async def test_every_user_may_look_whether_the_topology_is_there(user: tuple[str, AbstractConnection]) -> None:
    _, connection = user
    channel = await connection.channel()
    for queue in topology.QUEUES:
        await channel.declare_queue(queue, passive=True)
    for exchange in topology.EXCHANGES:
        await channel.declare_exchange(exchange, passive=True)


async def test_nobody_enters_another_virtual_host_or_as_guest(vhost: Vhost) -> None:
    nowhere = vhost.urls["fetcher"].replace(vhost.name, "%2F")
    as_guest = "amqp://guest:guest@" + vhost.urls["fetcher"].partition("@")[2]
    for url in (nowhere, as_guest):
        with pytest.raises(aio_pika.exceptions.AMQPError):
            await connected(Nodes(url), timeout_s=10)


async def test_the_framework_publishes_and_consumes_over_the_topology_without_declaring_it(vhost: Vhost) -> None:
    raw = RabbitExchange(topology.RAW_EXCHANGE, type=ExchangeType.TOPIC, declare=False)
    queue = RabbitQueue(topology.RAW_QUEUE, queue_type=QueueType.QUORUM, durable=True, declare=False)
    fetcher, normalizer = RabbitBroker(vhost.urls["fetcher"]), RabbitBroker(vhost.urls["normalizer"])
    subscriber = normalizer.subscriber(queue)
    async with fetcher, normalizer:
        await fetcher.publish({"page": 1}, exchange=raw, routing_key="raw.che168.page", persist=True)
        await subscriber.start()
        message = await subscriber.get_one(timeout=10, no_ack=False)
        assert message is not None
        await message.ack()
    assert message.body == b'{"page":1}'
