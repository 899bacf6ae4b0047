"""Publishing pages to RabbitMQ: persistent, mandatory, each confirmed before the call returns."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final, Self

import aio_pika
from aio_pika import exceptions as amqp
from aio_pika.abc import AbstractConnection, AbstractExchange
from aiormq.exceptions import ChannelAccessRefused

from common import topology
from common.amqp import connected, said
from common.broker_nodes import Nodes, with_query
from common.errors import UnavailableError
from common.events import CONTENT_TYPE, PageFetched, encode
from fetcher.core.errors import TopologyError

APPLICATION: Final = "fetcher"
MESSAGE_TYPE: Final = "page_fetched.v1"
HEARTBEAT_S: Final = 30
HELD_BACK: Final = "it takes no messages: it lacks memory or disk"


class RabbitPublisher:
    """A `PagePublisher` over one connection of its own, so that a broker's alarm blocks nobody else.

    It connects again by itself at the next publish after a loss, to the next node where there are several; it never
    publishes twice by itself. Several publishes may be under way at once; the broker gets them in their order.

    Args:
        url: AMQP URL with user, password and virtual host.
        connection_name: What the console shows.
        publish_timeout_s: Seconds to wait for a confirm, and for a connection.
        exchange: Where the messages go.
    """

    def __init__(
        self, url: str, *, connection_name: str, publish_timeout_s: float, exchange: str = topology.RAW_EXCHANGE
    ) -> None:
        self._nodes = Nodes(with_query(url, name=connection_name, heartbeat=str(HEARTBEAT_S)))
        self._where = f"broker {self._nodes}"
        self._timeout_s = publish_timeout_s
        self._exchange_name = exchange
        self._connection: AbstractConnection | None = None
        self._exchange: AbstractExchange | None = None
        self._opening = asyncio.Lock()

    async def __aenter__(self) -> Self:
        """Connect, so that a wrong address or a missing exchange shows at the start.

        Raises:
            UnavailableError: The broker does not answer or refuses this user.
            TopologyError: The exchange does not exist.
        """
        await self._opened()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the connection."""
        await self._drop(self._connection)

    async def publish(self, page: PageFetched) -> None:
        """Return once the broker has taken the message on disk.

        Raises:
            UnavailableError: No confirm came: the message may or may not be there.
            TopologyError: No queue takes it, or this user may not send it.
        """
        await self.send(_message(page), topology.routing_key(page.platform, page.kind), mandatory=True)

    async def send(self, message: aio_pika.Message, key: str, *, mandatory: bool) -> None:
        """Return once the broker has taken the message.

        Args:
            message: What to send.
            key: Its routing key.
            mandatory: Whether some queue has to take it.

        Raises:
            UnavailableError: No confirm came: the message may or may not be there.
            TopologyError: No queue takes it though one has to, or this user may not send it.
        """
        exchange = await self._opened()
        async with self._translating(f"{self._exchange_name} {key}", self._connection):
            await exchange.publish(message, key, mandatory=mandatory, timeout=self._timeout_s)

    async def _opened(self) -> AbstractExchange:
        async with self._opening:
            if self._exchange is None or self._connection is None or self._connection.is_closed:
                await self._drop(self._connection)
                self._exchange = await self._made()
            return self._exchange

    async def _made(self) -> AbstractExchange:
        async with self._translating(self._exchange_name, None):
            connection = self._connection = await connected(self._nodes, timeout_s=self._timeout_s)
        async with self._translating(self._exchange_name, connection):
            channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
            return await channel.get_exchange(self._exchange_name, ensure=True)

    async def _drop(self, connection: AbstractConnection | None) -> None:
        """Close a connection that failed, unless another publish has done so and there is a new one already."""
        if connection is not None and connection is self._connection:
            self._connection = self._exchange = None
            with suppress(Exception):
                await asyncio.wait_for(connection.close(), timeout=1.0)

    @asynccontextmanager
    async def _translating(self, target: str, connection: AbstractConnection | None) -> AsyncIterator[None]:
        """Turn the client's errors into ours; whatever fails on a connection, the next publish makes it anew."""
        try:
            yield
        except amqp.PublishError as error:
            raise TopologyError(f"{self._where}: no queue takes messages for {target}") from error
        except amqp.ChannelNotFoundEntity as error:
            await self._drop(connection)
            raise TopologyError(f"{self._where}: no exchange {target}; are the definitions loaded?") from error
        except amqp.ChannelClosed as error:
            await self._drop(connection)
            if isinstance(error, ChannelAccessRefused):
                raise TopologyError(f"{self._where}: this user may not write to {target}") from error
            raise UnavailableError(f"{self._where}: {_said(error)}") from error
        except (amqp.AMQPError, amqp.ChannelInvalidStateError, OSError, TimeoutError) as error:
            why = HELD_BACK if await _is_held_back(connection) else _said(error)
            await self._drop(connection)
            raise UnavailableError(f"{self._where}: {why}") from error
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            await self._drop(connection)
            if task is None or task.cancelling():
                raise
            raise UnavailableError(f"{self._where}: connection lost") from error


async def _is_held_back(connection: AbstractConnection | None) -> bool:
    """Say whether the broker has told a connection that it reads no more from it, as in an alarm of memory or disk."""
    if connection is None or connection.is_closed or connection.transport is None:
        return False
    try:
        async with asyncio.timeout(0):
            await connection.transport.connection.ready()  # at once, unless it is held back
    except TimeoutError:
        return True
    return False


def _said(error: BaseException) -> str:
    if isinstance(error, amqp.ChannelInvalidStateError):
        return "connection lost"
    return said(error)


def _message(page: PageFetched) -> aio_pika.Message:
    return aio_pika.Message(
        encode(page),
        delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
        content_type=CONTENT_TYPE,
        content_encoding="utf-8",
        message_id=page.message_id,
        correlation_id=page.run_id,
        timestamp=page.fetched_at,
        type=MESSAGE_TYPE,
        app_id=APPLICATION,
        headers={
            "x-platform": page.platform,
            "x-run-id": page.run_id,
            "x-page": page.position,
            "x-records": len(page.records),
        },
    )
