"""The collector: when a batch closes, and what each waiting handler hears."""

import ast
import asyncio
import gc
import sys
import weakref
from collections.abc import Callable
from pathlib import Path

import pytest

from common.testing.clock import VirtualClock
from normalizer.core import batch, collector
from normalizer.core.batch import Batch, Limits
from normalizer.core.collector import Collector, CollectorClosedError


class Landing:
    """Remembers the batches it was handed; waits at a gate if it is closed, and fails if told to."""

    def __init__(self) -> None:
        self.batches: list[tuple[str, ...]] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.error: Exception | None = None
        self.at_once = 0
        self.most_at_once = 0

    async def __call__(self, batch: Batch[str]) -> None:
        """Handle a batch."""
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await self.gate.wait()
            if self.error is not None:
                raise self.error
            self.batches.append(batch.items)
        finally:
            self.at_once -= 1


def a_collector(landing: Landing, clock: VirtualClock, *, in_flight: int = 2) -> Collector[str]:
    return Collector(landing, limits=Limits(weight=200, linger_s=0.5), in_flight=in_flight, clock=clock)


async def settle(until: Callable[[], bool] = lambda: False) -> None:
    for _ in range(50):
        if until():
            return
        await asyncio.sleep(0)  # noqa: TID251 - lets tasks run, takes no time


async def test_a_batch_closes_at_200_records_and_not_at_a_number_of_messages() -> None:
    landing, clock = Landing(), VirtualClock(auto_advance=False)
    collector = a_collector(landing, clock)
    tasks = [asyncio.create_task(collector.add(f"page {n}", weight=20)) for n in range(10)]
    await settle()
    assert landing.batches == [tuple(f"page {n}" for n in range(10))]
    await asyncio.gather(*tasks)


async def test_a_batch_is_due_after_the_linger_and_not_before() -> None:
    landing, clock = Landing(), VirtualClock(auto_advance=False)
    collector = a_collector(landing, clock)
    task = asyncio.create_task(collector.add("alone", weight=3))
    await settle()
    await clock.advance(0.49)
    assert landing.batches == []
    await clock.advance(0.02)
    await task
    assert landing.batches == [("alone",)]


async def test_the_linger_counts_from_the_first_message_however_many_follow() -> None:
    landing, clock = Landing(), VirtualClock(auto_advance=False)
    collector = a_collector(landing, clock)
    first = asyncio.create_task(collector.add("first", weight=1))
    await settle()
    await clock.advance(0.3)
    second = asyncio.create_task(collector.add("second", weight=1))
    await settle()
    await clock.advance(0.3)
    await settle()
    assert landing.batches == [("first", "second")]
    await asyncio.gather(first, second)


async def test_the_linger_of_a_batch_that_was_full_does_not_close_the_next_one() -> None:
    landing, clock = Landing(), VirtualClock(auto_advance=False)
    collector = a_collector(landing, clock)
    await collector.add("full", weight=200)
    await clock.advance(0.3)
    task = asyncio.create_task(collector.add("next", weight=1))
    await settle()
    await clock.advance(0.3)
    await settle()
    assert landing.batches == [("full",)]
    await clock.advance(0.3)
    await task
    assert landing.batches == [("full",), ("next",)]


async def test_a_message_is_never_cut_in_two() -> None:
    landing, clock = Landing(), VirtualClock(auto_advance=False)
    collector = a_collector(landing, clock)
    tasks = [asyncio.create_task(collector.add(f"{n}", weight=150)) for n in range(2)]
    await settle()
    assert landing.batches == [("0",)]
    await clock.advance(1)
    await asyncio.gather(*tasks)
    assert landing.batches == [("0",), ("1",)]


async def test_a_heavy_message_is_a_batch_of_its_own() -> None:
    landing, clock = Landing(), VirtualClock(auto_advance=False)
    await a_collector(landing, clock).add("heavy", weight=500)
    assert landing.batches == [("heavy",)]


async def test_every_handler_of_a_failed_batch_hears_the_error_and_the_next_batch_goes_on() -> None:
    landing, clock = Landing(), VirtualClock(auto_advance=False)
    collector = a_collector(landing, clock)
    landing.error = ValueError("no")
    heard = await asyncio.gather(collector.add("a", weight=100), collector.add("b", weight=100), return_exceptions=True)
    assert [type(error) for error in heard] == [ValueError, ValueError]
    landing.error = None
    await collector.add("c", weight=200)
    assert landing.batches == [("c",)]


async def test_no_handler_returns_before_its_batch_was_handled() -> None:
    landing, clock = Landing(), VirtualClock(auto_advance=False)
    landing.gate.clear()
    task = asyncio.create_task(a_collector(landing, clock).add("a", weight=200))
    await settle()
    assert not task.done()
    landing.gate.set()
    await task


@pytest.mark.parametrize("in_flight", [1, 2, 3])
async def test_no_more_batches_are_handled_at_once_than_allowed(in_flight: int) -> None:
    landing, clock = Landing(), VirtualClock(auto_advance=False)
    landing.gate.clear()
    collector = a_collector(landing, clock, in_flight=in_flight)
    tasks = [asyncio.create_task(collector.add(f"{n}", weight=200)) for n in range(6)]
    await settle()
    assert landing.most_at_once == in_flight
    landing.gate.set()
    await asyncio.gather(*tasks)
    assert landing.most_at_once == in_flight
    assert len(landing.batches) == 6


async def test_closing_hands_over_what_is_open_and_takes_nothing_more() -> None:
    landing, clock = Landing(), VirtualClock(auto_advance=False)
    collector = a_collector(landing, clock)
    task = asyncio.create_task(collector.add("open", weight=1))
    await settle()
    await collector.close()
    await task
    assert landing.batches == [("open",)]
    with pytest.raises(CollectorClosedError):
        await collector.add("late", weight=1)


async def test_closing_with_nothing_open_hands_over_nothing() -> None:
    landing = Landing()
    await a_collector(landing, VirtualClock(auto_advance=False)).close()
    assert landing.most_at_once == 0


async def test_aborting_gives_back_what_is_open_and_what_is_in_hand() -> None:
    landing, clock = Landing(), VirtualClock(auto_advance=False)
    landing.gate.clear()
    collector = a_collector(landing, clock)
    tasks = [asyncio.create_task(collector.add(name, weight=weight)) for name, weight in (("full", 200), ("open", 1))]
    await settle()
    await collector.abort()
    heard = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(error) for error in heard] == [CollectorClosedError, CollectorClosedError]
    assert landing.batches == []


async def test_aborting_gives_back_what_was_handed_over_at_that_very_moment() -> None:
    landing, clock = Landing(), VirtualClock(auto_advance=False)
    collector = a_collector(landing, clock)
    task = asyncio.create_task(collector.add("full", weight=200))
    await asyncio.sleep(0)  # noqa: TID251 - takes no time: it has filled a batch, of which nobody has begun
    await collector.abort()
    await settle(task.done)
    assert task.done()
    assert isinstance(task.exception(), CollectorClosedError)
    assert landing.batches == []


async def test_what_was_aborted_takes_nothing_more_hands_nothing_over_and_leaves_nothing_behind() -> None:
    landing, clock = Landing(), VirtualClock(auto_advance=False)
    collector, before = a_collector(landing, clock), asyncio.all_tasks()
    task = asyncio.create_task(collector.add("open", weight=1))
    await settle()
    await collector.abort()
    with pytest.raises(CollectorClosedError):
        await collector.add("late", weight=200)
    await collector.close()
    await asyncio.gather(task, return_exceptions=True)
    await settle()
    assert landing.most_at_once == 0
    assert asyncio.all_tasks() == before


async def test_a_cancelled_handler_takes_no_neighbour_along() -> None:
    landing, clock = Landing(), VirtualClock(auto_advance=False)
    collector = a_collector(landing, clock)
    cancelled = asyncio.create_task(collector.add("a", weight=1))
    neighbour = asyncio.create_task(collector.add("b", weight=1))
    await settle()
    cancelled.cancel()
    await settle()
    await clock.advance(1)
    await neighbour
    assert landing.batches == [("a", "b")]


async def test_a_batch_that_fails_when_all_its_handlers_are_gone_is_no_error(caplog: pytest.LogCaptureFixture) -> None:
    landing = Landing()
    landing.error = ValueError("no")
    landing.gate.clear()
    collector = a_collector(landing, VirtualClock(auto_advance=False))
    task = asyncio.create_task(collector.add("full", weight=200))
    await settle()
    task.cancel()
    await settle(task.done)
    landing.gate.set()
    await collector.close()
    del task
    gc.collect()
    assert caplog.messages == []


def test_another_project_could_lift_it_out() -> None:
    """It imports the standard library, a clock, and nothing that knows what an offer or a message is."""
    imported = set()
    for module in (batch, collector):
        for node in ast.walk(ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom):
                imported.add(node.module or "")
            elif isinstance(node, ast.Import):
                imported |= {name.name for name in node.names}
    assert {name for name in imported if name.split(".")[0] not in sys.stdlib_module_names} == {
        "common.clock",
        "normalizer.core.batch",
    }


class Item:
    """Something that can be watched for its end."""


async def test_an_item_is_held_just_as_long_as_its_handler_waits() -> None:
    """So memory is bounded by the caller's prefetch."""

    async def handle(_: Batch[Item]) -> None:
        """Keep nothing."""

    clock = VirtualClock(auto_advance=False)
    one = Collector(handle, limits=Limits(weight=200, linger_s=0.5), in_flight=2, clock=clock)
    seen: list[weakref.ref[Item]] = []

    async def deliver() -> None:
        item = Item()
        seen.append(weakref.ref(item))
        await one.add(item, weight=50)

    await asyncio.gather(*(deliver() for _ in range(60)))
    assert [ref() for ref in seen] == [None] * 60
