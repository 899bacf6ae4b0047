"""What every `SweepStore` and `ReferenceStore` promises: on the fake, and on PostgreSQL."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from tests.contract.fetcher.fakes import FakeStore
from tests.contract.fetcher.stores import address_of
from tests.contract.fetcher.sweep_fakes import FakeSweepStore, HeldRow

from common.events import ChangeId, InnerId
from common.settings import DatabaseSettings
from fetcher.adapters.postgres import PostgresStore
from fetcher.adapters.session import PlatformSession
from fetcher.adapters.sweep_store import PostgresSweepStore
from fetcher.core.errors import SchemaError
from fetcher.core.ports import Run, RunKind, SavedPage
from fetcher.core.sweep_ports import Unseen

pytestmark = pytest.mark.contract

NOW = datetime(2026, 11, 21, 7, 28, tzinfo=UTC)
C = ChangeId(1000)
PLATFORM = "che168"

INSERT_ROW = """
INSERT INTO raw_data (platform, inner_id, change_type, data, source,
                      active_status, base_seq, active_seq, max_seq, page_id)
VALUES ($1, $2, 'added', '{}', 'initial_load', $3, $4, $5, $6, (SELECT id FROM feed_pages WHERE run_id = $7 LIMIT 1))
"""


@dataclass
class Shelf:
    """A store of sweeps beside the runs that it reads, and rows put into both kinds alike."""

    sweeps: FakeSweepStore | PostgresSweepStore
    runs: FakeStore | PostgresStore
    session: PlatformSession | None = None

    async def hold(self, *inner_ids: str, platform: str = PLATFORM, **values: int | bool | str | None) -> None:
        """Have rows; by default active and complete since long ago."""
        for inner_id in inner_ids:
            row = HeldRow(**({"base_seq": 10, "active_seq": 10, "max_seq": 10} | values))  # type: ignore[arg-type]  # by name
            if isinstance(self.sweeps, FakeSweepStore):
                self.sweeps.rows[platform, inner_id] = row
                continue
            status = int(not row.is_active)
            cells = (platform, inner_id, status, row.base_seq, row.active_seq, row.max_seq, row.run_id)
            await self.execute(INSERT_ROW, *cells)

    async def execute(self, statement: str, *values: object) -> None:
        """Change the database by hand."""
        assert self.session is not None
        await self.session.call(lambda session: session.execute(statement, *values))


@pytest.fixture(params=["fake", "postgresql"])
def place(request: pytest.FixtureRequest) -> DatabaseSettings | None:
    """Where the store keeps things: in memory, or in a database of the test's own."""
    settings: DatabaseSettings | None = None if request.param == "fake" else request.getfixturevalue("emptied_database")
    return settings


@pytest.fixture
async def shelf(place: DatabaseSettings | None) -> AsyncIterator[Shelf]:
    """Both implementations, one after the other."""
    if place is None:
        runs = FakeStore()
        yield Shelf(FakeSweepStore(runs, lands=False), runs)
        return
    async with PlatformSession(address_of(place), PLATFORM) as session:
        yield Shelf(PostgresSweepStore(session), PostgresStore(session), session)


async def begun(shelf: Shelf, run_id: str, kind: RunKind, *, pages: int = 1, is_done: bool = True) -> Run:
    """Save a run of so many pages, each with one message."""
    run = Run(run_id, PLATFORM, C, kind, started_at=NOW + timedelta(minutes=int(run_id[1:])))
    await shelf.runs.start_run(run)
    for number in range(1, pages + 1):
        page = SavedPage(number, number + 1, {f"{PLATFORM}:page:{number}:{run_id}": 20}, 1, NOW)
        await shelf.runs.save_pages(run, [page])
        run = run.after(page)
    if is_done:
        await shelf.runs.finish_run(run)
    return run


def ids(*inner_ids: str) -> list[InnerId]:
    """Return ids."""
    return [InnerId(inner_id) for inner_id in inner_ids]


async def test_what_is_seen_is_told_apart_by_what_is_held(shelf: Shelf) -> None:
    await shelf.hold("held")
    await shelf.hold("partial", base_seq=None)
    await shelf.hold("gone", is_active=False)
    await shelf.hold("elsewhere", platform="encar")
    page = ids("held", "partial", "gone", "elsewhere", "new", "new")
    missing = {"partial", "gone", "elsewhere", "new"}
    assert await shelf.sweeps.see(PLATFORM, page) == missing
    assert await shelf.sweeps.see(PLATFORM, page) == missing, "a page may be seen again"
    assert await shelf.sweeps.sights(PLATFORM) == 5


async def test_an_empty_page_shows_nothing(shelf: Shelf) -> None:
    assert await shelf.sweeps.see(PLATFORM, []) == set()
    assert await shelf.sweeps.sights(PLATFORM) == 0


async def test_sights_are_forgotten_by_platform(shelf: Shelf) -> None:
    await shelf.sweeps.see(PLATFORM, ids("1"))
    await shelf.sweeps.see("encar", ids("1", "2"))
    await shelf.sweeps.forget_sights(PLATFORM)
    assert (await shelf.sweeps.sights(PLATFORM), await shelf.sweeps.sights("encar")) == (0, 2)


async def test_messages_on_their_way_are_counted(shelf: Shelf) -> None:
    await begun(shelf, "r1", RunKind.INITIAL_LOAD, pages=3)
    assert await shelf.sweeps.unlanded(PLATFORM, NOW) == 3
    assert await shelf.sweeps.unlanded(PLATFORM, NOW + timedelta(seconds=1)) == 0, "on their way for too long"
    assert await shelf.sweeps.unlanded("encar", NOW) == 0


async def test_rows_that_a_sweep_has_brought_are_counted(shelf: Shelf) -> None:
    sweep = await begun(shelf, "r1", RunKind.SWEEP)
    await shelf.hold("brought", base_seq=999, active_seq=999, max_seq=999, run_id="r1")
    await shelf.hold("told of", base_seq=1005, active_seq=1005, max_seq=1005, run_id="r1")
    await shelf.hold("removed since", base_seq=999, active_seq=1006, max_seq=1006, run_id="r1", is_active=False)
    await shelf.hold("of another run", base_seq=999, active_seq=999, max_seq=999, run_id="r0")
    assert await shelf.sweeps.taken(sweep) == 1


async def test_pages_of_the_last_walk_that_was_done(shelf: Shelf) -> None:
    assert await shelf.sweeps.earlier_pages(PLATFORM, "r9") is None
    await begun(shelf, "r1", RunKind.INITIAL_LOAD, pages=4)
    await begun(shelf, "r2", RunKind.DAILY_UPDATE, pages=9)
    assert await shelf.sweeps.earlier_pages(PLATFORM, "r9") == 4
    await begun(shelf, "r3", RunKind.SWEEP, pages=3)
    await begun(shelf, "r4", RunKind.SWEEP, pages=2, is_done=False)
    assert await shelf.sweeps.earlier_pages(PLATFORM, "r4") == 3
    assert await shelf.sweeps.earlier_pages(PLATFORM, "r3") == 4


async def test_what_no_sweep_has_shown(shelf: Shelf) -> None:
    await shelf.hold("1-seen", "2-ghost", "3-ghost")
    await shelf.hold("4-mentioned", max_seq=1000)
    await shelf.hold("5-partial", base_seq=None)
    await shelf.hold("6-gone", is_active=False)
    await shelf.hold("7-fresh", base_seq=999, active_seq=999, max_seq=999)
    await shelf.hold("8-elsewhere", platform="encar")
    await shelf.sweeps.see(PLATFORM, ids("1-seen"))
    await shelf.sweeps.see("encar", ids("2-ghost"))
    assert await shelf.sweeps.unseen(PLATFORM, C) == Unseen(active=6, unseen=3, removable=2)
    assert await shelf.sweeps.unseen_after(PLATFORM, C, InnerId(""), 9) == ids("2-ghost", "3-ghost")
    assert await shelf.sweeps.unseen_after(PLATFORM, C, InnerId(""), 1) == ids("2-ghost")
    assert await shelf.sweeps.unseen_after(PLATFORM, C, InnerId("2-ghost"), 9) == ids("3-ghost")


async def test_a_load_is_reconciled_by_a_sweep_that_was_carried_through_after_it(shelf: Shelf) -> None:
    await begun(shelf, "r1", RunKind.INITIAL_LOAD)
    assert not await shelf.sweeps.is_reconciled(PLATFORM)
    await begun(shelf, "r2", RunKind.SWEEP)
    assert await shelf.sweeps.is_reconciled(PLATFORM)
    await shelf.sweeps.see(PLATFORM, ids("1"))
    assert not await shelf.sweeps.is_reconciled(PLATFORM), "its sights are still to be judged"
    await shelf.sweeps.forget_sights(PLATFORM)
    await begun(shelf, "r3", RunKind.INITIAL_LOAD)
    assert not await shelf.sweeps.is_reconciled(PLATFORM)
    assert not await shelf.sweeps.is_reconciled("encar")


async def test_the_reference_is_replaced(shelf: Shelf) -> None:
    assert await shelf.sweeps.filters_fetched_at(PLATFORM) is None
    await shelf.sweeps.save_filters(PLATFORM, b'{"mark": {"BMW": {"model": []}}}', NOW)
    later = NOW + timedelta(days=1)
    await shelf.sweeps.save_filters(PLATFORM, '{"mark": {"申龙": {"model": []}}}'.encode(), later)
    assert await shelf.sweeps.filters_fetched_at(PLATFORM) == later


async def test_a_reference_that_postgresql_cannot_hold_is_refused(database: DatabaseSettings) -> None:
    async with PlatformSession(address_of(database), PLATFORM) as session:
        store = PostgresSweepStore(session)
        with pytest.raises(SchemaError):
            await store.save_filters(PLATFORM, b'{"mark": "\\u0000"}', NOW)
        await store.save_filters(PLATFORM, b'{"mark": "\\u0001"}', NOW)
        kept = await session.call(lambda call: call.fetchval("SELECT data::text FROM filters_reference"))
    assert json.loads(kept) == {"mark": "\x01"}
