"""Old rows go in small steps, again and again, and nothing that fails stops it; months pass in no time."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest
from tests.contract.fetcher.test_attic import FakeAttic

from common.errors import UnavailableError
from common.testing.clock import VirtualClock
from fetcher.core.errors import SchemaError
from fetcher.core.housekeeping import BATCH, INTERVAL_S, PAUSE_S, Housekeeping
from fetcher.settings import FetcherSettings

pytestmark = pytest.mark.unit

START = datetime(2026, 1, 1, tzinfo=UTC)
DAY_S = 86_400.0


class Grumbling(FakeAttic):
    """Fails with `errors` first; notes how many rows each call was allowed."""

    def __init__(self) -> None:
        super().__init__()
        self.errors: list[Exception] = []
        self.most: list[int] = []

    async def remove_older(self, table: str, moment: datetime, *, most: int) -> int:
        """Remove the oldest."""
        self.most.append(most)
        if self.errors:
            raise self.errors.pop(0)
        return await super().remove_older(table, moment, most=most)


async def kept_for(attic: FakeAttic, keep_days: Mapping[str, int | None], *, days: float) -> VirtualClock:
    """Keep house for some virtual days, and a moment more."""
    clock = VirtualClock(START, auto_advance=False)
    stop = asyncio.Event()
    work = asyncio.create_task(Housekeeping(attic, keep_days=keep_days, clock=clock, pause_s=1, stop=stop).keep())
    await clock.advance(days * DAY_S + 60)
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)
    return clock


async def test_each_row_goes_when_its_days_are_over_and_not_before() -> None:
    attic = FakeAttic()
    attic.rows["quarantine"] = [START + timedelta(days=number) for number in range(-20, 40)]
    await kept_for(attic, {"quarantine": 10}, days=30)
    assert attic.rows["quarantine"] == [START + timedelta(days=number) for number in range(20, 40)]


async def test_every_table_has_its_own_days_and_none_are_for_ever() -> None:
    attic = FakeAttic()
    for table in attic.rows:
        attic.rows[table] = [START - timedelta(days=number) for number in (400, 200, 100, 50)]
    settings = FetcherSettings(keep_changes_days=None, keep_pages_days=90, keep_operations_days=365)
    await kept_for(attic, settings.keep_days, days=0)
    assert {table: len(rows) for table, rows in attic.rows.items()} == {
        "catalog_changes": 4,
        "feed_pages": 1,
        "operations_log": 3,
        "quarantine": 2,
    }


async def test_many_rows_go_in_steps_with_pauses_between() -> None:
    attic = Grumbling()
    attic.rows["feed_pages"] = [START - timedelta(days=99)] * (2 * BATCH + 1)
    clock = await kept_for(attic, {"feed_pages": 90}, days=0)
    assert attic.rows["feed_pages"] == []
    assert attic.most == [BATCH] * 3
    assert clock.slept == [PAUSE_S, PAUSE_S, INTERVAL_S]


async def test_a_stop_ends_it_after_the_step_in_hand() -> None:
    attic, stop = Grumbling(), asyncio.Event()
    attic.rows["feed_pages"] = [START - timedelta(days=99)] * (3 * BATCH)
    house = Housekeeping(attic, keep_days={"feed_pages": 90}, clock=VirtualClock(START), pause_s=1, stop=stop)
    stop_soon = asyncio.create_task(_set(stop))
    assert await house.tidy()
    await stop_soon
    assert attic.rows["feed_pages"]


async def _set(stop: asyncio.Event) -> None:
    stop.set()


async def test_a_database_that_is_away_is_waited_for() -> None:
    attic = Grumbling()
    attic.errors = [UnavailableError("away")] * 3
    attic.rows["quarantine"] = [START - timedelta(days=99)]
    clock = await kept_for(attic, {"quarantine": 30}, days=0)
    assert attic.rows["quarantine"] == []
    assert clock.slept == [1, 1, 1, INTERVAL_S]


async def test_a_right_that_is_missing_is_said_and_hinders_no_other_table(caplog: pytest.LogCaptureFixture) -> None:
    attic = Grumbling()
    attic.errors = [SchemaError("no right")]
    attic.rows["quarantine"] = [START - timedelta(days=99)]
    await kept_for(attic, {"catalog_changes": 30, "quarantine": 30}, days=0)
    assert attic.rows["quarantine"] == []
    assert [(record.levelname, "no right" in record.message) for record in caplog.records] == [("ERROR", True)]
