"""A way to the database that can be cut, and the gateway's application on the real adapters."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest
from tests.conftest import settings_of
from tests.contract.gateway.fakes import KEY, TOKEN, a_client, some_parts

from common.clock import SystemClock
from common.db.revision import HEAD
from common.settings import DatabaseSettings
from common.testing.clock import VirtualClock
from gateway.adapters.as_of import PostgresAsOf
from gateway.adapters.autoapi import PostgresRecords
from gateway.adapters.changes import PostgresChanges
from gateway.adapters.database import Database
from gateway.adapters.export import PostgresExports
from gateway.adapters.offers import PostgresOffers
from gateway.adapters.products import PostgresProducts
from gateway.adapters.provenance import PostgresProvenance
from gateway.adapters.stats import PostgresStats
from gateway.adapters.status import PostgresStatus
from gateway.adapters.tokens import PostgresTokens
from gateway.core.access import Access
from gateway.core.aggregate import FanOut
from gateway.core.as_of import DataAsOf
from gateway.core.autoapi import Dialect
from gateway.core.tokens import digest
from sandbox.stack import Stack

DIALECTS = {"che168": Dialect(ZoneInfo("Europe/Moscow"), {"new_price": "price"}, "extra")}


class Wire:
    """A TCP proxy on loopback: open, cut (connections end, new ones are refused) or stalled (nothing comes through)."""

    def __init__(self, target: DatabaseSettings) -> None:
        self._target = target
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self.port = 0
        self.held = 0
        """Pieces that wait to be let through."""

    async def restore(self) -> None:
        """Let everything through again, on the same port."""
        self._flowing.set()
        if self._server is None:
            self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
            self.port = self._server.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        """End every connection and refuse new ones."""
        if self._server is not None:
            self._server.close()
            self._server = None
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def stall(self) -> None:
        """Keep connections and let nothing through."""
        self._flowing.clear()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(self._target.host, self._target.port)
        pumps = [asyncio.create_task(self._pump(reader, back)), asyncio.create_task(self._pump(there, writer))]
        for pump in pumps:
            self._tasks.add(pump)
            pump.add_done_callback(self._tasks.discard)
        await asyncio.gather(*pumps, return_exceptions=True)

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(65536):
                self.held += 1
                try:
                    await self._flowing.wait()
                finally:
                    self.held -= 1
                sink.write(data)
                await sink.drain()
        finally:
            sink.close()


@pytest.fixture
async def wire(stack: Stack) -> AsyncIterator[Wire]:
    """An open way to the database server."""
    wire = Wire(settings_of(stack, "postgres"))
    await wire.restore()
    yield wire
    await wire.cut()


@asynccontextmanager
async def opened(settings: DatabaseSettings) -> AsyncIterator[Database]:
    """Open the gateway's pool."""
    database = Database(settings, application="gateway@test")
    await database.open()
    try:
        yield database
    finally:
        await database.close()


Served = Callable[..., Awaitable[httpx.AsyncClient]]


@pytest.fixture
async def served(database: DatabaseSettings) -> AsyncIterator[Served]:
    """Return a client of a gateway on the real adapters, with `TOKEN` valid; bounds and clock may be given."""
    async with opened(database) as plain, PostgresTokens(plain).transaction() as transaction:
        await transaction.add([digest(TOKEN, KEY)], description="test", expires_at=None)
    stack: list[Any] = []

    async def made(*, clock: VirtualClock | None = None, **bounds: Any) -> httpx.AsyncClient:
        lent = opened(database.model_copy(update={"statement_timeout_s": 20.0, "connect_timeout_s": 20.0} | bounds))
        pool = await lent.__aenter__()
        stack.append(lent)
        used = clock or VirtualClock(SystemClock().now())
        access = Access(PostgresTokens(pool), key=KEY, clock=used, cache_ttl_s=4)
        parts = await some_parts(
            offers=PostgresOffers(pool),
            provenance=PostgresProvenance(pool),
            exports=PostgresExports(pool),
            products=PostgresProducts(pool),
            changes=PostgresChanges(pool),
            records=PostgresRecords(pool, dialects=DIALECTS),
            dialects=DIALECTS,
            fan_out=FanOut(clock=SystemClock(), timeout_s=2),
            status=PostgresStatus(pool, followed={"che168"}),
            stats=PostgresStats(pool),
            as_of=DataAsOf(
                PostgresAsOf(pool, followed=["che168", "bot_igor"]).moments,
                clock=SystemClock(),
                platforms=["che168"],
                shops=["bot_igor"],
            ),
            access=access,
            clock=SystemClock(),
            schema_head=HEAD,
        )
        return a_client(parts)

    yield made
    for lent in reversed(stack):
        await lent.__aexit__(None, None, None)


@pytest.fixture
def run_sql(database: DatabaseSettings) -> Callable[[str], Awaitable[None]]:
    """Return what runs a statement in the test's database."""

    async def run(statement: str) -> None:
        async with opened(database) as plain:
            await plain.fetch(statement)

    return run
