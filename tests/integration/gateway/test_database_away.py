"""The database goes away, hangs or is locked: a 503 in seconds, and all is well by itself when it is back."""

import asyncio
from collections.abc import Awaitable, Callable

import httpx
import pytest
from tests.integration.gateway.conftest import Served, Wire, opened
from tests.lent import connected

from common.clock import SystemClock
from common.db.revision import HEAD
from common.errors import UnavailableError
from common.settings import DatabaseSettings
from gateway.adapters.tokens import PostgresTokens

pytestmark = pytest.mark.integration

PATIENT_S = 60.0
PATHS = ("/health/ready", "/offers", "/offers/1", "/status", "/metrics")


async def answers(client: httpx.AsyncClient) -> dict[str, int]:
    """Return the status of each path; none of them is waited for without end."""
    statuses = {}
    for path in PATHS:
        async with asyncio.timeout(PATIENT_S):
            statuses[path] = (await client.get(path)).status_code
    return statuses


async def until_well(client: httpx.AsyncClient) -> None:
    """Wait until all is well; where the bounds are short, a busy machine may take longer now and then."""
    async with asyncio.timeout(PATIENT_S):
        while await answers(client) != WELL:
            pass


WELL = {"/health/ready": 200, "/offers": 200, "/offers/1": 404, "/status": 200, "/metrics": 200}
AWAY = {**dict.fromkeys(PATHS, 503), "/metrics": 200}


async def test_a_gateway_starts_without_its_database_and_recovers(served: Served, wire: Wire) -> None:
    await wire.cut()
    client = await served(port=wire.port)
    assert await answers(client) == AWAY
    assert (await client.get("/health/live")).status_code == 200
    await wire.restore()
    assert await answers(client) == WELL


async def test_a_database_that_restarts_costs_at_most_the_requests_of_that_time(served: Served, wire: Wire) -> None:
    client = await served(port=wire.port, pool_size=2)
    assert await answers(client) == WELL
    await wire.cut()
    assert await answers(client) == AWAY
    await wire.restore()
    assert await answers(client) == WELL


@pytest.mark.parametrize("pool_size", [1, 3])
async def test_a_database_that_hangs_is_given_up_in_time(served: Served, wire: Wire, pool_size: int) -> None:
    client = await served(port=wire.port, pool_size=pool_size, statement_timeout_s=0.3, connect_timeout_s=0.5)
    await until_well(client)
    wire.stall()
    assert await answers(client) == AWAY
    await wire.restore()
    await until_well(client)


@pytest.mark.parametrize(
    ("bound", "kind"), [("statement_timeout_s", "query-timeout"), ("lock_timeout_s", "unavailable")]
)
async def test_a_query_over_its_time_is_ended_by_the_server(
    served: Served, database: DatabaseSettings, bound: str, kind: str
) -> None:
    client = await served(**{bound: 0.3})
    async with connected(database) as blocker, blocker.transaction():
        await blocker.execute("LOCK TABLE processed_data")
        answer = await client.get("/offers")
        assert (answer.status_code, answer.json()["type"]) == (503, f"/docs#problem-{kind}")
        still = await blocker.fetchval(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'gateway@test' AND state = 'active'"
            " AND datname = current_database()"
        )
        assert still == 0
    await until_well(client)


async def test_a_database_that_takes_no_writes_now_keeps_no_uses_and_says_so(database: DatabaseSettings) -> None:
    async with opened(database.model_copy(update={"pool_size": 1})) as pool:
        await pool.fetch("SET default_transaction_read_only = on")
        with pytest.raises(UnavailableError):
            await PostgresTokens(pool).mark_used({1: SystemClock().now()})


async def test_a_database_that_lets_nobody_in_for_now_is_away(served: Served, database: DatabaseSettings) -> None:
    client = await served()
    async with connected(database.model_copy(update={"name": "postgres"})) as operator:
        await operator.execute(f'ALTER DATABASE "{database.name}" ALLOW_CONNECTIONS false')
        assert await answers(client) == AWAY
        await operator.execute(f'ALTER DATABASE "{database.name}" ALLOW_CONNECTIONS true')
    assert await answers(client) == WELL


async def test_a_right_that_the_gateway_lacks_is_said_with_what_helps(
    served: Served, run_sql: Callable[[str], Awaitable[None]]
) -> None:
    client = await served()
    await run_sql("REVOKE SELECT ON processed_data FROM CURRENT_USER")
    answer = await client.get("/offers")
    assert (answer.status_code, answer.json()["type"]) == (503, "/docs#problem-unavailable")
    assert "feedmill migrate" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("statement", "detail"),
    [
        ("DROP TABLE alembic_version", "the database has no schema, or an old one: run `feedmill migrate`"),
        ("UPDATE alembic_version SET version_num = '0000'", f"the database's schema is at 0000, {HEAD} is needed"),
    ],
    ids=["missing", "old"],
)
async def test_a_database_without_the_right_schema_is_not_ready(
    served: Served, run_sql: Callable[[str], Awaitable[None]], statement: str, detail: str
) -> None:
    client = await served()
    await run_sql(statement)
    answer = await client.get("/health/ready")
    assert (answer.status_code, answer.json()["detail"]) == (503, detail)
