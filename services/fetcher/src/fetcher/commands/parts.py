"""Opening what commands talk to, and closing it in order."""

import asyncio
import random
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial

from common import topology, tracing
from common.broker_nodes import shuffled
from common.clock import Clock, SystemClock
from common.db.session import server_settings
from common.settings import PlatformSettings
from fetcher.adapters.autoapi import AutoApi
from fetcher.adapters.console import ProgressBar, ProgressLines
from fetcher.adapters.http_json import BoundedHttp
from fetcher.adapters.http_lanes import HttpLanes
from fetcher.adapters.postgres import PostgresStore
from fetcher.adapters.rabbit import RabbitPublisher
from fetcher.adapters.session import PlatformSession, SessionAddress
from fetcher.adapters.sweep_store import PostgresSweepStore
from fetcher.adapters.tracing import TracedPublisher, TracedReader, traced_http
from fetcher.core.job import Frame
from fetcher.core.list_run import LoadPorts
from fetcher.core.ports import ProgressDisplay
from fetcher.core.reading import UNWATCHED, PatientReader, RequestWatch
from fetcher.core.reference import Reference
from fetcher.core.retry import RetryPolicy
from fetcher.core.walk import WalkLimits
from fetcher.settings import FetcherServiceSettings, base_url_of

SERVICE = "fetcher"
PUBLISH_INTERVAL_S = 0.04
UNCONFIRMED_PAGES = 16
"""Fast pages go out together, some two megabytes at most; at the usual pace each page goes out at once."""
SAVE_INTERVAL_S = 0.1
UNSAVED_PAGES = 100
"""A kill costs a fast load at most so many pages, which it asks for again; at the usual pace each page is saved."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What the commands of one platform of the auto-api family share, open.

    Attributes:
        session: The database session that holds the platform's lock; each store is made over it.
        reader: Paced and patient; there is one for all requests of the platform.
    """

    upstream: AutoApi
    reader: PatientReader
    publisher: RabbitPublisher
    session: PlatformSession
    clock: Clock
    chance: random.Random


@asynccontextmanager
async def opened(settings: FetcherServiceSettings, name: str, watch: RequestWatch = UNWATCHED) -> AsyncIterator[Parts]:
    """Open them for a platform, whose requests are watched; the lock first, so that a second start disturbs nobody.

    Raises:
        AlreadyRunningError: Another fetcher works on this platform.
        UnavailableError: Database or broker do not answer.
        ConfigurationError: Nothing says where the platform is.
    """
    clock, platform, own = SystemClock(), settings.platforms[name], settings.fetcher
    chance = random.Random()  # noqa: S311 - spreads retries, guards nothing
    lanes = [
        BoundedHttp(
            base_url_of(name, platform),
            parameters=_key_of(platform),
            deadline_s=own.request_timeout_s,
            max_body_bytes=own.max_body_bytes,
            clock=clock,
        )
        for _ in range(platform.pages_in_flight)
    ]
    spans = tracing.current()
    make_reader = PatientReader if spans is None else partial(TracedReader, spans)
    reader = make_reader(
        platform=name,
        policy=policy_of(settings),
        min_interval_s=platform.min_interval_s,
        clock=clock,
        chance=chance,
        watch=watch,
    )
    async with AsyncExitStack() as exits:
        session = await exits.enter_async_context(session_of(settings, name))
        publisher = await exits.enter_async_context(publisher_of(settings))
        http = await exits.enter_async_context(HttpLanes(lanes))
        yield Parts(
            upstream=AutoApi(traced_http(http, base_url_of(name, platform)), clock=clock),
            reader=reader,
            publisher=publisher,
            session=session,
            clock=clock,
            chance=chance,
        )


def policy_of(settings: FetcherServiceSettings) -> RetryPolicy:
    """Return how patient the fetcher is with one page."""
    own = settings.fetcher
    return RetryPolicy(
        quick_retries=own.quick_retries,
        quick_delay_s=own.quick_delay_s,
        interval_s=own.retry_interval_s,
        max_retries=own.max_retries,
        window_s=own.retry_window_s,
    )


def walk_limits_of(settings: FetcherServiceSettings, name: str, *, max_pages: int | None = None) -> WalkLimits:
    """Return where a walk over the pages of a platform's list ends early."""
    return WalkLimits(
        max_pages=max_pages,
        dead_pages_to_stop=settings.fetcher.dead_pages_to_stop,
        pause_s=settings.fetcher.server_retry_interval_s,
        pages_in_flight=settings.platforms[name].pages_in_flight,
        publish_interval_s=PUBLISH_INTERVAL_S,
        unconfirmed_pages=UNCONFIRMED_PAGES,
        save_interval_s=SAVE_INTERVAL_S,
        unsaved_pages=UNSAVED_PAGES,
    )


def load_ports_of(settings: FetcherServiceSettings, parts: Parts) -> LoadPorts:
    """Return what a first load, a sweep or a retry of gaps talks to."""
    store = PostgresStore(parts.session)
    return LoadPorts(
        upstream=parts.upstream,
        reader=parts.reader,
        publisher=parts.publisher,
        store=store,
        operations=store,
        display=display_of(settings, parts.clock),
        clock=parts.clock,
        chance=parts.chance,
    )


def reference_of(settings: FetcherServiceSettings, parts: Parts, frame: Frame) -> Reference:
    """Return what keeps the platform's reference."""
    once = replace(policy_of(settings), max_retries=0)
    return Reference(frame, parts.upstream.filters, parts.reader, PostgresSweepStore(parts.session), once)


def frame_of(settings: FetcherServiceSettings, parts: Parts, name: str, stop: asyncio.Event) -> Frame:
    """Return the surroundings of a command for one platform."""
    return Frame(
        platform=name,
        operations=PostgresStore(parts.session),
        clock=parts.clock,
        stop=stop,
        stop_grace_s=settings.fetcher.stop_grace_s,
        pause_s=settings.fetcher.server_retry_interval_s,
    )


def session_of(settings: FetcherServiceSettings, name: str) -> PlatformSession:
    """Return the session of a platform or shop, not yet open."""
    return PlatformSession(_address(settings, socket.gethostname()), name)


def broker_url_of(settings: FetcherServiceSettings) -> str:
    """Return where the broker is, its nodes in any order."""
    return shuffled(settings.rabbitmq.url.get_secret_value(), random.Random())  # noqa: S311 - spreads load


def publisher_of(settings: FetcherServiceSettings) -> RabbitPublisher:
    """Return the way to the broker, not yet open."""
    spans = tracing.current()
    make = RabbitPublisher if spans is None else partial(TracedPublisher, spans)
    return make(
        broker_url_of(settings),
        connection_name=topology.connection_name(SERVICE, socket.gethostname()),
        publish_timeout_s=settings.rabbitmq.publish_timeout_s,
    )


def display_of(settings: FetcherServiceSettings, clock: Clock) -> ProgressDisplay:
    """Return where people see the progress: lines in the log, and a bar on a terminal."""
    lines = ProgressLines(interval_s=settings.fetcher.progress_interval_s, clock=clock)
    return ProgressBar(lines) if sys.stderr.isatty() else lines


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
