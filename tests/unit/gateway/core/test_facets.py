"""Facets are counted once for all who ask, kept briefly, bounded, and never kept when counting failed."""

import asyncio
from collections.abc import Sequence

import pytest

from common.errors import UnavailableError
from common.testing.clock import VirtualClock
from gateway.core.facets import KEPT_S, MOST_KEPT, MOST_VALUES, FacetCache, Facets, ValueCount, most_frequent
from gateway.core.query import Condition, read_filters

pytestmark = pytest.mark.unit


class Counting:
    """Counts when it is let; fails when told to."""

    def __init__(self) -> None:
        self.asked = 0
        self.go = asyncio.Event()
        self.failure: Exception | None = None

    async def load(self, _conditions: Sequence[Condition]) -> Facets:
        """Answer with the number of the question."""
        self.asked += 1
        number = self.asked
        await self.go.wait()
        if self.failure is not None:
            raise self.failure
        return Facets(number, {})


def of(mark: object) -> tuple[Condition, ...]:
    """Return the condition of one mark."""
    return read_filters([("mark", str(mark))])


async def test_one_counts_for_all_who_ask_at_once() -> None:
    counting = Counting()
    cache = FacetCache(counting.load, clock=VirtualClock())
    asking = [asyncio.ensure_future(cache.get(of("BMW"))) for _ in range(5)]
    await VirtualClock().sleep(0)
    asking[0].cancel()
    counting.go.set()
    answers = await asyncio.gather(*asking, return_exceptions=True)
    assert counting.asked == 1
    assert [answer.total for answer in answers if isinstance(answer, Facets)] == [1] * 4


async def test_what_is_kept_grows_old() -> None:
    counting, clock = Counting(), VirtualClock()
    counting.go.set()
    cache = FacetCache(counting.load, clock=clock)
    totals = [(await cache.get(())).total]
    await clock.advance(KEPT_S - 1)
    totals.append((await cache.get(())).total)
    await clock.advance(1)
    totals.append((await cache.get(())).total)
    assert totals == [1, 1, 2]


async def test_a_failure_is_raised_and_not_kept() -> None:
    counting = Counting()
    counting.go.set()
    counting.failure = UnavailableError("away")
    cache = FacetCache(counting.load, clock=VirtualClock())
    with pytest.raises(UnavailableError):
        await cache.get(())
    counting.failure = None
    assert (await cache.get(())).total == 2


async def test_no_more_than_so_many_are_kept() -> None:
    counting = Counting()
    counting.go.set()
    cache = FacetCache(counting.load, clock=VirtualClock())
    for number in range(MOST_KEPT + 1):
        await cache.get(of(number))
    await cache.get(of(1))
    assert counting.asked == MOST_KEPT + 1
    await cache.get(of(0))
    assert counting.asked == MOST_KEPT + 2


def test_the_most_frequent_values_come_first_up_to_a_bound() -> None:
    counts = [ValueCount(f"v{number}", number // 2) for number in range(MOST_VALUES + 10)]
    shown = most_frequent(counts)
    assert len(shown) == MOST_VALUES
    assert shown[:3] == [ValueCount("v58", 29), ValueCount("v59", 29), ValueCount("v56", 28)]
