"""Asking about single offers: paced, with little patience, and not for ever."""

import asyncio

import pytest
from tests.contract.fetcher.fake_changes import FakeFeed
from tests.unit.fetcher.core.change_bench import START, ChangeBench

from common.events import InnerId
from common.testing.clock import VirtualClock
from fetcher.core.errors import Cause, LoadStoppedError, UpstreamError
from fetcher.core.inquiry import Answers, InquiryLimits, OfferInquiry
from fetcher.core.retry import RetryPolicy

pytestmark = pytest.mark.unit

DOWN = UpstreamError(Cause.SERVER_ERROR, "status 503")


def asking(bench: ChangeBench, *, interval_s: float = 1.0) -> OfferInquiry:
    """Return an inquiry of a new process."""
    limits = InquiryLimits(RetryPolicy(max_retries=0), interval_s=interval_s)
    return OfferInquiry(bench.feed, bench.reader(), bench.clock, limits=limits, stop=bench.stop)


def ids(*names: str) -> list[InnerId]:
    """Return inner ids."""
    return [InnerId(name) for name in names]


async def test_it_tells_who_is_found_who_is_not_and_of_whom_nobody_knows() -> None:
    bench = ChangeBench()
    bench.feed.offers = {"a": b'{"price":1}', "c": UpstreamError(Cause.WRONG_SHAPE, "another offer")}
    answers = await asking(bench).confirm_gone(ids("a", "b", "c"))
    assert [(row.inner_id, row.change_type, bytes(row.data)) for row in answers.found] == [
        ("a", "added", b'{"price":1}')
    ]
    assert (answers.gone, answers.failed) == (["b"], {"c": "wrong_shape: another offer"})
    assert not answers.is_cut_short


async def test_requests_are_paced_one_at_a_time() -> None:
    bench = ChangeBench()
    await asking(bench, interval_s=2.5).confirm_gone(ids("a", "b", "c"))
    assert [(moment - START).total_seconds() for moment in bench.feed.moments] == [0, 2.5, 5]
    assert bench.feed.most_in_flight == 1


async def test_one_unusable_answer_costs_no_long_wait() -> None:
    bench = ChangeBench()
    bench.feed.offers = {"a": DOWN}
    answers = await asking(bench).confirm_gone(ids("a", "b"))
    assert (list(answers.failed), answers.gone) == (["a"], ["b"])
    assert (bench.clock.now() - START).total_seconds() == 1


async def test_a_hiccup_is_tried_again_at_once() -> None:
    bench = ChangeBench()
    offer, tries = bench.feed.offer, []

    async def stumbling(inner_id: InnerId) -> None:
        tries.append(inner_id)
        if len(tries) < 3:
            raise UpstreamError(Cause.CONNECTION)
        await offer(inner_id)

    bench.feed.offer = stumbling  # type: ignore[method-assign]  # fails twice, then as usual
    answers = await asking(bench).confirm_gone(ids("a"))
    assert (answers.gone, len(tries)) == (["a"], 3)


async def test_three_unusable_answers_in_a_row_end_it_and_one_good_answer_between_does_not() -> None:
    bench = ChangeBench()
    bench.feed.offers = {"a": DOWN, "b": DOWN, "d": DOWN, "e": DOWN, "f": DOWN}
    inquiry = asking(bench)
    answers = await inquiry.confirm_gone(ids("a", "b", "c", "d", "e", "f", "g"))
    assert (answers.gone, list(answers.failed)) == (["c"], ["a", "b", "d", "e", "f"])
    assert answers.is_cut_short
    assert inquiry.has_given_up
    assert bench.feed.asked("offer") == ["a", "b", "c", "d", "e", "f"]


async def test_an_offer_that_may_not_be_asked_about_does_not_stop_the_others() -> None:
    bench = ChangeBench()
    bench.feed.offers = {"a": UpstreamError(Cause.BAD_REQUEST, "status 400")}
    answers = await asking(bench).confirm_gone(ids("a", "b"))
    assert (list(answers.failed), answers.gone) == (["a"], ["b"])


async def test_a_refusal_of_the_key_stops_at_once() -> None:
    bench = ChangeBench()
    bench.feed.offers = {"a": UpstreamError(Cause.FORBIDDEN, "status 403")}
    with pytest.raises(LoadStoppedError, match="http_403"):
        await asking(bench).confirm_gone(ids("a", "b"))
    assert bench.feed.asked("offer") == ["a"]


async def test_asked_to_stop_it_returns_what_it_has() -> None:
    bench = ChangeBench(clock=VirtualClock(START, auto_advance=False))
    bench.feed = FakeFeed(bench.clock, offers={"a": b"{}"})
    task: asyncio.Task[Answers] = asyncio.create_task(asking(bench, interval_s=60).confirm_gone(ids("a", "b")))
    await bench.clock.advance(1)
    bench.stop.set()
    await bench.clock.advance(0)
    answers = await task
    assert ([row.inner_id for row in answers.found], answers.gone, answers.is_cut_short) == (["a"], [], True)
    assert bench.feed.asked("offer") == ["a"]
