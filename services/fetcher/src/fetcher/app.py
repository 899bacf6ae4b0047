"""The composition root: settings in, parts put together, opened and closed in order."""

import asyncio
import logging
import random
import socket
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from zoneinfo import ZoneInfo

import uvloop

from common import log, topology
from common.clock import Clock, SystemClock
from common.db.session import server_settings
from common.errors import ConfigurationError, FeedmillError
from common.settings import PlatformSettings, load
from fetcher.adapters.autoapi import AutoApi
from fetcher.adapters.console import ProgressBar, ProgressLines
from fetcher.adapters.http_json import BoundedHttp
from fetcher.adapters.postgres import PostgresStore, SessionAddress
from fetcher.adapters.rabbit import RabbitPublisher
from fetcher.core.initial_load import InitialLoad, LoadPlan, LoadPorts, Outcome
from fetcher.core.ports import ProgressDisplay
from fetcher.core.retry import RetryPolicy
from fetcher.core.walk import Ending, WalkLimits
from fetcher.entrypoints import cli
from fetcher.entrypoints.cli import Exit, InitialLoadCommand
from fetcher.entrypoints.signals import StopSignals
from fetcher.settings import FetcherServiceSettings, base_url_of

SERVICE = "fetcher"
_log = logging.getLogger(__name__)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    command = cli.parse(argv)
    log.configure(SERVICE)
    return int(cli.execute(command, _initial_load))


def _initial_load(command: InitialLoadCommand) -> Exit:
    settings = load(FetcherServiceSettings)
    log.configure(SERVICE, level=settings.log.level, directory=settings.log.directory)
    logging.getLogger("aiormq").setLevel(logging.CRITICAL)  # logs as an error of its own what it raises
    names = _chosen(settings, command.platform)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_load_all(settings, command, names))


def _chosen(settings: FetcherServiceSettings, platform: str | None) -> list[str]:
    known = sorted(settings.platforms)
    if platform is None:
        return known
    if platform not in settings.platforms:
        raise ConfigurationError(f"--platform {platform}: not configured; known: {', '.join(known)}")
    return [platform]


async def _load_all(settings: FetcherServiceSettings, command: InitialLoadCommand, names: Sequence[str]) -> Exit:
    stop = asyncio.Event()
    StopSignals(stop).install(asyncio.get_running_loop())
    return cli.worst([await _load_one(settings, command, name, stop) for name in names if not stop.is_set()])


async def _load_one(
    settings: FetcherServiceSettings, command: InitialLoadCommand, name: str, stop: asyncio.Event
) -> Exit:
    try:
        async with AsyncExitStack() as exits:
            ports = await _open(settings, name, exits)
            outcome = await InitialLoad(_plan(settings, command, name), ports, stop=stop).run()
    except FeedmillError as error:
        return cli.said(error)
    return _told(outcome, name)


def _told(outcome: Outcome, name: str) -> Exit:
    if outcome.ending is Ending.ALREADY_DONE and outcome.run is not None:
        run = outcome.run
        when = f"{run.finished_at:%Y-%m-%d %H:%M} UTC" if run.finished_at else "before"
        _log.info("initial load of %s was finished %s, %s records; --again loads anew", name, when, f"{run.records:,}")
    return Exit.WITH_ERRORS if outcome.gaps else Exit.DONE


async def _open(settings: FetcherServiceSettings, name: str, exits: AsyncExitStack) -> LoadPorts:
    """Open what a load talks to; the lock first, so that a second start disturbs nobody."""
    clock = SystemClock()
    platform, own = settings.platforms[name], settings.fetcher
    http = BoundedHttp(
        base_url_of(name, platform),
        parameters=_key_of(platform),
        deadline_s=own.request_timeout_s,
        max_body_bytes=own.max_body_bytes,
        clock=clock,
    )
    host = socket.gethostname()
    store = await exits.enter_async_context(PostgresStore(_address(settings, host), name))
    publisher = RabbitPublisher(
        settings.rabbitmq.url.get_secret_value(),
        connection_name=topology.connection_name(SERVICE, host),
        publish_timeout_s=settings.rabbitmq.publish_timeout_s,
    )
    await exits.enter_async_context(publisher)
    await exits.enter_async_context(http)
    return LoadPorts(
        upstream=AutoApi(http, clock=clock),
        publisher=publisher,
        store=store,
        operations=store,
        display=_display(own.progress_interval_s, clock),
        clock=clock,
        chance=random.Random(),  # noqa: S311 - spreads retries, guards nothing
    )


def _key_of(platform: PlatformSettings) -> dict[str, str]:
    key = platform.api_key.get_secret_value()
    return {"api_key": key} if key else {}


def _address(settings: FetcherServiceSettings, host: str) -> SessionAddress:
    database = settings.database
    return SessionAddress(
        host=database.host,
        port=database.port,
        user=database.user,
        password=database.password.get_secret_value(),
        database=database.name,
        connect_timeout_s=database.connect_timeout_s,
        statement_timeout_s=database.statement_timeout_s,
        server_settings=server_settings(database, application=topology.connection_name(SERVICE, host)),
    )


def _display(interval_s: float, clock: Clock) -> ProgressDisplay:
    lines = ProgressLines(interval_s=interval_s, clock=clock)
    return ProgressBar(lines) if sys.stderr.isatty() else lines


def _plan(settings: FetcherServiceSettings, command: InitialLoadCommand, name: str) -> LoadPlan:
    own, platform = settings.fetcher, settings.platforms[name]
    return LoadPlan(
        platform=name,
        day_zone=ZoneInfo(platform.day_zone),
        policy=RetryPolicy(
            quick_retries=own.quick_retries,
            quick_delay_s=own.quick_delay_s,
            interval_s=own.retry_interval_s,
            max_retries=own.max_retries,
            window_s=own.retry_window_s,
        ),
        limits=WalkLimits(
            max_pages=command.max_pages,
            dead_pages_to_stop=own.dead_pages_to_stop,
            pause_s=own.server_retry_interval_s,
        ),
        min_interval_s=platform.min_interval_s,
        again=command.again,
        expected_records=own.expected_records,
        stop_grace_s=own.stop_grace_s,
    )
