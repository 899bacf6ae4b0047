"""`/stats` and the sources in `/status` on real tables."""

from datetime import UTC, datetime, timedelta

import pytest
from tests.integration.gateway.conftest import Served, opened
from tests.integration.gateway.test_as_of import PAGE, RUN

from common.clock import SystemClock
from common.settings import DatabaseSettings
from common.testing.offers import a_processed_offer, store_offers
from gateway.entrypoints.http.models import Status
from gateway.entrypoints.http.stats import Stats

pytestmark = pytest.mark.integration

LANDED = """
    INSERT INTO raw_data (platform, inner_id, change_type, data, source, max_seq, is_processed, error_count)
    SELECT platform, n::text, 'added', '{}', 'initial_load', 1, n > 3, CASE WHEN n = 1 THEN 2 ELSE 0 END
    FROM (VALUES ('che168', 10), ('bot_igor', 2)) AS known (platform, number), generate_series(1, number) AS n;
    INSERT INTO products (platform, product_id, name, on_main, currency)
    VALUES ('bot_igor', '1', 'Lamp', true, 'RUB');
    INSERT INTO quarantine (platform, message_id, record_index, reason, body)
    VALUES ('che168', 'm', 0, 'no_id', '{}'), ('encar', 'm', 1, 'no_id', '{}');
    INSERT INTO operations_log (operation_type, started_at, duration, status, platform, details, counts) VALUES
        ('data_fetch', now() - interval '2 days', 10.5, 'OK', 'che168', 'fine', '{"records": 100}'),
        ('data_fetch', now() - interval '1 day', 2, 'ERROR', 'che168', 'older', '{"records": 5}'),
        ('data_fetch', now(), 2, 'ERROR', 'che168', 'HTTP 502', '{"records": "odd"}'),
        ('data_fetch', now() - interval '40 days', 1, 'OK', 'bot_igor', 'fine', '{}'),
        ('normalization', now(), 3, 'OK', NULL, 'fine', '{"records": 107}');
"""


@pytest.fixture
def database(emptied_database: DatabaseSettings) -> DatabaseSettings:
    """One database for all tests of this file."""
    return emptied_database


async def test_what_was_loaded_processed_and_went_wrong_is_counted(served: Served, database: DatabaseSettings) -> None:
    await store_offers(database, [a_processed_offer(inner_id="1"), a_processed_offer(inner_id="2", active_status=1)])
    async with opened(database) as pool, pool.connection() as connection:
        await connection.execute(LANDED)
    stats = Stats.model_validate_json((await (await served()).get("/stats")).content)
    assert {
        p.platform: (p.loaded, p.processed, p.waiting, p.failed, p.quarantined, p.active) for p in stats.platforms
    } == {
        "bot_igor": (2, 0, 1, 1, 0, 1),
        "che168": (10, 7, 2, 1, 1, 1),
        "encar": (0, 0, 0, 0, 1, 0),
    }
    shop, feed, normalising = stats.operations
    assert (feed.platform, feed.runs, feed.errors, feed.records, feed.duration_s) == ("che168", 3, 2, 105, 14.5)
    assert feed.last_error == "HTTP 502"
    assert feed.last_ok_at is not None
    assert feed.last_error_at is not None
    assert feed.last_error_at - feed.last_ok_at == timedelta(days=2)
    assert (shop.platform, shop.last_error, shop.last_error_at) == ("bot_igor", None, None)
    assert (normalising.operation_type, normalising.platform, normalising.records) == ("normalization", None, 107)
    today = SystemClock().now().date()
    days = [((today - d.day).days, d.operation_type, d.runs, d.errors, d.records) for d in stats.days]
    assert days == [
        (0, "data_fetch", 1, 1, 0),
        (0, "normalization", 1, 0, 107),
        (1, "data_fetch", 1, 1, 5),
        (2, "data_fetch", 1, 0, 100),
    ]


async def test_an_empty_installation_has_statistics_too(served: Served) -> None:
    stats = Stats.model_validate_json((await (await served()).get("/stats")).content)
    assert (stats.platforms, stats.operations, stats.days) == ([], [], [])


async def test_the_status_tells_how_far_each_source_has_come(served: Served, database: DatabaseSettings) -> None:
    client = await served()
    (source,) = Status.model_validate_json((await client.get("/status")).content).sources
    assert (source.platform, source.last_success_at, source.data_as_of, source.lag_s) == ("che168", None, None, None)
    async with opened(database) as pool:
        await pool.fetch(RUN, "che168", "initial_load", "done", "2026-11-20 01:00")
        await pool.fetch(RUN, "che168", "daily_update", "done", "2026-11-20 05:00")
        await pool.fetch(RUN, "che168", "daily_update", "failed", "2026-11-20 07:00")
        for page in ("fetched", "gap", "landed"):
            await pool.fetch(PAGE, "che168", page, "2026-11-20 05:05")
        await pool.fetch("INSERT INTO sync_state (platform, paused_at) VALUES ('che168', '2026-11-20 08:00')")
    status = Status.model_validate_json((await client.get("/status")).content)
    (source,) = status.sources
    assert source.last_success_at == datetime(2026, 11, 20, 5, 10, tzinfo=UTC)
    assert source.data_as_of == datetime(2026, 11, 20, 1, tzinfo=UTC)
    assert source.lag_s == pytest.approx((status.now - source.data_as_of).total_seconds(), abs=1)
    assert (source.pages_open, source.gaps_open) == (1, 1)
    assert source.paused_at == datetime(2026, 11, 20, 8, tzinfo=UTC)
