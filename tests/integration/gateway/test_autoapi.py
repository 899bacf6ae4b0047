"""auto-api's contract on PostgreSQL: records as they came, pages, events in the words of the platform."""

from collections.abc import AsyncIterator, Awaitable, Callable

import httpx
import pytest
from tests.integration.gateway.conftest import Served, opened

from common.settings import DatabaseSettings
from common.testing.offers import a_processed_offer, store_offers

pytestmark = pytest.mark.integration

ROWS = """
    INSERT INTO raw_data (platform, inner_id, change_type, data, source, max_seq, created_at)
    SELECT 'che168', n::text, 'added',
           jsonb_build_object('inner_id', n::text, 'price', '98000.50', 'x', 12345678901234567890), 'initial_load', 1,
           '2025-08-05T11:18:10.679+03:00'
    FROM generate_series(1, 45) AS n;
    INSERT INTO catalog_changes (platform, inner_id, change_type, diff, changed_at)
    VALUES ('che168', '1', 'added', '{}', '2026-11-19T20:59:59Z'),
           ('che168', '2', 'changed', '{"price": [1, 98000.5]}', '2026-11-19T21:00:00Z'),
           ('bot_igor', '_catalogue', 'changed', '{"categories:62": [1, 2]}', '2026-11-19T22:00:00Z'),
           ('che168', '3', 'changed', '{"price": [1, 2], "km_age": [1, 2]}', '2026-11-20T22:00:00Z'),
           ('che168', '4', 'removed', '{}', '2026-11-20T22:00:00Z');
    INSERT INTO filters_reference VALUES ('che168', '{"mark": {"BMW": {"model": []}}}', now());
"""


@pytest.fixture
def database(emptied_database: DatabaseSettings) -> DatabaseSettings:
    """One database for all tests of this file."""
    return emptied_database


@pytest.fixture
async def client(served: Served, database: DatabaseSettings) -> AsyncIterator[httpx.AsyncClient]:
    """A gateway over 44 listed offers and one that is gone."""
    rows = [a_processed_offer(inner_id=str(n), price=n, active_status=int(n == 4)) for n in range(1, 46)]
    await store_offers(database, rows)
    async with opened(database) as pool, pool.connection() as connection:
        await connection.execute(ROWS)
    async with await served() as made:
        yield made


async def test_every_listed_offer_is_on_one_page_as_its_platform_gave_it(client: httpx.AsyncClient) -> None:
    pages = [(await client.get(f"/api/v2/che168/offers?page={page}")).json() for page in (1, 2, 3)]
    assert [page["meta"]["next_page"] for page in pages] == [2, 3, None]
    found = [row["inner_id"] for page in pages for row in page["result"]]
    assert found == [str(n) for n in range(1, 46) if n != 4]
    first = pages[0]["result"][0]
    assert (first["change_type"], first["created_at"]) == ("added", "2025-08-05T08:18:10.679Z")
    assert first["data"] == {"inner_id": "1", "price": "98000.50", "x": 12345678901234567890}


async def test_contacts_of_persons_are_not_given_out(
    client: httpx.AsyncClient, run_sql: Callable[[str], Awaitable[None]]
) -> None:
    inspection = """'{"extra": {"inspection": {"phone": "400-000-0000", "level": "A"}}}'"""
    await run_sql(f"UPDATE raw_data SET data = data || {inspection}")  # noqa: S608 - a constant
    expected = {"inspection": {"level": "A"}}
    assert (await client.get("/api/v2/che168/offer?inner_id=3")).json()["extra"] == expected
    for path in ("/offers?page=1", "/changes?change_id=0"):
        answer = await client.get(f"/api/v2/che168{path}")
        assert "400-000-0000" not in answer.text
        assert answer.json()["result"][0]["data"]["extra"] == expected


async def test_filters_hold_as_in_the_original(client: httpx.AsyncClient) -> None:
    answer = await client.get("/api/v2/che168/offers?page=1&mark=bmw&price_from=3&price_to=6&engine_type=Gasoline")
    assert [row["inner_id"] for row in answer.json()["result"]] == ["3", "5", "6"]
    assert (await client.get("/api/v2/che168/offers?page=1&mark=audi")).json()["result"] == []


async def test_one_offer_is_its_record_while_it_is_for_sale(client: httpx.AsyncClient) -> None:
    assert (await client.get("/api/v2/che168/offer?inner_id=3")).json()["inner_id"] == "3"
    assert (await client.get("/api/v2/che168/offer?inner_id=4")).status_code == 404


async def test_a_change_of_price_is_changed_and_any_other_is_the_whole_record(client: httpx.AsyncClient) -> None:
    answer = (await client.get("/api/v2/che168/changes?change_id=0")).json()
    assert [
        (row["inner_id"], row["change_type"], row.get("data", {}).get("new_price")) for row in answer["result"]
    ] == [
        ("1", "added", None),
        ("2", "changed", "98000.50"),
        ("3", "added", None),
        ("4", "removed", None),
    ]
    assert answer["result"][2]["data"]["price"] == "98000.50"
    assert "data" not in answer["result"][3]
    end = (await client.get(f"/api/v2/che168/changes?change_id={answer['meta']['next_change_id']}")).json()
    assert (end["result"], end["meta"]["next_change_id"]) == ([], None)


async def test_a_day_begins_where_it_does_for_the_platform(client: httpx.AsyncClient) -> None:
    ids = [row["id"] for row in (await client.get("/api/v2/che168/changes?change_id=0")).json()["result"]]
    asked = {day: (await client.get(f"/api/v2/che168/change_id?date=2026-11-{day}")).json() for day in (19, 20, 21, 22)}
    assert asked == {
        19: {"change_id": ids[0]},
        20: {"change_id": ids[1]},
        21: {"change_id": ids[2]},
        22: {"change_id": ids[-1] + 1},
    }


async def test_the_reference_is_given_on_as_it_came(client: httpx.AsyncClient) -> None:
    assert (await client.get("/api/v2/che168/filters")).json() == {"mark": {"BMW": {"model": []}}}
