"""Pages read one after another join without gap or overlap while the catalogue moves under them."""

import asyncio
import json
import random
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.integration.gateway.conftest import opened

from common.settings import DatabaseSettings
from gateway.adapters.database import Database
from gateway.adapters.offers import PostgresOffers
from gateway.core.cursor import CursorSigner
from gateway.core.query import OfferQuery, Sort, read_query

pytestmark = pytest.mark.integration

ADD = """
    INSERT INTO processed_data (platform, inner_id, mark, model, title, price, year, km_age, color, normalized_data,
        active_status, is_complete, max_seq)
    SELECT 'che168', $1 || gen_random_uuid(), 'BMW', 'X5', 'BMW X5', nullif($2::int + n % 3, 0),
        nullif(2000 + ($2::int * n) % 4, 2000), nullif($2::int * n % 5, 0),
        CASE WHEN n % 2 = 0 THEN 'red' ELSE 'blue' END, '{}', 0, true, 1
    FROM generate_series(1, $3::int) AS n
"""
"""Many of one value, some of none: ties and missing values are where pages break."""

REMOVE = "DELETE FROM processed_data WHERE inner_id LIKE 'moving%' AND id % $1 = $2"
WITHDRAW = "UPDATE processed_data SET active_status = 1 - active_status WHERE inner_id LIKE 'moving%' AND id % $1 = $2"
TOUCH = "UPDATE processed_data SET title = title || '.', updated_at = now() WHERE id % $1 = $2"
STILL = 60
MOST_PAGES = 500
MOVES = {"remove": REMOVE, "withdraw": WITHDRAW, "touch": TOUCH}
FILTERS: tuple[dict[str, str], ...] = (
    {},
    {"mark": "bmw", "model": "x5"},
    {"color": "RED"},
    {"q": "bm x5"},
    {"price_from": "1", "year_to": "2002"},
)

Move = tuple[str, int]
moves = st.tuples(st.sampled_from(["add", *MOVES]), st.integers(0, 5))


@pytest.fixture(scope="module")
async def pool(module_database: DatabaseSettings) -> AsyncIterator[Database]:
    """The catalogue."""
    async with opened(module_database) as made:
        yield made


async def begin(pool: Database, number: int = STILL) -> None:
    """Let the catalogue hold offers that stay and offers that will move, mixed."""
    await pool.fetch("DELETE FROM processed_data")
    for part in range(4):
        await pool.fetch(ADD, "still ", part, number // 4)
        await pool.fetch(ADD, "moving ", part, number // 4)


async def move(pool: Database, what: str, size: int) -> None:
    """Let some come, go, or change what decides nothing."""
    if what == "add":
        await pool.fetch(ADD, "moving ", size, 3)
    else:
        await pool.fetch(MOVES[what], 6, size)


def query_of(sort: Sort, limit: int, **filters: str) -> OfferQuery:
    """Return the query of these parameters."""
    named = {"sort": sort.value, "limit": str(limit), "fields": "inner_id", **filters}
    return read_query(named.items())[0]


async def pages(pool: Database, query: OfferQuery) -> AsyncIterator[list[str]]:
    """Yield the ids of page after page, through signed cursors."""
    reader, cursors, cursor = PostgresOffers(pool), CursorSigner(b"k" * 32), ""
    for _ in range(MOST_PAGES):
        page = await reader.page(query, cursors.verify(query, cursor) if cursor else None)
        yield [json.loads(item)["inner_id"] for item in page.items]
        if page.last is None:
            return
        cursor = cursors.sign(query, page.last)
    pytest.fail("the pages have no end")


async def whole(pool: Database, query: OfferQuery) -> list[str]:
    """Return the ids of the list as it is now, in as few pages as possible."""
    return [number async for page in pages(pool, replace(query, limit=100)) for number in page]


def check(seen: Sequence[str], before: Sequence[str]) -> None:
    """Nobody twice, and who stayed once and in the order in which all stood."""
    assert [number for number, times in Counter(seen).items() if times > 1] == []
    assert [number for number in seen if number.startswith("still")] == [n for n in before if n.startswith("still")]


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    sort=st.sampled_from(list(Sort)),
    filters=st.sampled_from(FILTERS),
    limit=st.integers(1, 40),
    script=st.lists(st.lists(moves, max_size=3), min_size=1, max_size=8),
)
async def test_who_stays_is_seen_once_whatever_moves_between_two_pages(
    pool: Database, sort: Sort, filters: dict[str, str], limit: int, script: list[list[Move]]
) -> None:
    await begin(pool)
    query, seen, number = query_of(sort, limit, **filters), list[str](), 0
    before = await whole(pool, query)
    async for page in pages(pool, query):
        seen += page
        for what, size in script[number % len(script)] if number < 2 * len(script) else ():
            await move(pool, what, size)
        number += 1
    check(seen, before)


@pytest.mark.parametrize("sort", list(Sort))
async def test_who_stays_is_seen_once_while_others_come_and_go(pool: Database, sort: Sort) -> None:
    await begin(pool, 200)
    query, chance = query_of(sort, 7), random.Random(1)  # noqa: S311 - the same moves each time
    before, seen, moved = await whole(pool, query), list[str](), asyncio.Semaphore(0)

    async def keep_moving() -> None:
        while True:
            await move(pool, chance.choice(["add", *MOVES]), chance.randrange(6))
            moved.release()

    moving = asyncio.create_task(keep_moving())
    async for page in pages(pool, query):
        seen += page
        await moved.acquire()  # it goes on meanwhile, but never falls behind
    moving.cancel()
    await asyncio.gather(moving, return_exceptions=True)
    check(seen, before)
