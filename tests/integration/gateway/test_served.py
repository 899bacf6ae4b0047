"""The whole application on PostgreSQL: offers, tokens, status, and plans that use the indexes."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from decimal import Decimal
from importlib.metadata import version
from typing import Any

import asyncpg
import httpx
import pytest
from tests.contract.gateway.fakes import TOKEN
from tests.integration.gateway.conftest import Served, opened

from common.clock import SystemClock
from common.settings import DatabaseSettings
from common.testing.clock import VirtualClock
from common.testing.offers import a_processed_offer, store_offers
from gateway.adapters.database import Database
from gateway.adapters.offer_sql import Statement, stretches
from gateway.adapters.status import STATUS
from gateway.adapters.tokens import PostgresTokens
from gateway.core.query import Position, read_query
from gateway.entrypoints.http.models import OfferList, Status

pytestmark = pytest.mark.integration

RunSql = Callable[[str], Awaitable[None]]


async def test_a_list_is_walked_by_its_cursors_over_http(served: Served, database: DatabaseSettings) -> None:
    await store_offers(
        database, [a_processed_offer(inner_id=str(n), price=None if n % 3 else Decimal(n)) for n in range(10)]
    )
    client, seen, cursor = await served(), list[str](), ""
    while True:
        page = OfferList.model_validate_json((await client.get(f"/offers?sort=-price&limit=3{cursor}")).content)
        seen += [item.inner_id for item in page.items]
        if page.next_cursor is None:
            break
        cursor = f"&cursor={page.next_cursor}"
    assert seen == ["9", "6", "3", "0", "8", "7", "5", "4", "2", "1"]


async def test_an_offer_that_changes_gets_a_new_tag(
    served: Served, database: DatabaseSettings, run_sql: RunSql
) -> None:
    await store_offers(database, [a_processed_offer(inner_id="1")])
    client = await served()
    etag = (await client.get("/offers/1")).headers["ETag"]
    assert (await client.get("/offers/1", headers={"If-None-Match": etag})).status_code == 304
    await run_sql("UPDATE processed_data SET active_status = 1")
    changed = await client.get("/offers/1", headers={"If-None-Match": etag})
    assert (changed.status_code, changed.json()["active"]) == (200, False)
    assert (await client.get("/offers")).json()["items"] == []


@pytest.mark.parametrize("end", ["revoked", "deleted", "expired"])
async def test_a_token_that_ends_is_refused_within_five_seconds(
    served: Served, database: DatabaseSettings, run_sql: RunSql, end: str
) -> None:
    clock = VirtualClock(SystemClock().now())
    client = await served(clock=clock)
    assert (await client.get("/offers")).status_code == 200
    if end == "revoked":
        async with opened(database) as pool:
            assert await PostgresTokens(pool).revoke(1)
    else:
        await run_sql({"deleted": "DELETE FROM api_tokens", "expired": "UPDATE api_tokens SET expires_at = now()"}[end])
    assert (await client.get("/offers")).status_code == 200
    await clock.advance(5)
    assert (await client.get("/offers")).status_code == 401


async def test_a_token_expires_by_the_clock_of_the_gateway_too(served: Served, run_sql: RunSql) -> None:
    clock = VirtualClock(SystemClock().now())
    client = await served(clock=clock)
    await run_sql("UPDATE api_tokens SET expires_at = now() + interval '1 hour'")
    assert (await client.get("/offers")).status_code == 200
    await clock.advance(3590)
    assert (await client.get("/offers")).status_code == 200
    await clock.advance(60)
    assert (await client.get("/offers")).status_code == 401


async def test_the_database_holds_nothing_that_opens_the_gateway(served: Served, database: DatabaseSettings) -> None:
    await served()
    async with opened(database) as pool:
        rows = await pool.fetch("SELECT token FROM api_tokens")
    client = await served()
    for (stored,) in rows:
        assert TOKEN not in stored
        for guess in (stored, stored[:16]):
            answer = await client.get("/offers", headers={"Authorization": f"Bearer {guess}"})
            assert answer.status_code == 401


async def test_two_makers_of_first_tokens_wait_for_one_another(database: DatabaseSettings) -> None:
    async with opened(database) as pool:
        registry, entered = PostgresTokens(pool), asyncio.Event()

        async def second() -> bool:
            entered.set()
            async with registry.transaction() as transaction:
                return await transaction.any_exist()

        async with registry.transaction() as first:
            waiting = asyncio.create_task(second())
            await entered.wait()
            blocked = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'api_tokens'::regclass"
            while not waiting.done() and (await pool.fetch(blocked))[0]["count"] == 0:
                pass
            assert not waiting.done()
            await first.add(["a" * 64], description=None, expires_at=None)
        assert await waiting


HISTORY = """
    INSERT INTO feed_pages (platform, kind, position, run_id, message_id, status, attempts, error)
    VALUES ('che168', 'page', 7, 'r', 'm7', 'gap', 21, 'HTTP 502'),
           ('che168', 'page', 8, 'r', 'm8', 'fetched', 1, NULL),
           ('che168', 'page', 9, 'r', 'm9', 'landed', 1, NULL);
    UPDATE feed_pages SET created_at = now() - interval '2 days' WHERE position = 7;
    INSERT INTO feed_days
    VALUES ('che168', current_date, 'change', 5, 4, 3), ('che168', current_date - 1, 'change', 1, 1, 1),
           ('che168', current_date - 14, 'page', 20, 0, 0);
    INSERT INTO fetch_runs (run_id, platform, kind, status, position, started_at)
    VALUES ('old', 'che168', 'initial_load', 'failed', 3, now() - interval '2 days'),
           ('new', 'che168', 'initial_load', 'done', 9, now());
    INSERT INTO sync_state VALUES ('che168', '2026-11-19', 0);
    INSERT INTO raw_data (platform, inner_id, change_type, data, source, max_seq, is_processed)
    VALUES ('che168', '1', 'added', '{}', 'initial_load', 1, false),
           ('che168', '2', 'added', '{}', 'initial_load', 1, true);
    INSERT INTO quarantine (platform, message_id, record_index, reason, body) VALUES ('che168', 'm7', 0, 'no_id', '{}');
    INSERT INTO operations_log (operation_type, started_at, duration, status, platform, counts)
    SELECT 'data_fetch', now() - n * interval '1 hour', 1.50000000000002338, 'OK', 'che168', '{"pages": 3}'
    FROM generate_series(0, 11) AS n;
"""


async def test_the_status_tells_what_the_tables_hold(served: Served, database: DatabaseSettings) -> None:
    await store_offers(
        database,
        [
            a_processed_offer(inner_id="1"),
            a_processed_offer(inner_id="2", active_status=1),
            a_processed_offer(inner_id="3", platform="encar", is_complete=False),
        ],
    )
    async with opened(database) as pool, pool.connection() as connection:
        await connection.execute(HISTORY)
    status = Status.model_validate_json((await (await served()).get("/status")).content)
    assert status.version == version("feedmill-gateway")
    assert [(o.platform, o.active, o.total) for o in status.offers] == [("che168", 1, 2), ("encar", 0, 1)]
    assert (status.unprocessed, status.quarantined, status.pages_open, status.gaps_open) == (1, 1, 1, 1)
    assert [(gap.position, gap.attempts, gap.error) for gap in status.gaps] == [(7, 21, "HTTP 502")]
    assert [(run.run_id, run.status) for run in status.runs] == [("new", "done")]
    assert [(s.platform, str(s.last_successful_date), s.last_change_id) for s in status.sync_state] == [
        ("che168", "2026-11-19", 0)
    ]
    assert [(found.platform, found.finding, found.detail) for found in status.findings] == [
        ("che168", "old_gap", "1 pages could not be fetched")
    ]
    assert [(day.kind, day.added, day.changed, day.removed) for day in status.days] == [
        ("change", 5, 4, 3),
        ("change", 1, 1, 1),
    ]
    assert len(status.operations) == 10
    assert {operation.duration_s for operation in status.operations} == {1.5}, "a duration has noise of its clock"
    assert status.operations[0].started_at == max(operation.started_at for operation in status.operations)


async def test_the_metrics_tell_what_the_tables_hold(served: Served, database: DatabaseSettings) -> None:
    async with opened(database) as pool, pool.connection() as connection:
        await connection.execute(HISTORY)
    text = (await (await served()).get("/metrics")).text
    assert 'feedmill_feed_findings{finding="old_gap",platform="che168"} 1.0\n' in text
    assert 'feedmill_feed_findings{finding="no_run",platform="che168"} 0.0\n' in text
    assert 'feedmill_gaps_open{platform="che168"} 1.0\n' in text
    assert 'feedmill_pages_open{platform="che168"} ' in text
    assert "feedmill_database_up 1.0\n" in text
    assert 'feedmill_feed_records_total{change_type="added",kind="change",platform="che168"} 6.0\n' in text
    assert 'feedmill_feed_records_total{change_type="added",kind="page",platform="che168"} 20.0\n' in text


MANY = """
    INSERT INTO processed_data (platform, inner_id, mark, model, price, year, km_age, normalized_data, active_status,
                                is_complete, max_seq)
    SELECT 'che168', n::text, 'Mark ' || n % 40, 'Model ' || n % 200, nullif(n * 7919 % 500000, 0), 2000 + n % 25,
           n * 31 % 300000, '{}', (n % 20 = 1)::int, true, n
    FROM generate_series(1, 30000::bigint) AS n;
    ANALYZE processed_data;
"""


def scans(plan: dict[str, Any]) -> list[tuple[str, str | None]]:
    """Return the kinds of the nodes of a plan that read or sort, with the index of each."""
    own = (
        [(plan["Node Type"], plan.get("Index Name"))]
        if "Scan" in plan["Node Type"] or "Sort" in plan["Node Type"]
        else []
    )
    return [*own, *(scan for part in plan.get("Plans", ()) for scan in scans(part))]


@pytest.fixture(scope="module")
async def many(module_database: DatabaseSettings) -> DatabaseSettings:
    """A catalogue that is large enough for the planner to care."""
    async with opened(module_database) as pool, pool.connection() as connection:
        await connection.execute(MANY)
    return module_database


@pytest.mark.parametrize(
    ("query", "after", "index"),
    [
        ("", None, "processed_data_listed_idx"),
        ("", Position(None, 9), "processed_data_listed_idx"),
        ("sort=price", Position("5000", 9), "processed_data_price_idx"),
        ("sort=-price", Position("5000", 9), "processed_data_price_idx"),
        ("sort=-year", Position("2010", 9), "processed_data_year_idx"),
        ("sort=-km_age", None, "processed_data_km_age_idx"),
        ("mark=mark+7&model=model+47&price_from=1000&sort=price", None, "processed_data_mark_model_price_idx"),
        ("mark=mark+7&model=model+47&price_to=90000&sort=-price", None, "processed_data_mark_model_price_idx"),
        ("mark=mark+7&model=model+47&sort=price", Position("5000", 9), "processed_data_mark_model_price_idx"),
    ],
)
async def test_a_list_walks_an_index_and_sorts_nothing(
    many: DatabaseSettings, query: str, after: Position | None, index: str
) -> None:
    pairs = httpx.QueryParams(query).multi_items()
    async with opened(many) as pool:
        plans = [await _plan(pool, stretch) for stretch in stretches(read_query(pairs)[0], after)]
    assert plans[0] == [("Index Scan", index)]
    assert all([kind for kind, _ in plan] == ["Index Scan"] for plan in plans)


async def _plan(pool: Database, stretch: Statement) -> list[tuple[str, str | None]]:
    rows = await pool.fetch("EXPLAIN (FORMAT JSON) " + stretch.sql, *stretch.values, 21)
    return [node for node in scans(json.loads(rows[0][0])[0]["Plan"]) if node[0] != "Subquery Scan"]


async def test_offers_are_counted_from_indexes_alone(many: DatabaseSettings) -> None:
    async with opened(many) as pool:
        await pool.fetch("VACUUM processed_data")
        rows = await pool.fetch("EXPLAIN (FORMAT JSON) " + STATUS, ["che168"])
    read = {name for kind, name in scans(json.loads(rows[0][0])[0]["Plan"]) if kind == "Index Only Scan"}
    assert {"processed_data_listed_idx", "processed_data_platform_inner_id_key"} <= read


async def test_a_wrong_role_is_a_503_and_no_bug(database: DatabaseSettings) -> None:
    async with opened(database.model_copy(update={"user": "nobody_of_this_name"})) as pool:
        with pytest.raises(Exception, match="does not answer") as caught:
            await pool.fetch("SELECT 1")
    assert isinstance(caught.value.__cause__, asyncpg.PostgresError)
