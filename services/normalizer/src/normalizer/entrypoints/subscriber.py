"""Consume raw pages from RabbitMQ through FastStream, in batches, and acknowledge after the commit.

FastStream hands over one message at a time and would, by its defaults, drop what raises: so acknowledgement is manual,
every handler waits for its batch (`Collector`), and a message is acknowledged only when its batch was committed, or
when a copy of it was confirmed by the dead-letter exchange.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, Final, Protocol

from aio_pika.abc import AbstractConnection, AbstractIncomingMessage
from aio_pika.exceptions import ChannelNotFoundEntity
from faststream import AckPolicy
from faststream.rabbit import Channel, QueueType, RabbitBroker, RabbitQueue

from common import topology
from common.amqp import BROKER_ERRORS, lost_if_given_up, said
from common.broker_nodes import Nodes
from common.clock import Clock
from common.errors import InvalidEventError, UnavailableError
from common.events import PageFetched
from common.log import fields
from normalizer.core.batch import Batch, Limits
from normalizer.core.collector import Collector, CollectorClosedError
from normalizer.core.errors import StalledError, TransientError, UnfitError
from normalizer.core.land import TOLD
from normalizer.core.patience import patiently
from normalizer.entrypoints.burial import Burial
from normalizer.entrypoints.messages import known_page, undecoded
from normalizer.entrypoints.metrics import ConsumerMetrics
from normalizer.entrypoints.outgoing import Outgoing, ended, opened
from normalizer.entrypoints.waits import first_of, unless

_log = logging.getLogger(__name__)

DATABASE_POLL_S: Final = 1.0
HELD_S: Final = 1200.0
"""Seconds that a batch is kept in hand which the database does not take. The broker allows half an hour for an ack."""
CHECKS_PER_STALL: Final = 4
"""How often within `stalled_after_s` the watchdog looks."""


class Landing(Protocol):
    """Lands pages; see `normalizer.core.land.Lander`."""

    async def land(self, pages: list[PageFetched], /) -> Mapping[str, int]:
        """Return when every record of the pages is committed; raises `TransientError`."""
        ...


class Database(Protocol):
    """Says whether the database answers."""

    async def ping(self) -> None:
        """Return when it answers and is fit; raises `TransientError` while it is not."""
        ...


@dataclass(frozen=True, slots=True)
class Consumption:
    """How to consume.

    Attributes:
        nodes: URLs of the broker's nodes, with user, password, vhost and connection name.
        platforms: What this normalizer can normalise; pages of others are dead-lettered.
        prefetch: Messages held unacknowledged.
        give_back_after_s: Seconds without a database, from the first failure, after which deliveries go back.
        stop_within_s: Seconds that batches in hand get at shutdown.
        stalled_after_s: Seconds without a delivery, though the queue holds messages, after which `run` gives up.
        middlewares: What FastStream puts around each message.
    """

    nodes: Nodes
    platforms: frozenset[str]
    limits: Limits
    in_flight: int
    prefetch: int
    give_back_after_s: float
    stop_within_s: float
    stalled_after_s: float
    reconnect_interval_s: float
    publish_timeout_s: float
    middlewares: Sequence[Any] = ()


class RawConsumer:
    """Consumes `normalizer.raw` until it is told to stop.

    Args:
        how: Addresses and bounds.
        landing: What lands a batch.
        database: Asked whether it is back before consuming goes on.
        clock: Time.
        random: Chance, for jitter.
        metrics: Told of each batch and each dead letter.
    """

    def __init__(
        self,
        how: Consumption,
        *,
        landing: Landing,
        database: Database,
        clock: Clock,
        random: Random,
        metrics: ConsumerMetrics,
    ) -> None:
        self._how = how
        self._metrics = metrics
        self._landing = landing
        self._database = database
        self._clock = clock
        self._random = random
        self._give_back = asyncio.Event()
        self._session: _Session | None = None

    async def run(self, stop: asyncio.Event) -> None:
        """Consume until `stop` is set, then finish the batches in hand.

        While the broker is away this waits; while the database is away the deliveries are given back first.

        Raises:
            UnavailableError: The queue does not exist: the broker runs without our definitions.
            StalledError: The queue holds messages and none is delivered: the process should be started anew.
        """
        while not stop.is_set():
            session = self._session = await self._connected(stop)
            if session is None:
                return
            _log.info(fields("Consuming", queue=topology.RAW_QUEUE, prefetch=self._how.prefetch))
            await first_of(stop.wait(), self._give_back.wait(), session.stalled())
            if stop.is_set():
                await session.finish(within_s=self._how.stop_within_s)
                return
            await session.give_back()
            if not self._give_back.is_set():
                raise StalledError(f"{topology.RAW_QUEUE} holds messages and delivers none: start the process anew")
            self._give_back.clear()
            _log.warning("Deliveries given back")
            await unless(stop, self._database_is_back())

    async def _connected(self, stop: asyncio.Event) -> "_Session | None":
        warned = False
        while not stop.is_set():
            session = _Session(self._how, self._handle, self._clock, self._metrics)
            try:
                with lost_if_given_up():
                    await unless(stop, session.start())
            except ChannelNotFoundEntity as error:
                await session.give_back()
                raise UnavailableError(f"broker has no queue {topology.RAW_QUEUE}: load the definitions") from error
            except BROKER_ERRORS as error:
                await session.give_back()
                if not warned:
                    _log.warning(fields("Broker away, waiting for it", error=said(error)))
                    warned = True
                await unless(stop, self._clock.sleep(self._how.reconnect_interval_s))
            else:
                if not stop.is_set():
                    return session
                await session.finish(within_s=self._how.stop_within_s)
        return None

    async def _handle(self, batch: Batch[PageFetched]) -> None:
        started = self._clock.monotonic()
        try:
            counts = await patiently(
                lambda: self._landing.land(list(batch.items)),
                clock=self._clock,
                random=self._random,
                give_up_after_s=self._how.give_back_after_s,
                on_retry=self._retried,
                goes_on=self._holds,
            )
        except UnfitError as error:
            self._metrics.not_landed("unfit")
            if not self._give_back.is_set():  # the other batches in hand say the same
                _log.error(fields("Database does not fit, nothing is landed until it does: migrate?", error=error))
            self._give_back.set()
            raise
        except TransientError as error:
            self._metrics.not_landed("away")
            _log.warning(fields("Database away", after_s=self._how.give_back_after_s, error=error))
            self._give_back.set()
            raise
        except Exception:
            # A defect of ours may neither lose the batch nor hold it for ever: what comes again and again is
            # dead-lettered by the queue's delivery limit.
            self._metrics.not_landed("failed")
            _log.exception("Batch cannot be landed")
            self._give_back.set()
            raise
        took = self._clock.monotonic() - started
        self._metrics.landed(batch.items, counts, took_s=took, now=self._clock.now())
        _log.info(fields("Batch landed", **counts, duration_ms=round(took * 1000)))
        if self._session is not None:
            self._session.outgoing.announce(
                {name.removeprefix(TOLD): n for name, n in counts.items() if name.startswith(TOLD)}
            )

    def _retried(self, error: TransientError, failures: int) -> None:
        self._metrics.retried()
        if failures in {1, 10, 100}:
            _log.warning(fields("Batch is landed again", failures=failures, error=error))

    async def _holds(self, error: TransientError, failing_s: float) -> bool:
        """Say whether to keep a batch in hand: the database answers and does not take it, as with a full disk.

        Given back it would come again at once, in vain, and each time counts towards the queue's delivery limit.
        """
        if failing_s >= HELD_S:
            return False
        try:
            await self._database.ping()
        except TransientError:
            return False
        self._metrics.not_landed("held")
        _log.warning(
            fields("Database answers and does not take a batch, trying on", after_s=round(failing_s), error=error)
        )
        return True

    async def _database_is_back(self) -> None:
        await self._clock.sleep(self._how.reconnect_interval_s)
        waited = False
        while True:
            try:
                await self._database.ping()
            except TransientError:
                waited = True
                await self._clock.sleep(DATABASE_POLL_S)
            else:
                if waited:
                    _log.info("Database is back")
                return


class _Session:
    """The connections to the broker with the collector that belongs to its deliveries.

    Attributes:
        outgoing: What publishes; the other connection takes deliveries and acknowledges them.
    """

    def __init__(self, how: Consumption, handle: Any, clock: Clock, metrics: ConsumerMetrics) -> None:
        self._how = how
        self._is_lost = False
        self._is_closing = False
        self._clock = clock
        self._connection: AbstractConnection | None = None
        self._in_hand = 0
        self._last_busy_s = clock.monotonic()
        self._collector = Collector[PageFetched](handle, limits=how.limits, in_flight=how.in_flight, clock=clock)
        node = how.nodes.following()  # for both connections: each of two nodes would be tried by one of them for ever
        self._broker = RabbitBroker(
            node,
            timeout=how.nodes.timeout_s,
            app_id="normalizer",
            apply_types=False,
            graceful_timeout=how.stop_within_s,
            reconnect_interval=how.reconnect_interval_s,
            decoder=undecoded,
            logger=None,
            middlewares=how.middlewares,
        )
        self.outgoing = Outgoing(
            node,
            others=how.nodes,
            timeout_s=how.publish_timeout_s,
            reconnect_interval_s=how.reconnect_interval_s,
            clock=clock,
        )
        self._burial = Burial(
            self.outgoing.bury,
            room=how.prefetch,
            retry_after_s=how.reconnect_interval_s,
            clock=clock,
            metrics=metrics,
        )
        subscriber = self._broker.subscriber(
            RabbitQueue(topology.RAW_QUEUE, queue_type=QueueType.QUORUM, durable=True, declare=False),
            channel=Channel(prefetch_count=how.prefetch),
            ack_policy=AckPolicy.MANUAL,
        )
        subscriber(self._on_message)

    async def start(self) -> None:
        """Connect and consume; a connection that is lost later is made again by itself, to the next node."""
        await self.outgoing.start()
        connection = self._connection = await opened(self._broker, self._how.nodes)
        connection.close_callbacks.add(self._on_loss)
        connection.reconnect_callbacks.add(self._on_return)
        await self._broker.start()

    async def stalled(self) -> None:
        """Return when the queue holds messages although this session has had nothing in hand for so long."""
        while True:
            await self._clock.sleep(self._how.stalled_after_s / CHECKS_PER_STALL)
            if self._is_idle() and await self._waiting() and self._is_idle():
                return  # idle still: what waited was not just on its way to us

    def _is_idle(self) -> bool:
        return not self._in_hand and self._clock.monotonic() - self._last_busy_s >= self._how.stalled_after_s

    async def _waiting(self) -> int:
        """Return how many messages wait for a consumer; 0 while the broker cannot be asked."""
        connection = self._connection
        if connection is None or connection.is_closed:
            return 0
        try:
            with lost_if_given_up():
                async with asyncio.timeout(self._how.publish_timeout_s), connection.channel() as channel:
                    queue = await channel.declare_queue(topology.RAW_QUEUE, passive=True)
                    return queue.declaration_result.message_count or 0
        except BROKER_ERRORS as error:
            _log.debug(fields("Queue not asked", error=error))
            return 0

    async def finish(self, *, within_s: float) -> None:
        """Land what is in hand, acknowledge it, and close; what cannot be landed in time goes back."""
        try:
            async with asyncio.timeout(within_s):
                await self._collector.close()
        except TimeoutError:
            _log.warning(fields("Batches in hand given back", after_s=within_s))
            await self._collector.abort()
        await self._stop_broker()

    async def give_back(self) -> None:
        """Close without acknowledging: the broker delivers everything again, in order."""
        await self._collector.abort()
        await self._stop_broker()

    def _on_loss(self, _connection: object, error: BaseException | None) -> None:
        # aio-pika says so at every attempt to reconnect as well.
        if not self._is_closing and not self._is_lost:
            self._is_lost = True
            why = "closed" if error is None else said(error)
            _log.warning(fields("Broker connection lost, waiting for it", error=why))

    def _on_return(self, _connection: object) -> None:
        self._is_lost = False
        self._last_busy_s = self._clock.monotonic()
        _log.info("Broker is back")

    async def _stop_broker(self) -> None:
        self._is_closing = True
        await asyncio.gather(ended(self._broker, self._connection), self.outgoing.stop())

    async def _on_message(self, message: AbstractIncomingMessage) -> None:
        self._in_hand += 1
        try:
            await self._settle(message)
        finally:
            self._in_hand -= 1
            self._last_busy_s = self._clock.monotonic()

    async def _settle(self, message: AbstractIncomingMessage) -> None:
        try:
            page = known_page(message.body, self._how.platforms)
        except InvalidEventError as error:
            if not await self._burial.buried(message, error, is_over=lambda: self._is_over(message)):
                return
        else:
            try:
                await self._collector.add(page, weight=max(1, len(page.records)))
            except CollectorClosedError:
                return
            except Exception as failure:  # noqa: BLE001 - the batch said it aloud; its messages stay unacknowledged
                _log.debug(fields("Message not landed", message_id=message.message_id, error=failure))
                return
        await _acknowledge(message)

    def _is_over(self, message: AbstractIncomingMessage) -> bool:
        return self._is_closing or message.channel.is_closed


async def _acknowledge(message: AbstractIncomingMessage) -> None:
    try:
        await message.ack()
    except BROKER_ERRORS as error:  # delivered on a channel that is gone: it comes again, with nothing new in it
        _log.debug(fields("Acknowledgement came too late", error=error))
