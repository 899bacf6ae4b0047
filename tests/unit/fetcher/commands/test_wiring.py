"""What is set reaches those who act on it: each setting has a value that no other one has."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import time, timedelta
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pydantic import SecretStr
from tests.catching import Catcher, CaughtError

from common.settings import PlatformSettings, ShopSettings
from common.testing.clock import VirtualClock
from fetcher.commands import daily_update, initial_load, parts, reconcile, retry_gaps, run, shop_sync
from fetcher.core.retry import RetryPolicy
from fetcher.core.schedule import Daily, Every
from fetcher.settings import FetcherServiceSettings, FetcherSettings

pytestmark = pytest.mark.unit

POLICY = RetryPolicy(quick_retries=1, quick_delay_s=2, interval_s=3, max_retries=4, window_s=15)
ZONE = ZoneInfo("Asia/Shanghai")


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FetcherServiceSettings:
    """Every setting of the fetcher at a value of its own."""
    monkeypatch.chdir(tmp_path)
    own = FetcherSettings(
        daily_at="03:45",
        request_timeout_s=21,
        max_body_bytes=22_000,
        quick_retries=POLICY.quick_retries,
        quick_delay_s=POLICY.quick_delay_s,
        retry_interval_s=POLICY.interval_s,
        max_retries=POLICY.max_retries,
        retry_window_s=POLICY.window_s,
        gap_retries=5,
        lost_after_s=23,
        reconcile_sweeps=6,
        reconcile_lookups=24,
        landing_wait_s=25,
        dead_pages_to_stop=8,
        lookup_budget=26,
        lookup_interval_s=27,
        lookup_again_s=61,
        expected_records=28,
        progress_interval_s=29,
        server_retry_interval_s=30,
        stop_grace_s=31,
    )
    platform = PlatformSettings(
        api_key=SecretStr("k"),
        base_url="http://127.0.0.1:9/api/v2/che168",
        min_interval_s=32,
        pages_in_flight=2,
        day_zone=ZONE.key,
    )
    shop = ShopSettings(url=SecretStr("http://127.0.0.1:9/api/products"), interval_s=33, most_gone=0.34)
    return FetcherServiceSettings(fetcher=own, platforms={"che168": platform}, shops={"bot_igor": shop})


@pytest.fixture
def caught(monkeypatch: pytest.MonkeyPatch) -> "Caught":
    """Put a catcher in a class's place: `caught(module, "Name")`; with `goes_on`, the command goes on behind it."""

    def put(module: ModuleType, name: str, goes_on: Callable[..., Any] | None = None) -> Catcher:
        catcher = Catcher(goes_on)
        monkeypatch.setattr(module, name, catcher)
        return catcher

    return put


@pytest.fixture(autouse=True)
def _opened_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nothing be opened."""

    @asynccontextmanager
    async def opened(*_: object) -> AsyncIterator[Any]:
        upstream, others = SimpleNamespace(filters=None), ("reader", "publisher", "session", "chance")
        yield SimpleNamespace(clock=VirtualClock(), upstream=upstream, **dict.fromkeys(others))

    for module in (daily_update, initial_load, reconcile, retry_gaps):
        monkeypatch.setattr(module, "opened", opened)
    monkeypatch.setattr(shop_sync, "opened_shop", opened)


def nothing(*_: object, **__: object) -> None:
    """Make nothing of it."""


async def performed(module: Any, settings: FetcherServiceSettings, name: str = "che168") -> None:
    """Put a command together up to the class that is caught."""
    with pytest.raises(CaughtError):
        await module.perform(settings, name, asyncio.Event())


Caught = Callable[..., Catcher]


async def test_a_first_load(settings: FetcherServiceSettings, caught: Caught) -> None:
    load = caught(initial_load, "InitialLoad")
    await performed(initial_load, settings)
    (plan, _), limits = load.given, load.given[0].limits
    assert (plan.day_zone, plan.expected_records, plan.stop_grace_s) == (ZONE, 28, 31)
    assert (plan.once.max_retries, plan.once.interval_s) == (0, POLICY.interval_s)
    assert (limits.dead_pages_to_stop, limits.pause_s, limits.pages_in_flight) == (8, 30, 2)


async def test_a_daily_update(settings: FetcherServiceSettings, caught: Caught) -> None:
    update = caught(daily_update, "DailyUpdate")
    completing = caught(daily_update, "Completing", nothing)
    inquiry = caught(daily_update, "OfferInquiry", nothing)
    await performed(daily_update, settings)
    plan, lookups, limits = update.given[0], completing.known["plan"], inquiry.known["limits"]
    assert (plan.limits.day_zone, plan.limits.pause_s, plan.stop_grace_s) == (ZONE, 30, 31)
    assert (lookups.budget, lookups.again_after, lookups.day_zone) == (26, timedelta(seconds=61), ZONE)
    assert (limits.interval_s, limits.failures_to_stop, limits.policy.max_retries) == (27, 8, 0)


async def test_a_reconciliation(settings: FetcherServiceSettings, caught: Caught) -> None:
    whole = caught(reconcile, "Reconcile")
    retiring = caught(reconcile, "Retiring", nothing)
    await performed(reconcile, settings)
    plan, frame, _ = whole.given
    assert (plan.most_sweeps, plan.landing_wait_s, plan.once.max_retries) == (6, 25, 5)
    assert (frame.stop_grace_s, frame.pause_s) == (31, 30)
    assert retiring.known == {"budget": 24, "day_zone": ZONE}


async def test_a_retry_of_gaps(settings: FetcherServiceSettings, caught: Caught) -> None:
    retry = caught(retry_gaps, "RetryGaps")
    await performed(retry_gaps, settings)
    plan = retry.given[0]
    assert (plan.patience.max_retries, plan.lost_after, plan.stop_grace_s) == (5, timedelta(seconds=23), 31)


async def test_a_snapshot(settings: FetcherServiceSettings, caught: Caught) -> None:
    snapshot = caught(shop_sync, "Snapshot")
    await performed(shop_sync, settings, "bot_igor")
    plan = snapshot.given[0]
    assert (plan.most_gone, plan.lost_after, plan.stop_grace_s, plan.pause_s) == (0.34, timedelta(seconds=23), 31, 30)


async def test_requests(settings: FetcherServiceSettings, caught: Caught) -> None:
    http = caught(parts, "BoundedHttp", nothing)
    reader = caught(parts, "PatientReader")
    with pytest.raises(CaughtError):
        await parts.opened(settings, "che168").__aenter__()
    assert (http.known["deadline_s"], http.known["max_body_bytes"]) == (21, 22_000)
    assert http.known["parameters"] == {"api_key": "k"}
    assert (reader.known["policy"], reader.known["min_interval_s"]) == (POLICY, 32)


def test_progress_and_the_schedule(settings: FetcherServiceSettings, caught: Caught) -> None:
    lines = caught(parts, "ProgressLines", nothing)
    parts.display_of(settings, VirtualClock())
    assert lines.known["interval_s"] == 29
    assert [target.schedule for target in run.targets_of(settings)] == [Daily(time(3, 45), ZONE), Every(33)]


def test_each_table_keeps_its_own_days() -> None:
    days = FetcherSettings(
        keep_changes_days=8, keep_pages_days=9, keep_operations_days=10, keep_quarantine_days=None
    ).keep_days
    assert days == {"catalog_changes": 8, "feed_pages": 9, "operations_log": 10, "quarantine": None}
