"""Sessions on a real PostgreSQL: JSON travels as bytes, time is UTC, and every wait has a bound."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC
from typing import Any

import asyncpg
import pytest
from tests.integration.normalizer.proxy import forwarding

from common.clock import SystemClock
from common.db.session import create_pool
from common.settings import DatabaseSettings

EXACT = {
    "2 to the 64": b'{"id": 18446744073709551616}',
    "forty digits": b'{"id": 1234567890123456789012345678901234567890}',
    "trailing zeros": b'{"price": 1.10}',
    "chinese": '{"a": "奥迪A4L"}'.encode(),
    "a quote": rb'{"a": "\"\\"}',
    "an array": b"[1, 2]",
    "null": b"null",
    "text": b'"a"',
}


@pytest.fixture
async def pool(empty_database: DatabaseSettings) -> AsyncIterator["asyncpg.Pool[Any]"]:
    """A pool on an empty database."""
    async with create_pool(empty_database, application="test@here") as made:
        yield made


@pytest.mark.parametrize("kind", ["json", "jsonb"])
@pytest.mark.parametrize("value", EXACT.values(), ids=EXACT.keys())
async def test_json_travels_as_bytes_both_ways(pool: "asyncpg.Pool[Any]", kind: str, value: bytes) -> None:
    received = await pool.fetchval(f"SELECT $1::{kind}", value)
    array = await pool.fetchval(f"SELECT $1::{kind}[]", [value, value])
    assert received == value
    assert type(received) is bytes
    assert array == [value, value]


async def test_json_text_is_taken_as_well(pool: "asyncpg.Pool[Any]") -> None:
    assert await pool.fetchval("SELECT $1::jsonb", '{"a": "奥迪"}') == '{"a": "奥迪"}'.encode()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("application_name", "test@here"),
        ("timezone", "UTC"),
        ("statement_timeout", "1min"),
        ("lock_timeout", "5s"),
        ("idle_in_transaction_session_timeout", "1min"),
        ("jit", "off"),
    ],
)
async def test_every_session_has_its_bounds(pool: "asyncpg.Pool[Any]", name: str, value: str) -> None:
    assert await pool.fetchval(f"SHOW {name}") == value


async def test_now_is_utc(pool: "asyncpg.Pool[Any]") -> None:
    assert (await pool.fetchval("SELECT now()")).tzinfo == UTC


async def test_a_statement_that_lasts_too_long_is_ended_by_the_server_and_costs_no_connection(
    empty_database: DatabaseSettings,
) -> None:
    hasty = empty_database.model_copy(update={"statement_timeout_s": 0.1})
    async with create_pool(hasty, application="test") as pool:
        async with pool.acquire() as connection:
            pid = connection.get_server_pid()
            await connection.execute("SET statement_timeout = 300")  # so late is the word of one that has much to do
            with pytest.raises(asyncpg.QueryCanceledError, match="statement timeout"):
                await connection.execute("SELECT pg_sleep(20)")
        assert await pool.fetchval("SELECT pg_backend_pid()") == pid
        assert await pool.fetchval("SHOW statement_timeout") == "100ms"


async def test_a_lock_that_is_held_too_long_is_given_up(empty_database: DatabaseSettings) -> None:
    hasty = empty_database.model_copy(update={"lock_timeout_s": 0.1})
    async with create_pool(hasty, application="test") as pool, pool.acquire() as holder:
        await holder.execute("SELECT pg_advisory_lock(1)")
        with pytest.raises(asyncpg.LockNotAvailableError):
            await pool.execute("SELECT pg_advisory_lock(1)")


async def test_a_connection_that_the_server_ended_is_replaced(pool: "asyncpg.Pool[Any]") -> None:
    async with pool.acquire() as other:
        pid = await pool.fetchval("SELECT pg_backend_pid()")
        await other.execute("SELECT pg_terminate_backend($1, 2000)", pid)
    assert await pool.fetchval("SELECT pg_backend_pid()") != pid


async def test_a_transaction_that_the_server_ended_says_why(pool: "asyncpg.Pool[Any]") -> None:
    with pytest.raises(asyncpg.PostgresConnectionError, match="due to administrator command"):
        async with pool.acquire() as connection, connection.transaction():
            await connection.execute("SELECT pg_terminate_backend(pg_backend_pid())")
    assert await pool.fetchval("SELECT 1") == 1


async def test_the_pool_keeps_no_more_connections_than_it_may(empty_database: DatabaseSettings) -> None:
    narrow = empty_database.model_copy(update={"pool_size": 1})
    async with create_pool(narrow, application="test") as pool, pool.acquire():
        with pytest.raises(TimeoutError):
            await pool.acquire(timeout=0.1)


async def test_a_server_that_says_nothing_any_more_holds_up_neither_a_cancellation_nor_the_end(
    empty_database: DatabaseSettings,
) -> None:
    async with forwarding(empty_database.port) as proxy, asyncio.timeout(30):
        there = empty_database.model_copy(update={"port": proxy.port})
        async with create_pool(there, application="test") as pool:

            async def wait_for_an_answer() -> None:
                async with pool.acquire() as connection, connection.transaction():
                    proxy.hold_up()
                    await connection.execute("SELECT 1")

            async with pool.acquire(), pool.acquire():
                """From now on there are two."""
            waiting = asyncio.create_task(wait_for_an_answer())
            await SystemClock().sleep(0.1)
            waiting.cancel()
            await asyncio.wait({waiting})
            assert waiting.cancelled()
