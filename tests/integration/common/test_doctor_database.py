"""What the doctor sees of a database in which somebody has been at work by hand."""

import pytest
from tests.lent import connected

from common.clock import SystemClock
from common.doctor import database as doctor
from common.doctor.report import Level, Line
from common.settings import DatabaseSettings

pytestmark = pytest.mark.integration


async def found(settings: DatabaseSettings, statement: str) -> list[Line]:
    """Return what the doctor does not find well once somebody has run a statement."""
    async with connected(settings) as connection:
        await connection.execute(statement)
    lines = [line async for line in doctor.lines(settings, SystemClock(), followed=())]
    return [line for line in lines if line.level is not Level.OK]


async def test_a_database_that_takes_no_writes_is_named(database: DatabaseSettings) -> None:
    read_only = f'ALTER DATABASE "{database.name}" SET default_transaction_read_only = on'
    [line] = await found(database, read_only)
    assert (line.level, line.what) == (Level.ERROR, "writes")
    assert "replica" in line.advice


async def test_tables_that_are_gone_are_named(database: DatabaseSettings) -> None:
    [line] = await found(database, "DROP TABLE replays; ALTER TABLE feed_pages RENAME TO mine")
    assert (line.level, line.what) == (Level.ERROR, "schema")
    assert line.seen.endswith("without feed_pages, replays")
    assert "restore" in line.advice


async def test_a_schema_that_a_service_may_not_use_is_a_right_that_is_missing(database: DatabaseSettings) -> None:
    [line] = await found(database, "REVOKE USAGE ON SCHEMA public FROM feedmill_fetcher")
    assert (line.level, line.what) == (Level.ERROR, "rights of fetcher")
    assert line.seen.startswith("missing: ")
    assert "migrate" in line.advice
