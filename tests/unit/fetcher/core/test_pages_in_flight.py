"""Several pages in flight: as fast as so many requests allow, and otherwise the load that asks one by one."""

import asyncio
import itertools
from datetime import timedelta

import pytest
from tests.unit.fetcher.core.load_bench import START, LoadBench

from common.testing.clock import VirtualClock
from fetcher.core.errors import Cause, LoadStoppedError, UpstreamError
from fetcher.core.list_run import Outcome
from fetcher.core.ports import RunStatus
from fetcher.core.walk import Ending

pytestmark = pytest.mark.unit

DOWN = UpstreamError(Cause.SERVER_ERROR, "status 503")
STEP_S = 0.1


def a_bench(pages: int, *, in_flight: int = 8, delay_s: float = STEP_S) -> LoadBench:
    """Return a bench whose upstream takes `delay_s` for each page; its clock moves only when told."""
    bench = LoadBench(clock=VirtualClock(START, auto_advance=False), pages_in_flight=in_flight)
    bench.upstream.pages = pages
    bench.upstream.delay_s = delay_s
    return bench


async def finished(bench: LoadBench, *, max_pages: int | None = None, interval_s: float = 0.0) -> Outcome:
    """Load, moving the clock until the end."""
    task = asyncio.create_task(bench.load(max_pages=max_pages, interval_s=interval_s))
    while not task.done():
        await bench.clock.advance(STEP_S)
    return await task


def in_order(pages: int) -> list[str]:
    """Return the journal of pages that are each confirmed before they are saved, in order."""
    return [f"{step} {page}" for page in range(1, pages + 1) for step in ("confirmed", "saved")]


async def test_eight_in_flight_are_eight_times_as_fast() -> None:
    seconds = {}
    for in_flight in (1, 8):
        bench = a_bench(160, in_flight=in_flight)
        await finished(bench)
        assert bench.upstream.most_in_flight == in_flight
        seconds[in_flight] = bench.clock.monotonic()
    assert seconds[1] / seconds[8] >= 7


async def test_pages_are_published_and_saved_in_order_however_they_come_back() -> None:
    bench = a_bench(40)
    bench.upstream.delays = {page: 0.1 + (page * 7 % 5) for page in range(1, 41)}
    await finished(bench)
    steps = [step for step in bench.publisher.journal if not step.startswith("started")]
    assert [step for step in steps if step.startswith("confirmed")] == in_order(40)[::2]
    assert [step for step in steps if step.startswith("saved")] == in_order(40)[1::2]
    for page in range(1, 41):
        assert steps.index(f"confirmed {page}") < steps.index(f"saved {page}")
    assert (bench.run.status, bench.run.pages, bench.run.records) == (RunStatus.DONE, 40, 80)


@pytest.mark.parametrize("in_flight", [1, 2, 8])
async def test_no_more_pages_beyond_the_end_are_asked_than_are_in_flight(in_flight: int) -> None:
    bench = a_bench(20, in_flight=in_flight)
    await finished(bench)
    assert max(bench.upstream.asked) <= 20 + in_flight - 1
    assert bench.published == list(range(1, 21))
    assert bench.run.position == 20


async def test_pages_beyond_the_end_leave_no_trace_even_where_they_fail() -> None:
    bench = a_bench(10)
    bench.upstream.always = dict.fromkeys(range(11, 20), UpstreamError(Cause.NOT_FOUND, "status 404"))
    outcome = await finished(bench)
    assert (outcome.ending, outcome.gaps) == (Ending.DONE, 0)
    assert bench.store.failures == []


async def test_a_window_that_a_page_beyond_the_end_has_opened_is_closed_at_the_end() -> None:
    bench = a_bench(10)
    bench.upstream.delays = {10: 5.0}
    bench.upstream.failures = {11: [DOWN]}
    outcome = await finished(bench)
    assert (outcome.ending, outcome.gaps) == (Ending.DONE, 0)
    assert bench.store.failures != []
    assert bench.store.status_of(11) == []


async def test_a_dead_page_holds_up_the_position_until_it_is_a_gap() -> None:
    bench = a_bench(12)
    bench.upstream.failures = {3: [DOWN] * 21}
    task = asyncio.create_task(bench.load())
    for _ in range(20):
        await bench.clock.advance(STEP_S)
    assert (bench.run.position, bench.published) == (2, [1, 2])
    assert max(bench.upstream.asked) == 10, "pages wait for the dead one, eight at most with it"
    for _ in range(21):
        await bench.clock.advance(720)
    for _ in range(40):
        await bench.clock.advance(STEP_S)
    outcome = await task
    assert (outcome.ending, outcome.gaps) == (Ending.DONE, 0)
    assert bench.published == [1, 2, *range(4, 13), 3], "and is asked for once more at the end"


async def test_dead_pages_in_a_row_stop_the_run_and_are_asked_again_at_the_next_start() -> None:
    bench = LoadBench(pages_in_flight=8)
    bench.upstream.pages = 20
    bench.upstream.always = dict.fromkeys((5, 6, 7), DOWN)
    with pytest.raises(LoadStoppedError, match="3 pages in a row are dead"):
        await bench.load()
    assert (bench.run.position, bench.run.status) == (4, RunStatus.FAILED)
    assert bench.published == [1, 2, 3, 4]
    bench.upstream.always.clear()
    outcome = await bench.load()
    assert (outcome.ending, outcome.gaps, bench.run.pages) == (Ending.DONE, 0, 20)
    assert sorted(set(bench.published)) == list(range(1, 21))


@pytest.mark.parametrize("killed_at", [1, 3, 9])
async def test_a_load_that_dies_is_resumed_at_the_page_before_the_last_one(killed_at: int) -> None:
    bench = LoadBench(pages_in_flight=8)
    bench.upstream.pages = 20
    bench.upstream.failures = {killed_at: [_KilledError()]}
    with pytest.raises(_KilledError):
        await bench.load()
    position = bench.run.position or 0
    assert position < killed_at
    before = len(bench.upstream.asked)
    await bench.load()
    assert bench.upstream.asked[before] == max(1, position - 1)
    assert (bench.run.status, bench.run.pages, bench.run.records) == (RunStatus.DONE, 20, 40)
    assert sorted(set(bench.published)) == list(range(1, 21))


async def test_max_pages_bounds_what_is_asked() -> None:
    bench = a_bench(20)
    assert (await finished(bench, max_pages=5)).ending is Ending.PAUSED
    assert bench.upstream.asked == [1, 2, 3, 4, 5]
    assert bench.run.position == 5
    assert (await finished(bench)).ending is Ending.DONE
    assert (bench.run.pages, bench.run.records) == (20, 40)


async def test_stop_finishes_the_page_in_hand_and_drops_those_in_flight() -> None:
    bench = a_bench(20)
    bench.upstream.delays = {4: 60.0}
    task = asyncio.create_task(bench.load())
    for _ in range(5):
        await bench.clock.advance(STEP_S)
    bench.stop.set()
    await bench.clock.advance(STEP_S)
    assert (await task).ending is Ending.INTERRUPTED
    assert bench.run.position == 3
    assert bench.upstream.in_flight == 0


async def test_requests_keep_their_distance() -> None:
    bench = a_bench(6, in_flight=4, delay_s=1.0)
    await finished(bench, interval_s=0.2)
    moments = [moment for _, moment in bench.upstream.requests]
    assert bench.upstream.most_in_flight == 4
    assert min(after - before for before, after in itertools.pairwise(moments)) >= timedelta(seconds=0.2)


class _KilledError(BaseException):
    """Ends a load as `kill -9` would: nothing of ours runs after it."""
