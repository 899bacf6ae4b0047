"""An answer that is dear to make is made once for many, and anew when it is old or was never there."""

import asyncio

import pytest

from common.errors import UnavailableError
from common.testing.clock import VirtualClock
from gateway.core.kept import Kept

pytestmark = pytest.mark.unit


class Maker:
    """Makes numbers, from 1, or fails."""

    def __init__(self) -> None:
        self.made = 0
        self.is_away = False

    async def make(self) -> int:
        """Return the next number a little later."""
        self.made += 1
        number = self.made
        await asyncio.sleep(0)  # noqa: TID251 - takes no time
        if self.is_away:
            raise UnavailableError("away")
        return number


async def test_many_who_ask_at_once_get_one_answer_and_later_ones_until_it_is_old() -> None:
    clock, maker = VirtualClock(), Maker()
    kept = Kept(maker.make, clock=clock, kept_s=30)
    assert await asyncio.gather(*(kept.get() for _ in range(20))) == [1] * 20
    await clock.sleep(29.9)
    assert await kept.get() == 1
    await clock.sleep(0.1)
    assert await kept.get() == 2


async def test_what_is_kept_for_no_time_is_shared_while_it_is_made() -> None:
    kept = Kept(Maker().make, clock=VirtualClock(), kept_s=0)
    assert list(await asyncio.gather(kept.get(), kept.get())) == [1, 1]
    assert await kept.get() == 2


async def test_a_failure_is_not_kept() -> None:
    maker = Maker()
    kept = Kept(maker.make, clock=VirtualClock(), kept_s=30)
    maker.is_away = True
    results = await asyncio.gather(*(kept.get() for _ in range(3)), return_exceptions=True)
    assert [type(result) for result in results] == [UnavailableError] * 3
    maker.is_away = False
    assert (await kept.get(), maker.made) == (2, 2)


async def test_one_who_goes_away_takes_nothing_from_the_others() -> None:
    maker = Maker()
    kept = Kept(maker.make, clock=VirtualClock(), kept_s=30)
    first, second = asyncio.create_task(kept.get()), asyncio.create_task(kept.get())
    await asyncio.sleep(0)  # noqa: TID251 - takes no time
    first.cancel()
    assert await second == 1
