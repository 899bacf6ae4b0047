"""The limit in PostgreSQL: the same decisions as the pure function, and exact for many processes at once."""

import asyncio
import random
from collections.abc import Sequence
from contextlib import AsyncExitStack

import pytest
from tests.integration.gateway.conftest import opened

from common.clock import SystemClock
from common.errors import UnavailableError
from common.settings import DatabaseSettings
from gateway.adapters.quota import PostgresQuota
from gateway.core.errors import LimitedError
from gateway.core.rate_limit import Quota, RateLimiter, decide

pytestmark = pytest.mark.integration


@pytest.fixture
def database(emptied_database: DatabaseSettings) -> DatabaseSettings:
    """One database for all tests of this file."""
    return emptied_database


async def test_the_store_decides_as_the_function(database: DatabaseSettings) -> None:
    quota, chance, backlog_s = Quota(burst=50, interval_s=3600.0), random.Random(7), 0.0  # noqa: S311 - a test's choice
    async with opened(database) as pool:
        store = PostgresQuota(pool)
        for _ in range(200):
            give_back, wanted = chance.randrange(4), chance.randrange(9)
            real = await store.take(1, quota, give_back=give_back, wanted=wanted)
            model = decide(quota, backlog_s, give_back=give_back, wanted=wanted)
            assert real.granted == model.granted
            assert real.backlog_s == pytest.approx(model.backlog_s, abs=120)
            backlog_s = real.backlog_s
        assert (await store.take(2, quota, give_back=0, wanted=99)).granted == 50


async def test_four_processes_together_allow_the_quota_and_no_more(database: DatabaseSettings) -> None:
    clock, quota = SystemClock(), Quota(burst=100, interval_s=0.02)
    async with AsyncExitStack() as stack:
        pools = [await stack.enter_async_context(opened(database)) for _ in range(4)]
        limiters = [RateLimiter(PostgresQuota(pool), quota=quota, processes=4, clock=clock) for pool in pools]
        started = clock.monotonic()
        answers = await asyncio.gather(*(_spend(limiter, 40) for limiter in limiters for _ in range(10)))
        elapsed_s = clock.monotonic() - started
    allowed = sum(map(sum, answers))
    assert allowed <= quota.burst + elapsed_s / quota.interval_s + 1
    assert allowed >= quota.burst


async def _spend(limiter: RateLimiter, requests: int) -> Sequence[bool]:
    answers = []
    for _ in range(requests):
        try:
            await limiter.spend(1)
        except LimitedError:
            answers.append(False)
        else:
            answers.append(True)
    return answers


async def test_a_clock_that_was_set_back_refuses_for_no_longer_than_the_burst_takes_to_come_back(
    database: DatabaseSettings,
) -> None:
    quota = Quota(burst=2, interval_s=0.01)
    async with opened(database) as pool:
        await pool.fetch("INSERT INTO rate_limits (token_id, full_at) VALUES (1, now() + interval '3 hours')")
        store = PostgresQuota(pool)
        refused = await store.take(1, quota, give_back=0, wanted=1)
        assert refused.granted == 0
        assert refused.backlog_s == pytest.approx(quota.window_s)
        await SystemClock().sleep(quota.window_s)
        assert (await store.take(1, quota, give_back=0, wanted=9)).granted == quota.burst


async def test_a_store_that_is_away_says_so(database: DatabaseSettings) -> None:
    async with opened(database.model_copy(update={"port": 1})) as pool:
        with pytest.raises(UnavailableError):
            await PostgresQuota(pool).take(1, Quota(1, 1.0), give_back=0, wanted=1)


async def test_a_store_that_refuses_is_as_good_as_away(database: DatabaseSettings) -> None:
    async with opened(database.model_copy(update={"pool_size": 1})) as pool:
        await pool.fetch("SET search_path = pg_catalog")
        limiter = RateLimiter(PostgresQuota(pool), quota=Quota(1, 3600.0), processes=1, clock=SystemClock())
        assert await _spend(limiter, 2) == [True, False]
