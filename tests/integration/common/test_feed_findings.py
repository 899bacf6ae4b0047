"""The watchdog finds each kind of silent trouble, and nothing where all is well."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.lent import connected

from common.settings import DatabaseSettings

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.fixture
def database(emptied_database: DatabaseSettings) -> DatabaseSettings:
    """One database for all tests of this file."""
    return emptied_database


def hours_ago(hours: float) -> datetime:
    return NOW - timedelta(hours=hours)


class Feed:
    """The tables that the watchdog looks at."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection

    async def ran(self, hours: float, *, status: str = "OK", details: str = "", platform: str = "che168") -> None:
        """Note a run that began so many hours ago."""
        await self.connection.execute(
            "INSERT INTO operations_log (operation_type, started_at, duration, status, details, platform)"
            " VALUES ('data_fetch', $1, 1, $2, $3, $4)",
            hours_ago(hours),
            status,
            details,
            platform,
        )

    async def stands(self, *, moved: float, added: float | None) -> None:
        """Set when the cursor moved last and when an offer was added last."""
        await self.connection.execute(
            "INSERT INTO sync_state (platform, last_change_id, moved_at, last_added_at) VALUES ('che168', 7, $1, $2)",
            hours_ago(moved),
            None if added is None else hours_ago(added),
        )

    async def loaded(self, hours: float) -> None:
        """Note a first load that ended so many hours ago."""
        await self.connection.execute(
            "INSERT INTO fetch_runs (run_id, platform, kind, status, finished_at)"
            " VALUES ('r', 'che168', 'initial_load', 'done', $1)",
            hours_ago(hours),
        )

    async def day(self, days_ago: int, *, removed: int, of: int, kind: str = "change") -> None:
        """Set the counts of a day."""
        await self.connection.execute(
            "INSERT INTO feed_days (platform, day, kind, changed, removed) VALUES ('che168', $1, $4, $2, $3)",
            NOW.date() - timedelta(days=days_ago),
            of - removed,
            removed,
            kind,
        )

    async def page(self, status: str, hours: float) -> None:
        """Add a line of the ledger, begun and fetched so many hours ago."""
        await self.connection.execute(
            "INSERT INTO feed_pages (platform, kind, position, run_id, message_id, status, created_at, fetched_at)"
            " VALUES ('che168', 'page', 1, 'r', gen_random_uuid()::text, $1, $2, $2)",
            status,
            hours_ago(hours),
        )

    async def findings(self) -> list[tuple[str, str, float]]:
        """Return platform, finding and its age in hours."""
        rows = await self.connection.fetch("SELECT * FROM feed_findings($1) ORDER BY 1, 2", NOW)
        return [(row["platform"], row["finding"], (NOW - row["since"]).total_seconds() / 3600) for row in rows]

    async def details(self) -> list[str]:
        """Return what is said."""
        return [row["detail"] for row in await self.connection.fetch("SELECT detail FROM feed_findings($1)", NOW)]


@pytest.fixture
async def feed(database: DatabaseSettings) -> AsyncIterator[Feed]:
    """The tables, empty."""
    async with connected(database) as connection:
        yield Feed(connection)


async def test_an_empty_installation_and_a_healthy_feed_have_no_findings(feed: Feed) -> None:
    assert await feed.findings() == []
    await feed.stands(moved=10, added=10)
    await feed.ran(10)
    await feed.page("landed", 100)
    await feed.page("gap", 23)
    await feed.page("fetched", 23)
    for days_ago in range(1, 9):
        await feed.day(days_ago, removed=300, of=1000)
    assert await feed.findings() == []


async def test_the_day_before_the_next_nightly_run_is_no_trouble(feed: Feed) -> None:
    await feed.stands(moved=24.1, added=24.1)
    await feed.ran(24.2)
    assert await feed.findings() == []


async def test_runs_that_succeed_and_add_nothing_are_found(feed: Feed) -> None:
    await feed.stands(moved=1, added=50)
    await feed.ran(2)
    assert await feed.findings() == [("che168", "no_added", 50)]


async def test_a_feed_that_has_never_added_counts_from_its_first_load(feed: Feed) -> None:
    await feed.stands(moved=1, added=None)
    await feed.loaded(30)
    await feed.ran(2)
    assert await feed.findings() == [("che168", "no_added", 30)]


async def test_a_cursor_that_stands_still_is_found(feed: Feed) -> None:
    await feed.stands(moved=25, added=25)
    await feed.ran(2)
    assert await feed.findings() == [("che168", "no_added", 25), ("che168", "stalled_cursor", 25)]


async def test_a_run_that_failed_by_a_stall_is_found_at_once_until_the_cursor_moves(feed: Feed) -> None:
    await feed.stands(moved=5, added=5)
    await feed.ran(5)
    await feed.ran(2, status="ERROR", details="che168: changes from 7: stalled_cursor: next_change_id is 7")
    assert await feed.findings() == [("che168", "stalled_cursor", 2)]
    await feed.connection.execute("UPDATE sync_state SET moved_at = $1", hours_ago(1))
    assert await feed.findings() == []


@pytest.mark.parametrize(
    ("removed", "of", "usual", "found"),
    [
        pytest.param(401, 1000, 300, True, id="more than ten points"),
        pytest.param(400, 1000, 300, False, id="ten points"),
        pytest.param(90, 99, 300, False, id="few events"),
        pytest.param(90, 100, 300, True, id="enough events"),
        pytest.param(100, 1000, 0, False, id="ten points over nothing"),
    ],
)
async def test_a_share_of_removed_offers_that_jumps_is_found(
    feed: Feed, removed: int, of: int, usual: int, *, found: bool
) -> None:
    await feed.day(0, removed=1000, of=1000)
    await feed.day(1, removed=removed, of=of)
    for days_ago in range(2, 9):
        await feed.day(days_ago, removed=usual, of=1000)
    await feed.day(9, removed=1000, of=1000)
    await feed.day(1, removed=1000, of=1000, kind="page")
    assert await feed.findings() == ([("che168", "removed_share", 36)] if found else [])


async def test_a_share_without_a_week_before_it_is_no_jump(feed: Feed) -> None:
    await feed.day(1, removed=1000, of=1000)
    assert await feed.findings() == []


async def test_the_share_is_said_in_percent(feed: Feed) -> None:
    await feed.day(1, removed=500, of=1000)
    await feed.day(2, removed=100, of=1000)
    await feed.day(3, removed=200, of=1000)
    assert await feed.details() == ["50 % of 1000 events removed an offer, usual are 15 %"]


async def test_old_gaps_and_messages_that_never_landed_are_counted(feed: Feed) -> None:
    for hours in (25, 49, 1):
        await feed.page("gap", hours)
        await feed.page("fetched", hours)
    assert await feed.findings() == [("che168", "not_landed", 49), ("che168", "old_gap", 49)]
    assert sorted(await feed.details()) == ["2 messages were sent and not landed", "2 pages could not be fetched"]


async def test_no_success_for_more_than_a_day_is_found_for_each_platform(feed: Feed) -> None:
    await feed.ran(27)
    await feed.ran(2, status="ERROR", details="refused")
    await feed.ran(30, status="ERROR", platform="encar")
    await feed.ran(27, platform="bot_igor")
    await feed.ran(25, platform="bot_igor")
    assert await feed.findings() == [("che168", "no_run", 27), ("encar", "no_run", 30)]
