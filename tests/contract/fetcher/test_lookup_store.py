"""What every `LookupStore` promises: on the fake, and on PostgreSQL."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from tests.contract.fetcher.fake_changes import FakeLookupStore
from tests.contract.fetcher.fakes import FakeStore
from tests.contract.fetcher.stores import address_of
from tests.lent import connected

from common.events import InnerId
from common.settings import DatabaseSettings
from fetcher.adapters.lookup_store import PostgresLookupStore
from fetcher.adapters.session import PlatformSession
from fetcher.core.change_ports import Kinds
from fetcher.core.lookup_ports import DueLookup, LookedUp, SavedLookups

pytestmark = pytest.mark.contract

NOW = datetime(2026, 11, 21, 7, 28, 5, 123456, tzinfo=UTC)
DAY = date(2026, 11, 21)
LATER = NOW + timedelta(hours=20)

INSERT = """
INSERT INTO raw_data (platform, inner_id, change_type, data, source, active_status, base_seq, max_seq)
VALUES ($1, $2, 'changed', '{}', 'daily_update', $3, $4, 7)
"""


@dataclass
class Shelf:
    """A store, and the rows that it looks at."""

    store: FakeLookupStore | PostgresLookupStore
    connection: Any = None

    async def knows_in_part(self, *inner_ids: str) -> None:
        """Put active offers there that are known only from partial events."""
        if isinstance(self.store, FakeLookupStore):
            self.store.incomplete |= set(inner_ids)
            return
        for inner_id in inner_ids:
            await self.connection.execute(INSERT, "che168", inner_id, 0, None)

    async def completes(self, inner_id: str) -> None:
        """Let a full record land."""
        if isinstance(self.store, FakeLookupStore):
            self.store.incomplete.discard(inner_id)
            return
        await self.connection.execute("UPDATE raw_data SET base_seq = 6 WHERE inner_id = $1", inner_id)

    async def forgets(self, inner_id: str) -> None:
        """Let it be known only in part again, as if nobody had asked."""
        if isinstance(self.store, FakeLookupStore):
            self.store.incomplete.add(inner_id)
            return
        await self.connection.execute("UPDATE raw_data SET base_seq = NULL WHERE inner_id = $1", inner_id)

    async def counted(self) -> Kinds:
        """Return the day's counts."""
        if isinstance(self.store, FakeLookupStore):
            return self.store.counted["che168", DAY]
        row = await self.connection.fetchrow(
            "SELECT added, changed, removed FROM feed_days WHERE day = $1 AND kind = 'lookup'", DAY
        )
        return Kinds(*row) if row else Kinds()

    async def ledger(self) -> list[tuple[str, int, str, int]]:
        """Return message id, position, status and records of each ledger row."""
        if isinstance(self.store, FakeLookupStore):
            rows = self.store.store.ledger.items()
            return [(key, row.position, row.status, row.records) for key, row in sorted(rows)]
        query = "SELECT message_id, position, status, records FROM feed_pages WHERE kind = 'lookup' ORDER BY 1"
        return [tuple(row) for row in await self.connection.fetch(query)]


@pytest.fixture(params=["fake", "postgresql"])
def place(request: pytest.FixtureRequest) -> DatabaseSettings | None:
    """Where the store keeps things: in memory, or in a database of the test's own."""
    settings: DatabaseSettings | None = None if request.param == "fake" else request.getfixturevalue("emptied_database")
    return settings


@pytest.fixture
async def shelf(place: DatabaseSettings | None) -> AsyncIterator[Shelf]:
    """Both implementations, one after the other."""
    if place is None:
        yield Shelf(FakeLookupStore(FakeStore()))
        return
    async with connected(place) as connection, PlatformSession(address_of(place), "che168") as session:
        yield Shelf(PostgresLookupStore(session), connection)


def a_miss(inner_id: str, *, missed: int = 1, again: datetime = LATER) -> LookedUp:
    """Return a look-up that did not find its offer."""
    return LookedUp(InnerId(inner_id), missed, NOW, again)


def a_find(inner_id: str, *, again: datetime = LATER) -> LookedUp:
    """Return a look-up that found its offer."""
    return LookedUp(InnerId(inner_id), 0, None, again)


def saving(results: Sequence[LookedUp], *, added: int = 0, position: int = 1) -> SavedLookups:
    """Return results with one message where something was found."""
    return SavedLookups(
        platform="che168",
        run_id="r1",
        position=position,
        messages={f"che168:lookup:{position}:r1": added} if added else {},
        fetched_at=NOW,
        day=DAY,
        kinds=Kinds(added=added),
        results=results,
    )


async def due(shelf: Shelf, *, at: datetime = NOW, limit: int = 10) -> list[DueLookup]:
    """Return what is due."""
    return list(await shelf.store.due_lookups("che168", at, limit))


async def test_what_is_known_only_in_part_is_due(shelf: Shelf) -> None:
    assert await due(shelf) == []
    await shelf.knows_in_part("b", "a", "c")
    assert await due(shelf) == [DueLookup(InnerId(name)) for name in "abc"]
    assert len(await due(shelf, limit=2)) == 2


async def test_a_miss_is_due_again_later_with_its_count_and_behind_those_never_asked(shelf: Shelf) -> None:
    await shelf.knows_in_part("a", "b", "c")
    await shelf.store.save_lookups(saving([a_miss("a", missed=2), a_miss("b", again=LATER - timedelta(hours=1))]))
    assert [lookup.inner_id for lookup in await due(shelf)] == ["c"]
    assert await due(shelf, at=LATER) == [
        DueLookup(InnerId("c")),
        DueLookup(InnerId("b"), 1, NOW),
        DueLookup(InnerId("a"), 2, NOW),
    ]


async def test_what_has_become_complete_is_forgotten(shelf: Shelf) -> None:
    await shelf.knows_in_part("a")
    await shelf.store.save_lookups(saving([a_miss("a", missed=2)]))
    await shelf.completes("a")
    assert await due(shelf, at=LATER) == []
    await shelf.forgets("a")
    assert await due(shelf) == [DueLookup(InnerId("a"))]


async def test_finds_are_counted_and_stand_in_the_ledger(shelf: Shelf) -> None:
    await shelf.knows_in_part("a", "b")
    await shelf.store.save_lookups(saving([a_find("a"), a_find("b")], added=2))
    assert await shelf.counted() == Kinds(added=2)
    assert await shelf.ledger() == [("che168:lookup:1:r1", 1, "fetched", 2)]
    assert await due(shelf) == [], "they are not asked about again before their records could land"


async def test_look_ups_saved_twice_count_once(shelf: Shelf) -> None:
    await shelf.knows_in_part("a", "b")
    for _ in range(2):
        await shelf.store.save_lookups(saving([a_find("a"), a_find("b")], added=2))
    assert await shelf.counted() == Kinds(added=2)
    later = a_find("a", again=LATER + timedelta(days=1))
    await shelf.store.save_lookups(saving([later], added=1, position=2))
    assert await shelf.counted() == Kinds(added=3)


async def test_an_error_keeps_the_count_of_misses(shelf: Shelf) -> None:
    await shelf.knows_in_part("a")
    await shelf.store.save_lookups(saving([LookedUp(InnerId("a"), 2, NOW, NOW, "timeout")]))
    assert await due(shelf) == [DueLookup(InnerId("a"), 2, NOW)]
    assert await shelf.ledger() == []


async def test_neither_complete_nor_inactive_rows_nor_those_of_other_platforms_are_due(
    database: DatabaseSettings,
) -> None:
    async with connected(database) as connection:
        for platform, inner_id, status, base in (
            ("che168", "complete", 0, 5),
            ("che168", "inactive", 1, None),
            ("encar", "other", 0, None),
            ("che168", "due", 0, None),
        ):
            await connection.execute(INSERT, platform, inner_id, status, base)
    async with PlatformSession(address_of(database), "che168") as session:
        found = await PostgresLookupStore(session).due_lookups("che168", NOW, 10)
    assert [lookup.inner_id for lookup in found] == ["due"]
