"""Up to when the catalogue is complete, by runs and page ledgers in a real database."""

import json
from datetime import datetime

import pytest
from tests.integration.gateway.conftest import Served, opened

from common.settings import DatabaseSettings
from gateway.adapters.as_of import AS_OF, PostgresAsOf
from gateway.adapters.database import Database

pytestmark = pytest.mark.integration

RUN = """
    INSERT INTO fetch_runs (run_id, platform, kind, status, started_at, finished_at)
    VALUES ($1 || $2 || $4, $1, $2, $3, $4::text::timestamptz,
            CASE WHEN $3 = 'done' THEN $4::text::timestamptz + interval '10 min' END)
"""
PAGE = """
    INSERT INTO feed_pages (platform, kind, position, run_id, message_id, status, created_at)
    VALUES ($1, 'change', 1, 'r', $1 || $2 || $3, $2, $3::text::timestamptz)
"""


@pytest.fixture
def database(emptied_database: DatabaseSettings) -> DatabaseSettings:
    """One database for all tests of this file."""
    return emptied_database


async def hour(pool: Database, platform: str) -> str | None:
    """Return the moment's hour and minute; "never": the platform was never asked."""
    moments = await PostgresAsOf(pool, followed=["che168", "encar", "bot_igor"]).moments()
    moment: datetime | None = moments.get(platform)
    if moment is None:
        return None if platform in moments else "never"
    return moment.strftime("%H:%M")


async def test_it_is_the_start_of_the_last_run_of_which_everything_has_landed(database: DatabaseSettings) -> None:
    async with opened(database) as pool:
        assert await hour(pool, "che168") == "never"
        await pool.fetch(RUN, "che168", "initial_load", "running", "2026-11-20 01:00")
        assert await hour(pool, "che168") is None
        await pool.fetch("UPDATE fetch_runs SET status = 'done', finished_at = started_at + interval '1 h'")
        assert await hour(pool, "che168") == "01:00"
        await pool.fetch(RUN, "che168", "daily_update", "done", "2026-11-20 05:00")
        await pool.fetch(RUN, "che168", "sweep", "done", "2026-11-20 06:00")
        await pool.fetch(RUN, "bot_igor", "snapshot", "done", "2026-11-20 07:00")
        assert [await hour(pool, name) for name in ("che168", "bot_igor", "encar")] == ["05:00", "07:00", "never"]


@pytest.mark.parametrize("status", ["fetched", "gap"])
async def test_a_page_that_is_open_holds_it_back_to_the_run_before(database: DatabaseSettings, status: str) -> None:
    async with opened(database) as pool:
        await pool.fetch(RUN, "che168", "initial_load", "done", "2026-11-20 01:00")
        await pool.fetch(RUN, "che168", "daily_update", "done", "2026-11-20 05:00")
        await pool.fetch(PAGE, "che168", status, "2026-11-20 05:05")
        await pool.fetch(PAGE, "encar", status, "2026-11-20 00:05")
        assert await hour(pool, "che168") == "01:00"
        await pool.fetch("UPDATE feed_pages SET created_at = '2026-11-20 00:59' WHERE platform = 'che168'")
        assert await hour(pool, "che168") is None
        await pool.fetch("UPDATE feed_pages SET created_at = '2026-11-20 05:11' WHERE platform = 'che168'")
        assert await hour(pool, "che168") == "05:00"
        await pool.fetch("UPDATE feed_pages SET status = 'landed', created_at = '2026-11-20 05:05'")
        assert await hour(pool, "che168") == "05:00"


async def test_it_is_on_the_answers(served: Served, database: DatabaseSettings) -> None:
    async with opened(database) as pool:
        await pool.fetch(RUN, "che168", "daily_update", "done", "2026-11-20 05:00")
    client = await served()
    assert (await client.get("/offers")).headers["X-Data-As-Of"] == "2026-11-20T05:00:00Z"
    assert "X-Data-As-Of" not in (await client.get("/products")).headers


async def test_years_of_runs_cost_nothing(database: DatabaseSettings) -> None:
    async with opened(database) as pool, pool.connection() as connection:
        await connection.execute(
            """
            INSERT INTO fetch_runs (run_id, platform, kind, status, started_at, finished_at)
            SELECT n::text, 'bot_igor', 'snapshot', 'done', now() - n * interval '1 h', now() - n * interval '1 h'
            FROM generate_series(1, 20000) AS n;
            INSERT INTO feed_pages (platform, kind, position, run_id, message_id, status)
            SELECT 'bot_igor', 'snapshot', n, n::text, n::text, 'landed' FROM generate_series(1, 20000) AS n;
            ANALYZE fetch_runs, feed_pages;
            """
        )
        plan = await connection.fetch(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {AS_OF}", ["che168", "bot_igor"])
    top = json.loads(plan[0][0])[0]["Plan"]
    assert top["Shared Hit Blocks"] + top["Shared Read Blocks"] < 60
