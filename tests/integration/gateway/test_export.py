"""Exports over the wire: a real process, clients that go, a database that goes, and requests meanwhile."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

import httpx
import pytest
from tests.contract.gateway.fakes import TOKEN
from tests.integration.gateway.conftest import opened
from tests.integration.gateway.test_command import environment, running

from common.clock import SystemClock
from common.settings import DatabaseSettings
from gateway.adapters.database import Database
from gateway.adapters.tokens import PostgresTokens
from gateway.core.tokens import digest

pytestmark = pytest.mark.integration

__all__ = ["environment"]

OFFERS = 15_000
FILL = f"""
    INSERT INTO processed_data (platform, inner_id, mark, title, price, normalized_data, active_status, is_complete,
        max_seq)
    SELECT 'che168', n::text, 'BMW', repeat('long title ', 20), n, '{{}}', 0, true, 1
    FROM generate_series(1, {OFFERS}) AS n
"""  # noqa: S608 - a number
EXPORTING = """
    SELECT pid FROM pg_stat_activity
    WHERE datname = current_database() AND query LIKE '%convert_to%' AND pid <> pg_backend_pid()
      AND state IN ('active', 'idle in transaction')
"""
BEARER = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture
async def pool(environment: Mapping[str, str], database: DatabaseSettings) -> AsyncIterator[Database]:
    """The catalogue, with offers enough that no buffer on the way holds them."""
    async with opened(database.model_copy(update={"statement_timeout_s": 60.0})) as plain:
        async with PostgresTokens(plain).transaction() as transaction:
            await transaction.add(
                [digest(TOKEN, environment["SECRET_KEY"].encode())], description=None, expires_at=None
            )
        await plain.fetch(FILL)
        yield plain


@asynccontextmanager
async def exporting(client: httpx.AsyncClient) -> AsyncIterator[AsyncIterator[bytes]]:
    """Begin an export and read its first bytes."""
    async with client.stream("GET", "/offers/export", headers=BEARER, timeout=20) as answer:
        assert answer.status_code == 200
        parts = answer.aiter_bytes()
        await anext(parts)
        yield parts


async def soon(pool: Database, sql: str, fits: Callable[[int], bool]) -> None:
    """Return when the number of rows fits.

    Raises:
        TimeoutError: It does not within 10 seconds.
    """
    async with asyncio.timeout(60):
        while not fits(len(await pool.fetch(sql))):
            await SystemClock().sleep(0.02)


async def test_exports_hold_up_nobody_and_leave_nothing_behind(environment: Mapping[str, str], pool: Database) -> None:
    async with running({**environment, "FEEDMILL__DATABASE__POOL_SIZE": "1"}) as (_, client):
        whole = (await client.get("/offers/export", headers=BEARER, timeout=20)).content.splitlines()
        assert [int(json.loads(line)["inner_id"]) for line in whole] == list(range(1, OFFERS + 1))
        async with exporting(client), exporting(client):  # neither is read on: both wait for their clients
            await soon(pool, EXPORTING, lambda number: number == 2)
            assert (await client.get("/offers/export", headers=BEARER)).status_code == 503
            answers = await asyncio.gather(*(client.get("/offers?limit=1", headers=BEARER) for _ in range(20)))
            assert {answer.status_code for answer in answers} == {200}
        await soon(pool, EXPORTING, lambda number: number == 0)
        async with exporting(client), exporting(client):
            pass


async def test_a_file_is_of_one_moment_and_without_the_database_visibly_broken(
    environment: Mapping[str, str], pool: Database
) -> None:
    async with running(environment) as (_, client):
        async with exporting(client) as parts:
            await pool.fetch("UPDATE processed_data SET mark = 'Audi'")
            assert b"Audi" not in b"".join([part async for part in parts])
        async with exporting(client) as parts:
            await pool.fetch(f"SELECT pg_terminate_backend(pid) FROM ({EXPORTING}) AS found")  # noqa: S608 - above
            with pytest.raises(httpx.RemoteProtocolError, match="incomplete chunked read"):
                [part async for part in parts]
        assert len((await client.get("/offers/export", headers=BEARER, timeout=20)).content.splitlines()) == OFFERS
