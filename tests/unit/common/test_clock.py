"""Waiting is tested without waiting."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from common.clock import Clock, SystemClock
from common.testing.clock import VirtualClock

START = datetime(2026, 11, 21, tzinfo=UTC)


async def test_a_sleep_takes_its_length_of_virtual_time_and_no_real_one() -> None:
    clock = VirtualClock(START)
    began = SystemClock().monotonic()
    await clock.sleep(4 * 3600)
    assert SystemClock().monotonic() - began < 60
    assert clock.now() == START + timedelta(hours=4)
    assert clock.monotonic() == 4 * 3600
    assert clock.slept == [4 * 3600]


async def test_a_negative_sleep_does_not_turn_time_back() -> None:
    clock = VirtualClock(START)
    await clock.sleep(-1)
    assert clock.now() == START


async def test_sleepers_wake_in_the_order_of_their_moments_and_see_their_time() -> None:
    clock = VirtualClock(START, auto_advance=False)
    woken: list[tuple[str, float]] = []

    async def sleeper(name: str, seconds: float) -> None:
        await clock.sleep(seconds)
        woken.append((name, clock.monotonic()))

    async with asyncio.TaskGroup() as tasks:
        for name, seconds in (("late", 30.0), ("early", 10.0), ("early too", 10.0), ("never", 99.0)):
            tasks.create_task(sleeper(name, seconds))
        await clock.advance(5)
        assert woken == []
        await clock.advance(30)
        assert woken == [("early", 10.0), ("early too", 10.0), ("late", 30.0)]
        assert clock.monotonic() == 35
        await clock.advance(64)
    assert woken[-1] == ("never", 99.0)


async def test_a_woken_sleeper_may_sleep_again_within_the_same_advance() -> None:
    clock = VirtualClock(START, auto_advance=False)

    async def twice() -> None:
        await clock.sleep(10)
        await clock.sleep(10)

    task = asyncio.create_task(twice())
    await clock.advance(20)
    assert task.done()


async def test_a_sleeper_can_be_cancelled() -> None:
    clock = VirtualClock(START, auto_advance=False)
    task = asyncio.create_task(clock.sleep(10))
    await clock.advance(1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await clock.advance(20)
    assert clock.monotonic() == 21


async def test_the_system_clock_is_aware_in_utc_and_never_goes_back() -> None:
    clock: Clock = SystemClock()
    before, moment = clock.monotonic(), clock.now()
    await clock.sleep(0)
    assert moment.utcoffset() == timedelta(0)
    assert clock.monotonic() >= before
