"""What only a real database can show: the lock, the ledger shared with the normalizer, and its outages."""

import asyncio
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime

import asyncpg
import pytest
from tests.contract.fetcher.stores import address_of, opened_store
from tests.lent import connected

from common.errors import UnavailableError
from common.events import ChangeId
from common.settings import DatabaseSettings
from fetcher.adapters.session import PlatformSession
from fetcher.core.errors import AlreadyRunningError, SchemaError
from fetcher.core.ports import FailedPage, Operation, Run, RunKind, SavedPage
from sandbox.stack import Stack

pytestmark = pytest.mark.integration

NOW = datetime(2026, 11, 21, 7, 28, tzinfo=UTC)
RUN = Run("r1", "che168", ChangeId(1000), started_at=NOW)
PAGE = SavedPage(1, 2, {"che168:page:1:r1": 20}, 1, NOW)


async def end_sessions(database: DatabaseSettings) -> None:
    """End every session of the store, as a restart of the server would."""
    async with connected(database) as connection:
        await connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid() AND application_name = 'fetcher@test'"
        )


async def test_a_second_fetcher_of_the_platform_is_refused(database: DatabaseSettings) -> None:
    async with opened_store(database):
        with pytest.raises(AlreadyRunningError, match="already running for che168"):
            await PlatformSession(address_of(database), "che168").__aenter__()
        async with opened_store(database, "encar"):
            pass
    async with opened_store(database):
        pass


async def test_a_lost_session_is_made_anew_with_its_lock(database: DatabaseSettings) -> None:
    async with opened_store(database) as store:
        await store.start_run(RUN)
        await end_sessions(database)
        with suppress(UnavailableError):  # raised only where the loss was not noticed before the call
            await store.save_pages(RUN, [PAGE])
        await store.save_pages(RUN, [PAGE])
        with pytest.raises(AlreadyRunningError):
            await PlatformSession(address_of(database), "che168").__aenter__()


async def test_a_lock_that_another_took_meanwhile_is_waited_for(database: DatabaseSettings) -> None:
    async with opened_store(database) as store:
        await store.start_run(RUN)
        await end_sessions(database)
        async with opened_store(database):
            for _ in range(2):
                with pytest.raises(UnavailableError):
                    await store.save_pages(RUN, [PAGE])
        await store.save_pages(RUN, [PAGE])


async def test_a_page_that_landed_stays_landed(database: DatabaseSettings) -> None:
    async with opened_store(database) as store, connected(database) as connection:
        await store.start_run(RUN)
        await connection.execute(
            "INSERT INTO feed_pages (platform, kind, position, run_id, message_id, status, records, landed, landed_at)"
            " VALUES ('che168', 'page', 1, 'r1', 'che168:page:1:r1', 'landed', 20, 19, now())"
        )
        await store.save_pages(RUN, [PAGE])
        await store.save_failure(RUN, FailedPage(1, "che168:page:1:r1", 3, NOW, None, "timeout"))
        row = await connection.fetchrow("SELECT status, landed, attempts, fetched_at FROM feed_pages")
        assert tuple(row) == ("landed", 19, 1, NOW)


async def test_position_and_ledger_are_saved_together_or_not_at_all(database: DatabaseSettings) -> None:
    async with opened_store(database) as store, connected(database) as connection:
        await store.start_run(RUN)
        await connection.execute("ALTER TABLE feed_pages ADD CONSTRAINT broken CHECK (records < 20)")
        with pytest.raises(SchemaError):
            await store.save_pages(RUN, [PAGE])
        assert await store.latest_run("che168", RunKind.INITIAL_LOAD) == RUN


async def test_a_server_that_writes_nothing_more_is_one_that_is_away(database: DatabaseSettings) -> None:
    async def out_of_ids(_: object) -> None:
        error = asyncpg.ProgramLimitExceededError("database is not accepting commands to avoid wraparound data loss")
        error.server_source_function = "GetNewTransactionId"
        raise error

    async with PlatformSession(address_of(database), "che168") as session:
        with pytest.raises(UnavailableError, match="not accepting commands"):
            await session.call(out_of_ids)


async def test_the_changes_begin_at_s0_unless_they_have_begun(database: DatabaseSettings) -> None:
    async with opened_store(database) as store, connected(database) as connection:
        for number, (cursor, expected) in enumerate([("NULL", 1000), ("0", 0), ("5", 5)]):
            run = replace(RUN, run_id=f"r{number}")
            await connection.execute(f"INSERT INTO sync_state (platform, last_change_id) VALUES ('che168', {cursor})")  # noqa: S608 - three constants
            await store.start_run(run)
            await store.finish_run(run)
            assert await connection.fetchval("SELECT last_change_id FROM sync_state") == expected
            await connection.execute("DELETE FROM sync_state")
        await store.start_run(replace(RUN, run_id="last"))
        await store.finish_run(replace(RUN, run_id="last"))
        assert await connection.fetchval("SELECT last_change_id FROM sync_state") == 1000


async def test_the_diary_reads_as_it_was_written_without_secrets(database: DatabaseSettings) -> None:
    operation = Operation("che168", NOW, 1.5, is_ok=False, details="GET ?api_key=abc failed", counts={"pages": 3})
    async with opened_store(database) as store, connected(database) as connection:
        await store.record(operation)
        row = await connection.fetchrow(
            "SELECT operation_type, started_at, duration, status, details, platform, counts FROM operations_log"
        )
    assert tuple(row) == (
        "data_fetch",
        NOW,
        1.5,
        "ERROR",
        "GET ?api_key=*** failed",
        "che168",
        '{"pages": 3}',
    )


async def test_a_database_without_tables_says_so(stack: Stack) -> None:
    name = "fetcher_unmigrated"
    await asyncio.to_thread(stack.create_database, name)
    env = stack.env()
    try:
        settings = DatabaseSettings.model_validate(
            {
                "host": env["DB_HOST"],
                "port": int(env["DB_PORT"]),
                "user": env["DB_USER"],
                "password": env["DB_PASSWORD"],
                "name": name,
            }
        )
        async with opened_store(settings) as store:
            with pytest.raises(SchemaError, match=r'"fetch_runs" does not exist; is it migrated\?'):
                await store.latest_run("che168", RunKind.INITIAL_LOAD)
    finally:
        await asyncio.to_thread(stack.drop_database, name)


@pytest.mark.parametrize(
    "wrong",
    [{"port": 9}, {"name": "nowhere"}, {"user": "nobody"}, {"password": "canary-pw"}],
    ids=["port", "name", "user", "password"],
)
async def test_a_wrong_address_is_one_line_without_the_password(
    database: DatabaseSettings, wrong: dict[str, object]
) -> None:
    settings = DatabaseSettings.model_validate({**database.model_dump(), **wrong})
    with pytest.raises(UnavailableError) as failure:
        await PlatformSession(address_of(settings), "che168").__aenter__()
    text = str(failure.value)
    assert text.startswith(f"database {settings.host}:{settings.port}/{settings.name}: ")
    assert "canary-pw" not in text
    assert "\n" not in text
