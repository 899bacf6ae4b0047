"""The moment of the data: the earliest of what is shown, asked for seldom, and never later than the truth."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime

import pytest

from common.errors import UnavailableError
from common.testing.clock import VirtualClock
from gateway.core.as_of import AREAS, DataAsOf

pytestmark = pytest.mark.unit

EARLY, LATE = datetime(2026, 11, 19, tzinfo=UTC), datetime(2026, 11, 20, tzinfo=UTC)


class Database:
    """What is asked for the moments."""

    def __init__(self, moments: Mapping[str, datetime | None]) -> None:
        self.moments = moments
        self.asked = 0
        self.is_away = False

    async def load(self) -> Mapping[str, datetime | None]:
        """Return them a little later."""
        self.asked += 1
        found = self.moments
        await asyncio.sleep(0)  # noqa: TID251 - takes no time
        if self.is_away:
            raise UnavailableError("away")
        return found


def kept(database: Database, clock: VirtualClock | None = None) -> DataAsOf:
    """Return the moments of two platforms and two shops."""
    return DataAsOf(
        database.load, clock=clock or VirtualClock(), platforms=["che168", "encar"], shops=["bot_igor", "other"]
    )


async def settle() -> None:
    """Let what was begun end."""
    for _ in range(5):
        await asyncio.sleep(0)  # noqa: TID251 - takes no time


@pytest.mark.parametrize(
    ("area", "platform", "expected"),
    [
        ("offers", None, EARLY),
        ("filters", None, EARLY),
        ("offers", "che168", LATE),
        ("offers", "encar", EARLY),
        ("offers", "bot_igor", None),
        ("offers", "unheard", None),
        ("products", None, LATE),
        ("categories", "other", None),
        ("changes", None, EARLY),
        ("changes", "bot_igor", LATE),
        ("search", None, EARLY),
    ],
)
async def test_it_is_the_earliest_of_what_is_shown(area: str, platform: str | None, expected: datetime | None) -> None:
    database = Database({"che168": LATE, "encar": EARLY, "bot_igor": LATE})
    assert await kept(database).of(area, platform) == expected
    assert area in AREAS


async def test_it_is_unknown_while_one_of_them_was_never_whole() -> None:
    as_of = kept(Database({"che168": LATE, "encar": None}))
    assert [await as_of.of("offers"), await as_of.of("offers", "che168")] == [None, LATE]
    assert await as_of.of("products") is None


async def test_it_is_asked_for_once_a_second_and_only_the_first_waits() -> None:
    clock, database = VirtualClock(), Database({"che168": EARLY})
    as_of = kept(database, clock)
    assert await asyncio.gather(*(as_of.of("offers") for _ in range(50))) == [EARLY] * 50
    database.moments = {"che168": LATE}
    for _ in range(50):
        assert await as_of.of("offers") == EARLY
    assert database.asked == 1
    await clock.sleep(1)
    assert await as_of.of("offers") == EARLY
    await settle()
    assert await as_of.of("offers") == LATE
    assert database.asked == 2


async def test_what_was_known_stays_true_while_the_database_is_away() -> None:
    clock, database = VirtualClock(), Database({"che168": EARLY})
    as_of = kept(database, clock)
    database.is_away = True
    assert await as_of.of("offers") is None
    database.is_away = False
    for moment in (None, EARLY):
        await clock.sleep(1)
        assert await as_of.of("offers") == moment
        await settle()
    database.is_away = True
    await clock.sleep(1)
    for _ in range(2):
        assert await as_of.of("offers") == EARLY
        await settle()
