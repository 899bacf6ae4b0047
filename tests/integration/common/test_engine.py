"""SQLAlchemy's engine on a real PostgreSQL: objects in JSON columns, UTC, and bounds on every wait."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta, timezone

import pytest
from pydantic import SecretStr
from sqlalchemy import insert, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncEngine

from common.db import migrate
from common.db.engine import create_engine, url
from common.db.tables import operations_log
from common.settings import DatabaseSettings


@pytest.fixture
async def engine(empty_database: DatabaseSettings) -> AsyncIterator[AsyncEngine]:
    """A pool on an empty database."""
    made = create_engine(empty_database, application="test@here")
    yield made
    await made.dispose()


async def test_a_table_of_ours_takes_and_gives_objects(engine: AsyncEngine, empty_database: DatabaseSettings) -> None:
    await migrate.upgrade(empty_database)
    moment = datetime(2026, 11, 21, 12, 0, tzinfo=timezone(timedelta(hours=3)))
    counts = {"a": [1, None, "奥迪"], "b": True}
    row = {"operation_type": "data_fetch", "started_at": moment, "duration": 1.5, "status": "OK", "counts": counts}
    async with engine.begin() as connection:
        await connection.execute(insert(operations_log).values(row))
        stored = (await connection.execute(select(operations_log))).one()
    assert stored.counts == counts
    assert stored.started_at == moment
    assert stored.started_at.utcoffset() == timedelta(0)


@pytest.mark.parametrize(("name", "value"), [("application_name", "test@here"), ("statement_timeout", "1min")])
async def test_its_sessions_are_set_like_all_others(engine: AsyncEngine, name: str, value: str) -> None:
    async with engine.connect() as connection:
        assert (await connection.execute(text(f"SHOW {name}"))).scalar_one() == value


async def test_waiting_for_a_connection_of_the_pool_is_bounded(empty_database: DatabaseSettings) -> None:
    narrow = empty_database.model_copy(update={"pool_size": 1, "connect_timeout_s": 1.0})
    engine = create_engine(narrow, application="test")
    async with engine.connect() as first:
        await first.execute(text("SELECT 1"))
        with pytest.raises(PoolTimeoutError):
            await asyncio.wait_for(engine.connect().start(), timeout=10)
    await engine.dispose()


async def test_a_statement_that_lasts_too_long_is_ended_by_the_server(empty_database: DatabaseSettings) -> None:
    hasty = empty_database.model_copy(update={"statement_timeout_s": 0.1})
    engine = create_engine(hasty, application="test")
    async with engine.connect() as connection:
        await connection.execute(text("SET statement_timeout = 300"))  # so late is the word of one that has much to do
        with pytest.raises(DBAPIError, match="statement timeout"):
            await connection.execute(text("SELECT pg_sleep(20)"))
    await engine.dispose()


def test_the_address_hides_the_password() -> None:
    address = url(DatabaseSettings(password=SecretStr("S3cr3t-Value")))
    assert "S3cr3t-Value" not in f"{address} {address!r}"
    assert address.password == "S3cr3t-Value"
