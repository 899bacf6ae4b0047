"""Saving what was gathered: together, in order, never too much behind, and its errors are told."""

import asyncio
from collections.abc import Sequence

import pytest

from common.testing.clock import VirtualClock
from fetcher.core.inflight import Gathering, together, unless_stopped, within_grace


class Bench:
    """Saves into a list; `broken` lets it fail."""

    def __init__(self, *, most: int = 20, interval_s: float = 0.1) -> None:
        self.clock = VirtualClock(auto_advance=False)
        self.saved: list[tuple[float, list[int]]] = []
        self.broken = False
        self.gate = asyncio.Event()
        self.gate.set()
        self.gathering = Gathering(self.save, clock=self.clock, interval_s=interval_s, most=most)

    async def save(self, items: Sequence[int]) -> None:
        """Keep them with the time that has passed."""
        await self.gate.wait()
        if self.broken:
            raise OSError("away")
        self.saved.append((round(self.clock.monotonic(), 3), list(items)))

    async def add(self, *items: int, every_s: float) -> None:
        """Add one after the other."""
        for item in items:
            await self.gathering.add(item)
            await self.clock.advance(every_s)


async def test_the_first_is_saved_at_once_and_what_comes_faster_than_the_interval_together() -> None:
    bench = Bench()
    await bench.add(*range(1, 8), every_s=0.04)
    await bench.gathering.settled()
    assert bench.saved == [(0.0, [1]), (0.1, [2, 3]), (0.2, [4, 5]), (0.28, [6, 7])]


async def test_what_comes_slower_is_saved_one_by_one() -> None:
    bench = Bench()
    await bench.add(1, 2, 3, every_s=0.2)
    assert bench.saved == [(0.0, [1]), (0.2, [2]), (0.4, [3])]


async def test_the_end_waits_for_no_interval() -> None:
    bench, others = Bench(), asyncio.all_tasks()
    await bench.add(1, 2, 3, every_s=0.01)
    await bench.gathering.settled()
    assert bench.saved == [(0.0, [1]), (0.03, [2, 3])]
    await bench.clock.advance(0)
    assert asyncio.all_tasks() == others, "nothing waits for it behind"


async def test_nobody_waits_for_more_than_the_most() -> None:
    bench = Bench(most=3, interval_s=60)
    await bench.add(*range(1, 9), every_s=0.01)
    await bench.gathering.settled()
    assert [items for _, items in bench.saved] == [[1], [2, 3, 4], [5, 6, 7], [8]]


async def test_whoever_adds_more_waits_for_a_slow_save() -> None:
    bench = Bench(most=2)
    bench.gate.clear()
    await bench.gathering.add(1)
    await bench.gathering.add(2)
    third = asyncio.create_task(bench.gathering.add(3))
    await bench.clock.advance(60)
    assert not third.done()
    bench.gate.set()
    await third
    await bench.gathering.settled()
    assert [item for _, items in bench.saved for item in items] == [1, 2, 3]


@pytest.mark.parametrize("ends", [True, False], ids=["at the end", "at the next"])
async def test_an_error_is_raised_and_nothing_is_saved_behind_it(*, ends: bool) -> None:
    bench = Bench()
    bench.broken = True
    await bench.add(1, every_s=0.01)
    assert bench.gathering.broken.is_set()
    with pytest.raises(OSError, match="away"):
        await (bench.gathering.settled() if ends else bench.gathering.add(2))
    assert not bench.gathering.broken.is_set(), "it was told"
    bench.broken = False
    await bench.gathering.settled()
    assert bench.saved == []


async def test_what_is_dropped_is_not_saved() -> None:
    bench = Bench()
    await bench.add(1, 2, 3, every_s=0.01)
    for _ in range(2):
        await bench.gathering.dropped()
    await bench.gathering.settled()
    assert bench.saved == [(0.0, [1])]


@pytest.mark.parametrize("stopped", [True, False])
async def test_waiting_for_a_task_or_a_stop_leaves_nothing_behind(*, stopped: bool) -> None:
    clock, others, stop = VirtualClock(auto_advance=False), asyncio.all_tasks(), asyncio.Event()
    pending = asyncio.create_task(clock.sleep(1.0))
    waiting = asyncio.create_task(unless_stopped(pending, stop, asyncio.Event()))
    await clock.advance(0.5)
    assert not waiting.done()
    if stopped:
        stop.set()
    else:
        await clock.advance(0.5)
    await waiting
    assert pending.done() is not stopped
    await clock.advance(1.0)
    assert asyncio.all_tasks() == others


async def test_work_is_cut_off_after_its_grace_and_has_ended_when_that_is_said() -> None:
    clock, steps, stop = VirtualClock(auto_advance=False), list[str](), asyncio.Event()

    async def work() -> None:
        try:
            await clock.sleep(600.0)
        finally:
            await asyncio.sleep(0)  # noqa: TID251 - takes no time: as closing a connection does
            steps.append("ended")

    async def whole() -> None:
        await within_grace(work(), stop, clock=clock, grace_s=5.0)
        steps.append("said")

    task = asyncio.create_task(whole())
    await clock.advance(60.0)
    stop.set()
    await clock.advance(4.9)
    assert steps == []
    await clock.advance(0.2)
    await task
    assert steps == ["ended", "said"]


async def test_calls_that_are_made_together_begin_in_their_order_and_all_end() -> None:
    clock, steps = VirtualClock(auto_advance=False), list[str]()

    async def call(name: str, takes_s: float) -> None:
        steps.append(f"{name} begins")
        await clock.sleep(takes_s)
        steps.append(f"{name} ends")

    task = asyncio.create_task(together([call("a", 0.3), call("b", 0.1), call("c", 0.2)]))
    for _ in range(3):
        assert not task.done()
        await clock.advance(0.1)
    await task
    assert steps == ["a begins", "b begins", "c begins", "b ends", "c ends", "a ends"]


async def test_the_first_call_that_fails_ends_the_others() -> None:
    clock, ended = VirtualClock(auto_advance=False), list[str]()

    async def call(name: str, takes_s: float) -> None:
        await clock.sleep(takes_s)
        if name == "broken":
            raise OSError("away")
        ended.append(name)

    task = asyncio.create_task(together([call("broken", 0.1), call("slow", 60.0)]))
    await clock.advance(0.1)
    with pytest.raises(OSError, match="away"):
        await task
    await clock.advance(120.0)
    assert ended == []
