"""What every `Attic` promises: on the fake, and on PostgreSQL with the rights of the fetcher."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest
from tests.contract.fetcher.stores import address_of
from tests.lent import connected

from common.settings import DatabaseSettings
from fetcher.adapters.attic import PostgresAttic
from fetcher.adapters.session import PlatformSession
from fetcher.core.housekeeping import Attic
from sandbox.stack import Stack

pytestmark = pytest.mark.contract

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
TABLES = ("catalog_changes", "feed_pages", "operations_log", "quarantine")
INSERT = {
    "catalog_changes": """
        INSERT INTO catalog_changes (platform, inner_id, change_type, diff, changed_at)
        SELECT 'p', 'i', 'added', '{}', moment FROM unnest($1::timestamptz[]) AS moment
    """,
    "feed_pages": """
        INSERT INTO feed_pages (platform, kind, position, run_id, message_id, status, landed_at)
        SELECT 'p', 'page', n, 'r', gen_random_uuid(), 'landed', moment
        FROM unnest($1::timestamptz[]) WITH ORDINALITY AS given (moment, n)
    """,
    "operations_log": """
        INSERT INTO operations_log (operation_type, started_at, duration, status)
        SELECT 'data_fetch', moment, 1, 'OK' FROM unnest($1::timestamptz[]) AS moment
    """,
    "quarantine": """
        INSERT INTO quarantine (platform, message_id, record_index, reason, body, created_at)
        SELECT 'p', gen_random_uuid(), 0, 'r', '', moment FROM unnest($1::timestamptz[]) AS moment
    """,
}


def days_ago(*days: int) -> list[datetime]:
    """Return moments."""
    return [NOW - timedelta(days=number) for number in days]


@dataclass
class FakeAttic:
    """Rows in memory, by the moment of each."""

    rows: dict[str, list[datetime]] = field(default_factory=lambda: {table: [] for table in TABLES})

    async def remove_older(self, table: str, moment: datetime, *, most: int) -> int:
        """Remove the oldest."""
        old = [row for row in self.rows[table] if row < moment][:most]
        self.rows[table] = self.rows[table][len(old) :]
        return len(old)


Put = Callable[[str, Sequence[datetime]], Awaitable[None]]


@pytest.fixture
async def owner(database: DatabaseSettings) -> "AsyncIterator[asyncpg.Connection[Any]]":
    """A connection of the owner to the database of the test."""
    async with connected(database) as connection:
        yield connection


@asynccontextmanager
async def as_the_fetcher(stack: Stack, database: DatabaseSettings) -> AsyncIterator[PostgresAttic]:
    """Lend an attic with the rights of the fetcher's role."""
    role = "feedmill_fetcher"
    address = replace(address_of(database), user=role, password=stack.state.passwords[role])
    async with PlatformSession(address, "test of the attic") as session:
        yield PostgresAttic(session)


@pytest.fixture
async def real(
    stack: Stack, database: DatabaseSettings, owner: "asyncpg.Connection[Any]"
) -> AsyncIterator[tuple[Attic, Put]]:
    """The attic on PostgreSQL."""
    async with as_the_fetcher(stack, database) as attic:
        yield attic, lambda table, moments: owner.execute(INSERT[table], list(moments))


@pytest.fixture(params=["fake", "postgres"])
def filled(request: pytest.FixtureRequest) -> tuple[Attic, Put]:
    """Both implementations, one after the other, and how rows come to be there."""
    if request.param == "postgres":
        made: tuple[Attic, Put] = request.getfixturevalue("real")
        return made
    fake = FakeAttic()

    async def put(table: str, moments: Sequence[datetime]) -> None:
        fake.rows[table] += moments

    return fake, put


async def test_the_oldest_rows_go_a_few_at_a_time_and_the_others_stay(filled: tuple[Attic, Put]) -> None:
    attic, put = filled
    for table in TABLES:
        await put(table, days_ago(40, 35, 31, 30, 29, 1))
        taken = [await attic.remove_older(table, NOW - timedelta(days=30), most=2) for _ in range(3)]
        assert taken == [2, 1, 0], table
        assert await attic.remove_older(table, NOW + timedelta(days=1), most=9) == 3, table
        assert await attic.remove_older(table, NOW + timedelta(days=1), most=9) == 0, table


async def test_what_has_gone_is_noted_and_the_feed_loses_no_change_from_its_middle(
    stack: Stack, database: DatabaseSettings, owner: "asyncpg.Connection[Any]"
) -> None:
    await owner.execute(INSERT["catalog_changes"], days_ago(40, 39, 10, 38, 1))
    async with as_the_fetcher(stack, database) as attic:
        assert await attic.remove_older("catalog_changes", NOW - timedelta(days=30), most=9) == 2
        assert await attic.remove_older("catalog_changes", NOW - timedelta(days=30), most=9) == 0
        left = await owner.fetchval("SELECT array_agg(change_id ORDER BY change_id) FROM catalog_changes")
        assert left == [3, 4, 5]
        assert await attic.remove_older("catalog_changes", NOW - timedelta(days=5), most=9) == 2
    noted = await owner.fetchrow("SELECT table_name, removed, removed_to, removed_until FROM retention")
    assert noted == ("catalog_changes", 4, 4, NOW - timedelta(days=10))


async def test_what_is_missing_stays_and_so_do_pages_of_a_run_that_may_go_on(
    stack: Stack, database: DatabaseSettings, owner: "asyncpg.Connection[Any]"
) -> None:
    await owner.execute(
        """
        INSERT INTO fetch_runs (run_id, platform, kind, status, updated_at)
        SELECT run_id, 'p', 'initial_load', status, at FROM unnest($1::text[], $2::text[], $3::timestamptz[])
            AS given (run_id, status, at)
        """,
        ["done", "going on", "given up"],
        ["done", "running", "failed"],
        days_ago(40, 2, 40),
    )
    await owner.execute(
        """
        INSERT INTO feed_pages (platform, kind, position, run_id, message_id, status, landed_at, fetched_at)
        SELECT 'p', 'page', n, run_id, n::text, status, $3, $3
        FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS given (run_id, status, n)
        """,
        ["done", "going on", "given up", "done", "done", "none"],
        ["landed", "landed", "landed", "gap", "fetched", "landed"],
        days_ago(40)[0],
    )
    async with as_the_fetcher(stack, database) as attic:
        assert await attic.remove_older("feed_pages", NOW - timedelta(days=30), most=9) == 3
    assert await owner.fetchval("SELECT array_agg(position ORDER BY position) FROM feed_pages") == [2, 4, 5]
