"""The limit holds for any arrivals at any number of processes, and refuses nobody who keeps below it."""

import asyncio
import logging
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.contract.gateway.limits import FakeQuota

from common.errors import UnavailableError
from common.testing.clock import VirtualClock
from gateway.core.errors import LimitedError
from gateway.core.rate_limit import LEASE_S, LEASED_PART, STORE_PAUSE_S, Grant, Quota, RateLimiter, Standing, decide

pytestmark = pytest.mark.unit

QUOTA = Quota(burst=100, interval_s=0.1)


class Gateways:
    """Several processes on one store and one clock."""

    def __init__(self, number: int, quota: Quota = QUOTA, *, clock: VirtualClock | None = None) -> None:
        self.clock = clock or VirtualClock(auto_advance=False)
        self.store = FakeQuota(self.clock)
        self.limiters = [
            RateLimiter(self.store, quota=quota, processes=number, clock=self.clock) for _ in range(number)
        ]

    async def allowed(self, process: int, token: int = 1) -> bool:
        """Ask one of them."""
        try:
            await self.limiters[process].spend(token)
        except LimitedError:
            return False
        return True


def test_a_quota_says_what_it_is() -> None:
    assert (QUOTA.window_s, QUOTA.policy) == (10.0, '"token";q=100;w=10')
    assert Standing(7, 3).header == '"token";r=7;t=3'


@pytest.mark.parametrize(
    ("backlog_s", "give_back", "wanted", "expected"),
    [
        (0.0, 0, 1, Grant(1, 0.1)),
        (-5.0, 0, 200, Grant(100, 10.0)),
        (9.95, 0, 1, Grant(0, 9.95)),
        (9.9, 0, 5, Grant(1, 10.0)),
        (10.0, 3, 5, Grant(3, 10.0)),
        (0.1, 3, 0, Grant(0, 0.0)),
        (3600.0, 3, 5, Grant(3, 10.0)),
    ],
)
def test_what_is_earned_back_is_granted(backlog_s: float, give_back: int, wanted: int, expected: Grant) -> None:
    grant = decide(QUOTA, backlog_s, give_back=give_back, wanted=wanted)
    assert grant.granted == expected.granted
    assert grant.backlog_s == pytest.approx(expected.backlog_s)


@given(
    st.integers(1, 5),
    st.builds(Quota, burst=st.integers(1, 60), interval_s=st.sampled_from([0.01, 0.1, 1.0])),
    st.lists(st.tuples(st.integers(0, 4), st.sampled_from([0.0, 0.001, 0.01, 0.09, 0.5, 3.0]), st.integers(1, 30))),
)
async def test_never_more_than_burst_and_rate_are_allowed(
    processes: int, quota: Quota, arrivals: list[tuple[int, float, int]]
) -> None:
    gateways, allowed = Gateways(processes, quota), 0
    for process, pause_s, requests in arrivals:
        gateways.clock._elapsed += pause_s  # noqa: SLF001 - nobody sleeps, and `advance` is slow
        allowed += sum([await gateways.allowed(process % processes) for _ in range(requests)])
        assert allowed <= quota.burst + gateways.clock.monotonic() / quota.interval_s + 1e-3


@given(st.integers(1, 4), st.lists(st.integers(0, 3), min_size=1, max_size=150), st.booleans())
async def test_a_client_below_the_rate_is_never_refused(processes: int, turns: list[int], in_bursts: bool) -> None:  # noqa: FBT001 - drawn
    gateways = Gateways(processes)
    for number, turn in enumerate(turns):
        if not in_bursts:
            gateways.clock._elapsed += QUOTA.interval_s  # noqa: SLF001 - as above
        elif number % 50 == 0:
            gateways.clock._elapsed += 50 * QUOTA.interval_s  # noqa: SLF001 - as above
        assert await gateways.allowed(turn % processes)


async def test_four_processes_at_three_times_the_quota_allow_the_quota_and_spare_who_keeps_it() -> None:
    quota = Quota(burst=200, interval_s=0.05)
    gateways, chance = Gateways(4, quota), random.Random(3)  # noqa: S311 - which process is asked
    greedy = modest = 0
    for tick in range(20 * 60):
        gateways.clock._elapsed = tick / 60  # noqa: SLF001 - as above
        greedy += await gateways.allowed(tick % 4, token=1)
        if tick % 3 == 0:
            assert await gateways.allowed(chance.randrange(4), token=2)
            modest += 1
    assert modest == 20 / quota.interval_s
    assert quota.burst + 20 / quota.interval_s - 4 * 10 <= greedy <= quota.burst + 20 / quota.interval_s


async def test_a_refusal_says_when_to_come_back_and_that_is_right() -> None:
    gateways = Gateways(1)
    await gateways.clock.advance(3600.0)
    while await gateways.allowed(0):
        pass
    with pytest.raises(LimitedError) as caught:
        await gateways.limiters[0].spend(1)
    assert 0 < caught.value.retry_after_s <= QUOTA.interval_s
    await gateways.clock.advance(caught.value.retry_after_s - 0.001)
    assert not await gateways.allowed(0)
    await gateways.clock.advance(0.002)
    assert await gateways.allowed(0)


async def test_tokens_do_not_pay_for_one_another() -> None:
    gateways = Gateways(1)
    while await gateways.allowed(0, token=1):
        pass
    assert await gateways.allowed(0, token=2)


async def test_a_busy_process_asks_the_store_seldom_and_a_refused_one_not_at_all() -> None:
    gateways = Gateways(1, Quota(burst=1000, interval_s=0.01))
    allowed = sum([await gateways.allowed(0) for _ in range(5000)])
    assert allowed == 1000
    assert gateways.store.asked <= 1000 / (1000 / LEASED_PART) + 10


async def test_a_steady_client_costs_two_questions_a_second() -> None:
    gateways = Gateways(1, Quota(burst=10_000, interval_s=0.001))
    asked = []
    for _ in range(6):
        before = gateways.store.asked
        for _ in range(200):
            assert await gateways.allowed(0)
            gateways.clock._elapsed += 0.005  # noqa: SLF001 - as above
        asked.append(gateways.store.asked - before)
    assert asked[0] <= 10
    assert max(asked[1:]) <= 2


async def test_who_comes_back_after_a_while_takes_one() -> None:
    gateways = Gateways(2, Quota(burst=1000, interval_s=100.0))
    for _ in range(40):
        await gateways.allowed(0)
    await gateways.clock.advance(2 * LEASE_S)
    await gateways.allowed(0)
    assert sum([await gateways.allowed(1) for _ in range(1000)]) == 1000 - 41


async def test_what_was_taken_in_advance_and_not_spent_is_given_back() -> None:
    gateways = Gateways(1, Quota(burst=100, interval_s=100.0))
    for _ in range(6):
        await gateways.allowed(0)
    await gateways.clock.advance(LEASE_S)
    await gateways.limiters[0].spend(1)
    assert gateways.limiters[0].standing(1).remaining == 93


async def test_one_process_takes_little_in_advance() -> None:
    gateways = Gateways(2, Quota(burst=1000, interval_s=100.0))
    assert all([await gateways.allowed(0) for _ in range(300)])
    others = sum([await gateways.allowed(1) for _ in range(1000)])
    assert others >= 700 - 1000 // LEASED_PART


async def test_many_at_once_in_one_process_spend_exactly_the_burst() -> None:
    gateways = Gateways(1)
    answers = await asyncio.gather(*(gateways.allowed(0) for _ in range(300)))
    assert sum(answers) == 100
    assert gateways.store.asked < 30


async def test_the_standing_falls_and_rises_again() -> None:
    gateways = Gateways(1)
    limiter = gateways.limiters[0]
    assert limiter.standing(1) == Standing(100, 0)
    for left in (99, 98, 97, 96, 95):
        await limiter.spend(1)
        assert limiter.standing(1).remaining == left
    assert limiter.standing(1).reset_s == 1
    await gateways.clock.advance(0.35)
    assert limiter.standing(1).remaining == 98


async def test_without_the_store_each_process_allows_its_share(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    gateways = Gateways(4)
    gateways.store.failure = UnavailableError("away")
    allowed = [sum([await gateways.allowed(process) for _ in range(100)]) for process in range(4)]
    assert allowed == [25] * 4
    assert gateways.store.asked == 4
    assert len(caplog.records) == 4
    await gateways.clock.advance(STORE_PAUSE_S)
    gateways.store.failure = None
    assert await gateways.allowed(0)
    assert gateways.store.asked == 5
