"""Walking the changes: order, ends, resume, dead pages."""

import asyncio
import itertools
import logging
from dataclasses import replace
from datetime import date, timedelta

import msgspec
import pytest
from tests.contract.fetcher.fake_changes import FeedEvent
from tests.unit.fetcher.core.change_bench import START, ChangeBench

from common.errors import UnavailableError
from common.events import ChangeId, PageFetched, PageKind
from common.testing.clock import VirtualClock
from fetcher.core.change_ports import Kinds
from fetcher.core.errors import Cause, LoadStoppedError, RunTakenOverError, UpstreamError
from fetcher.core.feed import UpstreamPage
from fetcher.core.ports import RunStatus
from fetcher.core.walk import Ending

pytestmark = pytest.mark.unit

DOWN = UpstreamError(Cause.SERVER_ERROR, "status 503")
CUT = UpstreamError(Cause.CUT_BODY)


async def test_every_event_is_published_with_its_id_as_version_up_to_the_head() -> None:
    bench = ChangeBench()
    walk = await bench.walking()
    assert await walk.walk() is Ending.DONE
    assert bench.published == bench.shown
    assert {message.kind for message in bench.publisher.messages} == {PageKind.CHANGE}
    assert walk.cursor == bench.store.cursors["che168"] == bench.shown[-1] + 1
    assert walk.is_at_end
    assert (walk.counts.records, walk.counts.kinds.changed) == (len(bench.shown), len(bench.shown))


async def test_pages_are_published_and_saved_in_order() -> None:
    bench = ChangeBench()
    await (await bench.walking()).walk(ChangeId(1180))
    assert bench.publisher.journal[1:] == [
        *("confirmed 1000", "saved 1000"),
        *("confirmed 1058", "saved 1058"),
        *("confirmed 1118", "saved 1118"),
        *("confirmed 1178", "saved 1178"),
    ]


async def test_one_request_is_in_flight_and_the_next_is_asked_while_a_page_is_published() -> None:
    bench = ChangeBench()
    asked_when_confirmed = {}

    async def slowly(page: PageFetched) -> None:
        for _ in range(20):
            await bench.clock.sleep(0)
        asked_when_confirmed[page.position] = list(bench.feed.asked("changes"))

    bench.publisher.publish = slowly  # type: ignore[method-assign]  # a broker that takes its time
    await (await bench.walking()).walk(ChangeId(1118))
    assert asked_when_confirmed == {1000: ["1000", "1058"], 1058: ["1000", "1058"]}
    assert bench.feed.most_in_flight == 1


async def test_no_page_is_asked_twice_over_two_walks_and_their_end() -> None:
    bench = ChangeBench()
    walk = await bench.walking()
    assert await walk.walk(ChangeId(1500)) is Ending.PAUSED
    assert await walk.walk(ChangeId(1400)) is Ending.PAUSED
    assert await walk.walk() is Ending.DONE
    assert await walk.walk() is Ending.DONE
    asked = bench.feed.asked("changes")
    assert len(asked) == len(set(asked)) == -(-len(bench.shown) // 20) + 1


async def test_a_feed_that_names_its_end_on_the_last_page_is_not_asked_again() -> None:
    bench = ChangeBench()
    bench.feed.names_the_end = False
    walk = await bench.walking()
    assert await walk.walk() is Ending.DONE
    assert bench.published == bench.shown
    assert walk.cursor == bench.shown[-1] + 1
    assert len(bench.feed.asked("changes")) == -(-len(bench.shown) // 20)


async def test_an_empty_page_keeps_the_cursor() -> None:
    bench = ChangeBench()
    bench.feed.is_dead = True
    walk = await bench.walking(1234)
    assert await walk.walk() is Ending.DONE
    assert (walk.cursor, bench.published, bench.store.cursors) == (1234, [], {})


async def test_a_cursor_of_zero_is_followed() -> None:
    bench = ChangeBench()
    walk = await bench.walking(0)
    assert await walk.walk(ChangeId(1000)) is Ending.PAUSED
    assert bench.feed.asked("changes") == ["0"]


async def test_a_row_without_an_event_id_goes_out_under_a_word_that_ends_in_quarantine() -> None:
    bench = ChangeBench()
    odd = FeedEvent(7, START, "x", "added", b'{"price":5}').row
    page = UpstreamPage(7, None, [odd, msgspec.structs.replace(odd, source_id=None, inner_id="y")], START)

    async def answer(change_id: ChangeId) -> UpstreamPage:
        assert change_id == 7
        return page

    bench.feed.changes = answer  # type: ignore[method-assign]  # a page such as the fake never makes
    walk = await bench.walking(7)
    assert await walk.walk() is Ending.DONE
    records = bench.publisher.messages[0].records
    assert [(record.change_type, record.seq, record.inner_id) for record in records] == [
        ("added", 7, "x"),
        ("added without an event id", 7, "y"),
    ]
    assert bytes(records[1].data) == b'{"price":5}'
    assert (walk.cursor, walk.counts.kinds) == (8, Kinds(added=1))


async def test_the_day_of_a_page_is_that_of_the_platforms_zone() -> None:
    bench = ChangeBench(clock=VirtualClock(START.replace(hour=21, minute=30)))  # 11 January, 00:30 in Moscow
    await (await bench.walking()).walk(ChangeId(1058))
    assert bench.changes.counted == {("che168", date(2026, 1, 11)): Kinds(changed=20)}


async def test_requests_are_paced() -> None:
    bench = ChangeBench()
    await (await bench.walking(interval_s=0.2)).walk(ChangeId(1200))
    moments = bench.feed.moments
    assert {after - before for before, after in itertools.pairwise(moments)} == {timedelta(seconds=0.2)}


async def test_a_walk_goes_on_where_a_killed_one_stood() -> None:
    bench = ChangeBench()
    await (await bench.walking()).walk(ChangeId(1300))
    first = bench.run.run_id
    walk = await bench.walking(bench.store.cursors["che168"])
    assert walk.run.run_id == first
    assert await walk.walk() is Ending.DONE
    assert bench.published == bench.shown


async def test_a_page_that_was_confirmed_and_not_saved_is_published_again_under_the_same_id() -> None:
    bench = ChangeBench()
    walk = await bench.walking()
    bench.changes.outages = 10**9
    task = asyncio.create_task(walk.walk())
    while not bench.publisher.messages:
        await bench.clock.sleep(0)
    task.cancel()  # the process dies between the confirm and the save
    await asyncio.gather(task, return_exceptions=True)
    bench.changes.outages = 0
    again = await bench.walking()
    assert await again.walk() is Ending.DONE
    first, second = (message for message in bench.publisher.messages if message.position == 1000)
    assert first.message_id == second.message_id
    assert sorted(set(bench.published)) == bench.shown


async def test_an_answer_of_the_database_that_was_lost_counts_nothing_twice() -> None:
    bench = ChangeBench()
    bench.changes.lost_answers = 3
    bench.publisher.errors = [UnavailableError("no confirm")] * 2
    walk = await bench.walking()
    await walk.walk()
    assert sum(kinds.changed for kinds in bench.changes.counted.values()) == len(bench.shown)
    assert bench.run.records == walk.run.records == len(bench.shown)


async def test_another_process_on_the_run_ends_the_walk() -> None:
    bench = ChangeBench()
    walk = await bench.walking()
    await walk.walk(ChangeId(1058))
    held = bench.store.runs[walk.run.run_id]
    bench.store.runs[walk.run.run_id] = replace(held, position=5000, next_position=5003)
    with pytest.raises(RunTakenOverError):
        await walk.walk()


async def test_a_hiccup_is_tried_again_at_once() -> None:
    bench = ChangeBench()
    bench.feed.failures[1058] = [CUT, CUT]
    assert await (await bench.walking()).walk() is Ending.DONE
    assert bench.published == bench.shown
    assert bench.store.failures == []


async def test_a_feed_that_shows_the_same_events_under_a_growing_cursor_stands_still() -> None:
    bench = ChangeBench()
    answer = bench.feed.changes

    async def stuck(change_id: ChangeId) -> UpstreamPage:
        assert len(bench.feed.asked("changes")) < 100, "walked for ever"
        page = await answer(ChangeId(min(change_id, 1058)))
        return replace(page, position=change_id, next_position=max(change_id + 20, page.next_position or 0))

    bench.feed.changes = stuck  # type: ignore[method-assign]  # a source that forgets what was asked
    walk = await bench.walking()
    with pytest.raises(LoadStoppedError, match=r"changes from 1118 on stay away .*: stalled_cursor: the same events"):
        await walk.walk()
    assert walk.cursor == 1118, "nothing is passed over"
    bench.feed.changes = answer  # type: ignore[method-assign]  # well again
    assert await (await bench.walking(1118)).walk() is Ending.DONE
    assert bench.published == bench.shown


async def test_a_page_that_stays_dead_is_a_gap_after_21_tries_and_stops_the_walk(
    caplog: pytest.LogCaptureFixture,
) -> None:
    bench = ChangeBench()
    bench.feed.always[1058] = DOWN
    walk = await bench.walking()
    with (
        caplog.at_level(logging.WARNING),
        pytest.raises(LoadStoppedError, match=r"changes from 1058 .* after 21 tries"),
    ):
        await walk.walk()
    tries = [
        moment for moment, request in zip(bench.feed.moments, bench.feed.requests, strict=True) if "1058" in request
    ]
    assert [(moment - tries[0]).total_seconds() for moment in tries] == [720 * place for place in range(21)]
    (gap,) = await bench.store.open_failures(walk.run.run_id)
    assert (gap.position, gap.attempts, gap.next_attempt_at) == (1058, 21, None)
    assert bench.store.cursors == {"che168": 1058}
    assert walk.counts.gaps == 1


async def test_after_a_dead_page_the_next_start_goes_on_there_with_new_patience() -> None:
    bench = ChangeBench()
    bench.feed.always[1058] = DOWN
    walk = await bench.walking()
    with pytest.raises(LoadStoppedError):
        await walk.walk()
    await bench.store.fail_run(walk.run.run_id)
    bench.feed.always.clear()
    bench.feed.failures[1058] = [DOWN]
    again = await bench.walking(1058)
    assert again.run.run_id == walk.run.run_id
    assert await again.walk() is Ending.DONE
    await bench.runs.finished(again.run)
    assert bench.published == bench.shown
    assert await bench.store.open_failures(walk.run.run_id) == []
    assert bench.run.status is RunStatus.DONE


async def test_a_process_killed_at_try_7_goes_on_in_the_same_window() -> None:
    bench = ChangeBench(clock=VirtualClock(START, auto_advance=False))
    bench.feed.always[1000] = DOWN
    task = asyncio.create_task((await bench.walking()).walk())
    for _ in range(7 * 12 - 6):
        await bench.clock.advance(60)
    assert len(bench.feed.moments) == 7
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await bench.clock.advance(60)
    task = asyncio.create_task((await bench.walking()).walk())
    for _ in range(4 * 60):
        await bench.clock.advance(60)
    with pytest.raises(LoadStoppedError):
        await task
    begin = bench.feed.moments[0]
    assert [(moment - begin).total_seconds() for moment in bench.feed.moments] == [720 * n for n in range(21)]


async def test_a_refusal_stops_at_once() -> None:
    bench = ChangeBench()
    bench.feed.always[1000] = UpstreamError(Cause.UNAUTHORIZED, "status 401")
    with pytest.raises(LoadStoppedError, match="http_401"):
        await (await bench.walking()).walk()
    assert len(bench.feed.requests) == 1


async def test_a_walk_that_is_asked_to_stop_saves_the_page_in_hand() -> None:
    bench = ChangeBench()
    publish = bench.publisher.publish

    async def asked_to_stop_in_the_middle(page: PageFetched) -> None:
        bench.stop.set()
        await publish(page)

    bench.publisher.publish = asked_to_stop_in_the_middle  # type: ignore[method-assign]  # the moment that matters
    walk = await bench.walking()
    assert await walk.walk() is Ending.INTERRUPTED
    assert (bench.published[-1], bench.store.cursors) == (1057, {"che168": 1058})
