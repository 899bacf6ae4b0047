"""Migrations on a real PostgreSQL: complete, equal to the tables, safe to start twice, clear when they cannot run."""

import asyncio
import socket

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from pydantic import SecretStr
from sqlalchemy import Connection, MetaData, text

from common.db import migrate
from common.db.engine import create_engine
from common.db.session import connect
from common.db.shop_tables import metadata
from common.errors import ConfigurationError, UnavailableError
from common.settings import DatabaseSettings
from common.testing.clock import VirtualClock

PASSWORD = "S3cr3t-Value"


def differences(connection: Connection, tables: MetaData) -> list[object]:
    """Return what an automatic migration would change to make the database equal to `tables`."""
    options = {"compare_type": True, "compare_server_default": True}
    return list(compare_metadata(MigrationContext.configure(connection, opts=options), tables))


async def compared(settings: DatabaseSettings, tables: MetaData) -> list[object]:
    """Compare the database with `tables`."""
    engine = create_engine(settings, application="test")
    try:
        async with engine.connect() as connection:
            return await connection.run_sync(differences, tables)
    finally:
        await engine.dispose()


async def test_the_migrated_schema_equals_the_tables(empty_database: DatabaseSettings) -> None:
    await migrate.upgrade(empty_database)
    assert await compared(empty_database, metadata) == []


async def test_the_comparison_sees_columns_types_and_indexes(empty_database: DatabaseSettings) -> None:
    await migrate.upgrade(empty_database)
    engine = create_engine(empty_database, application="test")
    async with engine.begin() as connection:
        await connection.execute(text("DROP INDEX raw_data_unprocessed_idx"))
        await connection.execute(text("ALTER TABLE sync_state DROP COLUMN last_successful_date"))
        await connection.execute(text("ALTER TABLE feed_pages ALTER COLUMN attempts DROP DEFAULT"))
        await connection.execute(text("ALTER TABLE quarantine ALTER COLUMN reason TYPE varchar(9)"))
    await engine.dispose()
    found = str(await compared(empty_database, metadata))
    for word in ("raw_data_unprocessed_idx", "last_successful_date", "attempts", "reason"):
        assert word in found


async def test_two_starts_at_once_both_succeed(empty_database: DatabaseSettings) -> None:
    revisions = await asyncio.gather(*(migrate.upgrade(empty_database) for _ in range(3)))
    assert revisions == [migrate.head()] * 3
    assert await compared(empty_database, metadata) == []


async def test_a_second_run_changes_nothing(empty_database: DatabaseSettings) -> None:
    await migrate.upgrade(empty_database)
    assert await migrate.upgrade(empty_database) == migrate.head()


async def test_a_database_of_a_newer_version_is_left_alone_with_a_clear_word(empty_database: DatabaseSettings) -> None:
    await migrate.upgrade(empty_database)
    engine = create_engine(empty_database, application="test")
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    await engine.dispose()
    with pytest.raises(ConfigurationError, match="9999"):
        await migrate.upgrade(empty_database)


async def test_a_failed_migration_leaves_nothing_half_done(empty_database: DatabaseSettings) -> None:
    engine = create_engine(empty_database, application="test")
    async with engine.begin() as connection:
        await connection.execute(text("CREATE TABLE quarantine (id int)"))
    with pytest.raises(UnavailableError, match="quarantine") as caught:
        await migrate.upgrade(empty_database)
    assert "\n" not in str(caught.value)
    assert "CREATE TABLE" not in str(caught.value)
    async with engine.begin() as connection:
        names = (
            await connection.execute(text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'"))
        ).scalars()
        assert set(names) <= {"quarantine", "alembic_version"}
        await connection.execute(text("DROP TABLE quarantine"))
    await engine.dispose()
    assert await migrate.upgrade(empty_database) == migrate.head()


async def test_a_migration_that_waits_says_for_whom_and_then_goes_on(
    empty_database: DatabaseSettings, caplog: pytest.LogCaptureFixture
) -> None:
    stranger = await connect(empty_database, application="a forgotten psql")
    transaction = stranger.transaction()
    await transaction.start()
    await stranger.execute("CREATE TABLE raw_data (id int)")
    migration = asyncio.create_task(migrate.upgrade(empty_database, clock=VirtualClock()))
    async with asyncio.timeout(60):
        while "a forgotten psql" not in caplog.text:
            await stranger.execute("SELECT")
    assert not migration.done()
    await transaction.rollback()
    assert await migration == migrate.head()
    (said,) = [record.getMessage() for record in caplog.records if "waiting" in record.getMessage()]
    assert f"pid={stranger.get_server_pid()} " in said
    assert 'application="a forgotten psql"' in said
    await stranger.close()


async def test_nobody_listening_is_named_by_host_port_and_name() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    nobody = DatabaseSettings(host="127.0.0.1", port=port, name="catalogue", password=SecretStr(PASSWORD))
    with pytest.raises(UnavailableError, match=f"127.0.0.1:{port}/catalogue") as caught:
        await migrate.upgrade(nobody)
    assert PASSWORD not in str(caught.value)


async def test_a_database_that_does_not_exist_is_named(empty_database: DatabaseSettings) -> None:
    absent = empty_database.model_copy(update={"name": "no_such_catalogue", "password": SecretStr(PASSWORD)})
    with pytest.raises(UnavailableError, match="no_such_catalogue") as caught:
        await migrate.upgrade(absent)
    assert PASSWORD not in str(caught.value)


async def test_a_server_that_never_answers_costs_the_connect_timeout() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        mute = DatabaseSettings(port=silent.getsockname()[1], connect_timeout_s=0.2)
        with pytest.raises(UnavailableError, match=str(mute.port)):
            await asyncio.wait_for(migrate.upgrade(mute), timeout=10)
