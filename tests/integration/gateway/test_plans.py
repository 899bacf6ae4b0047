"""The list among 250,000 offers: no listed query reads the whole table, and pages far away are as near as the first."""

import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Any

import httpx
import pytest
from tests.integration.gateway.conftest import opened

from common.settings import DatabaseSettings
from gateway.adapters.database import Database
from gateway.adapters.export_sql import exported
from gateway.adapters.offer_sql import EXPLAIN, Statement, capped, skips, stretches
from gateway.adapters.offers import COUNTED, PostgresOffers
from gateway.core.export import ExportFormat, read_export
from gateway.core.facets import FACETS
from gateway.core.query import FILTERS, Position, Sort, read_query
from gateway.core.search import Search, offers_asked

pytestmark = pytest.mark.integration

OFFERS = 250_000
INDEXES = """
    SELECT pg_get_indexdef(indexrelid) AS made, 'DROP INDEX ' || indexrelid::regclass AS dropped FROM pg_index
    WHERE indrelid = 'processed_data'::regclass AND indpred IS NOT NULL
"""
"""The partial indexes, made anew after the rows: it is faster."""

FILL = """
    INSERT INTO processed_data (platform, inner_id, mark, model, title, year, price, km_age, color, engine_type,
        transmission_type, body_type, drive_type, city, is_dealer, normalized_data, active_status, is_complete, max_seq)
    SELECT CASE WHEN n % 10 < 8 THEN 'che168' ELSE 'dongchedi' END, n::text, 'Mark ' || h % 40, 'Model ' || h % 400,
        'Mark ' || h % 40 || ' ' || 2005 + h % 20 || ' edition' || h % 300, 2005 + h % 20, nullif(h % 500000, 0),
        nullif(h * 31 % 300000, 0),
        (ARRAY['white', 'black', 'grey', 'silver', 'red', 'blue', 'green', 'brown'])[1 + least(h % 23, 7)],
        (ARRAY['gasoline', 'diesel', 'electric', 'hybrid'])[1 + least(h % 9, 3)],
        (ARRAY['automatic', 'manual', 'cvt'])[1 + least(h % 7, 2)],
        (ARRAY['sedan', 'suv', 'hatchback', 'mpv', 'coupe', 'pickup'])[1 + least(h % 13, 5)],
        (ARRAY['fwd', 'rwd', 'awd'])[1 + h % 3], 'City ' || h % 150, h % 4 <> 0, '{}', (n % 20 = 1)::int, n % 50 <> 7, n
    FROM (SELECT n, abs(hashint8(n)::bigint) AS h FROM generate_series(1, 250000::bigint) AS n) AS numbers
"""


@pytest.fixture(scope="module")
async def pool(module_database: DatabaseSettings) -> AsyncIterator[Database]:
    """A catalogue of 250,000 offers."""
    patient = module_database.model_copy(update={"statement_timeout_s": 60.0})
    async with opened(patient) as opened_pool, opened_pool.connection() as connection:
        indexes = await connection.fetch(INDEXES)
        await connection.execute(";".join(row["dropped"] for row in indexes))
        await connection.execute(FILL)
        await connection.execute(";".join([*(row["made"] for row in indexes), "ANALYZE processed_data"]))
        yield opened_pool


def nodes(plan: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the nodes of a plan."""
    return [plan, *(node for part in plan.get("Plans", ()) for node in nodes(part))]


async def ran(pool: Database, statement: Statement, *more: object) -> list[dict[str, Any]]:
    """Run a statement and return the nodes of its plan with what each really read."""
    sql = "EXPLAIN (ANALYZE, TIMING OFF, BUFFERS, FORMAT JSON) " + statement.sql
    return nodes(json.loads((await pool.fetch_planned(sql, *statement.values, *more))[0][0])[0]["Plan"])


def blocks(plan: Sequence[dict[str, Any]]) -> int:
    """Return how many blocks of 8 KB were looked at."""
    read: int = plan[0]["Shared Hit Blocks"] + plan[0]["Shared Read Blocks"]
    return read


def statements(query: str, after: Position | None = None) -> Sequence[Statement]:
    """Return the walks of a list."""
    return stretches(read_query(httpx.QueryParams(query).multi_items())[0], after)


QUERIES = (
    "",
    *("sort=price", "sort=-price", "sort=year", "sort=-year", "sort=km_age", "sort=-km_age"),
    *("platform=dongchedi", "platform=nobody", "mark=mark+7", "mark=nobody", "model=model+47", "model=nobody"),
    *("year_from=2024", "year_to=1900", "price_from=499990", "price_from=100000&price_to=100001", "km_age_to=5"),
    *("engine_type=diesel", "engine_type=steam", "transmission_type=cvt", "transmission_type=none"),
    *("body_type=pickup", "body_type=boat", "drive_type=awd", "drive_type=none", "color=white", "color=pink"),
    *("city=city+7", "city=nowhere", "is_dealer=false", "q=mark", "q=mark+7+edition12", "q=nothing", "q=e"),
    "mark=mark+7&model=model+47&price_from=100000&price_to=150000",
    "mark=mark+7&model=model+47&price_from=100000&sort=-price",
    "color=pink&body_type=pickup&sort=price",
    "city=city+7&color=white&year_from=2020&price_to=90000&sort=-year",
    "engine_type=diesel&drive_type=awd&transmission_type=cvt&body_type=coupe&is_dealer=true&sort=km_age",
    "q=edition299&price_from=100&sort=-price",
    "mark=mark+7&color=red&year_from=2010&year_to=2012",
)


@pytest.mark.parametrize("query", QUERIES)
async def test_no_listed_query_reads_the_whole_table(pool: Database, query: str) -> None:
    for statement in statements(query):
        plan = await ran(pool, statement, 21)
        assert not [node for node in plan if node["Node Type"] == "Seq Scan"]
        assert any("Index" in node["Node Type"] for node in plan)


@pytest.mark.parametrize("text", ["mark", "mark 7 edition12", "nothing", "e", "edition299 2024"])
async def test_the_search_uses_the_index_of_words_or_stops_soon(pool: Database, text: str) -> None:
    query = offers_asked(Search(tuple(text.split()), 50))
    assert query is not None
    for statement in stretches(query, None):
        plan = await ran(pool, statement, 51)
        used = {node["Index Name"] for node in plan if "Index Name" in node}
        assert used <= {"processed_data_words_idx", "processed_data_listed_idx"}
        assert not [node for node in plan if node["Node Type"] == "Seq Scan"]
        assert blocks(plan) < 4000


@pytest.mark.parametrize("query", ["", "mark=mark+7", "color=pink", "q=edition12", "year_from=2024&body_type=pickup"])
async def test_an_export_reads_the_table_by_an_index(pool: Database, query: str) -> None:
    for kind in ExportFormat:
        pairs = [*httpx.QueryParams(query).multi_items(), ("format", kind.value), ("fields", "inner_id")]
        plan = await ran(pool, exported(read_export(pairs)))
        found = [node["Node Type"] for node in plan]
        assert "Seq Scan" not in found
        assert query or "Sort" not in found


async def test_the_planner_knows_every_column_that_is_asked_about(pool: Database) -> None:
    rows = await pool.fetch(
        "SELECT attname FROM pg_attribute WHERE attrelid = 'processed_data'::regclass AND attnum > 0"
        " AND attstattarget <> 0 AND NOT attisdropped"
    )
    asked = {item.field for item in FILTERS} | {*FACETS} | {sort.field for sort in Sort if sort.field}
    own = {"id", "platform", "inner_id", "active_status", "is_complete"}
    assert {row[0] for row in rows} == asked | own


RARE = (
    *("platform=nobody", "model=nobody", "engine_type=steam", "color=pink", "city=nowhere", "q=nothing", "mark=nobody"),
    *("color=pink&is_dealer=true&sort=price", "q=edition12+nothing", "price_from=100000&price_to=100001"),
)


@pytest.mark.parametrize("query", RARE)
async def test_what_is_rare_is_found_without_looking_at_many(pool: Database, query: str) -> None:
    for statement in statements(query):
        plan = await ran(pool, statement, 21)
        assert blocks(plan) < 300


@pytest.mark.parametrize(
    ("query", "position"),
    [("", "id"), ("sort=-price", "price"), ("sort=km_age", "km_age")],
)
async def test_a_page_far_away_reads_as_little_as_the_first(pool: Database, query: str, position: str) -> None:
    order = f"{position} DESC, id DESC" if query == "sort=-price" or not query else f"{position}, id"
    (row,) = await pool.fetch(
        f"SELECT {position} AS key, id FROM processed_data WHERE active_status = 0 AND is_complete "  # noqa: S608 - above
        f"AND {position} IS NOT NULL ORDER BY {order} OFFSET 199980 LIMIT 1"
    )
    after = Position(None if position == "id" else str(row["key"]), row["id"])
    first, far = [blocks(await ran(pool, statements(query, start)[0], 21)) for start in (None, after)]
    assert far <= 1.5 * first + 8


async def test_the_furthest_numbered_page_is_walked_in_an_index(pool: Database) -> None:
    for query in ("sort=-price&page=501", "color=white&page=501"):
        for skip in skips(read_query(httpx.QueryParams(query).multi_items())[0]):
            plan = await ran(pool, skip, 10_000)
            assert not [node for node in plan if node["Node Type"] == "Seq Scan"]


@pytest.mark.parametrize("query", ["mark=mark+7", "body_type=sedan&year_from=2010", "q=mark", "color=pink"])
async def test_an_estimate_stops_counting(pool: Database, query: str) -> None:
    conditions = read_query(httpx.QueryParams(query).multi_items())[0].conditions
    asked = capped(conditions, most=COUNTED + 1)
    assert blocks(await ran(pool, replace(asked, sql=asked.sql.removeprefix(EXPLAIN)))) < 3000
    exact = await PostgresOffers(pool).total(conditions, exact=True)
    estimate = await PostgresOffers(pool).total(conditions, exact=False)
    assert estimate.exact == (exact.number <= COUNTED)
    assert exact.number / 2 <= estimate.number <= exact.number * 2
