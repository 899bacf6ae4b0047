"""Landing again while waiting helps, and giving up at the bound."""

from collections.abc import Awaitable, Callable
from random import Random

import pytest

from common.testing.clock import VirtualClock
from normalizer.core.errors import PoisonError, TransientError, UnfitError
from normalizer.core.patience import LONGEST_WAIT_S, SHORTEST_WAIT_S, patiently


class Database:
    """Fails a number of times, each taking `takes_s`, before it works."""

    def __init__(self, clock: VirtualClock, *, failures: int, takes_s: float = 0.0) -> None:
        self._clock = clock
        self._failures = failures
        self._takes_s = takes_s
        self.calls = 0

    async def land(self) -> str:
        """Land, or fail."""
        self.calls += 1
        if self._takes_s:
            await self._clock.sleep(self._takes_s)
        if self.calls <= self._failures:
            raise TransientError(f"failure {self.calls}")
        return "landed"


async def never(_error: TransientError, _failing_s: float) -> bool:
    return False


async def attempt(
    land: Callable[[], Awaitable[str]],
    clock: VirtualClock,
    seed: int = 0,
    goes_on: Callable[[TransientError, float], Awaitable[bool]] = never,
) -> tuple[str, list[int]]:
    heard: list[int] = []
    result = await patiently(
        land,
        clock=clock,
        random=Random(seed),  # noqa: S311 - jitter
        give_up_after_s=30,
        on_retry=lambda _, failures: heard.append(failures),
        goes_on=goes_on,
    )
    return result, heard


async def test_success_needs_no_wait() -> None:
    clock = VirtualClock()
    assert await attempt(Database(clock, failures=0).land, clock) == ("landed", [])
    assert clock.slept == []


async def test_each_failure_is_heard_of_and_waited_for_with_a_growing_jitter() -> None:
    first = set()
    for seed in range(20):
        clock = VirtualClock()
        result, heard = await attempt(Database(clock, failures=8).land, clock, seed)
        assert (result, heard) == ("landed", [1, 2, 3, 4, 5, 6, 7, 8])
        bounds = [min(LONGEST_WAIT_S, SHORTEST_WAIT_S * 2**n) for n in range(1, 9)]
        assert all(SHORTEST_WAIT_S <= slept <= bound for slept, bound in zip(clock.slept, bounds, strict=True))
        first.add(clock.slept[0])
    assert len(first) > 1


@pytest.mark.parametrize("takes_s", [0.0, 5.0, 60.0])
async def test_it_gives_up_at_the_first_failure_after_the_bound(takes_s: float) -> None:
    clock = VirtualClock()
    with pytest.raises(TransientError):
        await attempt(Database(clock, failures=10_000, takes_s=takes_s).land, clock)
    assert 30 <= clock.monotonic() - takes_s <= 30 + LONGEST_WAIT_S + takes_s


async def test_whether_to_go_on_is_asked_at_each_bound_until_it_gives_up() -> None:
    clock, asked = VirtualClock(), list[float]()

    async def goes_on(_error: TransientError, failing_s: float) -> bool:
        asked.append(failing_s)
        return len(asked) < 3

    with pytest.raises(TransientError):
        await attempt(Database(clock, failures=10_000).land, clock, goes_on=goes_on)
    assert len(asked) == 3
    assert all(30 * n <= failing_s <= 30 * n + n * LONGEST_WAIT_S for n, failing_s in enumerate(asked, start=1))


async def test_the_bound_counts_from_the_first_failure_and_not_from_the_start() -> None:
    clock = VirtualClock()
    database = Database(clock, failures=1, takes_s=60)
    assert (await attempt(database.land, clock))[0] == "landed"
    assert database.calls == 2


async def test_an_error_that_waiting_does_not_help_is_raised_at_once() -> None:
    async def poison() -> str:
        raise PoisonError("never")

    clock = VirtualClock()
    with pytest.raises(PoisonError):
        await attempt(poison, clock)
    assert clock.slept == []


async def test_a_database_that_somebody_has_to_mend_is_not_tried_again() -> None:
    clock, calls = VirtualClock(), []

    async def land() -> str:
        calls.append(1)
        raise UnfitError("42P01")

    with pytest.raises(UnfitError):
        await attempt(land, clock)
    assert (len(calls), clock.slept) == (1, [])
