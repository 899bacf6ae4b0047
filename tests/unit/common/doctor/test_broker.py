"""A broker that holds publishers back takes nothing any more: the doctor says so, and ends."""

import asyncio
from pathlib import Path
from typing import Never

import pytest
from aio_pika.exceptions import ChannelClosed

from common.doctor import broker
from common.doctor.report import Level

pytestmark = pytest.mark.unit
TEMPLATE = Path(__file__).resolve().parents[4] / "deploy" / "rabbitmq" / "definitions.json"


class _Channel:
    """A channel on which nothing is found."""

    is_closed = True

    async def declare_queue(self, _name: str, *, passive: bool) -> Never:
        raise ChannelClosed(404, f"{passive=}")

    declare_exchange = declare_queue


class _Blocked:
    """A connection that lets look, and from which nothing is read once somebody wants to publish."""

    transport = None

    async def channel(self, *, publisher_confirms: bool = True) -> _Channel:
        if not publisher_confirms:
            await asyncio.Event().wait()
        return _Channel()

    async def close(self) -> None:
        await asyncio.Event().wait()


async def test_a_broker_that_takes_no_message_is_told_and_left(monkeypatch: pytest.MonkeyPatch) -> None:
    async def connected(_nodes: object, *, timeout_s: float) -> _Blocked:
        assert timeout_s
        return _Blocked()

    monkeypatch.setattr(broker, "connected", connected)
    async with asyncio.timeout(60):
        lines = [line async for line in broker.amqp_lines("amqp://fetcher:x@h/v", TEMPLATE, timeout_s=0.01)]
    assert (lines[-1].level, lines[-1].what) == (Level.WARNING, "broker rights")
    assert lines[-1].seen == "not tried: the broker takes no message within 0.01 s"
