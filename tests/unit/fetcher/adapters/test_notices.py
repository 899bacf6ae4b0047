"""Notices are sent in their order, as JSON that people read, and wait for a broker that is away."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import cast

import aio_pika

from common.errors import UnavailableError
from common.testing.clock import VirtualClock
from fetcher.adapters.notices import MOST_WAITING, RabbitNotices
from fetcher.adapters.rabbit import RabbitPublisher
from fetcher.core.errors import TopologyError
from fetcher.core.service_ports import Happening, Notice

NOW = datetime(2026, 11, 21, 4, 41, 35, 120_000, tzinfo=UTC)


def a_notice(text: str = "paused; nothing was running", counts: dict[str, int] | None = None) -> Notice:
    return Notice(command="pause", happening=Happening.DONE, platform="che168", at=NOW, text=text, counts=counts or {})


class FakePublisher:
    """Keeps messages, or raises what `errors` holds first."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.sent: list[tuple[str, aio_pika.Message]] = []

    async def send(self, message: aio_pika.Message, key: str, *, mandatory: bool) -> None:
        """Keep a message."""
        assert not mandatory
        if self.errors:
            raise self.errors.pop(0)
        self.sent.append((key, message))

    def texts(self) -> list[str]:
        """Return the texts sent."""
        return [json.loads(message.body)["text"] for _, message in self.sent]


@asynccontextmanager
async def sending(publisher: FakePublisher) -> AsyncIterator[RabbitNotices]:
    notices = RabbitNotices(cast("RabbitPublisher", publisher), clock=VirtualClock(), pause_s=1)
    task = asyncio.create_task(notices.keep_sending())
    yield notices
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def test_a_notice_is_persistent_json_under_a_key_that_says_what_happened() -> None:
    publisher = FakePublisher()
    async with sending(publisher) as notices:
        notices.tell(a_notice("всё \ud800", {"pages": 3}))
        await notices.sent()
    ((key, message),) = publisher.sent
    assert key == "fetcher.pause.done"
    assert (message.delivery_mode, message.content_type) == (aio_pika.DeliveryMode.PERSISTENT, "application/json")
    assert json.loads(message.body) == {
        "command": "pause",
        "happening": "done",
        "platform": "che168",
        "time": "2026-11-21T04:41:35.120+00:00",
        "text": "всё ?",
        "counts": {"pages": 3},
    }


async def test_notices_wait_for_the_broker_and_keep_their_order() -> None:
    publisher = FakePublisher(UnavailableError("away"), UnavailableError("away"))
    async with sending(publisher) as notices:
        for text in "abc":
            notices.tell(a_notice(text))
        await notices.sent()
    assert publisher.texts() == ["a", "b", "c"]


async def test_a_broker_without_the_exchange_costs_the_notice_only() -> None:
    publisher = FakePublisher(TopologyError("no exchange"))
    async with sending(publisher) as notices:
        for text in "ab":
            notices.tell(a_notice(text))
        await notices.sent()
    assert publisher.texts() == ["b"]


async def test_of_too_many_notices_the_oldest_give_way() -> None:
    publisher = FakePublisher()
    notices = RabbitNotices(cast("RabbitPublisher", publisher), clock=VirtualClock(), pause_s=1)
    for number in range(MOST_WAITING + 2):
        notices.tell(a_notice(str(number)))
    task = asyncio.create_task(notices.keep_sending())
    await notices.sent()
    task.cancel()
    assert publisher.texts() == [str(number) for number in range(2, MOST_WAITING + 2)]
