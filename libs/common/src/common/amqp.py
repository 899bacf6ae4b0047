"""Connecting to a broker of one or several nodes, and again to another when one is lost."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

import aio_pika
from aio_pika import RobustConnection
from aio_pika.abc import AbstractConnection, TimeoutType
from aio_pika.exceptions import AMQPError
from yarl import URL

from common.broker_nodes import Nodes

BROKER_ERRORS: Final = (AMQPError, OSError, RuntimeError)
"""What the AMQP library raises while a broker is away or a channel is stale; some of it is a bare RuntimeError."""

LONGEST_TEXT: Final = 200
"""Of the library's error texts; longer ones are dumps."""


class _Connection(aio_pika.Connection):
    """Closed where it cannot be made, or the library's destructor would make a coroutine that nobody awaits."""

    async def connect(self, timeout: TimeoutType = None) -> None:  # noqa: ASYNC109 - the library's signature
        try:
            await super().connect(timeout)
        except BaseException:
            await self.close()
            raise


class PatientConnection(_Connection, RobustConnection):
    """One that is made again when it is lost, and given up with whoever waits for it to be made for the first time.

    The library's goes on connecting behind the back of one who was cancelled, and where it waits for a silent broker
    it takes no cancellation itself: the process could not end.
    """


async def connected(nodes: Nodes, *, timeout_s: float) -> AbstractConnection:
    """Connect to the first node that answers, beginning after the one of the last connection.

    Args:
        nodes: Tried one after another, each once.
        timeout_s: Seconds for connecting; none gets more than `Nodes.timeout_s`.

    Raises:
        BROKER_ERRORS: What the AMQP library raises for the last node.
    """
    each_s = min(timeout_s, nodes.timeout_s)
    for _ in range(len(nodes) - 1):
        with suppress(*BROKER_ERRORS):  # whatever it is, the next node may be well
            return await _opened(nodes.following(), each_s)
    return await _opened(nodes.following(), each_s)


def said(error: BaseException) -> str:
    """Return an error of the library for people: its kind, and its text where that is a line."""
    text = str(error)
    is_line = 0 < len(text) <= LONGEST_TEXT and "\n" not in text
    return f"{type(error).__name__}: {text}" if is_line else type(error).__name__


async def _opened(url: str, timeout_s: float) -> AbstractConnection:
    return await aio_pika.connect(url, timeout=timeout_s, connection_class=_Connection)


def fail_over(connection: RobustConnection, nodes: Nodes) -> None:
    """Let a robust connection be made again to the following node, whenever it is lost or cannot be made.

    The library makes it again by itself, each time to what its `url` says, and knows one host only.
    """

    def on_loss(*_: object) -> None:
        if connection.connected.is_set():
            return  # a channel could not be restored: the connection is closed next, which is told as well
        node = URL(nodes.following())
        connection.url = connection.url.with_host(str(node.host)).with_port(node.port)

    connection.close_callbacks.add(on_loss)


@contextmanager
def lost_if_given_up() -> Iterator[None]:
    """Raise ConnectionError where the library gives up what waits for the broker, in two ways that say something else.

    What waits for a broker that has said nothing for too long is cancelled, as if somebody had cancelled the task
    itself; what waits on a connection that is closed by us gets an Exception without kind or text.
    """
    try:
        yield
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        raise ConnectionError("the broker says nothing any more") from error
    except Exception as error:
        if type(error) is Exception:
            raise ConnectionError("the connection was closed meanwhile") from error
        raise
