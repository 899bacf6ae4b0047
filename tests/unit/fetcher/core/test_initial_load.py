"""The first load: order, resume, limits."""

import itertools
import logging
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

import pytest
from tests.unit.fetcher.core.load_bench import LoadBench

from common.errors import UnavailableError
from common.events import PageFetched
from common.testing.clock import VirtualClock
from fetcher.core.errors import Cause, LoadStoppedError, RunTakenOverError, TopologyError, UpstreamError
from fetcher.core.ports import Run, RunStatus, SavedPage
from fetcher.core.walk import Ending

pytestmark = pytest.mark.unit


async def test_every_page_is_published_and_saved_in_order() -> None:
    bench = LoadBench()
    outcome = await bench.load()
    assert outcome.ending is Ending.DONE
    assert bench.publisher.journal == [
        "started 1000",
        *("confirmed 1", "saved 1"),
        *("confirmed 2", "saved 2"),
        *("confirmed 3", "saved 3"),
    ]
    assert (bench.run.status, bench.run.pages, bench.run.records) == (RunStatus.DONE, 3, 6)


async def test_rows_stand_just_below_the_change_id_of_yesterday_in_the_platforms_zone() -> None:
    bench = LoadBench(clock=VirtualClock(datetime(2026, 3, 1, 21, 30, tzinfo=UTC)))  # 2 March, 00:30 in Moscow
    await bench.load()
    assert bench.upstream.days == [date(2026, 3, 1)]
    assert {record.seq for message in bench.publisher.messages for record in message.records} == {999}


async def test_a_change_id_of_zero_is_one() -> None:
    bench = LoadBench()
    bench.upstream.start = 0
    await bench.load()
    assert bench.store.cursors == {"che168": 0}
    assert bench.publisher.messages[0].records[0].seq == -1


async def test_the_changes_begin_where_the_first_load_did() -> None:
    bench = LoadBench()
    await bench.load()
    assert bench.store.cursors == {"che168": 1000}


async def test_a_cursor_that_exists_is_not_moved_back() -> None:
    bench = LoadBench()
    bench.store.cursors["che168"] = 5000
    await bench.load()
    assert bench.store.cursors == {"che168": 5000}


async def test_one_request_is_in_flight_at_most() -> None:
    bench = LoadBench()
    bench.upstream.pages = 20
    await bench.load()
    assert bench.upstream.most_in_flight == 1


async def test_the_next_page_is_asked_while_one_is_published() -> None:
    bench = LoadBench()
    asked_when_confirmed = {}

    async def slowly(page: PageFetched) -> None:
        for _ in range(20):
            await bench.clock.sleep(0)
        asked_when_confirmed[page.position] = list(bench.upstream.asked)

    bench.publisher.publish = slowly  # type: ignore[method-assign]  # a broker that takes its time
    await bench.load(max_pages=2)
    assert asked_when_confirmed == {1: [1, 2], 2: [1, 2]}


async def test_a_page_is_saved_while_the_next_is_published_and_never_before_it_is_confirmed() -> None:
    bench = LoadBench()
    bench.upstream.pages = 4
    save_pages = bench.store.save_pages

    async def slowly(run: Run, pages: Sequence[SavedPage]) -> None:
        bench.publisher.journal.append(f"saving {pages[0].position}")
        for _ in range(20):
            await bench.clock.sleep(0)
        await save_pages(run, pages)

    bench.store.save_pages = slowly  # type: ignore[method-assign]  # a database that takes its time
    await bench.load()
    journal = bench.publisher.journal
    for page in range(1, 5):
        assert journal.index(f"confirmed {page}") < journal.index(f"saving {page}") < journal.index(f"saved {page}")
    for page in range(1, 4):
        assert journal.index(f"confirmed {page + 1}") < journal.index(f"saved {page}")
        assert journal.index(f"saved {page}") < journal.index(f"saving {page + 1}")


async def test_requests_are_paced() -> None:
    bench = LoadBench()
    await bench.load(interval_s=0.2)
    moments = [moment for _, moment in bench.upstream.requests]
    assert [after - before for before, after in itertools.pairwise(moments)] == [
        timedelta(seconds=0.2),
        timedelta(seconds=0.2),
    ]


async def test_max_pages_leaves_the_run_to_be_resumed() -> None:
    bench = LoadBench()
    outcome = await bench.load(max_pages=2)
    assert outcome.ending is Ending.PAUSED
    assert bench.upstream.asked == [1, 2]
    assert (bench.run.status, bench.run.position, bench.run.next_position) == (RunStatus.RUNNING, 2, 3)
    assert bench.store.cursors == {}
    said = "initial load paused after the pages asked for, che168: 4 records in 2 pages; start again to resume"
    assert [operation.details for operation in bench.store.operations] == [said]


async def test_a_resumed_load_reads_the_page_before_the_last_one_again() -> None:
    bench = LoadBench()
    await bench.load(max_pages=2)
    await bench.load()
    assert bench.upstream.asked == [1, 2, 1, 2, 3]
    assert len(bench.upstream.days) == 1, "S0 was taken again"
    assert len({message.run_id for message in bench.publisher.messages}) == 1
    assert (bench.run.status, bench.run.pages, bench.run.records) == (RunStatus.DONE, 3, 6)
    shown = [progress.records for progress in bench.display.shown]
    assert (shown, shown[-1]) == (sorted(shown), 6), "a page that is read again is no progress"


async def test_a_load_advances_even_one_page_at_a_time() -> None:
    bench = LoadBench()
    bench.upstream.pages = 5
    endings = [(await bench.load(max_pages=1)).ending for _ in range(5)]
    assert endings == [Ending.PAUSED] * 4 + [Ending.DONE]
    assert sorted(set(bench.published)) == [1, 2, 3, 4, 5]


async def test_a_finished_load_is_left_alone() -> None:
    bench = LoadBench()
    await bench.load()
    outcome = await bench.load()
    assert outcome.ending is Ending.ALREADY_DONE
    assert bench.upstream.asked == [1, 2, 3]
    assert len(bench.store.operations) == 1


async def test_a_finished_load_can_be_made_again() -> None:
    bench = LoadBench()
    await bench.load()
    bench.upstream.start = 2000
    outcome = await bench.load(again=True)
    assert outcome.ending is Ending.DONE
    assert len(bench.store.runs) == 2
    assert bench.store.cursors == {"che168": 1000}
    assert bench.display.shown[3].expected == 6, "the last load's total is the estimate"


async def test_a_load_that_began_since_it_was_wished_for_is_not_made_once_more() -> None:
    bench = LoadBench()
    wished_at = bench.clock.now()
    await bench.clock.sleep(1)
    assert (await bench.load(again=wished_at)).ending is Ending.DONE
    assert (await bench.load(again=wished_at)).ending is Ending.ALREADY_DONE
    await bench.clock.sleep(1)
    assert (await bench.load(again=True)).ending is Ending.DONE


async def test_a_list_that_became_shorter_ends_a_resumed_load() -> None:
    bench = LoadBench()
    await bench.load(max_pages=2)
    bench.upstream.pages = 1
    outcome = await bench.load()
    assert outcome.ending is Ending.DONE
    assert bench.run.status is RunStatus.DONE


async def test_an_empty_list_is_a_load_without_messages() -> None:
    bench = LoadBench()
    bench.upstream.pages = 0
    outcome = await bench.load()
    assert outcome.ending is Ending.DONE
    assert bench.publisher.messages == []
    assert bench.run.position == 1


async def test_the_diary_says_what_was_done() -> None:
    bench = LoadBench()
    await bench.load()
    (operation,) = bench.store.operations
    assert operation.is_ok
    assert operation.counts == {"pages": 3, "records": 6, "gaps": 0, "retries": 0, "resumed": 0}
    assert operation.details == "initial load finished, che168: 6 records in 3 pages"


async def test_progress_is_complete_only_at_the_end() -> None:
    bench = LoadBench()
    await bench.load()
    assert [progress.is_complete for progress in bench.display.shown] == [False, False, True]
    assert bench.display.shown[-1].records == 6
    assert bench.display.is_closed


async def test_a_broker_that_is_away_is_waited_for(caplog: pytest.LogCaptureFixture) -> None:
    bench = LoadBench()
    bench.publisher.errors = [UnavailableError("broker away")] * 90
    with caplog.at_level(logging.WARNING):
        outcome = await bench.load()
    assert outcome.ending is Ending.DONE
    assert bench.published == [1, 2, 3]
    assert [record.message for record in caplog.records] == ['server away, waiting for it error="broker away"']


async def test_a_database_that_is_away_is_waited_for() -> None:
    bench = LoadBench()
    bench.store.outages = 90
    outcome = await bench.load()
    assert outcome.ending is Ending.DONE
    assert bench.run.records == 6


async def test_a_saved_page_whose_answer_was_lost_counts_once() -> None:
    bench = LoadBench()
    bench.store.lost_answers["save_pages"] = 1
    await bench.load()
    assert (bench.run.pages, bench.run.records) == (3, 6)


async def test_a_run_that_another_process_moved_is_left_to_it() -> None:
    bench = LoadBench()
    await bench.load(max_pages=1)
    with pytest.raises(RunTakenOverError):
        await _with_stale_run(bench)
    assert bench.run.status is RunStatus.RUNNING
    assert len(bench.store.operations) == 1


async def _with_stale_run(bench: LoadBench) -> None:
    """Load while another process moves the run between its reading and its first page."""
    run = bench.run
    real = bench.store.reopen_run

    async def moved_meanwhile(run_id: str) -> None:
        await real(run_id)
        bench.store.runs[run_id] = run.after(_page_99())

    bench.store.reopen_run = moved_meanwhile  # type: ignore[method-assign]  # the moment cannot be met otherwise
    await bench.load()


def _page_99() -> SavedPage:
    return SavedPage(99, 100, {"m": 1}, 1, datetime(2026, 1, 1, tzinfo=UTC))


@pytest.mark.parametrize(
    "error", [TopologyError("no queue takes messages"), UpstreamError(Cause.UNAUTHORIZED, "status 401")], ids=str
)
async def test_a_refusal_stops_the_run_and_keeps_what_is_saved(error: Exception) -> None:
    bench = LoadBench()
    if isinstance(error, UpstreamError):
        bench.upstream.failures[3] = [error]
    else:
        await bench.load(max_pages=2)
        bench.publisher.errors = [error]
    with pytest.raises((TopologyError, LoadStoppedError)):
        await bench.load()
    assert (bench.run.status, bench.run.position) == (RunStatus.FAILED, 2)
    assert not bench.store.operations[-1].is_ok
    outcome = await bench.load()
    assert outcome.ending is Ending.DONE
    assert sorted(set(bench.published)) == [1, 2, 3]


async def test_without_a_change_id_nothing_is_loaded() -> None:
    bench = LoadBench()
    bench.upstream.always[0] = UpstreamError(Cause.SERVER_ERROR, "status 500")
    with pytest.raises(LoadStoppedError, match="change_id of 2025-12-31"):
        await bench.load()
    assert bench.upstream.asked == []
    assert bench.store.runs == {}
    assert not bench.store.operations[0].is_ok
