"""A broker that takes nothing any more, as a whole or for one queue: the doctor says so, and ends."""

import asyncio
from functools import partial
from pathlib import Path
from typing import Any, Never

import httpx
import pytest
from aio_pika.exceptions import ChannelClosed, ConnectionClosed

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


def a_queue(name: str, policy: object, **held: int) -> dict[str, Any]:
    """Return what the management API says of a queue, as far as its room goes."""
    return {"name": name, "effective_policy_definition": policy, "messages": 0, "message_bytes": 0, **held}


KEEP = {"overflow": "reject-publish", "max-length-bytes": 1000}
SHORT = {"overflow": "reject-publish", "max-length": 10}


@pytest.mark.parametrize(
    ("queue", "level", "seen"),
    [
        (a_queue("normalizer.raw.dead", KEEP, message_bytes=799), None, ""),
        (a_queue("normalizer.raw.dead", KEEP, message_bytes=800), Level.WARNING, "800 of 1,000 bytes"),
        (a_queue("normalizer.raw.dead", KEEP, message_bytes=1000), Level.ERROR, "1,000 of 1,000 bytes"),
        (a_queue("fetcher.commands", SHORT, messages=12), Level.ERROR, "12 of 10 messages"),
        (a_queue("fetcher.events", SHORT | {"overflow": "drop-head"}, messages=10), None, ""),
        (a_queue("mine", {}, messages=10**9), None, ""),
        (a_queue("mine", [], messages=10**9), None, ""),
    ],
)
async def test_a_queue_that_refuses_messages_or_soon_will_is_named(
    monkeypatch: pytest.MonkeyPatch, queue: dict[str, Any], level: Level | None, seen: str
) -> None:
    answers: dict[str, Any] = {"/api/nodes": [{"name": "n"}], "/api/queues/v": [queue]}
    transport = httpx.MockTransport(lambda request: httpx.Response(200, json=answers.get(request.url.path, [])))
    monkeypatch.setattr(httpx, "AsyncClient", partial(httpx.AsyncClient, transport=transport))
    console = broker.Console(("http://h",), "v", "operator", "x")
    lines = [line async for line in broker.console_lines(console, TEMPLATE, timeout_s=1)]
    found = [(line.level, line.seen) for line in lines if line.what == f"room in {queue['name']}"]
    assert found == ([] if level is None else [(level, seen)])


class _Torn(_Blocked):
    """A connection that is lost at the first question."""

    async def channel(self, *, publisher_confirms: bool = True) -> Never:
        raise ConnectionClosed(320, f"CONNECTION_FORCED {publisher_confirms}")

    async def close(self) -> None:
        """Be closed already."""


async def test_a_broker_that_goes_away_meanwhile_is_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    async def connected(_nodes: object, *, timeout_s: float) -> _Torn:
        assert timeout_s
        return _Torn()

    monkeypatch.setattr(broker, "connected", connected)
    lines = [line async for line in broker.amqp_lines("amqp://fetcher:x@h/v", TEMPLATE, timeout_s=1)]
    assert (lines[-1].level, lines[-1].what) == (Level.ERROR, "broker")
    assert lines[-1].seen.startswith("not looked at to the end: ")
    assert "CONNECTION_FORCED" in lines[-1].seen
