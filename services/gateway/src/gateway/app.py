"""The composition root: settings, connections and the server are made here and nowhere else."""

import asyncio
import contextlib
import gc
import logging
import secrets
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, contextmanager
from datetime import timedelta
from importlib.metadata import version
from random import Random
from typing import Any, Final, assert_never, cast

import uvicorn
import uvloop
from starlette.types import ASGIApp

from common import log, tracing
from common.broker_nodes import shuffled
from common.clock import Clock, SystemClock
from common.db.engine import create_engine
from common.db.revision import HEAD
from common.errors import FeedmillError, exit_code_of
from common.settings import DatabaseSettings
from gateway.adapters.as_of import PostgresAsOf
from gateway.adapters.autoapi import PostgresRecords
from gateway.adapters.catalog_events import CatalogEvents
from gateway.adapters.changes import PostgresChanges
from gateway.adapters.copy_source import CopySource
from gateway.adapters.database import Database
from gateway.adapters.export import PostgresExports
from gateway.adapters.offers import PostgresOffers
from gateway.adapters.orm_source import OrmSource
from gateway.adapters.products import PostgresProducts
from gateway.adapters.provenance import PostgresProvenance
from gateway.adapters.quota import PostgresQuota
from gateway.adapters.reads import ReadFrom, Reads, ReplicaOnly, ServerStates
from gateway.adapters.sql_source import SqlSource
from gateway.adapters.stats import PostgresStats
from gateway.adapters.status import PostgresStatus
from gateway.adapters.token_file import TokenFile
from gateway.adapters.tokens import PostgresTokens
from gateway.adapters.tracing import new_database
from gateway.core.access import Access
from gateway.core.as_of import AnswererAsOf, DataAsOf
from gateway.core.change_feed import ChangeFeed
from gateway.core.cursor import CursorSigner
from gateway.core.errors import CannotListenError
from gateway.core.issue_tokens import issue_tokens
from gateway.core.ports import RecordSource
from gateway.core.rate_limit import RateLimiter
from gateway.core.reads import ReadRoute, ReplicaWatch
from gateway.entrypoints import cli
from gateway.entrypoints.http.api import Parts, build_api
from gateway.entrypoints.http.connection import Guard
from gateway.entrypoints.http.tracing import new_fan_out, traced
from gateway.settings import GatewaySection, GatewaySettings, load_settings

BACKLOG: Final = 2048
KEEP_ALIVE_S: Final = 5
QUOTA_TIMEOUT_S: Final = 0.5
STATE_TIMEOUT_S: Final = 1.0
LAST_USES_S: Final = 1.0
"""How long writing the last uses of tokens may take when the gateway ends."""
EXPORT_STATEMENT_TIMEOUT_S: Final = 30.0
"""How long a part of an export may take in the database: the first may have to sort."""
_log = logging.getLogger(__name__)


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code: 0 done, 1 failed, 2 usage or configuration."""
    command = cli.parse(arguments)
    log.configure("gateway")
    try:
        settings = load_settings(administers=not isinstance(command, cli.Run))
        log.configure("gateway", level=settings.log.level, directory=settings.log.directory)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(_execute(command, settings))
    except FeedmillError as error:
        _log.error("%s", error)
        return exit_code_of(error)


async def _execute(command: cli.Command, settings: GatewaySettings) -> int:
    match command:
        case cli.Run():
            await serve(settings, SystemClock())
            return 0
        case cli.CreateTokens():
            return await _create_tokens(command, settings, SystemClock())
        case cli.ListTokens():
            async with _opened(settings) as database:
                sys.stdout.write(cli.table(await PostgresTokens(database).all_tokens()) + "\n")
            return 0
        case cli.RevokeToken():
            return await _revoke_token(command.id, settings)
        case _:
            assert_never(command)


async def _create_tokens(command: cli.CreateTokens, settings: GatewaySettings, clock: Clock) -> int:
    days = command.expires_days
    async with _opened(settings) as database:
        made = await issue_tokens(
            PostgresTokens(database),
            TokenFile(command.file),
            count=command.count,
            key=settings.key,
            choose=secrets.choice,
            description=command.description,
            expires_at=None if days is None else clock.now() + timedelta(days=days),
            only_if_none=command.only_if_none,
        )
    sys.stdout.writelines(f"{token}\n" for token in made)
    _log.info(log.fields("tokens made", count=len(made)) if made else "there are tokens already, none made")
    return 0


async def _revoke_token(token_id: int, settings: GatewaySettings) -> int:
    async with _opened(settings) as database:
        known = await PostgresTokens(database).revoke(token_id)
    if not known:
        _log.error(log.fields("no such token", id=token_id))
        return 1
    _log.info(log.fields("token revoked", id=token_id))
    return 0


async def serve(settings: GatewaySettings, clock: Clock) -> None:
    """Answer requests until SIGTERM or SIGINT; then let those in flight end.

    Raises:
        CannotListenError: The address cannot be listened on.
    """
    section = settings.gateway
    async with AsyncExitStack() as stack:
        stack.enter_context(tracing.opened(settings.tracing, service="gateway"))
        listener = stack.enter_context(contextlib.closing(_listener(section)))
        database = await stack.enter_async_context(_opened(settings))
        access = Access(PostgresTokens(database), key=settings.key, clock=clock, cache_ttl_s=section.token_cache_ttl_s)
        await stack.enter_async_context(_uses_written(access))
        reads = await stack.enter_async_context(reads_opened(settings, database, clock))
        changes = PostgresChanges(reads.catalogue)
        feed = ChangeFeed(changes, clock=clock, most_listeners=section.most_streams)
        await stack.enter_async_context(_running(feed.follow()))
        news = _news(settings, feed, clock)
        await stack.enter_async_context(_running(news.follow()))
        api = build_api(
            Parts(
                offers=PostgresOffers(reads.catalogue),
                provenance=PostgresProvenance(reads.catalogue, traces_below=tracing.sampled_below(settings.tracing)),
                exports=PostgresExports(reads.exports),
                most_exports=section.most_exports,
                products=PostgresProducts(reads.catalogue),
                changes=changes,
                feed=feed,
                records=PostgresRecords(reads.catalogue, dialects=settings.dialects),
                dialects=settings.dialects,
                sources=await stack.enter_async_context(sources_opened(settings)),
                fan_out=new_fan_out(clock, timeout_s=settings.sources.timeout_s),
                status=PostgresStatus(database, followed=settings.followed),
                stats=PostgresStats(reads.catalogue),
                queues=news,
                as_of=reads.as_of,
                access=access,
                limiter=await stack.enter_async_context(_limits(settings, clock)),
                cursors=CursorSigner(settings.key),
                clock=clock,
                new_id=new_request_id,
                schema_head=HEAD,
                version=version("feedmill-gateway"),
                docs_open=section.docs_open,
                info_open=section.info_open,
                info_only_local=section.info_only_local,
                followed=settings.followed,
                cors_origins=section.cors_origins,
                reads=reads.route,
            )
        )
        gc.collect()
        gc.freeze()  # what is here stays: a full collection need not look at it, and stops no request for 50 ms
        _log.info(log.fields("listening", host=section.host, port=listener.getsockname()[1]))
        await _Server(_how_served(traced(api), section), at_stop=feed.stop).serve(sockets=[listener])
        _log.info("stopped")


def new_request_id() -> str:
    """Return an id for a request that brought none."""
    return secrets.token_hex(8)


def _listener(section: GatewaySection) -> socket.socket:
    return listen(section.host, section.port, send_timeout_s=section.send_timeout_s)


def _how_served(api: ASGIApp, section: GatewaySection) -> uvicorn.Config:
    guard = Guard(
        new_id=new_request_id,
        policy=section.quota.policy,
        receive_timeout_s=section.receive_timeout_s,
        most_connections=section.most_connections,
    )
    return uvicorn.Config(
        api,
        http=cast("type[asyncio.Protocol]", guard.protocol),
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="error",  # what is below tells of requests that were no HTTP, which anybody can send
        access_log=False,
        server_header=False,
        proxy_headers=bool(section.trusted_proxies),
        forwarded_allow_ips=section.proxies,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=section.shutdown_timeout_s,
    )


def listen(host: str, port: int, *, send_timeout_s: float) -> socket.socket:
    """Return a listening socket, whose connections end when the other side takes nothing of what is sent for so long.

    Raises:
        CannotListenError: The port is taken, or the address is none of this machine's.
    """
    with contextlib.ExitStack() as failing:
        try:
            family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
            listener = failing.enter_context(socket.socket(family, kind, protocol))
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(send_timeout_s * 1000))
            listener.bind(address)
            listener.listen(BACKLOG)
        except OSError as error:
            why = f"cannot listen on {host}:{port} (API_HOST, API_PORT): {error.strerror}"
            raise CannotListenError(why) from error
        failing.pop_all()
    return listener


@asynccontextmanager
async def _opened(settings: GatewaySettings, where: DatabaseSettings | None = None) -> AsyncIterator[Database]:
    section = settings.gateway
    bounds = {"statement_timeout_s": section.read_timeout_s, "connect_timeout_s": section.connect_timeout_s}
    async with _pool((where or settings.database).model_copy(update=bounds)) as database:
        yield database


@asynccontextmanager
async def reads_opened(settings: GatewaySettings, database: Database, clock: Clock) -> AsyncIterator[ReadFrom]:
    """Open the connections for exports and, where there is a replica, those to it, and watch it."""
    async with AsyncExitStack() as stack:
        opened = stack.enter_async_context
        exports = await opened(_export_pool(settings, settings.database))
        as_of = _as_of(settings, PostgresAsOf(database, followed=settings.followed), clock)
        if (place := settings.replica) is None:
            yield ReadFrom(database, exports, as_of)
            return
        route = ReadRoute(clock=clock, most_lag_s=settings.gateway.read_lag_s)
        ours, theirs = [ServerStates(await opened(_state_pool(where))) for where in (settings.database, place)]
        await opened(_running(ReplicaWatch(route, primary=ours, replica=theirs, clock=clock).follow()))
        replica = await opened(_opened(settings, place))
        of_replica = PostgresAsOf(ReplicaOnly(replica), followed=settings.followed)
        yield ReadFrom(
            Reads(database, replica, route=route),
            Reads(exports, await opened(_export_pool(settings, place)), route=route),
            AnswererAsOf(route, primary=as_of, replica=_as_of(settings, of_replica, clock)),
            route,
        )


def _state_pool(where: DatabaseSettings) -> AbstractAsyncContextManager[Database]:
    """Open a connection for the watch alone, which waits for nobody and not for long."""
    names = ("statement_timeout_s", "lock_timeout_s", "connect_timeout_s")
    return _pool(where.model_copy(update={"pool_size": 1, **dict.fromkeys(names, STATE_TIMEOUT_S)}))


@asynccontextmanager
async def _limits(settings: GatewaySettings, clock: Clock) -> AsyncIterator[RateLimiter]:
    """Open connections for limits alone, so that no slow read delays them, and given up soon."""
    names, section = ("statement_timeout_s", "lock_timeout_s", "connect_timeout_s"), settings.gateway
    where = settings.database.model_copy(update={"pool_size": 2, **dict.fromkeys(names, QUOTA_TIMEOUT_S)})
    async with _pool(where) as database:
        yield RateLimiter(PostgresQuota(database), quota=section.quota, processes=section.processes, clock=clock)


def _as_of(settings: GatewaySettings, asked: PostgresAsOf, clock: Clock) -> DataAsOf:
    return DataAsOf(asked.moments, clock=clock, platforms=settings.followed_platforms, shops=settings.followed_shops)


def _news(settings: GatewaySettings, feed: ChangeFeed, clock: Clock) -> CatalogEvents:
    logging.getLogger("aiormq").setLevel(logging.CRITICAL)  # at each attempt it says what CatalogEvents says once
    return CatalogEvents(
        shuffled(settings.rabbitmq.url.get_secret_value(), Random()),  # noqa: S311 - spreads load, guards nothing
        name=_application(),
        new_instance=lambda: f"{socket.gethostname()}.{secrets.token_hex(4)}",
        wake=feed.tell,
        clock=clock,
        reconnect_interval_s=settings.rabbitmq.reconnect_interval_s,
    )


def _export_pool(settings: GatewaySettings, where: DatabaseSettings) -> AbstractAsyncContextManager[Database]:
    """Open connections for exports alone, so that no request waits for one."""
    section = settings.gateway
    bounds = {
        "pool_size": section.most_exports,
        "statement_timeout_s": EXPORT_STATEMENT_TIMEOUT_S,
        "connect_timeout_s": section.connect_timeout_s,
    }
    return _pool(where.model_copy(update=bounds))


@asynccontextmanager
async def sources_opened(settings: GatewaySettings) -> AsyncIterator[Sequence[RecordSource]]:
    """Open the three reference sources, each with connections of its own, so that none can take another's."""
    section = settings.sources
    first, second, third = (
        section.database_of(source, settings.database)
        for source in (section.source_1, section.source_2, section.source_3)
    )
    engine = create_engine(first, application=_application(), autocommit=True)
    try:
        async with _pool(second) as plain, _pool(third) as streamed:
            yield OrmSource(engine), SqlSource(plain), CopySource(streamed)
    finally:
        await engine.dispose()


def _application() -> str:
    return f"gateway@{socket.gethostname()}"


@asynccontextmanager
async def _pool(settings: DatabaseSettings) -> AsyncIterator[Database]:
    database = new_database(settings, application=_application())
    await database.open()
    try:
        yield database
    finally:
        await database.close()


@asynccontextmanager
async def _uses_written(access: Access) -> AsyncIterator[None]:
    try:
        async with _running(access.keep_flushing()):
            yield
    finally:
        await asyncio.wait({asyncio.ensure_future(access.flush())}, timeout=LAST_USES_S)


@asynccontextmanager
async def _running(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


class _Server(uvicorn.Server):
    """uvicorn, but a signal ends it in order and with code 0 instead of being raised again afterwards."""

    def __init__(self, config: uvicorn.Config, *, at_stop: Callable[[], None]) -> None:
        super().__init__(config)
        self._at_stop = at_stop

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Let answers that would never end by themselves end; then stop in order."""
        self._at_stop()
        await super().shutdown(sockets)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop at SIGTERM and SIGINT."""
        loop = asyncio.get_running_loop()
        stopping = (signal.SIGTERM, signal.SIGINT)
        for number in stopping:
            loop.add_signal_handler(number, self.handle_exit, number, None)
        try:
            yield
        finally:
            for number in stopping:
                loop.remove_signal_handler(number)
