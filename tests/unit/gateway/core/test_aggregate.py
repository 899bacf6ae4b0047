"""Asking several sources at once: what comes, what is missing, and that nothing is left behind."""

import asyncio
import logging
from collections.abc import Sequence
from itertools import product

import pytest
from tests.contract.gateway.fakes import FakeSource

from common.errors import UnavailableError
from common.testing.clock import VirtualClock
from gateway.core.aggregate import GRACE_S, FanOut, Gathered, Reason
from gateway.core.errors import QueryTimeoutError
from gateway.core.reference import ReferenceRecord

pytestmark = pytest.mark.unit

FAILURES = [
    UnavailableError("the database does not answer"),
    ConnectionResetError("reset"),
    KeyError("id"),
    asyncio.CancelledError(),
]


def a_clock() -> VirtualClock:
    """Return a clock that moves only by `advance`."""
    return VirtualClock(auto_advance=False)


async def asked(fan_out: FanOut, sources: Sequence[FakeSource]) -> Gathered[Sequence[ReferenceRecord]]:
    """Ask all sources."""
    return await fan_out.ask({source.name: source.records for source in sources})


async def settled() -> None:
    """Let every task that can go on go on."""
    for _ in range(20):
        await asyncio.sleep(0)  # noqa: TID251 - takes no time


@pytest.mark.parametrize("up", list(product([True, False], repeat=3)), ids=str)
@pytest.mark.parametrize("failure", FAILURES, ids=lambda failure: type(failure).__name__)
async def test_each_source_answers_or_is_missing_on_its_own(
    up: tuple[bool, ...], failure: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    sources = [FakeSource(str(n), [n], failure=None if good else failure) for n, good in enumerate(up)]
    fan_out = FanOut(clock=a_clock(), timeout_s=2)
    gathered = await asked(fan_out, sources)
    assert set(gathered.answers) == {str(n) for n, good in enumerate(up) if good}
    assert gathered.missing == {str(n): Reason.ERROR for n, good in enumerate(up) if not good}
    assert fan_out.counts == {(str(n), "ok" if good else "error"): 1 for n, good in enumerate(up)}
    assert len(caplog.records) == 3 - sum(up)
    assert all("source missing source=" in record.getMessage() for record in caplog.records)


@pytest.mark.parametrize(
    ("delay_s", "deaf", "is_missing", "answered_at"),
    [
        (1.9, False, False, 1.9),
        (2.1, False, True, 2.0),
        (60, False, True, 2.0),
        (1.9, True, False, 1.9),
        (2.1, True, True, 2.0),
        (60, True, True, 2.0),
    ],
)
async def test_a_source_has_two_seconds_whatever_it_does(
    *, delay_s: float, deaf: bool, is_missing: bool, answered_at: float
) -> None:
    clock = a_clock()
    sources = [FakeSource("1", [1]), FakeSource("2", [2], clock=clock, delay_s=delay_s, deaf=deaf)]
    answer = asyncio.create_task(asked(FanOut(clock=clock, timeout_s=2), sources))
    await clock.advance(answered_at - 0.01)
    assert not answer.done()
    await clock.advance(0.01)
    assert answer.done()
    gathered = await answer
    assert gathered.summary(["1", "2"]) == ("1;ok, 2;missing;reason=timeout" if is_missing else "1;ok, 2;ok")
    await clock.advance(60)
    await settled()
    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.mark.parametrize("failure", [QueryTimeoutError("too slow"), TimeoutError("no answer")])
async def test_a_source_that_gives_up_itself_was_too_slow(failure: Exception) -> None:
    gathered = await asked(FanOut(clock=a_clock(), timeout_s=2), [FakeSource("1", failure=failure)])
    assert gathered.missing == {"1": Reason.TIMEOUT}


async def test_sources_are_asked_at_once() -> None:
    clock = a_clock()
    sources = [FakeSource(str(n), [n], clock=clock, delay_s=1.5) for n in range(3)]
    answer = asyncio.create_task(asked(FanOut(clock=clock, timeout_s=2), sources))
    await clock.advance(1.5)
    assert answer.done()
    assert (await answer).missing == {}


async def test_a_source_is_given_up_at_the_deadline_and_not_before_all_have_answered() -> None:
    clock = a_clock()
    sources = [FakeSource(str(n), [n], clock=clock, delay_s=delay) for n, delay in enumerate((0.5, 3.0, 1.5))]
    answer = asyncio.create_task(asked(FanOut(clock=clock, timeout_s=2), sources))
    await clock.advance(2)
    assert list((await answer).answers) == ["0", "2"]
    await clock.advance(GRACE_S)
    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.mark.parametrize(("delay_s", "ended"), [(2.2, "answered"), (2.3, "cancelled")])
async def test_a_late_source_may_end_by_itself_for_a_moment_before_it_is_cancelled(delay_s: float, ended: str) -> None:
    clock, seen = a_clock(), []

    async def late() -> None:
        try:
            await clock.sleep(delay_s)
            seen.append("answered")
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise

    answer = asyncio.create_task(FanOut(clock=clock, timeout_s=2).ask({"1": late}))
    await clock.advance(2)
    assert (await answer).missing == {"1": Reason.TIMEOUT}
    await clock.advance(GRACE_S - 0.01)
    assert seen == (["answered"] if ended == "answered" else [])
    await clock.advance(1)
    assert seen == [ended]


async def test_whoever_leaves_takes_the_questions_along() -> None:
    clock = a_clock()
    fan_out = FanOut(clock=clock, timeout_s=2)
    answer = asyncio.create_task(asked(fan_out, [FakeSource("1", clock=clock, delay_s=60)]))
    await settled()
    answer.cancel()
    with pytest.raises(asyncio.CancelledError):
        await answer
    await settled()
    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert fan_out.counts == {}


async def test_a_source_that_never_lets_go_is_not_asked_without_end() -> None:
    clock = a_clock()
    deaf = FakeSource("1", [1], clock=clock, delay_s=60, deaf=True)
    fan_out = FanOut(clock=clock, timeout_s=2, most_late=2)
    reasons = []
    for _ in range(3):
        answer = asyncio.create_task(asked(fan_out, [deaf]))
        await clock.advance(2)
        reasons.append((await answer).missing["1"])
    assert reasons == [Reason.TIMEOUT, Reason.TIMEOUT, Reason.BUSY]
    assert deaf.asked == 2
    await clock.advance(60)
    deaf.delay_s = 0
    assert (await asked(fan_out, [deaf])).summary(["1"]) == "1;ok"


async def test_a_late_failure_is_nobodys_business(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR, logger="asyncio")
    clock = a_clock()
    late = FakeSource("1", clock=clock, delay_s=3, deaf=True, failure=RuntimeError("too late"))
    answer = asyncio.create_task(asked(FanOut(clock=clock, timeout_s=2), [late]))
    await clock.advance(2)
    assert (await answer).missing == {"1": Reason.TIMEOUT}
    await clock.advance(1)
    await settled()
    assert [record for record in caplog.records if record.name == "asyncio"] == []
