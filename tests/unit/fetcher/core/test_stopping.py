"""A load that is asked to stop: the page in hand is finished, the next one is not."""

import asyncio

import pytest
from tests.unit.fetcher.core.load_bench import START, LoadBench

from common.errors import UnavailableError
from common.events import PageFetched
from common.testing.clock import VirtualClock
from fetcher.core.errors import Cause, UpstreamError
from fetcher.core.list_run import Outcome
from fetcher.core.ports import RunStatus
from fetcher.core.walk import Ending

pytestmark = pytest.mark.unit

DOWN = UpstreamError(Cause.SERVER_ERROR, "status 503")


def a_bench() -> LoadBench:
    """Return a bench whose clock moves only when told."""
    return LoadBench(clock=VirtualClock(START, auto_advance=False))


async def advance_until_done(bench: LoadBench, task: "asyncio.Task[Outcome]", *, limit_s: float = 10) -> Outcome:
    """Move the clock in small steps until the load returns; fail after `limit_s` virtual seconds."""
    for _ in range(round(limit_s / 0.1)):
        if task.done():
            return task.result()
        await bench.clock.advance(0.1)
    task.cancel()
    pytest.fail(f"not done within {limit_s} s")


async def test_the_page_in_hand_is_confirmed_and_saved() -> None:
    bench = a_bench()
    publish = bench.publisher.publish

    async def asked_to_stop_in_the_middle(page: PageFetched) -> None:
        bench.stop.set()
        await bench.clock.sleep(1)
        await publish(page)

    bench.publisher.publish = asked_to_stop_in_the_middle  # type: ignore[method-assign]  # the moment that matters
    outcome = await advance_until_done(bench, asyncio.create_task(bench.load()))
    assert outcome.ending is Ending.INTERRUPTED
    assert bench.published == [1]
    assert (bench.run.position, bench.run.status) == (1, RunStatus.RUNNING)
    assert bench.store.operations[-1].details.startswith("initial load interrupted, che168: 2 records in 1 pages")


async def test_a_long_wait_for_a_page_ends_at_once() -> None:
    bench = a_bench()
    bench.upstream.always[2] = DOWN
    task = asyncio.create_task(bench.load())
    for _ in range(20):
        await bench.clock.advance(0.1)
    assert bench.run.position == 1
    bench.stop.set()
    outcome = await advance_until_done(bench, task, limit_s=0.5)
    assert outcome.ending is Ending.INTERRUPTED
    assert bench.store.status_of(2) == ["gap"], "the window is in the ledger, so the next start goes on with it"


async def test_a_broker_that_stays_away_does_not_hold_up_the_end() -> None:
    bench = a_bench()
    bench.publisher.errors = [UnavailableError("broker away")] * 1000
    task = asyncio.create_task(bench.load())
    await bench.clock.advance(5)
    bench.stop.set()
    outcome = await advance_until_done(bench, task)
    assert outcome.ending is Ending.INTERRUPTED
    assert bench.run.position is None
    assert bench.store.operations[-1].platform == "che168"


async def test_a_database_that_stays_away_does_not_hold_up_the_end() -> None:
    bench = a_bench()
    task = asyncio.create_task(bench.load(interval_s=5))
    await bench.clock.advance(1)
    bench.store.outages = 1000
    bench.stop.set()
    outcome = await advance_until_done(bench, task)
    assert outcome.ending is Ending.INTERRUPTED
    assert bench.store.operations == []


async def test_an_interrupted_load_is_resumed() -> None:
    bench = LoadBench()
    bench.stop.set()
    await bench.load()
    bench.stop.clear()
    outcome = await bench.load()
    assert outcome.ending is Ending.DONE
    assert sorted(set(bench.published)) == [1, 2, 3]
