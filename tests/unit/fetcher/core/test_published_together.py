"""Pages that come fast are published together; order, patience and what is lost with a process stay as they are."""

import asyncio
import itertools
import logging
from dataclasses import dataclass, field

import pytest
from tests.contract.fetcher.fakes import FakePublisher
from tests.unit.fetcher.core.load_bench import START, LoadBench

from common.errors import UnavailableError
from common.events import PageFetched
from common.testing.clock import VirtualClock
from fetcher.core.errors import TopologyError
from fetcher.core.list_run import Outcome
from fetcher.core.ports import RunStatus
from fetcher.core.walk import Ending

pytestmark = pytest.mark.unit

INTERVAL_S = 0.04
STEP_S = 0.01


@dataclass
class SlowPublisher(FakePublisher):
    """Confirms after `takes_s`; `begun` holds the moment and the page of each publish, `failing` what fails once."""

    clock: VirtualClock = field(default_factory=VirtualClock)
    takes_s: float = 0.005
    begun: list[tuple[float, int]] = field(default_factory=list)
    failing: dict[int, Exception] = field(default_factory=dict)

    async def publish(self, page: PageFetched) -> None:
        """Keep the message after a while."""
        self.begun.append((round(self.clock.monotonic(), 3), page.position))
        await self.clock.sleep(self.takes_s)
        if page.position in self.failing:
            raise self.failing.pop(page.position)
        await super().publish(page)


def a_bench(pages: int, *, page_takes_s: float, most: int = 16) -> LoadBench:
    """Return a bench whose clock moves only when told, and whose publisher takes a moment."""
    clock = VirtualClock(START, auto_advance=False)
    bench = LoadBench(clock=clock, publisher=SlowPublisher(clock=clock))
    bench.publish_interval_s, bench.unconfirmed_pages = INTERVAL_S, most
    bench.upstream.pages, bench.upstream.delay_s = pages, page_takes_s
    return bench


def publisher_of(bench: LoadBench) -> SlowPublisher:
    """Return the publisher as what it is."""
    assert isinstance(bench.publisher, SlowPublisher)
    return bench.publisher


def groups_of(bench: LoadBench) -> list[list[int]]:
    """Return the pages whose publishes began at one moment, in order."""
    groups: dict[float, list[int]] = {}
    for moment, page in publisher_of(bench).begun:
        groups.setdefault(moment, []).append(page)
    return list(groups.values())


async def finished(bench: LoadBench) -> Outcome:
    """Load, moving the clock until the end."""
    task = asyncio.create_task(bench.load())
    while not task.done():
        await bench.clock.advance(STEP_S)
    return await task


async def begun(bench: LoadBench) -> "asyncio.Task[Outcome]":
    """Let a load read some seven pages, and return it."""
    task = asyncio.create_task(bench.load())
    for _ in range(7):
        await bench.clock.advance(STEP_S)
    return task


async def test_pages_that_come_faster_than_the_interval_go_out_together_and_in_order() -> None:
    bench = a_bench(20, page_takes_s=0.01)
    assert (await finished(bench)).ending is Ending.DONE
    groups = groups_of(bench)
    assert len(groups) <= 7, "20 pages in 0.2 s, a group each 0.04 s"
    assert groups[0] == [1], "the first one waits for nobody"
    assert bench.published == list(range(1, 21))
    assert (bench.run.status, bench.run.pages, bench.run.records) == (RunStatus.DONE, 20, 40)


async def test_pages_that_come_slower_go_out_at_once_each() -> None:
    bench = a_bench(5, page_takes_s=0.1)
    await finished(bench)
    assert groups_of(bench) == [[1], [2], [3], [4], [5]]
    moments = [moment for moment, _ in publisher_of(bench).begun]
    assert max(later - before for before, later in itertools.pairwise(moments)) <= 0.1 + STEP_S


async def test_no_more_pages_are_held_unconfirmed_than_are_allowed() -> None:
    bench = a_bench(12, page_takes_s=0.0, most=3)
    await finished(bench)
    assert max(map(len, groups_of(bench))) == 3
    assert bench.published == list(range(1, 13))


async def test_no_position_is_saved_before_every_message_up_to_it_is_confirmed() -> None:
    bench = a_bench(12, page_takes_s=0.01)
    publisher_of(bench).takes_s = 0.03
    await finished(bench)
    journal = bench.publisher.journal
    for page in range(1, 13):
        confirmed = {step for step in journal[: journal.index(f"saved {page}")] if step.startswith("confirmed")}
        assert {f"confirmed {before}" for before in range(1, page + 1)} <= confirmed


async def test_while_the_broker_is_away_one_line_says_so_and_what_was_confirmed_is_not_sent_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    bench = a_bench(9, page_takes_s=0.01)
    publisher_of(bench).failing = {3: UnavailableError("broker: away"), 5: UnavailableError("broker: away")}
    with caplog.at_level(logging.INFO):
        await finished(bench)
    assert sorted(bench.published) == list(range(1, 10))
    assert bench.run.position == 9
    waiting = [record for record in caplog.records if "server away" in record.getMessage()]
    assert len(waiting) <= 2, "a line for each outage, not for each page that waits"


async def test_a_message_that_no_queue_takes_ends_the_walk_with_the_pages_before_it_saved() -> None:
    bench = a_bench(20, page_takes_s=0.01)
    publisher_of(bench).failing = {7: TopologyError("broker: no queue")}
    with pytest.raises(TopologyError, match="no queue"):
        await finished(bench)
    position = bench.run.position or 0
    assert 0 < position < 7
    assert set(range(1, position + 1)) <= set(bench.published)
    assert (await finished(bench)).ending is Ending.DONE
    assert set(bench.published) == set(range(1, 21))


async def test_a_message_that_no_queue_takes_is_told_at_once_however_long_the_next_page_takes() -> None:
    bench = a_bench(20, page_takes_s=0.01)
    bench.upstream.delays = {8: 3600.0}
    publisher_of(bench).failing = {7: TopologyError("broker: no queue")}
    with pytest.raises(TopologyError, match="no queue"):
        await finished(bench)
    assert bench.clock.monotonic() < 1.0


async def test_stop_publishes_and_saves_what_was_read() -> None:
    bench = a_bench(20, page_takes_s=0.01)
    task = await begun(bench)
    bench.stop.set()
    while not task.done():
        await bench.clock.advance(STEP_S)
    assert (await task).ending is Ending.INTERRUPTED
    assert bench.run.position == max(bench.published)
    assert 5 <= max(bench.published) <= 8


async def test_a_walk_that_is_cut_off_while_the_broker_is_silent_ends_and_goes_on_later() -> None:
    bench = a_bench(20, page_takes_s=0.01)
    publisher_of(bench).takes_s = 3600.0
    task = await begun(bench)
    bench.stop.set()
    for _ in range(10):
        await bench.clock.advance(1.0)
    assert task.done()
    assert (await task).ending is Ending.INTERRUPTED
    await bench.clock.advance(2 * 3600.0)
    assert (bench.run.position, bench.published) == (None, []), "nothing goes on behind the back of a load that ended"
    publisher_of(bench).takes_s = 0.0
    bench.stop.clear()
    assert (await finished(bench)).ending is Ending.DONE
    assert set(bench.published) == set(range(1, 21))


async def test_a_walk_that_is_cancelled_leaves_nothing_behind_that_goes_on() -> None:
    bench = a_bench(20, page_takes_s=0.01)
    publisher_of(bench).takes_s = 3600.0
    task = await begun(bench)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await bench.clock.advance(2 * 3600.0)
    assert bench.published == []
