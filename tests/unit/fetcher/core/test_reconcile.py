"""Reconciling: what a walk has missed is found, what has gone is retired, and a doubtful list retires nothing."""

import logging
from functools import partial

import pytest
from tests.unit.fetcher.core.sweep_bench import PLATFORM, SweepBench, a_bench

from common.events import InnerId, PageKind
from fetcher.core.errors import Cause, LoadStoppedError, UpstreamError
from fetcher.core.feed import SourceRow
from fetcher.core.ports import RunStatus
from fetcher.core.retire import Guard

pytestmark = pytest.mark.unit

DOWN = UpstreamError(Cause.SERVER_ERROR, "status 503")


async def loaded(offers: int = 10) -> SweepBench:
    """Return a bench after a load that has landed."""
    bench = a_bench(offers)
    await bench.load()
    return bench


async def test_an_offer_that_a_moving_list_has_hidden_is_found() -> None:
    bench = a_bench()
    bench.market.meanwhile = {3: partial(bench.market.remove, "01")}
    await bench.load()
    assert "05" not in bench.active, "it slipped from page 3 to page 2 when that had been walked"
    outcome = await bench.reconcile()
    assert (outcome.is_complete, outcome.is_ok) == (True, True)
    assert (outcome.sweeps, outcome.found, outcome.unseen) == (2, 1, 0)
    assert bench.active == set(bench.market.listed)


async def test_what_the_changes_tell_anyway_is_not_found() -> None:
    bench = await loaded()
    bench.market.meanwhile = {6: partial(bench.market.add, "new"), 8: partial(bench.market.remove, "02")}
    outcome = await bench.reconcile()
    assert (outcome.sweeps, outcome.found) == (1, 0)
    assert bench.active == set(bench.market.listed)


async def test_changes_that_it_follows_are_counted_and_told_of() -> None:
    bench = await loaded()
    bench.market.add("new")
    bench.market.meanwhile = {8: partial(bench.market.remove, "02")}
    await bench.reconcile()
    counts = bench.said.counts
    followed = [one for one in bench.publisher.messages if one.kind is PageKind.CHANGE]
    assert counts["changes"] == sum(len(message.records) for message in followed)
    assert counts["changes"] >= 2
    assert counts["records"] == counts["changes"], "the sweep has found nothing, so it sent nothing"
    assert f"reconciled, changes {counts['changes']}, sweeps 1, found 0, retired 0" in bench.said.details
    assert len(bench.store.operations) == 2, "one row for the load, and one for this"


async def test_a_list_that_moves_under_every_sweep_is_swept_until_nothing_is_found() -> None:
    bench = a_bench(20)
    market = bench.market
    market.meanwhile = {3: partial(market.remove, "01"), 15: partial(market.remove, "02")}
    await bench.load()
    outcome = await bench.reconcile()
    assert outcome.is_ok
    assert outcome.sweeps >= 2
    assert bench.active == set(market.listed)


async def test_sweeps_end_after_so_many_and_the_code_says_so() -> None:
    bench = a_bench()
    bench.market.meanwhile = {3: partial(bench.market.remove, "01")}
    await bench.load()
    outcome = await bench.reconcile(most_sweeps=1)
    assert (outcome.sweeps, outcome.last_found, outcome.is_ok) == (1, 1, False)


async def test_only_rows_that_are_not_held_complete_and_active_are_published() -> None:
    bench = await loaded()
    bench.market.add("new", place=4)
    bench.market.events.pop()  # a feed that forgot it
    bench.sweeps.rows[PLATFORM, "03"].base_seq = None
    bench.sweeps.rows[PLATFORM, "07"].is_active = False
    await bench.reconcile()
    first, *_ = bench.sweep_runs
    records = bench.records(first, PageKind.PAGE)
    assert [record.inner_id for record in records] == ["03", "new", "07"]
    assert {(record.change_type, record.seq) for record in records} == {("added", 1001)}
    assert first.start_change_id == 1002, "where the changes had ended"
    assert bench.active == set(bench.market.listed)


async def test_an_offer_that_neither_list_nor_look_up_shows_is_retired() -> None:
    bench = await loaded()
    bench.hold("ghost")
    outcome = await bench.reconcile()
    assert (outcome.unseen, outcome.left, outcome.is_ok) == (1, 0, True)
    assert bench.market.asked == ["ghost"]
    (record,) = bench.records(bench.sweep_runs[-1], PageKind.LOOKUP)
    assert (record.inner_id, record.change_type, record.seq) == ("ghost", "removed", 1001)
    assert bench.active == set(bench.market.listed)
    assert bench.said.counts["retired"] == 1
    assert bench.sweeps.seen == set(), "the sights of a series that is over are forgotten"


async def test_an_offer_that_the_look_up_shows_stays() -> None:
    bench = await loaded()
    bench.market.hidden = {"05"}
    outcome = await bench.reconcile()
    assert (outcome.unseen, outcome.left, outcome.is_ok) == (1, 0, True)
    assert bench.market.asked == ["05"]
    assert "05" in bench.active


async def test_an_offer_without_an_answer_is_left_for_the_next() -> None:
    bench = await loaded()
    bench.hold("ghost")
    bench.market.errors = {"ghost": DOWN}
    outcome = await bench.reconcile()
    assert (outcome.left, outcome.is_ok) == (1, False)
    assert bench.said.details.endswith("retired 0, 1 left for the next")
    assert "ghost" in bench.active
    bench.market.errors.clear()
    assert (await bench.reconcile()).is_ok
    assert "ghost" not in bench.active


async def test_the_budget_bounds_the_look_ups() -> None:
    bench = await loaded(100)
    bench.hold("a", "b", "c")
    outcome = await bench.reconcile(budget=2, guard=Guard())
    assert bench.market.asked == ["a", "b"]
    assert (outcome.left, outcome.waiting, outcome.is_ok) == (1, 0, False)


async def test_an_offer_that_a_later_change_has_mentioned_is_not_asked_about() -> None:
    bench = await loaded()
    bench.hold("lively", seq=5000)
    outcome = await bench.reconcile()
    assert (outcome.unseen, bench.market.asked) == (0, [])


async def test_a_removal_that_would_say_nothing_new_waits_for_the_feed_to_move_on_and_is_no_error() -> None:
    bench = a_bench()
    bench.market.events = []
    await bench.load()
    bench.market.remove("04", quietly=True)
    outcome = await bench.reconcile()
    assert (outcome.unseen, outcome.waiting, outcome.left, bench.market.asked) == (1, 1, 0, [])
    assert (bench.said.is_ok, outcome.is_ok) == (True, True)
    assert bench.said.details.endswith("retired 0, 1 wait for the feed to move on")
    bench.market.add("new")
    assert (await bench.reconcile()).is_ok
    assert bench.active == set(bench.market.listed)


async def test_more_than_the_guard_allows_is_refused_unless_forced(caplog: pytest.LogCaptureFixture) -> None:
    bench = await loaded()
    bench.hold("a", "b", "c")
    with caplog.at_level(logging.ERROR):
        outcome = await bench.reconcile()
    assert outcome.refusal == "3 of 13 offers would go, more than 2"
    assert (outcome.is_ok, bench.market.asked) == (False, [])
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert (bench.said.is_ok, "refused" in bench.said.details) == (False, True)
    assert not await bench.sweeps.is_reconciled(PLATFORM)
    outcome = await bench.reconcile(force=True)
    assert outcome.is_ok
    assert bench.active == set(bench.market.listed)


async def test_an_empty_list_retires_nothing() -> None:
    bench = await loaded(2)
    bench.market.listed = []
    outcome = await bench.reconcile()
    assert outcome.refusal == "the list is empty"
    assert bench.active == {"01", "02"}


async def test_an_empty_list_of_a_platform_without_offers_is_in_order() -> None:
    bench = await loaded(0)
    outcome = await bench.reconcile()
    assert (outcome.is_complete, outcome.is_ok, outcome.refusal) == (True, True, "")


async def test_a_list_that_shrank_retires_nothing() -> None:
    bench = await loaded(20)
    bench.market.listed = bench.market.listed[:16]
    outcome = await bench.reconcile(guard=Guard(most_offers=100))
    assert outcome.refusal == "the list has shrunk from 10 to 8 pages"


async def test_a_sweep_with_a_gap_retires_nothing() -> None:
    bench = await loaded()
    bench.hold("ghost")
    bench.market.dead = {3: DOWN}
    outcome = await bench.reconcile()
    assert (outcome.gaps, outcome.is_ok) == (1, False)
    assert outcome.refusal == "the sweep is incomplete, 1 of its pages are missing"
    bench.market.dead.clear()
    assert (await bench.reconcile()).is_ok
    assert bench.active == set(bench.market.listed)


async def test_a_sweep_that_was_killed_goes_on_and_remembers_what_it_saw() -> None:
    bench = await loaded()
    bench.hold("ghost")
    bench.market.dead = {4: _KilledError()}
    with pytest.raises(_KilledError):
        await bench.reconcile()
    bench.market.dead.clear()
    before = len(bench.market.requests)
    outcome = await bench.reconcile()
    assert bench.market.requests[before:] == [2, 3, 4, 5]
    assert len(bench.sweep_runs) == 1
    assert (outcome.sweeps, outcome.unseen, bench.market.asked) == (1, 1, ["ghost"])
    assert bench.active == set(bench.market.listed)


async def test_what_a_sweep_saw_before_a_load_anew_hides_nothing_that_has_gone() -> None:
    bench = await loaded()
    bench.market.dead = {4: _KilledError()}
    with pytest.raises(_KilledError):
        await bench.reconcile()
    bench.market.dead.clear()
    bench.market.remove("02", quietly=True)
    await bench.clock.sleep(30 * 86_400)
    await bench.load(again=True)
    outcome = await bench.reconcile()
    assert outcome.is_ok
    assert bench.active == set(bench.market.listed)


async def test_a_sweep_that_stopped_at_dead_pages_goes_on() -> None:
    bench = await loaded()
    bench.market.dead = dict.fromkeys((2, 3, 4), DOWN)
    with pytest.raises(LoadStoppedError, match="3 pages in a row are dead"):
        await bench.reconcile()
    assert bench.sweep_runs[-1].status is RunStatus.FAILED
    bench.market.dead.clear()
    outcome = await bench.reconcile()
    assert (outcome.is_ok, outcome.gaps, len(bench.sweep_runs)) == (True, 0, 1)


async def test_stop_ends_it_and_the_next_call_goes_on() -> None:
    bench = await loaded()
    bench.market.meanwhile = {8: bench.stop.set}
    outcome = await bench.reconcile()
    assert (outcome.is_complete, outcome.sweeps) == (False, 0)
    assert "interrupted" in bench.said.details
    assert [bench.said.counts[name] for name in ("found", "gaps", "unseen", "waiting", "left")] == [0] * 5
    bench.stop.clear()
    assert (await bench.reconcile()).is_complete
    assert len(bench.sweep_runs) == 1


async def test_stop_while_offers_are_looked_up_keeps_the_sights_for_the_next_call() -> None:
    bench = await loaded()
    bench.hold("a", "b")
    look_up = bench.market.offer

    async def stopping(inner_id: InnerId) -> SourceRow | None:
        bench.stop.set()
        return await look_up(inner_id)

    bench.market.offer = stopping  # type: ignore[method-assign]  # a signal while the first is looked up
    assert not (await bench.reconcile()).is_complete
    assert bench.sweeps.seen
    assert "interrupted" in bench.said.details


async def test_what_does_not_land_is_waited_for_and_then_left_behind(caplog: pytest.LogCaptureFixture) -> None:
    bench = a_bench()
    await bench.load()
    bench.sweeps.lands = False
    bench.market.add("new")
    before = bench.clock.monotonic()
    with caplog.at_level(logging.WARNING):
        await bench.reconcile()
    assert bench.clock.monotonic() - before >= 60
    assert any("do not land" in record.message for record in caplog.records)


async def test_what_has_been_on_its_way_for_more_than_a_day_is_lost_and_not_waited_for() -> None:
    bench = a_bench()
    bench.market.events = []
    await bench.load()
    bench.sweeps.lands = False
    for row in bench.store.ledger.values():
        row.status = "fetched"
    await bench.clock.sleep(25 * 3600)
    before = bench.clock.monotonic()
    await bench.reconcile()
    assert bench.clock.monotonic() - before < 60


async def test_before_a_first_load_there_is_nothing_to_reconcile() -> None:
    bench = a_bench()
    with pytest.raises(LoadStoppedError, match="no first load has been finished"):
        await bench.reconcile()
    assert bench.sweep_runs == []


async def test_a_database_that_is_away_is_waited_for() -> None:
    bench = await loaded()
    bench.sweeps.outages = 30
    assert (await bench.reconcile()).is_ok


async def test_the_reference_is_kept_once() -> None:
    bench = a_bench()
    bench.market.meanwhile = {3: partial(bench.market.remove, "01")}
    await bench.load()
    outcome = await bench.reconcile()
    assert outcome.sweeps == 2
    assert bench.sweeps.filters[PLATFORM][0] == b'{"mark":{}}'


@pytest.mark.parametrize("error", [DOWN, UpstreamError(Cause.NOT_FOUND, "status 404")], ids=str)
async def test_a_reference_that_cannot_be_fetched_holds_nothing_up(
    error: UpstreamError, caplog: pytest.LogCaptureFixture
) -> None:
    bench = await loaded()
    bench.market.reference = error
    with caplog.at_level(logging.WARNING):
        assert (await bench.reconcile()).is_ok
    assert bench.sweeps.filters == {}
    assert any("filters were not fetched" in record.message for record in caplog.records)


class _KilledError(BaseException):
    """Ends a walk as `kill -9` would: nothing of ours runs after it."""
