"""The daily update: where it begins, which days it records, when it refuses to."""

import asyncio
import logging
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from tests.contract.fetcher.fake_changes import MOSCOW, steady_events
from tests.unit.fetcher.core.change_bench import FIRST_DAY, START, ChangeBench

from common.events import ChangeId, PageFetched
from common.testing.clock import VirtualClock
from fetcher.core.errors import Cause, LoadStoppedError, UpstreamError
from fetcher.core.feed import UpstreamPage
from fetcher.core.ports import Run, RunKind, RunStatus
from fetcher.core.walk import Ending

pytestmark = pytest.mark.unit

DOWN = UpstreamError(Cause.SERVER_ERROR, "status 503")
YESTERDAY = date(2026, 1, 9)


def anchor(day: date) -> int:
    """Return the first id of a day of the bench's feed."""
    return 1000 + 3 * 50 * (day - FIRST_DAY.date()).days


async def test_the_first_start_of_all_begins_with_yesterday() -> None:
    bench = ChangeBench()
    outcome = await bench.update()
    assert outcome.ending is Ending.DONE
    assert bench.published == [number for number in bench.shown if number >= anchor(YESTERDAY)]
    assert (bench.day, bench.cursor) == (YESTERDAY, bench.shown[-1] + 1)
    assert bench.run.status is RunStatus.DONE
    assert sorted(bench.feed.asked("change_id")) == ["2026-01-09", "2026-01-10"]


async def test_a_first_start_beside_an_unfinished_load_begins_where_the_load_did() -> None:
    bench = ChangeBench()
    await bench.store.start_run(Run("load", "che168", ChangeId(1300), RunKind.INITIAL_LOAD, started_at=START))
    await bench.update()
    assert bench.published == [number for number in bench.shown if number >= 1300]
    assert bench.day == YESTERDAY


async def test_a_stored_cursor_decides_and_the_date_never_moves_it_back() -> None:
    bench = ChangeBench()
    bench.store.cursors["che168"] = anchor(YESTERDAY) + 30
    bench.changes.days["che168"] = date(2026, 1, 5)
    await bench.update()
    assert bench.published[0] == anchor(YESTERDAY) + 30
    assert bench.day == YESTERDAY


async def test_missed_days_are_walked_and_recorded_one_after_another(caplog: pytest.LogCaptureFixture) -> None:
    bench = ChangeBench()
    bench.store.cursors["che168"] = anchor(date(2026, 1, 6))
    bench.changes.days["che168"] = date(2026, 1, 5)
    saved = []
    save_day = bench.changes.save_day

    async def noted(platform: str, day: date) -> None:
        saved.append((day, bench.cursor))
        await save_day(platform, day)

    bench.changes.save_day = noted  # type: ignore[method-assign]  # the moment that matters
    with caplog.at_level(logging.INFO):
        await bench.update()
    assert [day for day, _ in saved] == [date(2026, 1, 6 + ago) for ago in range(4)]
    assert all(cursor is not None and cursor >= anchor(day + timedelta(days=1)) for day, cursor in saved)
    assert [line for line in caplog.messages if line.startswith("Starting date")] == [
        f"Starting date 2026-01-{day:02} processing" for day in range(6, 11)
    ]
    assert "Starting page 1 loading" in caplog.messages
    assert len(bench.feed.asked("change_id")) == 4
    assert len(bench.feed.asked("changes")) == -(-len(bench.published) // 20) + 1


@pytest.mark.parametrize(("days", "warnings"), [(8, 0), (9, 1)])
async def test_a_feed_that_was_left_alone_for_longer_than_it_keeps_its_events_is_a_warning(
    days: int, warnings: int, caplog: pytest.LogCaptureFixture
) -> None:
    bench = ChangeBench()
    bench.store.cursors["che168"] = 1000
    bench.changes.days["che168"] = START.date() - timedelta(days=days)
    with caplog.at_level(logging.WARNING):
        await bench.update()
    assert sum("changes may be gone" in line for line in caplog.messages) == warnings


@pytest.mark.parametrize(("days", "warnings"), [(7, 0), (8, 1)])
async def test_a_load_that_began_longer_ago_than_the_feed_keeps_its_events_is_one_too_and_a_walk_since_is_none(
    caplog: pytest.LogCaptureFixture, days: int, warnings: int
) -> None:
    bench = ChangeBench()
    began = START - timedelta(days=days)
    load = Run("0", "che168", ChangeId(anchor(date(2026, 1, 3))), RunKind.INITIAL_LOAD, started_at=began)
    await bench.store.start_run(load)
    await bench.store.finish_run(load)
    for _ in range(2):  # as a reconciliation does, which records no day
        state = await bench.runs.sync_state()
        walk = await bench.walking(state.last_change_id or 0)
        await walk.walk()
        await bench.runs.finished(walk.run)
    assert sum("changes may be gone" in line for line in caplog.messages) == warnings


async def test_max_dates_ends_after_so_many_days_and_the_next_start_goes_on() -> None:
    bench = ChangeBench()
    bench.store.cursors["che168"] = anchor(date(2026, 1, 6))
    bench.changes.days["che168"] = date(2026, 1, 5)
    outcome = await bench.update(max_dates=2)
    assert outcome.ending is Ending.PAUSED
    assert bench.day == date(2026, 1, 7)
    assert bench.run.status is RunStatus.RUNNING
    await bench.update()
    assert len(bench.store.runs) == 1
    assert bench.published == [number for number in bench.shown if number >= anchor(date(2026, 1, 6))]
    assert bench.day == YESTERDAY


async def test_since_replays_and_leaves_cursor_and_day_where_they_are() -> None:
    bench = ChangeBench()
    await bench.update()
    before = bench.cursor, bench.day
    bench.publisher.messages.clear()
    await bench.update(since=date(2026, 1, 3))
    assert bench.published == [number for number in bench.shown if number >= anchor(date(2026, 1, 3))]
    assert (bench.cursor, bench.day) == before


@pytest.mark.parametrize("last", [None, date(2026, 1, 5)], ids=["no day recorded", "a day recorded"])
async def test_since_later_than_the_cursor_leaves_nothing_out(last: date | None) -> None:
    bench = ChangeBench()
    bench.store.cursors["che168"] = anchor(date(2026, 1, 6))
    if last is not None:
        bench.changes.days["che168"] = last
    await bench.update(since=YESTERDAY)
    assert bench.published == [number for number in bench.shown if number >= anchor(date(2026, 1, 6))]
    assert bench.day == YESTERDAY


async def test_a_replay_that_was_killed_goes_on_without_being_asked_again() -> None:
    bench = ChangeBench()
    await bench.update()
    await bench.update(since=date(2026, 1, 3), max_dates=2)
    bench.publisher.messages.clear()
    await bench.update()
    assert bench.published[-1] == bench.shown[-1]
    assert bench.published[0] <= anchor(date(2026, 1, 5)) + 60
    assert len(bench.store.runs) == 2


async def test_a_replay_that_is_asked_for_again_goes_on_under_its_run() -> None:
    bench = ChangeBench()
    await bench.update()
    await bench.update(since=date(2026, 1, 3), max_dates=2)
    await bench.update(since=date(2026, 1, 3))
    assert len(bench.store.runs) == 2
    assert bench.store.operations[-1].counts["resumed"] == 1
    await bench.update(since=date(2026, 1, 4))
    assert len(bench.store.runs) == 3, "another one has a run of its own"


async def test_stop_in_the_middle_of_a_day_is_no_error() -> None:
    clock = VirtualClock(START, auto_advance=False)
    bench = ChangeBench(clock)
    bench.changes.days["che168"] = date(2026, 1, 5)
    publish = bench.publisher.publish

    async def stopping(page: PageFetched) -> None:
        bench.stop.set()
        await publish(page)

    bench.publisher.publish = stopping  # type: ignore[method-assign]  # a signal while the first page is published
    task = asyncio.create_task(bench.update())
    await clock.advance(1)
    assert (await task).ending is Ending.INTERRUPTED
    assert bench.day == date(2026, 1, 5)
    assert bench.store.operations[-1].details.startswith("daily update interrupted, che168: pages 1,")


async def test_a_cursor_that_an_operator_moved_back_is_followed_from_there() -> None:
    bench = ChangeBench()
    bench.store.cursors["che168"] = anchor(date(2026, 1, 6))
    bench.feed.failures[anchor(date(2026, 1, 6)) + 60 * 3 - 2] = [UpstreamError(Cause.FORBIDDEN)]
    with pytest.raises(LoadStoppedError):
        await bench.update()
    bench.store.cursors["che168"] = anchor(date(2026, 1, 2))
    bench.publisher.messages.clear()
    await bench.update()
    assert bench.published == [number for number in bench.shown if number >= anchor(date(2026, 1, 2))]


async def test_a_silent_day_is_recorded() -> None:
    bench = ChangeBench()
    bench.feed.events = steady_events(FIRST_DAY, days=60, per_day=50, silent=(7, 8, 9))  # 8, 9, 10 January
    for day in (7, 8, 9, 10):
        bench.clock = bench.feed.clock = VirtualClock(datetime(2026, 1, day, 23, tzinfo=UTC))
        await bench.update()
        assert bench.day == date(2026, 1, day + 1) - timedelta(days=1)
    assert bench.published == [number for number in bench.shown if number >= anchor(date(2026, 1, 7))]


async def test_a_first_start_on_a_silent_day_skips_nothing() -> None:
    bench = ChangeBench()
    bench.feed.events = steady_events(FIRST_DAY, days=60, per_day=50, silent=(8,))  # yesterday
    await bench.update()
    assert bench.published[0] == anchor(YESTERDAY), "the id of the silent day is the last there is, far behind"
    assert bench.day == YESTERDAY


async def test_a_feed_that_ends_below_a_day_that_it_has_begun_is_an_error_and_the_day_is_not_recorded(
    caplog: pytest.LogCaptureFixture,
) -> None:
    bench = ChangeBench()
    bench.store.cursors["che168"] = anchor(date(2026, 1, 8))
    bench.changes.days["che168"] = date(2026, 1, 7)
    bench.feed.is_dead = True
    with pytest.raises(LoadStoppedError, match="2026-01-08 is not recorded"):
        await bench.update()
    assert bench.day == date(2026, 1, 7)
    assert bench.cursor == anchor(date(2026, 1, 8))
    assert [operation.is_ok for operation in bench.store.operations] == [False]
    bench.feed.is_dead = False
    with caplog.at_level(logging.INFO):
        await bench.update()
    assert bench.day == YESTERDAY
    assert bench.published == [number for number in bench.shown if number >= anchor(date(2026, 1, 8))]
    assert len(bench.store.runs) == 1


async def test_an_event_that_comes_between_the_end_and_the_next_anchor_is_no_loss() -> None:
    bench = ChangeBench(clock=VirtualClock(datetime(2026, 1, 10, 21, 0, tzinfo=UTC)))  # midnight in Moscow
    bench.feed.events = steady_events(FIRST_DAY, days=60, per_day=50, silent=(9,))
    bench.feed.names_the_end = False
    first_of_today = next(event for event in bench.feed.events if event.at >= bench.clock.now())
    bench.feed.events = [
        replace(event, at=event.at + timedelta(seconds=5)) if event.number >= first_of_today.number else event
        for event in bench.feed.events
    ]
    bench.store.cursors["che168"] = first_of_today.number - 3 * 60
    bench.changes.days["che168"] = date(2026, 1, 8)
    change_id = bench.feed.change_id

    async def late(day: date) -> ChangeId:
        if day == date(2026, 1, 11):
            await bench.clock.sleep(10)
        return await change_id(day)

    bench.feed.change_id = late  # type: ignore[method-assign]  # the moment that matters
    outcome = await bench.update()
    assert (outcome.ending, bench.day) == (Ending.DONE, date(2026, 1, 10))
    assert bench.published[-1] >= first_of_today.number


async def test_a_dead_page_stops_the_update_and_the_next_start_resumes_the_run() -> None:
    bench = ChangeBench()
    bench.store.cursors["che168"] = anchor(YESTERDAY)
    bench.feed.always[anchor(YESTERDAY) + 58] = DOWN
    with pytest.raises(LoadStoppedError, match="after 21 tries"):
        await bench.update()
    assert bench.run.status is RunStatus.FAILED
    assert bench.store.operations[-1].counts["gaps"] == 1
    bench.feed.always.clear()
    await bench.update()
    assert len(bench.store.runs) == 1
    assert bench.store.operations[-1].counts["resumed"] == 1
    assert await bench.store.open_failures(bench.run.run_id) == []
    assert bench.published == [number for number in bench.shown if number >= anchor(YESTERDAY)]


async def test_the_diary_holds_the_counts() -> None:
    bench = ChangeBench()
    await bench.update()
    (operation,) = bench.store.operations
    assert operation.is_ok
    assert {name: operation.counts[name] for name in ("pages", "records", "added", "changed", "removed", "days")} == {
        "pages": 5,
        "records": 82,
        "added": 0,
        "changed": 82,
        "removed": 0,
        "days": 1,
    }
    assert operation.details.startswith(
        "daily update finished, che168: pages 5, added 0, changed 82, removed 0, days 1"
    )


RUN_TIMES = [(0, 1), (2, 0), (12, 0), (23, 54)]
MISSED = {5, 6, 13, 14, 15, 16, 17, 18, 19, 27}


@pytest.mark.parametrize("time", RUN_TIMES, ids=lambda time: f"{time[0]:02}:{time[1]:02}")
@pytest.mark.parametrize("names_the_end", [True, False], ids=["empty page at the end", "null on the last page"])
@pytest.mark.parametrize("silent", [(), (3, 10, 11, 24)], ids=["busy", "silent days"])
async def test_thirty_days_lose_nothing_whenever_it_runs_and_whatever_it_misses(
    time: tuple[int, int], silent: tuple[int, ...], *, names_the_end: bool
) -> None:
    bench = ChangeBench()
    bench.feed.events = steady_events(FIRST_DAY, days=40, per_day=70, silent=silent)
    bench.feed.names_the_end = names_the_end
    bench.store.cursors["che168"] = 1000
    runs = 0
    for day in range(30):
        if day in MISSED:
            continue
        now = FIRST_DAY + timedelta(days=day, hours=time[0], minutes=time[1])
        bench.clock = bench.feed.clock = VirtualClock(now.astimezone(UTC))
        assert (await bench.update()).is_ok
        runs += 1
        assert bench.day == now.date() - timedelta(days=1)
    assert bench.published == bench.shown, "every event once, in its order"
    pages = -(-len(bench.shown) // 20)
    assert len(bench.feed.asked("change_id")) <= 30
    assert len(bench.feed.asked("changes")) <= pages + 2 * runs
    assert bench.feed.most_in_flight == 1


def test_the_zone_of_the_tests_is_that_of_the_feed() -> None:
    assert FIRST_DAY.tzinfo is MOSCOW


async def test_changes_that_are_gone_stop_the_update_at_once_and_a_load_since_is_the_way_out() -> None:
    bench = ChangeBench()
    bench.store.cursors["che168"] = anchor(date(2026, 1, 3))
    bench.changes.days["che168"] = date(2026, 1, 2)
    bench.feed.always[1300] = UpstreamError(Cause.GONE, "no longer")
    with pytest.raises(LoadStoppedError, match="che168: page 1300: http_410: no longer"):
        await bench.update()
    assert bench.run.status is RunStatus.FAILED
    assert bench.clock.now() == START, "no try again"

    in_that_second = START + timedelta(milliseconds=1)
    load = Run("0", "che168", ChangeId(anchor(YESTERDAY)), RunKind.INITIAL_LOAD, started_at=in_that_second)
    await bench.store.start_run(load)
    await bench.store.finish_run(load)
    outcome = await bench.update()
    assert outcome.ending is Ending.DONE
    assert bench.published == [number for number in bench.shown if number >= anchor(YESTERDAY)]
    assert (bench.day, bench.cursor) == (YESTERDAY, bench.shown[-1] + 1)


async def a_load_began(bench: ChangeBench) -> None:
    """Finish a load that began with yesterday, days beyond where the changes have been followed to."""
    bench.store.cursors["che168"] = anchor(date(2026, 1, 6))
    bench.changes.days["che168"] = date(2026, 1, 5)
    load = Run("0", "che168", ChangeId(anchor(YESTERDAY)), RunKind.INITIAL_LOAD, started_at=START)
    await bench.store.start_run(load)
    await bench.store.finish_run(load)


async def test_a_load_anew_leaves_out_no_change_that_the_feed_still_has_as_no_list_tells_of_what_was_removed() -> None:
    bench = ChangeBench()
    await a_load_began(bench)
    await bench.update()
    assert bench.published == [number for number in bench.shown if number >= anchor(date(2026, 1, 6))]
    assert (bench.day, bench.cursor) == (YESTERDAY, bench.shown[-1] + 1)


async def test_a_feed_that_shows_nothing_from_the_cursor_on_is_followed_from_where_a_load_began() -> None:
    bench = ChangeBench()
    await a_load_began(bench)
    changes = bench.feed.changes

    async def kept(change_id: ChangeId) -> UpstreamPage:
        bench.feed.is_dead = change_id < anchor(YESTERDAY)
        return await changes(change_id)

    bench.feed.changes = kept  # type: ignore[method-assign]  # no more is kept than what came since the load
    await bench.update()
    assert bench.published == [number for number in bench.shown if number >= anchor(YESTERDAY)]


async def test_a_replay_of_days_before_the_load_is_resumed() -> None:
    bench = ChangeBench()
    load = Run("1", "che168", ChangeId(anchor(YESTERDAY)), RunKind.INITIAL_LOAD, started_at=START)
    await bench.store.start_run(load)
    await bench.store.finish_run(load)
    in_that_second = START + timedelta(milliseconds=1)
    start = ChangeId(anchor(date(2026, 1, 3)))
    await bench.store.start_run(Run("0", "che168", start, RunKind.DAILY_UPDATE, started_at=in_that_second))
    await bench.update()
    assert bench.published[0] == anchor(date(2026, 1, 3))
