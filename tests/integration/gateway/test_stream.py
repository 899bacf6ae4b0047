"""The change feed as clients follow it: a real process, a table that grows, a stop in order."""

import asyncio
import signal
from collections.abc import Mapping

import httpx
import pytest
from tests.contract.gateway.fakes import TOKEN
from tests.integration.gateway.conftest import opened
from tests.integration.gateway.test_command import environment, running

from common.settings import DatabaseSettings
from gateway.adapters.tokens import PostgresTokens
from gateway.core.tokens import digest

pytestmark = pytest.mark.integration

__all__ = ["environment"]

ADD = """
    INSERT INTO catalog_changes (platform, inner_id, change_type, diff)
    SELECT 'che168', n::text, 'added', '{}' FROM generate_series(1, $1::int) AS n
"""


async def follow(client: httpx.AsyncClient, headers: Mapping[str, str], *, until: int) -> list[int]:
    """Return the ids that come, up to `until` or the end of the stream."""
    ids: list[int] = []
    async with client.stream("GET", "/offers/stream", headers=dict(headers), timeout=20) as answer:
        assert answer.status_code == 200
        async for line in answer.aiter_lines():
            if line.startswith("id: "):
                ids.append(int(line.removeprefix("id: ")))
                if ids[-1] >= until:
                    break
    return ids


async def test_clients_come_and_go_and_miss_nothing(
    environment: Mapping[str, str],
    database: DatabaseSettings,
) -> None:
    key = environment["SECRET_KEY"].encode()
    bearer = {"Authorization": f"Bearer {TOKEN}"}
    async with opened(database) as pool:
        async with PostgresTokens(pool).transaction() as transaction:
            await transaction.add([digest(TOKEN, key)], description=None, expires_at=None)
        await pool.fetch(ADD, 450)
        async with running(environment) as (process, client):
            first = await follow(client, {**bearer, "Last-Event-ID": "0"}, until=300)
            followers = [
                asyncio.create_task(follow(client, {**bearer, "Last-Event-ID": str(first[-1])}, until=500))
                for _ in range(5)
            ]
            await pool.fetch(ADD, 50)
            for rest in await asyncio.gather(*followers):
                assert [*first, *rest] == [*range(1, first[-1] + 1), *range(first[-1] + 1, 501)]
            waiting = asyncio.create_task(follow(client, bearer, until=10**9))
            while not (await pool.fetch("SELECT 1 FROM pg_stat_activity WHERE query LIKE '%max(change_id)%'")):
                pass
            process.send_signal(signal.SIGTERM)
            assert await waiting == []
            assert await asyncio.wait_for(process.wait(), 60) == 0
