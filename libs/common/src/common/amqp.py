"""Connecting to a broker of one or several nodes."""

from contextlib import suppress

import aio_pika
from aio_pika.abc import AbstractConnection
from aio_pika.exceptions import AMQPError

from common.broker_nodes import NODE_TIMEOUT_S, Nodes


async def connected(nodes: Nodes, *, timeout_s: float) -> AbstractConnection:
    """Connect to the first node that answers, beginning after the one of the last connection.

    Args:
        nodes: Tried one after another, each once.
        timeout_s: Seconds for connecting; of several nodes none gets more than `NODE_TIMEOUT_S`.

    Raises:
        AMQPError, OSError, TimeoutError, RuntimeError: What the AMQP library raises for the last node.
    """
    each_s = timeout_s if len(nodes) == 1 else min(timeout_s, NODE_TIMEOUT_S)
    for _ in range(len(nodes) - 1):
        with suppress(AMQPError, OSError, RuntimeError):  # whatever it is, the next node may be well
            return await aio_pika.connect(nodes.following(), timeout=each_s)
    return await aio_pika.connect(nodes.following(), timeout=each_s)
