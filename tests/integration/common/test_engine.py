"""The pool on a real PostgreSQL: JSON travels as bytes, time is UTC, and every wait has a bound."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta, timezone

import asyncpg
import pytest
from pydantic import SecretStr
from sqlalchemy import insert, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncEngine

from common.db import migrate
from common.db.engine import create_engine, driver_connection, url
from common.db.tables import operations_log
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
async def engine(empty_database: DatabaseSettings) -> AsyncIterator[AsyncEngine]:
    """A pool on an empty database."""
    made = create_engine(empty_database, application="test@here")
    yield made
    await made.dispose()


@pytest.mark.parametrize("kind", ["json", "jsonb"])
@pytest.mark.parametrize("value", EXACT.values(), ids=EXACT.keys())
async def test_json_travels_as_bytes_both_ways(engine: AsyncEngine, kind: str, value: bytes) -> None:
    async with driver_connection(engine) as connection:
        received = await connection.fetchval(f"SELECT $1::{kind}", value)
        (array,) = await connection.fetchrow(f"SELECT $1::{kind}[]", [value, value])
    assert received == value
    assert type(received) is bytes
    assert array == [value, value]


async def test_json_text_is_taken_as_well(engine: AsyncEngine) -> None:
    async with driver_connection(engine) as connection:
        assert await connection.fetchval("SELECT $1::jsonb", '{"a": "奥迪"}') == '{"a": "奥迪"}'.encode()


async def test_json_columns_of_ours_take_objects_and_give_bytes(
    engine: AsyncEngine, empty_database: DatabaseSettings
) -> None:
    await migrate.upgrade(empty_database)
    moment = datetime(2026, 11, 21, 12, 0, tzinfo=timezone(timedelta(hours=3)))
    counts = {"a": [1, None, "奥迪"], "b": True}
    row = {"operation_type": "data_fetch", "started_at": moment, "duration": 1.5, "status": "OK", "counts": counts}
    async with engine.begin() as connection:
        await connection.execute(insert(operations_log).values(row))
        stored = (await connection.execute(select(operations_log))).one()
    assert isinstance(stored.counts, bytes)
    assert json.loads(stored.counts) == counts
    assert stored.started_at == moment
    assert stored.started_at.utcoffset() == timedelta(0)


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
async def test_every_session_has_its_bounds(engine: AsyncEngine, name: str, value: str) -> None:
    async with driver_connection(engine) as connection:
        assert await connection.fetchval(f"SHOW {name}") == value


async def test_now_is_utc(engine: AsyncEngine) -> None:
    async with driver_connection(engine) as connection:
        assert (await connection.fetchval("SELECT now()")).tzinfo == UTC


async def test_a_statement_that_lasts_too_long_is_ended(empty_database: DatabaseSettings) -> None:
    engine = create_engine(empty_database.model_copy(update={"statement_timeout_s": 0.1}), application="test")
    with pytest.raises((DBAPIError, TimeoutError)):
        async with engine.connect() as connection:
            await connection.execute(text("SELECT pg_sleep(20)"))
    await engine.dispose()


async def test_a_lock_that_is_held_too_long_is_given_up(empty_database: DatabaseSettings) -> None:
    engine = create_engine(empty_database.model_copy(update={"lock_timeout_s": 0.1}), application="test")
    async with engine.begin() as holder, engine.connect() as waiter:
        await holder.execute(text("SELECT pg_advisory_lock(1)"))
        with pytest.raises(DBAPIError, match="lock timeout"):
            await waiter.execute(text("SELECT pg_advisory_lock(1)"))
    await engine.dispose()


async def test_waiting_for_a_connection_of_the_pool_is_bounded(empty_database: DatabaseSettings) -> None:
    narrow = empty_database.model_copy(update={"pool_size": 1, "connect_timeout_s": 0.2})
    engine = create_engine(narrow, application="test")
    async with engine.connect() as first:
        await first.execute(text("SELECT 1"))
        with pytest.raises(PoolTimeoutError):
            await asyncio.wait_for(engine.connect().start(), timeout=10)
    await engine.dispose()


async def test_a_connection_that_the_server_ended_is_replaced(engine: AsyncEngine) -> None:
    async with driver_connection(engine) as connection:
        first = await connection.fetchval("SELECT pg_backend_pid()")
    async with engine.connect() as other, engine.connect() as victim:
        pid = (await victim.execute(text("SELECT pg_backend_pid()"))).scalar_one()
        await other.execute(text("SELECT pg_terminate_backend(:pid, 2000)"), {"pid": pid})
        with pytest.raises(DBAPIError):
            await victim.execute(text("SELECT 1"))
    async with driver_connection(engine) as connection:
        assert await connection.fetchval("SELECT 1") == 1
    assert first > 0


async def test_the_borrower_owns_the_transaction(engine: AsyncEngine) -> None:
    async with driver_connection(engine) as connection:
        assert not connection.is_in_transaction()
        await connection.execute("CREATE TABLE kept (a int)")
    async with driver_connection(engine) as connection:
        assert await connection.fetchval("SELECT count(*) FROM kept") == 0
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute("INSERT INTO kept VALUES (1)")
        await transaction.rollback()
        assert await connection.fetchval("SELECT count(*) FROM kept") == 0


async def test_a_transaction_that_fails_is_rolled_back(engine: AsyncEngine) -> None:
    async def fail_half_way() -> None:
        async with driver_connection(engine) as connection, connection.transaction():
            await connection.execute("INSERT INTO kept VALUES (1)")
            await connection.execute("SELECT 1 / 0")

    async with driver_connection(engine) as connection:
        await connection.execute("CREATE TABLE kept (a int)")
    with pytest.raises(asyncpg.DivisionByZeroError):
        await fail_half_way()
    async with driver_connection(engine) as connection:
        assert await connection.fetchval("SELECT count(*) FROM kept") == 0


def test_the_address_hides_the_password() -> None:
    address = url(DatabaseSettings(password=SecretStr("S3cr3t-Value")))
    assert "S3cr3t-Value" not in f"{address} {address!r}"
    assert address.password == "S3cr3t-Value"
