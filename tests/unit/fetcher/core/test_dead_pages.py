"""Pages that fail: the moments of their tries, gaps, and the end of a run of dead ones."""

import logging
from datetime import timedelta

import pytest
from tests.unit.fetcher.core.load_bench import START, LoadBench

from common.events import PageKind, message_id
from fetcher.core.errors import Cause, LoadStoppedError, UpstreamError
from fetcher.core.ports import RunStatus
from fetcher.core.walk import Ending

pytestmark = pytest.mark.unit

DOWN = UpstreamError(Cause.SERVER_ERROR, "status 503")
CUT = UpstreamError(Cause.CUT_BODY, "answer ended early")
TWELVE_MINUTES = timedelta(minutes=12)


def moments(bench: LoadBench, page: int) -> list[timedelta]:
    """Return when a page was asked, from its first try on."""
    found = [moment for number, moment in bench.upstream.requests if number == page]
    return [moment - found[0] for moment in found]


async def test_a_dead_page_is_asked_at_twenty_one_exact_moments() -> None:
    bench = LoadBench()
    bench.upstream.failures[2] = [DOWN] * 21
    await bench.load()
    assert moments(bench, 2)[:21] == [number * TWELVE_MINUTES for number in range(21)]
    assert moments(bench, 2)[20] == timedelta(hours=4)


async def test_a_server_that_names_a_later_moment_moves_the_tries_and_not_the_end() -> None:
    slow = UpstreamError(Cause.RATE_LIMITED, "status 429", retry_after_s=1800)
    bench = LoadBench()
    bench.upstream.failures[2] = [DOWN, DOWN, slow, *([DOWN] * 17)]
    await bench.load()
    minutes = [moment / timedelta(minutes=1) for moment in moments(bench, 2)]
    assert minutes[:20] == [0, 12, 24, *range(54, 235, 12), 240]
    assert bench.store.status_of(2) == ["fetched"], "asked once more at the end of the load"


async def test_a_server_away_for_longer_than_the_window_is_asked_once_more_at_its_end() -> None:
    bench = LoadBench()
    bench.upstream.always[2] = UpstreamError(Cause.SERVER_ERROR, "status 503", retry_after_s=10**9)
    await bench.load()
    assert moments(bench, 2)[:2] == [timedelta(0), timedelta(hours=4)]
    assert bench.store.status_of(2) == ["gap"]


async def test_a_dead_page_becomes_a_gap_and_the_load_goes_on() -> None:
    bench = LoadBench()
    bench.upstream.always[2] = DOWN
    outcome = await bench.load()
    assert (outcome.ending, outcome.gaps) == (Ending.DONE, 1)
    assert bench.published == [1, 3]
    assert bench.store.status_of(2) == ["gap"]
    (operation,) = bench.store.operations
    assert not operation.is_ok
    assert operation.details.endswith("; 1 pages are missing")
    assert bench.run.status is RunStatus.DONE


async def test_a_gap_is_asked_once_more_at_the_end() -> None:
    bench = LoadBench()
    bench.upstream.failures[2] = [DOWN] * 21
    outcome = await bench.load()
    assert outcome.gaps == 0
    assert bench.published == [1, 3, 2]
    assert bench.store.status_of(2) == ["fetched"]
    (operation,) = bench.store.operations
    assert (operation.is_ok, operation.details) == (True, "initial load finished, che168: 6 records in 3 pages")


async def test_a_refusal_for_a_gap_at_the_end_spoils_nothing() -> None:
    bench = LoadBench()
    bench.upstream.failures[2] = [*([DOWN] * 21), UpstreamError(Cause.NOT_FOUND, "status 404")]
    outcome = await bench.load()
    assert (outcome.ending, outcome.gaps) == (Ending.DONE, 1)


async def test_a_hiccup_is_tried_again_at_once() -> None:
    bench = LoadBench()
    bench.upstream.failures[2] = [CUT] * 3
    await bench.load()
    assert bench.published == [1, 2, 3]
    assert bench.clock.now() - START < timedelta(seconds=12)
    assert bench.store.operations[0].counts["retries"] == 3


async def test_three_dead_pages_in_a_row_stop_the_run() -> None:
    bench = LoadBench()
    bench.upstream.pages = 9
    bench.upstream.always = dict.fromkeys((2, 3, 4), DOWN)
    with pytest.raises(LoadStoppedError, match="3 pages in a row are dead"):
        await bench.load()
    assert max(bench.upstream.asked) == 4
    assert bench.run.status is RunStatus.FAILED
    assert not bench.store.operations[0].is_ok


async def test_dead_pages_with_a_good_one_between_do_not_stop_the_run() -> None:
    bench = LoadBench()
    bench.upstream.pages = 9
    bench.upstream.always = dict.fromkeys((2, 3, 5, 6), DOWN)
    outcome = await bench.load()
    assert (outcome.ending, outcome.gaps) == (Ending.DONE, 4)


async def test_a_stopped_run_asks_its_dead_pages_again_when_it_is_started_again() -> None:
    bench = LoadBench()
    bench.upstream.pages = 9
    bench.upstream.always = dict.fromkeys((2, 3, 4), DOWN)
    with pytest.raises(LoadStoppedError):
        await bench.load()
    bench.upstream.always.clear()
    outcome = await bench.load()
    assert (outcome.ending, outcome.gaps) == (Ending.DONE, 0)
    assert sorted(set(bench.published)) == list(range(1, 10))


async def test_a_stopped_run_asks_its_dead_pages_again_also_when_the_next_start_is_killed_before_them() -> None:
    bench = LoadBench()
    bench.upstream.pages = 9
    bench.upstream.always = dict.fromkeys((2, 3, 4), DOWN)
    with pytest.raises(LoadStoppedError):
        await bench.load()
    bench.upstream.always.clear()
    bench.upstream.failures[1] = [_KilledError()]
    with pytest.raises(_KilledError):
        await bench.load()
    outcome = await bench.load()
    assert (outcome.ending, outcome.gaps) == (Ending.DONE, 0)


async def test_a_killed_process_goes_on_with_the_same_window() -> None:
    bench = LoadBench()
    bench.upstream.failures[2] = [*([DOWN] * 6), _KilledError(), *([DOWN] * 14)]
    with pytest.raises(_KilledError):
        await bench.load()
    await bench.load()
    slots = [number * TWELVE_MINUTES for number in range(21)]
    assert moments(bench, 2) == slots[:7] + slots[6:], "the try that was cut off is made again, the others as planned"
    assert bench.store.status_of(2) == ["fetched"]


async def test_a_window_that_a_clock_ahead_has_begun_is_begun_anew() -> None:
    bench = LoadBench()
    bench.upstream.failures[2] = [DOWN, _KilledError(), DOWN]
    with pytest.raises(_KilledError):
        await bench.load()
    (row,) = [row for row in bench.store.ledger.values() if row.status == "gap"]
    assert row.first_try_at is not None
    row.first_try_at += timedelta(days=30)
    row.next_attempt_at = row.first_try_at + TWELVE_MINUTES
    before = bench.clock.now()
    await bench.load()
    assert bench.clock.now() - before < 2 * TWELVE_MINUTES
    assert bench.store.status_of(2) == ["fetched"]


@pytest.mark.parametrize(("minutes", "said"), [(5, 1), (0, 0)], ids=["to wait", "due"])
async def test_a_wait_that_goes_on_after_a_restart_is_told(
    minutes: int, said: int, caplog: pytest.LogCaptureFixture
) -> None:
    bench = LoadBench()
    bench.upstream.failures[2] = [DOWN, _KilledError()]
    with pytest.raises(_KilledError):
        await bench.load()
    (row,) = [row for row in bench.store.ledger.values() if row.status == "gap"]
    row.next_attempt_at = bench.clock.now() + timedelta(minutes=minutes)
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        await bench.load()
    line = 'page 2 failed before, waiting to try again platform=che168 error="http_5xx: status 503" in_s=300.0'
    assert caplog.messages == [line] * said


async def test_a_gap_is_passed_over_after_a_crash() -> None:
    bench = LoadBench()
    bench.upstream.pages = 5
    bench.upstream.always[2] = DOWN
    bench.upstream.failures[4] = [_KilledError()]
    with pytest.raises(_KilledError):
        await bench.load()
    tries = len(moments(bench, 2))
    await bench.load()
    assert len(moments(bench, 2)) == tries + 1, "one try at the end of the load"
    assert bench.store.operations[-1].counts["gaps"] == 0, "a known gap was counted as a new one"


async def test_the_ledger_knows_a_waiting_page() -> None:
    bench = LoadBench()
    bench.upstream.failures[2] = [DOWN]
    await bench.load()
    (failure,) = bench.store.failures
    key = message_id("che168", PageKind.PAGE, 2, bench.run.run_id)
    assert (failure.message_id, failure.attempts, failure.error) == (key, 1, "http_5xx: status 503")
    assert failure.next_attempt_at == failure.first_try_at + TWELVE_MINUTES
    assert bench.store.ledger[key].status == "fetched"
    assert bench.store.ledger[key].attempts == 2


class _KilledError(BaseException):
    """Ends a load as `kill -9` would: nothing of ours runs after it."""
