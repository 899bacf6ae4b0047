"""What every `ChangeStore` promises: on the fake, and on PostgreSQL."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta

import asyncpg
import pytest
from tests.contract.fetcher.fake_changes import FakeChangeStore
from tests.contract.fetcher.fakes import FakeStore, LedgerRow
from tests.contract.fetcher.stores import address_of
from tests.lent import connected

from common.events import ChangeId
from common.settings import DatabaseSettings
from fetcher.adapters.change_store import PostgresChangeStore
from fetcher.adapters.postgres import PostgresStore
from fetcher.adapters.session import PlatformSession
from fetcher.core.change_ports import Kinds, SavedChanges, SyncState
from fetcher.core.errors import RunTakenOverError
from fetcher.core.ports import FailedPage, Run, RunKind, RunStatus

pytestmark = pytest.mark.contract

NOW = datetime(2026, 11, 21, 7, 28, tzinfo=UTC)
DAY = date(2026, 11, 21)
LAND = """
INSERT INTO feed_pages (platform, kind, position, run_id, message_id, status, records)
VALUES ($1, 'change', $2, $3, $4, 'landed', 20) RETURNING id
"""
RUN = Run("r1", "che168", ChangeId(1000), RunKind.DAILY_UPDATE, started_at=NOW)


@dataclass
class Stores:
    """Both stores over one database, and what only a look into it shows."""

    runs: FakeStore | PostgresStore
    changes: FakeChangeStore | PostgresChangeStore
    database: DatabaseSettings | None

    async def day(self, kind: str = "change") -> Kinds:
        """Return the counts of the day."""
        if isinstance(self.changes, FakeChangeStore):
            return self.changes.counted["che168", DAY]
        row = await self._row("SELECT added, changed, removed FROM feed_days WHERE day = $1 AND kind = $2", DAY, kind)
        return Kinds(*row)

    async def moments(self) -> tuple[datetime | None, datetime | None]:
        """Return when the cursor moved and when an offer was added."""
        if isinstance(self.changes, FakeChangeStore):
            return self.changes.moved_at.get("che168"), self.changes.last_added_at.get("che168")
        row = await self._row("SELECT moved_at, last_added_at FROM sync_state WHERE platform = 'che168'")
        return row[0], row[1]

    async def land(self, message_id: str, position: int) -> None:
        """Let the normalizer land a message before its page is saved."""
        if isinstance(self.runs, FakeStore):
            self.runs.ledger[message_id] = LedgerRow("r1", position, "landed", 20)
            return
        await self._row(LAND, "che168", position, "r1", message_id)

    async def status_of(self, message_id: str) -> str:
        """Return what the ledger says of a message."""
        if isinstance(self.runs, FakeStore):
            return self.runs.ledger[message_id].status
        return str((await self._row("SELECT status FROM feed_pages WHERE message_id = $1", message_id))[0])

    async def _row(self, query: str, *values: object) -> "asyncpg.Record":
        assert self.database is not None
        async with connected(self.database) as connection:
            row = await connection.fetchrow(query, *values)
        assert row is not None
        return row


@pytest.fixture(params=["fake", "postgresql"])
def place(request: pytest.FixtureRequest) -> DatabaseSettings | None:
    """Where the stores keep things: in memory, or in a database of the test's own."""
    settings: DatabaseSettings | None = None if request.param == "fake" else request.getfixturevalue("emptied_database")
    return settings


@pytest.fixture
async def stores(place: DatabaseSettings | None) -> AsyncIterator[Stores]:
    """Both implementations, one after the other, with a run that has begun."""
    if place is None:
        runs = FakeStore()
        await runs.start_run(RUN)
        yield Stores(runs, FakeChangeStore(runs), None)
        return
    async with PlatformSession(address_of(place), "che168") as session:
        store = PostgresStore(session)
        await store.start_run(RUN)
        yield Stores(store, PostgresChangeStore(session), place)


def a_page(position: int, following: int, *, at: datetime = NOW, added: int = 0, changed: int = 20) -> SavedChanges:
    """Return a page of changes."""
    return SavedChanges(
        position=ChangeId(position),
        next_position=ChangeId(following),
        messages={f"che168:change:{position}:r1": added + changed},
        attempts=1,
        fetched_at=at,
        day=DAY,
        kinds=Kinds(added=added, changed=changed),
    )


async def saved(stores: Stores, *pages: SavedChanges, run: Run = RUN) -> Run:
    """Save pages one after another and return the run as it is held."""
    for page in pages:
        await stores.changes.save_changes(run, page)
        run = page.applied_to(run)
    return run


async def test_a_platform_that_nobody_has_followed_has_no_state(stores: Stores) -> None:
    assert await stores.changes.sync_state("che168") == SyncState()


async def test_a_page_moves_run_and_cursor_together(stores: Stores) -> None:
    run = await saved(stores, a_page(1000, 1020), a_page(1020, 1044, added=3, changed=4))
    assert await stores.runs.latest_run("che168", RunKind.DAILY_UPDATE) == run
    assert (run.position, run.next_position, run.pages, run.records) == (1020, 1044, 2, 27)
    assert await stores.changes.sync_state("che168") == SyncState(ChangeId(1044))
    assert await stores.day() == Kinds(added=3, changed=24)


async def test_a_page_saved_twice_counts_once(stores: Stores) -> None:
    run = await saved(stores, a_page(1000, 1020))
    await stores.changes.save_changes(RUN, a_page(1000, 1020))
    assert await stores.runs.latest_run("che168", RunKind.DAILY_UPDATE) == run
    assert await stores.day() == Kinds(changed=20)


async def test_a_page_that_has_landed_stays_landed(stores: Stores) -> None:
    await stores.land("che168:change:1000:r1", 1000)
    await saved(stores, a_page(1000, 1020), a_page(1020, 1040))
    assert await stores.status_of("che168:change:1000:r1") == "landed"
    assert await stores.status_of("che168:change:1020:r1") == "fetched"


async def test_an_older_sight_of_a_saved_page_does_not_move_the_run_back(stores: Stores) -> None:
    run = await saved(stores, a_page(1000, 1020))
    await stores.changes.save_changes(RUN, a_page(1000, 1007, changed=7))
    assert await stores.runs.latest_run("che168", RunKind.DAILY_UPDATE) == run
    assert await stores.changes.sync_state("che168") == SyncState(ChangeId(1020))


async def test_a_process_that_was_overtaken_writes_nothing(stores: Stores) -> None:
    run = await saved(stores, a_page(1000, 1020), a_page(1020, 1040), a_page(1040, 1060))
    overtaken = a_page(1000, 1020).applied_to(RUN)
    with pytest.raises(RunTakenOverError):
        await stores.changes.save_changes(overtaken, a_page(1020, 1040))
    assert await stores.runs.latest_run("che168", RunKind.DAILY_UPDATE) == run
    assert await stores.changes.sync_state("che168") == SyncState(ChangeId(1060))
    assert await stores.day() == Kinds(changed=60)


async def test_a_finished_run_is_not_written(stores: Stores) -> None:
    run = await saved(stores, a_page(1000, 1020))
    await stores.changes.finish_changes(run, ChangeId(1020))
    await stores.changes.finish_changes(run, ChangeId(1020))
    held = await stores.runs.latest_run("che168", RunKind.DAILY_UPDATE)
    assert held is not None
    assert held.status is RunStatus.DONE
    with pytest.raises(RunTakenOverError):
        await stores.changes.save_changes(run, a_page(1020, 1040))


async def test_a_replay_of_old_days_moves_neither_the_cursor_nor_its_moments_back(stores: Stores) -> None:
    await saved(stores, a_page(5000, 5020, added=1))
    replay = Run("r2", "che168", ChangeId(1000), RunKind.DAILY_UPDATE, started_at=NOW + timedelta(hours=1))
    await stores.runs.start_run(replay)
    held = await saved(stores, a_page(1000, 1020, at=NOW + timedelta(hours=1), added=5), run=replay)
    assert await stores.runs.latest_run("che168", RunKind.DAILY_UPDATE) == held
    assert await stores.changes.sync_state("che168") == SyncState(ChangeId(5020))
    assert await stores.moments() == (NOW, NOW)


async def test_the_moments_of_the_last_move_and_of_the_last_added_offer_are_kept(stores: Stores) -> None:
    later, latest = NOW + timedelta(minutes=1), NOW + timedelta(minutes=2)
    run = await saved(stores, a_page(1000, 1020))
    assert await stores.moments() == (NOW, None)
    run = await saved(stores, a_page(1020, 1040, at=later, added=2), run=run)
    await saved(stores, a_page(1040, 1060, at=latest), run=run)
    assert await stores.moments() == (latest, later)


async def test_a_cursor_of_zero_is_one(stores: Stores) -> None:
    await saved(stores, replace(a_page(0, 0), messages={}, kinds=Kinds()))
    assert await stores.changes.sync_state("che168") == SyncState(ChangeId(0))


async def test_days_never_go_back(stores: Stores) -> None:
    await stores.changes.save_day("che168", DAY)
    await stores.changes.save_day("che168", DAY - timedelta(days=3))
    assert await stores.changes.sync_state("che168") == SyncState(None, DAY)
    await saved(stores, a_page(1000, 1020))
    assert await stores.changes.sync_state("che168") == SyncState(ChangeId(1020), DAY)


def a_gap(position: int, run_id: str = "r1") -> FailedPage:
    """Return a page that stayed dead."""
    return FailedPage(position, f"che168:change:{position}:{run_id}", 21, NOW, None, "timeout")


async def test_a_page_that_was_dead_is_no_gap_once_it_is_here(stores: Stores) -> None:
    await stores.runs.save_failure(RUN, a_gap(1000))
    assert await stores.runs.open_failures("r1") == [a_gap(1000)]
    await saved(stores, a_page(1000, 1020))
    assert await stores.runs.open_failures("r1") == []


async def test_finishing_closes_the_gaps_that_were_passed_and_no_others(stores: Stores) -> None:
    old = Run("r0", "che168", ChangeId(500), RunKind.DAILY_UPDATE, started_at=NOW - timedelta(days=1))
    await stores.runs.start_run(old)
    await stores.runs.save_failure(old, a_gap(900, "r0"))
    run = await saved(stores, a_page(1000, 1020))
    await stores.runs.save_failure(run, a_gap(1020))
    await stores.runs.save_failure(run, a_gap(1040))
    await stores.changes.finish_changes(run, ChangeId(1020))
    assert await stores.runs.open_failures("r0") == []
    assert await stores.runs.open_failures("r1") == [a_gap(1040)]
