"""`fetcher run`: the service with the schedule inside, obeying orders from the management console."""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, time
from typing import Any, Final
from zoneinfo import ZoneInfo

from common import metrics, topology
from common.clock import Clock, SystemClock
from common.errors import FeedmillError, UnavailableError
from common.tracing import root_span
from fetcher.adapters.metrics import FetcherMetrics
from fetcher.adapters.notices import RabbitNotices
from fetcher.adapters.rabbit import RabbitPublisher
from fetcher.adapters.service_store import PostgresServiceStore
from fetcher.commands import daily_update, housekeeping, initial_load, reconcile, retry_gaps, shop_sync
from fetcher.commands.command import Command, Options, no_options, only
from fetcher.commands.parts import SERVICE, broker_url_of, session_of
from fetcher.core.errors import AlreadyRunningError
from fetcher.core.orders import CommandName
from fetcher.core.patience import until_available
from fetcher.core.schedule import Daily, Every
from fetcher.core.service import Service
from fetcher.core.service_ports import Happening, JobResult, ServicePorts, Target
from fetcher.entrypoints import cli
from fetcher.entrypoints.cli import Exit
from fetcher.entrypoints.order_queue import OrderQueue
from fetcher.settings import FetcherServiceSettings

LOCK: Final = "schedule and orders"
"""Stands where other locks have a platform."""

LAST_NOTICES_S: Final = 1.0
"""Seconds to send what is left to tell when the service ends."""

PerformCommand = Callable[..., Awaitable[Exit]]
"""`perform(settings, name, stop, **options)` of a command."""

OF_PLATFORMS: Final[Mapping[CommandName, PerformCommand]] = {
    CommandName.INITIAL_LOAD: initial_load.perform,
    CommandName.DAILY_UPDATE: daily_update.perform,
    CommandName.RETRY_GAPS: retry_gaps.perform,
    CommandName.RECONCILE: reconcile.perform,
}
OF_SHOPS: Final[Mapping[CommandName, PerformCommand]] = {
    CommandName.SHOP_SYNC: shop_sync.perform,
}

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Jobs:
    """Does jobs by the same functions as the command line."""

    settings: FetcherServiceSettings
    store: PostgresServiceStore
    clock: Clock
    metrics: FetcherMetrics

    async def __call__(
        self, command: CommandName, name: str, options: Mapping[str, Any], stop: asyncio.Event
    ) -> JobResult:
        """Do a job.

        Raises:
            UnavailableError: A server of ours is away and nothing was begun.
        """
        result = await self._result(command, name, options, stop)
        self.metrics.job_ended(name, result.happening)
        return result

    async def _result(
        self, command: CommandName, name: str, options: Mapping[str, Any], stop: asyncio.Event
    ) -> JobResult:
        began = self.clock.now()
        perform = {**OF_PLATFORMS, **OF_SHOPS}[command]
        try:
            with root_span(f"fetcher {command}", {"feedmill.platform": name}):
                code = await perform(self.settings, name, stop, watch=self.metrics, **options)
        except UnavailableError:
            raise
        except AlreadyRunningError as error:
            return JobResult(Happening.REFUSED, str(error))
        except FeedmillError as error:
            cli.said(error)
            noted = await self._noted(name, began)
            return JobResult(Happening.FAILED, str(error), noted.counts if noted else {})
        noted = await self._noted(name, began)
        happening = Happening.DONE if code is Exit.DONE else Happening.FAILED
        return JobResult(happening, noted.text if noted else "nothing to do", noted.counts if noted else {})

    async def _noted(self, name: str, began: datetime) -> JobResult | None:
        pause_s = self.settings.fetcher.server_retry_interval_s
        return await until_available(lambda: self.store.result_since(name, began), clock=self.clock, pause_s=pause_s)


def targets_of(settings: FetcherServiceSettings) -> list[Target]:
    """Return every platform and shop that is configured; the schedule keeps those that are enabled."""
    daily_at = time.fromisoformat(settings.fetcher.daily_at)
    platforms = [
        Target(
            name=name,
            jobs=frozenset(OF_PLATFORMS),
            scheduled=CommandName.DAILY_UPDATE,
            schedule=Daily(daily_at, ZoneInfo(platform.day_zone)) if platform.enabled else None,
        )
        for name, platform in sorted(settings.platforms.items())
    ]
    shops = [
        Target(
            name=name,
            jobs=frozenset(OF_SHOPS),
            scheduled=CommandName.SHOP_SYNC,
            schedule=Every(shop.interval_s) if shop.enabled and shop.url.get_secret_value() else None,
        )
        for name, shop in sorted(settings.shops.items())
    ]
    return [*platforms, *shops]


async def serve(settings: FetcherServiceSettings, stop: asyncio.Event) -> Exit:
    """Keep the schedule and obey orders until `stop` is set; then let every job finish the page in hand.

    Raises:
        AlreadyRunningError: Another service does the same.
        FeedmillError: Why it could not go on.
    """
    clock, own, host = SystemClock(), settings.fetcher, socket.gethostname()
    url, name = broker_url_of(settings), topology.connection_name(SERVICE, host)
    async with AsyncExitStack() as exits:
        session = session_of(settings, LOCK)
        exits.push_async_exit(session)  # both open themselves when their server is there
        publisher = RabbitPublisher(
            url,
            connection_name=name,
            publish_timeout_s=settings.rabbitmq.publish_timeout_s,
            exchange=topology.EVENTS_EXCHANGE,
        )
        exits.push_async_exit(publisher)
        store = PostgresServiceStore(session)
        numbers = exits.enter_context(_served(settings))
        notices = RabbitNotices(publisher, clock=clock, pause_s=own.server_retry_interval_s)
        await exits.enter_async_context(_sent(notices))
        ports = ServicePorts(
            perform=Jobs(settings, store, clock, numbers),
            store=store,
            notices=notices,
            clock=clock,
            pause_s=own.server_retry_interval_s,
            stop_grace_s=own.stop_grace_s,
        )
        service = Service(targets_of(settings), ports)
        orders = OrderQueue(
            url,
            connection_name=name,
            obey=service.obey,
            clock=clock,
            connect_timeout_s=settings.rabbitmq.publish_timeout_s,
            pause_s=settings.rabbitmq.reconnect_interval_s,
        )
        tidying = housekeeping.over(settings, session, stop)
        exits.push_async_callback(service.stop)
        await _until(stop, service.prepare())
        if not stop.is_set():
            await _until(stop, service.keep_schedule(), orders.keep_consuming(), tidying.keep())
    _log.info("stopped")
    return Exit.DONE


@contextmanager
def _served(settings: FetcherServiceSettings) -> Iterator[FetcherMetrics]:
    """Serve what is counted meanwhile."""
    registry, own = metrics.new_registry(SERVICE), settings.fetcher
    sources = [target.name for target in targets_of(settings) if target.schedule is not None]
    with metrics.served(registry, host=own.metrics_host, port=own.metrics_port):
        yield FetcherMetrics(registry, sources=sources)


@asynccontextmanager
async def _sent(notices: RabbitNotices) -> AsyncIterator[None]:
    """Send notices meanwhile, and for a moment longer."""
    sending = asyncio.create_task(notices.keep_sending())
    try:
        yield
        with suppress(TimeoutError):
            async with asyncio.timeout(LAST_NOTICES_S):
                await notices.sent()
    finally:
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)


async def _until(stop: asyncio.Event, *works: Coroutine[Any, Any, None]) -> None:
    """Work until `stop` is set or a work ends; raises what it raises."""
    tasks = [asyncio.create_task(work) for work in (*works, _set(stop))]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _set(stop: asyncio.Event) -> None:
    await stop.wait()


async def _perform(settings: FetcherServiceSettings, options: Options, name: str, stop: asyncio.Event) -> Exit:
    del options, name
    return await serve(settings, stop)


COMMAND = Command(
    name="run",
    summary="run as a service: the daily update and the shops on schedule, and orders from the console",
    description="Updates each platform daily and each shop every so often, and obeys orders from feedmill.commands.",
    add_options=no_options,
    targets=only(LOCK),
    perform=_perform,
    is_service=True,
)
