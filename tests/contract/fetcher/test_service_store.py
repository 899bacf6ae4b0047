"""What every `ServiceStore` promises: on the fake, and on PostgreSQL."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.contract.fetcher.service_fakes import FakeServiceStore
from tests.contract.fetcher.stores import address_of
from tests.lent import connected

from common.settings import DatabaseSettings
from fetcher.adapters.service_store import PostgresServiceStore
from fetcher.adapters.session import PlatformSession
from fetcher.core.service_ports import Happening, JobResult, ServiceStore

pytestmark = pytest.mark.contract

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)


@pytest.fixture
def database(emptied_database: DatabaseSettings) -> DatabaseSettings:
    """One database for all tests of this file."""
    return emptied_database


@pytest.fixture
async def real(database: DatabaseSettings) -> AsyncIterator[PostgresServiceStore]:
    """The store on a database of the test's own."""
    async with PlatformSession(address_of(database), "test of the service") as session:
        yield PostgresServiceStore(session)


@pytest.fixture(params=["fake", "postgres"])
def store(request: pytest.FixtureRequest) -> ServiceStore:
    """Both implementations, one after the other."""
    made: ServiceStore = FakeServiceStore() if request.param == "fake" else request.getfixturevalue("real")
    return made


async def test_nothing_is_paused_done_or_wrong_at_first(store: ServiceStore) -> None:
    assert await store.paused() == {}
    assert await store.last_done("che168") is None
    assert list(await store.findings(NOW)) == []


async def test_a_pause_is_kept_with_its_first_moment_until_resume(store: ServiceStore) -> None:
    await store.pause("che168", NOW)
    await store.pause("che168", LATER)
    await store.pause("encar", LATER)
    assert await store.paused() == {"che168": NOW, "encar": LATER}
    await store.resume("che168")
    await store.resume("che168")
    await store.resume("nosuch")
    assert await store.paused() == {"encar": LATER}
    await store.pause("che168", LATER)
    assert (await store.paused())["che168"] == LATER


RUN = """
INSERT INTO fetch_runs (run_id, platform, kind, status, started_at, finished_at)
VALUES (gen_random_uuid(), $1, $2, $3, $4, $5)
"""
OPERATION = """
INSERT INTO operations_log (operation_type, started_at, duration, status, details, platform, counts)
VALUES ('data_fetch', $1, 1, $2, $3, $4, '{"records": 7}')
"""


@pytest.fixture
async def tables(database: DatabaseSettings) -> AsyncIterator[Any]:
    """A plain connection to the same database."""
    async with connected(database) as connection:
        yield connection


@pytest.mark.parametrize(
    ("kind", "status", "counts"),
    [
        ("daily_update", "done", True),
        ("daily_update", "failed", False),
        ("daily_update", "running", False),
        ("initial_load", "done", True),
        ("sweep", "done", False),
    ],
)
async def test_a_platform_was_done_when_a_run_ended_at_the_head(
    real: PostgresServiceStore, tables: Any, kind: str, status: str, *, counts: bool
) -> None:
    await tables.execute(RUN, "che168", kind, status, NOW, LATER)
    await tables.execute(RUN, "encar", "daily_update", "done", NOW, LATER + timedelta(hours=5))
    assert await real.last_done("che168") == (LATER if counts else None)


async def test_a_shop_was_done_when_its_last_snapshot_began_however_it_ended(
    real: PostgresServiceStore, tables: Any
) -> None:
    await tables.execute(RUN, "bot_igor", "snapshot", "done", NOW, NOW)
    await tables.execute(RUN, "bot_igor", "snapshot", "failed", LATER, None)
    assert await real.last_done("bot_igor") == LATER


async def test_the_result_of_a_job_is_what_it_wrote_since_it_began(real: PostgresServiceStore, tables: Any) -> None:
    await tables.execute(OPERATION, NOW, "OK", "before", "che168")
    assert await real.result_since("che168", LATER) is None
    await tables.execute(OPERATION, LATER, "ERROR", "a page is missing", "che168")
    await tables.execute(OPERATION, LATER + timedelta(seconds=1), "OK", "another's", "encar")
    assert await real.result_since("che168", LATER) == JobResult(Happening.FAILED, "a page is missing", {"records": 7})
    await tables.execute(OPERATION, LATER + timedelta(seconds=2), "OK", "then the changes", "che168")
    together = JobResult(Happening.FAILED, "a page is missing; then the changes", {"records": 14})
    assert await real.result_since("che168", LATER) == together
