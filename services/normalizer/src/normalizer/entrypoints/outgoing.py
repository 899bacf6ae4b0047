"""What the normalizer sends: news of the catalogue, and copies of what is no event.

It has a connection of its own for that. A broker that lacks memory or disk reads no more from a connection that
publishes, and acknowledgements must get through just then: they are what empties its queues.
"""

import asyncio
import logging
from collections.abc import Mapping
from typing import Final

from aio_pika import RobustConnection
from aio_pika.abc import AbstractConnection, AbstractIncomingMessage
from faststream.rabbit import Channel, ExchangeType, RabbitBroker, RabbitExchange

from common import topology
from common.amqp import BROKER_ERRORS, PatientConnection, fail_over, lost_if_given_up
from common.broker_nodes import Nodes
from common.clock import Clock
from common.errors import InvalidEventError
from common.log import fields
from normalizer.entrypoints.messages import catalog_news, dead_letter

_log = logging.getLogger(__name__)

GOODBYE_S: Final = 2.0
"""Seconds in which the broker is to answer our goodbye; one that says nothing is left without."""

_DEAD: Final = RabbitExchange(topology.DEAD_EXCHANGE, type=ExchangeType.TOPIC, declare=False)
_CATALOG: Final = RabbitExchange(topology.CATALOG_EXCHANGE, type=ExchangeType.TOPIC, declare=False)


class Outgoing:
    """The connection that publishes; lost, it is made again by itself, to the next node.

    Args:
        node: URL of the one to connect to.
        others: Where to go when it is lost.
        timeout_s: Seconds for a confirm.
        reconnect_interval_s: Seconds between two tries to connect again.
        clock: Tells when news were made.
    """

    def __init__(
        self, node: str, *, others: Nodes, timeout_s: float, reconnect_interval_s: float, clock: Clock
    ) -> None:
        self._nodes = others
        self._timeout_s = timeout_s
        self._clock = clock
        self._announcing: set[asyncio.Task[None]] = set()
        self._connection: RobustConnection | None = None
        self._broker = RabbitBroker(
            node,
            timeout=others.timeout_s,
            app_id="normalizer",
            default_channel=Channel(on_return_raises=True),
            reconnect_interval=reconnect_interval_s,
            logger=None,
        )

    async def start(self) -> None:
        """Connect.

        Raises:
            BROKER_ERRORS: The broker is away.
        """
        self._connection = await opened(self._broker, self._nodes)

    async def stop(self) -> None:
        """Close the connection; what is not confirmed yet is given up."""
        for task in self._announcing:
            task.cancel()
        await ended(self._broker, self._connection)

    def announce(self, changes: Mapping[str, int]) -> None:
        """Tell who follows the catalogue that it has changed: platform → lines. Lost news harm nobody."""
        for platform, number in changes.items():
            task = asyncio.create_task(self._announce(platform, number))
            self._announcing.add(task)
            task.add_done_callback(self._announcing.discard)

    async def bury(self, message: AbstractIncomingMessage, error: InvalidEventError) -> None:
        """Return once a copy of a message, with the reason, is among the dead letters.

        Raises:
            BROKER_ERRORS: It was not confirmed.
        """
        with lost_if_given_up():
            await self._broker.publish(
                dead_letter(message, error),
                topology.DEAD_KEY,
                _DEAD,
                mandatory=True,
                persist=True,
                timeout=self._timeout_s,
            )

    async def _announce(self, platform: str, number: int) -> None:
        try:
            await self._broker.publish(
                catalog_news(platform, number, self._clock.now()),
                topology.catalog_key(platform),
                _CATALOG,
                mandatory=False,  # with no gateway running, nobody needs to know
                timeout=self._timeout_s,
            )
        except BROKER_ERRORS as error:
            _log.debug(fields("Change of the catalogue not announced", platform=platform, error=error))


async def opened(broker: RabbitBroker, nodes: Nodes) -> RobustConnection:
    """Connect a broker's client; a connection that is lost later is made again by itself, to the next node.

    Raises:
        BROKER_ERRORS: The broker is away.
    """
    broker._connection_kwargs["connection_class"] = PatientConnection  # noqa: SLF001 - FastStream has no way
    connection = await broker.connect()
    fail_over(connection, nodes)
    return connection


async def ended(broker: RabbitBroker, connection: AbstractConnection | None) -> None:
    """Stop a broker's client and close its connection, whether the broker answers or not."""
    try:
        with lost_if_given_up():
            async with asyncio.timeout(GOODBYE_S):
                await broker.stop()
    except Exception as error:  # noqa: BLE001 - FastStream makes a group of what it meets, some of it without a kind
        _log.debug(fields("Broker connection gone, or it says nothing any more", error=error))
    if connection is not None and not connection.is_closed:
        await connection.close()  # which does not wait for an answer for long
