"""Dead letters that nobody takes: tried again for ever, and told of as long as it lasts."""

import asyncio
from typing import Any

import pytest
from aio_pika.abc import AbstractIncomingMessage
from prometheus_client import CollectorRegistry

from common.errors import InvalidEventError
from common.testing.clock import VirtualClock
from normalizer.entrypoints.burial import TELL_EVERY_S, Burial
from normalizer.entrypoints.metrics import ConsumerMetrics

ROOM = 3
WARNING, ERROR = "Dead letters not confirmed, holding them", "No page is taken before normalizer.raw.dead has room"


class Grave:
    """Takes nothing before it has room."""

    def __init__(self) -> None:
        self.has_room = False
        self.tried = 0

    async def bury(self, _message: AbstractIncomingMessage, _error: InvalidEventError) -> None:
        """Take one or refuse it."""
        self.tried += 1
        if not self.has_room:
            raise ConnectionError("refused")


class Road:
    """A burial with its clock, and messages that wait for it."""

    def __init__(self) -> None:
        self.clock, self.grave, self.registry = VirtualClock(auto_advance=False), Grave(), CollectorRegistry()
        self.is_over = False
        metrics = ConsumerMetrics(self.registry)
        self._burial = Burial(self.grave.bury, room=ROOM, retry_after_s=5, clock=self.clock, metrics=metrics)

    def begin(self, number: int) -> "list[asyncio.Task[bool]]":
        """Let so many messages more wait."""
        message: Any = type("Message", (), {"message_id": "m1"})()
        error = InvalidEventError("not_json", "no")
        return [
            asyncio.create_task(self._burial.buried(message, error, is_over=lambda: self.is_over))
            for _ in range(number)
        ]


@pytest.fixture
def road() -> Road:
    return Road()


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return what was told since the last time, without what follows a colon or a number."""
    lines = [record.message for record in caplog.records if record.name.endswith("burial")]
    caplog.clear()
    return [line.split(":")[0].split(" held")[0] for line in lines]


async def test_while_there_is_room_for_pages_a_warning_comes_once_a_minute(
    road: Road, caplog: pytest.LogCaptureFixture
) -> None:
    waiting = road.begin(ROOM - 1)
    await road.clock.advance(TELL_EVERY_S - 5)
    assert told(caplog) == [WARNING]
    await road.clock.advance(2 * TELL_EVERY_S)
    assert told(caplog) == [WARNING, WARNING]
    road.grave.has_room = True
    await road.clock.advance(5)
    assert await asyncio.gather(*waiting) == [True, True]
    assert road.registry.get_sample_value("feedmill_dead_letters_total", {"reason": "not_json"}) == 2


async def test_that_no_page_is_taken_any_more_is_an_error_at_once_and_once_a_minute(
    road: Road, caplog: pytest.LogCaptureFixture
) -> None:
    waiting = road.begin(1)
    await road.clock.advance(1)
    waiting += road.begin(ROOM - 1)
    await road.clock.advance(1)
    assert told(caplog) == [WARNING, ERROR]
    await road.clock.advance(TELL_EVERY_S)
    assert told(caplog) == [ERROR]
    road.grave.has_room = True
    await road.clock.advance(5)
    assert all(await asyncio.gather(*waiting))


async def test_a_delivery_that_is_over_is_not_buried_and_waits_no_longer(
    road: Road, caplog: pytest.LogCaptureFixture
) -> None:
    waiting = road.begin(ROOM)
    await road.clock.advance(1)
    road.is_over = True
    await road.clock.advance(5)
    assert await asyncio.gather(*waiting) == [False] * ROOM
    assert road.grave.tried == ROOM
    told(caplog)
    road.is_over, waiting = False, road.begin(1)
    await road.clock.advance(TELL_EVERY_S)
    assert told(caplog) == [WARNING]
    road.grave.has_room = True
    await road.clock.advance(5)
    assert await asyncio.gather(*waiting) == [True]
