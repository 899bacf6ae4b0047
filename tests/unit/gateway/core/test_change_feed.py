"""Listeners get every change once and in order, from the tail or from the table, fast or slow."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.contract.gateway.fakes import FakeChanges

from common.errors import UnavailableError
from common.testing.clock import VirtualClock
from gateway.core import change_feed
from gateway.core.change_feed import ChangeFeed
from gateway.core.errors import TooManyStreamsError

pytestmark = pytest.mark.unit


class Listener:
    """A client that takes what comes while `wants` is set."""

    def __init__(self, feed: ChangeFeed, start: int) -> None:
        self.got: list[int] = []
        self.silences = 0
        self.wants = asyncio.Event()
        self.wants.set()
        self._feed = feed
        self._start = start

    async def run(self) -> None:
        """Listen until the feed stops."""
        with self._feed.place():
            async for batch in self._feed.listen(self._start):
                self.got += [change.change_id for change in batch]
                self.silences += not batch
                await self.wants.wait()


class Stage:
    """A feed over a growing list; time moves by `seconds`."""

    def __init__(self, *, most_listeners: int = 100) -> None:
        self.clock = VirtualClock(auto_advance=False)
        self.changes = FakeChanges()
        self.feed = ChangeFeed(self.changes, clock=self.clock, most_listeners=most_listeners)
        self._tasks = [asyncio.create_task(self.feed.follow())]

    def join(self, start: int) -> Listener:
        """Add a listener."""
        listener = Listener(self.feed, start)
        self._tasks.append(asyncio.create_task(listener.run()))
        return listener

    async def seconds(self, number: float) -> None:
        """Let time pass."""
        for _ in range(round(number)):
            await self.clock.advance(1)

    async def close(self) -> None:
        """End all, whatever they wait for."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    """A feed that nobody listens to yet."""
    made = Stage()
    yield made
    await made.close()


async def test_a_listener_gets_what_was_and_what_comes(stage: Stage) -> None:
    for number in (1, 2, 5):
        stage.changes.add(number)
    listener = stage.join(2)
    await stage.seconds(2)
    stage.changes.add(9)
    await stage.seconds(2)
    assert listener.got == [2, 5, 9]
    assert listener.silences >= 2


async def test_a_hundred_listeners_cost_one_read_a_second(stage: Stage) -> None:
    listeners = [stage.join(1) for _ in range(100)]
    await stage.seconds(3)
    before = stage.changes.reads
    for number in range(1, 6):
        stage.changes.add(number)
        await stage.seconds(1)
    assert all(listener.got == [1, 2, 3, 4, 5] for listener in listeners)
    assert stage.changes.reads - before <= 6


async def test_news_are_read_at_once(stage: Stage) -> None:
    listener = stage.join(1)
    await stage.seconds(1)
    stage.changes.add(1)
    stage.feed.tell()
    await stage.clock.advance(0.01)
    assert listener.got == [1]


async def test_news_in_crowds_cost_ten_reads_a_second(stage: Stage) -> None:
    listener = stage.join(1)
    await stage.seconds(1)
    before = stage.changes.reads
    for number in range(1, 101):
        stage.changes.add(number)
        stage.feed.tell()
        await stage.clock.advance(0.01)
    assert 8 <= stage.changes.reads - before <= 11
    await stage.seconds(1)
    assert listener.got == list(range(1, 101))


async def test_news_that_come_while_the_feed_reads_are_not_lost(stage: Stage) -> None:
    listener = stage.join(1)
    await stage.seconds(1)
    stage.feed.tell()
    await stage.clock.advance(0.05)
    stage.changes.add(1)
    stage.feed.tell()
    await stage.clock.advance(0.06)
    assert listener.got == [1]


async def test_nobody_who_listens_is_nothing_read(stage: Stage) -> None:
    await stage.seconds(10)
    assert stage.changes.reads == 0


async def test_a_slow_listener_falls_behind_and_misses_nothing(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(change_feed, "TAIL", 10)
    monkeypatch.setattr(change_feed, "PAGE", 3)
    slow, fast = stage.join(1), stage.join(1)
    await stage.seconds(2)
    slow.wants.clear()
    for number in range(1, 101):
        stage.changes.add(number)
    await stage.seconds(40)
    assert fast.got == [*range(1, 101)]
    assert len(slow.got) < 100
    slow.wants.set()
    await stage.seconds(40)
    assert slow.got == [*range(1, 101)]


async def test_a_database_that_goes_away_costs_silence_only(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    listener = stage.join(1)
    stage.changes.add(1)
    await stage.seconds(2)
    stage.changes.failure = UnavailableError("the database does not answer")
    stage.changes.add(2)
    late = stage.join(1)
    await stage.seconds(5)
    assert (listener.got, late.got) == ([1], [])
    stage.changes.failure = None
    await stage.seconds(3)
    assert (listener.got, late.got) == ([1, 2], [1, 2])
    assert [record.levelname for record in caplog.records] == ["WARNING"]


async def test_a_feed_that_stops_ends_its_listeners(stage: Stage) -> None:
    listener = stage.join(1)
    await stage.seconds(2)
    assert stage.feed.listeners == 1
    stage.feed.stop()
    await stage.seconds(1)
    assert (stage.feed.listeners, listener.got) == (0, [])


async def test_places_are_bounded_and_come_back() -> None:
    stage = Stage(most_listeners=2)
    with stage.feed.place(), stage.feed.place():
        with pytest.raises(TooManyStreamsError), stage.feed.place():
            pytest.fail("there were two places")
        assert stage.feed.listeners == 2
    assert stage.feed.listeners == 0
    await stage.close()


@settings(max_examples=30)
@given(
    steps=st.lists(st.one_of(st.integers(1, 30), st.sampled_from(["join", "second", "block", "go"])), max_size=30),
    start=st.integers(0, 40),
)
async def test_whatever_happens_each_gets_all_from_its_start_on_once(steps: list[int | str], start: int) -> None:
    stage, listeners, number = Stage(), list[tuple[int, Listener]](), 0
    for step in steps:
        if step == "join":
            listeners.append((start, stage.join(start)))
        elif step == "second":
            await stage.seconds(1)
        elif step in {"block", "go"}:
            for _, listener in listeners:
                (listener.wants.clear if step == "block" else listener.wants.set)()
        else:
            number += int(step)
            stage.changes.add(number)
    for _, listener in listeners:
        listener.wants.set()
    await stage.seconds(4)
    expected = [row.change_id for row in stage.changes.rows]
    for begin, listener in listeners:
        assert listener.got == [each for each in expected if each >= begin]
    await stage.close()


async def test_long_changes_are_kept_and_given_a_few_at_a_time(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(change_feed, "TAIL_CHARACTERS", 5_000)
    monkeypatch.setattr(change_feed, "LISTENER_CHARACTERS", 2_500)
    listener = stage.join(1)
    await stage.seconds(2)
    for number in range(1, 20):
        stage.changes.add(number, letters=1_000)
    stage.changes.add(20, letters=6_000)
    for number in (21, 22, 23):
        stage.changes.add(number, letters=1_000)
    late = stage.join(17)
    await stage.seconds(2)
    assert listener.got == list(range(1, 24))
    assert late.got == list(range(17, 24))
    assert [change.change_id for change in stage.feed._tail] == [21, 22, 23]  # noqa: SLF001 - what is kept is its subject
    assert [change.change_id for change in await anext(stage.feed.listen(21))] == [21, 22]


async def test_what_was_kept_for_listeners_who_left_counts_no_more(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(change_feed, "TAIL_CHARACTERS", 2_500)
    for numbers in ([1, 2], [3, 4]):
        with stage.feed.place():
            await stage.seconds(1)
            for number in numbers:
                stage.changes.add(number, letters=1_000)
            await stage.seconds(1)
            assert [change.change_id for change in stage.feed._tail] == numbers  # noqa: SLF001 - as above
        await stage.seconds(1)
