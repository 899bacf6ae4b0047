"""Completing offers that are known only from partial events."""

from datetime import UTC, date, datetime, timedelta

import pytest
from tests.unit.fetcher.core.change_bench import START, ChangeBench

from common.events import PageKind
from common.testing.clock import VirtualClock
from fetcher.core.change_ports import Kinds
from fetcher.core.errors import Cause, LoadStoppedError, UpstreamError
from fetcher.core.ports import RunStatus
from fetcher.core.walk import Ending

pytestmark = pytest.mark.unit

DOWN = UpstreamError(Cause.SERVER_ERROR, "status 503")


def lookups(bench: ChangeBench) -> list[tuple[str | None, str, int]]:
    """Return the records of look-ups that were published, with their versions."""
    messages = [message for message in bench.publisher.messages if message.kind is PageKind.LOOKUP]
    return [(record.inner_id, record.change_type, record.seq) for message in messages for record in message.records]


def move_to(bench: ChangeBench, moment: datetime) -> None:
    """Let the next process see another moment."""
    bench.clock = bench.feed.clock = VirtualClock(moment)


async def test_what_is_known_only_in_part_is_looked_up_after_the_walk_and_stands_just_below_the_cursor() -> None:
    bench = ChangeBench()
    bench.lookups.incomplete = {"a", "b"}
    bench.feed.offers = {"a": b'{"price":1}', "b": b'{"price":2}'}
    outcome = await bench.update()
    assert outcome.is_ok
    assert bench.cursor is not None
    assert lookups(bench) == [("a", "added", bench.cursor - 1), ("b", "added", bench.cursor - 1)]
    assert bench.feed.requests[-2:] == ["offer a", "offer b"]
    assert bench.store.operations[-1].counts["completed"] == 2
    assert bench.lookups.counted == {("che168", date(2026, 1, 10)): Kinds(added=2)}


async def test_twenty_make_a_message_which_is_confirmed_before_they_are_kept() -> None:
    bench = ChangeBench()
    bench.lookups.incomplete = {f"{number:02}" for number in range(45)}
    bench.feed.offers = dict.fromkeys(bench.lookups.incomplete, b"{}")
    await bench.update()
    messages = [message for message in bench.publisher.messages if message.kind is PageKind.LOOKUP]
    assert [len(message.records) for message in messages] == [20, 20, 5]
    positions = [message.position for message in messages]
    assert positions == sorted(set(positions))
    journal = [line.split()[0] for line in bench.publisher.journal[-6:]]
    assert journal == ["confirmed", "kept"] * 3
    assert {bench.store.ledger[message.message_id].status for message in messages} == {"fetched"}


async def test_the_budget_bounds_the_lookups_of_a_run() -> None:
    bench = ChangeBench()
    bench.lookups.incomplete = {f"{number:02}" for number in range(45)}
    await bench.update(budget=7)
    assert len(bench.feed.asked("offer")) == 7
    await bench.update(budget=7)
    assert len(set(bench.feed.asked("offer"))) == 14


async def test_nothing_is_looked_up_before_the_end_of_the_feed() -> None:
    bench = ChangeBench()
    bench.lookups.incomplete = {"a"}
    assert (await bench.update(since=date(2026, 1, 3), max_dates=1)).ending is Ending.PAUSED
    assert bench.feed.asked("offer") == []


async def test_one_404_proves_nothing_and_three_over_two_days_do() -> None:
    bench = ChangeBench()
    bench.lookups.incomplete = {"a"}
    for day in range(3):
        assert lookups(bench) == []
        move_to(bench, START + timedelta(days=day, seconds=-day))  # each run reaches the look-up a little earlier
        await bench.update()
    assert bench.cursor is not None
    assert lookups(bench) == [("a", "removed", bench.cursor - 1)]
    assert bench.feed.asked("offer") == ["a"] * 3
    assert bench.store.operations[-1].counts["retired"] == 1


async def test_three_404_in_less_than_two_days_prove_nothing() -> None:
    bench = ChangeBench()
    bench.lookups.incomplete = {"a"}
    for hour in range(0, 41, 10):
        move_to(bench, START + timedelta(hours=hour))
        await bench.update()
    assert bench.feed.asked("offer") == ["a"] * 3
    assert lookups(bench) == []


async def test_two_404_prove_nothing_however_far_apart() -> None:
    bench = ChangeBench()
    bench.lookups.incomplete = {"a"}
    await bench.update()
    move_to(bench, START + timedelta(days=9))
    await bench.update()
    assert bench.feed.asked("offer") == ["a"] * 2
    assert lookups(bench) == []


async def test_an_offer_that_is_found_after_all_is_taken() -> None:
    bench = ChangeBench()
    bench.lookups.incomplete = {"a"}
    await bench.update()
    bench.feed.offers = {"a": b"{}"}
    move_to(bench, START + timedelta(days=1))
    await bench.update()
    assert [(inner_id, change_type) for inner_id, change_type, _ in lookups(bench)] == [("a", "added")]
    assert bench.lookups.kept["a"].missed == 0


async def test_an_offer_whose_record_has_not_landed_yet_is_not_asked_about_again_at_once() -> None:
    bench = ChangeBench()
    bench.lookups.incomplete = {"a"}
    bench.feed.offers = {"a": b"{}"}
    await bench.update()
    await bench.update()
    assert bench.feed.asked("offer") == ["a"]


async def test_unusable_answers_leave_the_offers_due_and_the_update_not_ok() -> None:
    bench = ChangeBench()
    bench.lookups.incomplete = {"a", "b", "c", "d"}
    bench.feed.offers = dict.fromkeys("abc", DOWN)
    outcome = await bench.update()
    assert not outcome.is_ok
    operation = bench.store.operations[-1]
    assert not operation.is_ok
    assert operation.details.startswith("daily update finished, but look-ups fail, che168: ")
    assert bench.run.status is RunStatus.DONE, "the changes themselves are all here"
    assert bench.feed.asked("offer") == ["a", "b", "c"]
    assert bench.lookups.kept["a"].error == "http_5xx: status 503"
    bench.feed.offers = {}
    await bench.update()
    assert bench.feed.asked("offer")[3:] == ["d", "a", "b", "c"]


async def test_a_refusal_ends_the_update_with_the_changes_safe() -> None:
    bench = ChangeBench()
    bench.lookups.incomplete = {"a"}
    bench.feed.offers = {"a": UpstreamError(Cause.UNAUTHORIZED, "status 401")}
    with pytest.raises(LoadStoppedError, match="http_401"):
        await bench.update()
    assert bench.run.status is RunStatus.DONE
    assert bench.day == date(2026, 1, 9)


async def test_an_answer_of_the_database_that_was_lost_counts_nothing_twice() -> None:
    bench = ChangeBench()
    bench.lookups.incomplete = {"a"}
    bench.feed.offers = {"a": b"{}"}
    bench.lookups.lost_answers = 2
    await bench.update()
    assert bench.lookups.counted == {("che168", date(2026, 1, 10)): Kinds(added=1)}


async def test_the_day_of_a_lookup_is_that_of_the_platforms_zone() -> None:
    bench = ChangeBench(clock=VirtualClock(datetime(2026, 1, 10, 21, 30, tzinfo=UTC)))
    bench.lookups.incomplete = {"a"}
    bench.feed.offers = {"a": b"{}"}
    await bench.update()
    assert list(bench.lookups.counted) == [("che168", date(2026, 1, 11))]
