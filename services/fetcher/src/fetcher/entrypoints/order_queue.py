"""Taking orders from the queue `fetcher.commands`: one at a time, acknowledged once it is accepted."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Final

from aio_pika.abc import AbstractChannel, AbstractIncomingMessage

from common import topology
from common.amqp import BROKER_ERRORS, connected, said
from common.broker_nodes import Nodes, with_query
from common.clock import Clock
from common.log import fields

HEARTBEAT_S: Final = 30
CHECK_S: Final = 60.0
"""Seconds of silence after which it is checked that the queue still knows us as its consumer."""

_log = logging.getLogger(__name__)


class ConsumerLostError(RuntimeError):
    """The connection ended, or the broker no longer knows this consumer."""


class OrderQueue:
    """Consumes `fetcher.commands` over a connection of its own, made anew whenever it breaks.

    Args:
        url: AMQP URL with user, password and virtual host.
        connection_name: What the console shows.
        obey: Accepts a message, given as body and routing key; it is acknowledged when this returns.
        clock: Source of the pauses.
        connect_timeout_s: Seconds for connecting.
        pause_s: Seconds between two tries to connect.
    """

    def __init__(
        self,
        url: str,
        *,
        connection_name: str,
        obey: Callable[[bytes, str], Awaitable[None]],
        clock: Clock,
        connect_timeout_s: float,
        pause_s: float,
    ) -> None:
        self._nodes = Nodes(with_query(url, name=connection_name, heartbeat=str(HEARTBEAT_S)))
        self._obey = obey
        self._clock = clock
        self._connect_timeout_s = connect_timeout_s
        self._pause_s = pause_s
        self._is_away = False

    async def keep_consuming(self) -> None:
        """Take orders, for ever; while the broker is away, or lacks the queue, wait and say so once."""
        while True:
            try:
                async with self._consuming() as (inbox, lost, channel):
                    _log.info(fields("orders are taken", queue=topology.COMMANDS_QUEUE))
                    self._is_away = False
                    while True:
                        await self._accept(await self._next(inbox, lost, channel))
            except BROKER_ERRORS as error:
                if not self._is_away:
                    self._is_away = True
                    _log.warning(fields("orders cannot be taken, waiting for the broker", error=said(error)))
            await self._clock.sleep(self._pause_s)

    @asynccontextmanager
    async def _consuming(
        self,
    ) -> "AsyncIterator[tuple[asyncio.Queue[AbstractIncomingMessage], asyncio.Event, AbstractChannel]]":
        inbox: asyncio.Queue[AbstractIncomingMessage] = asyncio.Queue()
        lost = asyncio.Event()
        connection = await connected(self._nodes, timeout_s=self._connect_timeout_s)
        try:
            connection.close_callbacks.add(lambda *_: lost.set())
            channel = await connection.channel()
            channel.close_callbacks.add(lambda *_: lost.set())
            await channel.set_qos(prefetch_count=1)
            queue = await channel.get_queue(topology.COMMANDS_QUEUE, ensure=True)
            await queue.consume(inbox.put)
            yield inbox, lost, channel
        finally:
            with suppress(*BROKER_ERRORS):
                async with asyncio.timeout(1.0):
                    await connection.close()

    async def _next(
        self, inbox: "asyncio.Queue[AbstractIncomingMessage]", lost: asyncio.Event, channel: AbstractChannel
    ) -> AbstractIncomingMessage:
        while True:
            message = asyncio.create_task(inbox.get())
            others = asyncio.create_task(lost.wait()), asyncio.create_task(self._clock.sleep(CHECK_S))
            try:
                await asyncio.wait({message, *others}, return_when=asyncio.FIRST_COMPLETED)
                if lost.is_set():  # what was delivered comes again
                    raise ConsumerLostError("connection lost")
                if message.done():
                    return message.result()
            finally:
                for task in (message, *others):
                    task.cancel()
                await asyncio.gather(message, *others, return_exceptions=True)
            queue = await channel.declare_queue(topology.COMMANDS_QUEUE, passive=True)
            if not queue.declaration_result.consumer_count:
                raise ConsumerLostError("the broker has forgotten this consumer")

    async def _accept(self, message: AbstractIncomingMessage) -> None:
        key = message.routing_key or ""
        try:
            await self._obey(message.body, key)
        except Exception:  # noqa: BLE001 - a defect of ours: said, rather than delivered again for ever
            _log.exception(fields("order cannot be followed", routing_key=key))
        await message.ack()
