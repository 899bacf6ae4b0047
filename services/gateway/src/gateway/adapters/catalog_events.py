"""News of the catalogue from the broker: `catalog.<platform>.changed`, sent by the normalizer after each commit.

They only wake who follows the changes, which are read from the table; so the queue is this process's own, exclusive,
gone with the connection, and nothing in it is acknowledged. Without the broker the changes are seen a little later.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from aio_pika.abc import AbstractConnection, AbstractIncomingMessage

from common import topology
from common.amqp import BROKER_ERRORS, connected, said
from common.broker_nodes import Nodes, with_query
from common.clock import Clock
from common.log import fields

CONNECT_TIMEOUT_S: Final = 10.0
CLOSE_TIMEOUT_S: Final = 1.0
LONGEST_PAUSE_S: Final = 30.0
QUEUES: Final = (topology.RAW_QUEUE, topology.DEAD_QUEUE, topology.UNROUTED_QUEUE)
"""Whose depths are of interest; to ask for one needs no right."""
_log = logging.getLogger(__name__)


class CatalogEvents:
    """Follows `feedmill.catalog` and calls `wake` for each message, and when the connection is there again.

    Args:
        url: AMQP URL with user, password and vhost.
        name: What the console shows for the connection.
        new_instance: Makes the end of the queue's name; a new one for each connection, as the broker may still hold the
            queue of one that is lost.
        wake: What is called; it must not raise.
        clock: Time.
        reconnect_interval_s: Seconds before the first attempt to connect again; doubled up to 30 s.
    """

    def __init__(
        self,
        url: str,
        *,
        name: str,
        new_instance: Callable[[], str],
        wake: Callable[[], None],
        clock: Clock,
        reconnect_interval_s: float,
    ) -> None:
        self._nodes = Nodes(with_query(url, name=name))
        self._new_instance = new_instance
        self._wake = wake
        self._clock = clock
        self._reconnect_interval_s = reconnect_interval_s
        self._connection: AbstractConnection | None = None
        self._failures = 0

    async def follow(self) -> None:
        """Follow until cancelled. A broker that is away, or refuses, is one warning, and tried again."""
        while True:
            try:
                await self._session()
            except BROKER_ERRORS as error:
                if not self._failures:
                    _log.warning(fields("broker away, changes are looked for every second", error=said(error)))
                pause_s = self._reconnect_interval_s * 2 ** min(self._failures, 10)
                self._failures += 1
                await self._clock.sleep(min(pause_s, LONGEST_PAUSE_S))

    async def depths(self) -> dict[str, int] | None:
        """Return how many messages wait in each of `QUEUES`; None while the broker cannot be asked."""
        connection = self._connection
        if connection is None or connection.is_closed:
            return None
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_S), connection.channel() as channel:
                asked = [await channel.declare_queue(name, passive=True) for name in QUEUES]
        except BROKER_ERRORS as error:
            _log.debug(fields("queues not asked", error=error))
            return None
        return {queue.name: queue.declaration_result.message_count or 0 for queue in asked}

    async def _session(self) -> None:
        """Follow until the connection is lost.

        Raises:
            BROKER_ERRORS: It is, or could not be made.
        """
        connection = await connected(self._nodes, timeout_s=CONNECT_TIMEOUT_S)
        lost = asyncio.get_running_loop().create_future()

        def on_close(_sender: object, error: BaseException | None) -> None:
            if not lost.done():
                lost.set_result(error)

        try:
            connection.close_callbacks.add(on_close)
            channel = await connection.channel(publisher_confirms=False)
            channel.close_callbacks.add(on_close)
            queue = await channel.declare_queue(
                topology.catalog_queue(self._new_instance()),
                exclusive=True,
                auto_delete=True,
                arguments={"x-queue-type": "classic"},
            )
            await queue.bind(topology.CATALOG_EXCHANGE, topology.catalog_key("*"))
            await queue.consume(self._on_message, no_ack=True)
            self._connected(connection)
            error = await lost
            raise ConnectionError(f"connection lost: {'closed' if error is None else said(error)}")
        finally:
            self._connection = None
            await _closed(connection)

    def _connected(self, connection: AbstractConnection) -> None:
        if self._failures:
            _log.info("broker is back, it tells of changes")
        self._failures = 0
        self._connection = connection
        self._wake()

    async def _on_message(self, _message: AbstractIncomingMessage) -> None:
        self._wake()


async def _closed(connection: AbstractConnection) -> None:
    try:
        async with asyncio.timeout(CLOSE_TIMEOUT_S):
            await connection.close()
    except BROKER_ERRORS as error:
        _log.debug(fields("broker connection already gone", error=error))
