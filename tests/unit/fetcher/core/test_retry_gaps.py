"""Missing pages asked for again: those of every run, under their own run, and not for ever."""

import logging
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from tests.contract.fetcher.fakes import LedgerRow, a_row
from tests.unit.fetcher.core.load_bench import LoadBench

from common.events import ChangeId, PageKind, message_id
from fetcher.core.errors import Cause, UpstreamError
from fetcher.core.ports import Run, RunKind, RunStatus
from fetcher.core.retry import RetryPolicy
from fetcher.core.retry_gaps import RetryGaps, RetryOutcome, RetryPlan
from fetcher.core.walk import WalkLimits

pytestmark = pytest.mark.unit

DOWN = UpstreamError(Cause.SERVER_ERROR, "status 503")
DAY = timedelta(days=1)


async def retried(bench: LoadBench, *, retries: int = 0) -> RetryOutcome:
    """Ask for the missing pages of the bench."""
    plan = RetryPlan(platform="che168", patience=RetryPolicy(max_retries=retries), limits=WalkLimits())
    return await RetryGaps(plan, bench.ports(), stop=bench.stop).run()


async def a_load_with_gaps(*pages: int) -> LoadBench:
    """Return a bench after a load during which these pages were dead; they are well now."""
    bench = LoadBench()
    bench.upstream.pages = 9
    bench.upstream.always = dict.fromkeys(pages, DOWN)
    assert (await bench.load()).gaps == len(pages)
    bench.upstream.always.clear()
    return bench


async def test_a_gap_of_a_finished_run_is_fetched_under_that_run_and_closed() -> None:
    bench = await a_load_with_gaps(2, 7)
    bench.upstream.start = 5000
    outcome = await retried(bench)
    assert (outcome.missing, outcome.fetched, outcome.remaining) == (2, 2, 0)
    assert bench.published[-2:] == [2, 7]
    assert {message.run_id for message in bench.publisher.messages} == {bench.run.run_id}
    assert {record.seq for message in bench.publisher.messages for record in message.records} == {999}
    assert (bench.run.status, bench.run.position, bench.run.pages, bench.run.records) == (RunStatus.DONE, 9, 9, 18)
    assert bench.publisher.journal[-4:] == ["confirmed 2", "closed 2", "confirmed 7", "closed 7"]
    operation = bench.store.operations[-1]
    assert (operation.is_ok, operation.details) == (True, "che168: 2 of 2 missing pages fetched")
    assert operation.counts == {"missing": 2, "fetched": 2}


async def test_a_single_page_is_worth_a_row_in_the_diary() -> None:
    bench = await a_load_with_gaps(2)
    await retried(bench)
    assert bench.store.operations[-1].details == "che168: 1 of 1 missing pages fetched"


async def test_gaps_of_several_runs_keep_their_versions() -> None:
    bench = await a_load_with_gaps(2)
    bench.upstream.start = 2000
    bench.upstream.always = {3: DOWN}
    await bench.load(again=True)
    bench.upstream.always.clear()
    await retried(bench)
    assert [(message.position, message.records[0].seq) for message in bench.publisher.messages[-2:]] == [
        (2, 999),
        (3, 1999),
    ]


async def test_a_page_that_stays_dead_stays_a_gap() -> None:
    bench = await a_load_with_gaps(2, 7)
    bench.upstream.always = {2: DOWN}
    outcome = await retried(bench)
    assert (outcome.fetched, outcome.remaining) == (1, 1)
    assert (bench.store.status_of(2), bench.store.status_of(7)) == (["gap"], ["fetched"])
    assert not bench.store.operations[-1].is_ok


async def test_each_page_gets_one_try_unless_more_are_configured() -> None:
    bench = await a_load_with_gaps(2)
    bench.upstream.failures = {2: [DOWN] * 2}
    before = len(bench.upstream.requests)
    await retried(bench)
    assert len(bench.upstream.requests) == before + 1
    assert (await retried(bench, retries=1)).remaining == 0


async def test_three_failures_in_a_row_end_the_call() -> None:
    bench = await a_load_with_gaps(1, 3, 5, 7, 9)
    bench.upstream.always = dict.fromkeys(range(10), UpstreamError(Cause.UNAUTHORIZED, "status 401"))
    before = len(bench.upstream.requests)
    outcome = await retried(bench)
    assert outcome.remaining == 5
    assert len(bench.upstream.requests) == before + 3


async def test_failures_with_a_page_between_that_comes_do_not_end_the_call() -> None:
    bench = await a_load_with_gaps(1, 3, 5, 7, 9)
    bench.upstream.always = dict.fromkeys((1, 3, 7, 9), DOWN)
    before = len(bench.upstream.requests)
    assert (await retried(bench)).fetched == 1
    assert len(bench.upstream.requests) == before + 5


async def test_nothing_missing_is_nothing_to_tell(caplog: pytest.LogCaptureFixture) -> None:
    bench = LoadBench()
    await bench.load()
    with caplog.at_level(logging.WARNING):
        outcome = await retried(bench)
    assert outcome == RetryOutcome()
    assert len(bench.store.operations) == 1
    assert caplog.records == []


async def test_stop_ends_between_two_pages() -> None:
    bench = await a_load_with_gaps(2, 7)
    bench.stop.set()
    outcome = await retried(bench)
    assert (outcome.missing, outcome.remaining) == (2, 2)


async def test_a_page_whose_message_was_lost_is_published_again_after_a_day() -> None:
    bench = LoadBench()
    await bench.load()
    lost, *others = bench.store.ledger.values()
    fetched_at = bench.clock.now() - timedelta(days=2)
    for key, row in list(bench.store.ledger.items()):
        status = "fetched" if row is lost else "landed"
        moved = replace(row, status=status, fetched_at=fetched_at + timedelta(hours=row.position))
        bench.store.ledger[key] = moved
    assert others
    assert (await retried(bench)).fetched == 1
    assert bench.published == [1, 2, 3, 1]
    assert (await retried(bench)).missing == 0, "it was published just now"


async def test_a_page_that_no_later_one_has_passed_is_not_lost() -> None:
    bench = LoadBench()
    await bench.load()
    long_ago = bench.clock.now() - 9 * DAY
    rows: list[LedgerRow] = list(bench.store.ledger.values())
    for row in rows:
        row.fetched_at = long_ago + timedelta(hours=row.position)
    rows[0].status = "landed"
    assert (await retried(bench)).missing == 0


def a_lost_page_of_changes(bench: LoadBench) -> Run:
    """Leave the message of a page of changes lost: fetched days ago, and passed by the pages of the load."""
    began = bench.clock.now() - 3 * DAY
    run = Run("c1", "che168", ChangeId(500), RunKind.DAILY_UPDATE, status=RunStatus.DONE, started_at=began)
    bench.store.runs[run.run_id] = run
    for row in bench.store.ledger.values():
        row.status, row.fetched_at = "landed", bench.clock.now() - DAY
    key = message_id("che168", PageKind.CHANGE, 520, run.run_id)
    bench.store.ledger[key] = LedgerRow(run.run_id, 520, "fetched", 20, fetched_at=bench.clock.now() - 2 * DAY)
    return run


def changed(bench: LoadBench, **changes: Any) -> None:
    """Change the load's run."""
    (load,) = [run for run in bench.store.runs.values() if run.kind is RunKind.INITIAL_LOAD]
    bench.store.runs[load.run_id] = replace(load, **changes)


async def test_a_lost_page_of_changes_is_published_again_each_event_with_its_own_version() -> None:
    bench = LoadBench()
    await bench.load()
    run = a_lost_page_of_changes(bench)
    bench.upstream.events[520] = [a_row("a", source_id="521"), a_row("b", source_id="524", change_type="removed")]
    assert (await retried(bench)).remaining == 0
    message = bench.publisher.messages[-1]
    assert (message.run_id, message.kind, message.position) == (run.run_id, PageKind.CHANGE, 520)
    assert [(record.inner_id, record.seq) for record in message.records] == [("a", 521), ("b", 524)]
    assert (await retried(bench)).missing == 0


@pytest.mark.parametrize("failure", [None, DOWN, UpstreamError(Cause.NOT_FOUND, "status 404")], ids=str)
async def test_a_page_of_changes_that_the_feed_no_longer_shows_stays_missing(failure: UpstreamError | None) -> None:
    bench = LoadBench()
    await bench.load()
    a_lost_page_of_changes(bench)
    changed(bench, started_at=bench.clock.now() - 3 * DAY)
    if failure:
        bench.upstream.always[520] = failure
    before = bench.clock.now()
    assert (await retried(bench)).remaining == 1
    assert bench.store.status_of(520) == ["fetched"]
    assert bench.clock.now() == before, "it is asked for once"


@pytest.mark.parametrize("failure", [None, UpstreamError(Cause.GONE, "status 410")], ids=str)
@pytest.mark.parametrize(("start", "status", "left"), [(1000, "done", 0), (520, "done", 1), (1000, "failed", 1)])
async def test_it_is_forgotten_once_a_load_that_began_since_and_above_it_has_read_everything_anew(
    failure: UpstreamError | None, start: int, status: str, left: int
) -> None:
    bench = LoadBench()
    bench.upstream.start = start
    await bench.load()
    a_lost_page_of_changes(bench)
    changed(bench, status=RunStatus(status))
    if failure:
        bench.upstream.always[520] = failure
    assert (await retried(bench)).remaining == left
    assert bench.store.status_of(520) == ["fetched"] * left
    assert bench.published == [1, 2, 3]


async def test_a_lost_look_up_is_forgotten_as_it_is_made_anew_by_itself() -> None:
    bench = LoadBench()
    await bench.load()
    a_lost_page_of_changes(bench)
    bench.upstream.events[520] = [a_row("a", source_id="521")]
    old = bench.clock.now() - 2 * DAY
    bench.store.ledger["che168:lookup:7:c1"] = LedgerRow("c1", 7, "fetched", 1, fetched_at=old)
    bench.store.ledger["che168:lookup:8:c1"] = LedgerRow("c1", 8, "fetched", 1, fetched_at=bench.clock.now())
    later = bench.clock.now() + timedelta(hours=1)
    bench.store.ledger["che168:change:9:c1"] = LedgerRow("c1", 9, "landed", 1, fetched_at=later)
    await retried(bench)
    assert (bench.store.status_of(7), bench.store.status_of(8)) == ([], ["fetched"])
