"""`fetcher run` driven from RabbitMQ's management console: the very requests that its forms send, as `operator`."""

import asyncio
import json
from dataclasses import dataclass
from typing import Any

import pytest
from tests.e2e.conftest import MakeRoad
from tests.e2e.road import Road, Service, until

from common import topology
from sandbox.stack import Stack, Vhost
from sandbox.stack.management import Management

PAGES = 12
"""Of the upstream: enough for a load of some seconds at 300 ms each."""


@dataclass
class Console:
    """The console of one virtual host, as the operator uses it."""

    api: Management
    vhost: str

    async def publish(self, payload: str, routing_key: str = "fetcher.command") -> bool:
        """Press "Publish message" on the page of `feedmill.commands`; return whether it says "Message published."."""
        form = {
            "vhost": self.vhost,
            "name": topology.COMMANDS_EXCHANGE,
            "properties": {"delivery_mode": 2},
            "routing_key": routing_key,
            "delivery_mode": "2",
            "payload": payload,
            "payload_encoding": "string",
            "headers": {},
            "props": {},
        }
        path = "exchanges", self.vhost, topology.COMMANDS_EXCHANGE, "publish"
        return bool((await asyncio.to_thread(self.api.post, *path, body=form))["routed"])

    async def get_messages(self, *, ack_mode: str = "ack_requeue_false", count: int = 50) -> list[dict[str, Any]]:
        """Press "Get Message(s)" on the page of `fetcher.events`; return what it shows."""
        form = {
            "vhost": self.vhost,
            "name": topology.EVENTS_QUEUE,
            "truncate": "50000",
            "ackmode": ack_mode,
            "encoding": "auto",
            "count": str(count),
        }
        path = "queues", self.vhost, topology.EVENTS_QUEUE, "get"
        messages: list[dict[str, Any]] = await asyncio.to_thread(self.api.post, *path, body=form)
        return messages

    async def reads(self, *wanted: str) -> list[dict[str, Any]]:
        """Get messages until the last of the wanted routing keys has come; those that came are the wanted ones."""
        found: list[dict[str, Any]] = []

        async def has_come() -> bool:
            found.extend(await self.get_messages())
            return len(found) >= len(wanted)

        await until(has_come, within_s=60, what=f"{wanted} in fetcher.events")
        assert [message["routing_key"] for message in found] == [f"fetcher.{key}" for key in wanted]
        return [json.loads(message["payload"]) for message in found]


@pytest.fixture
def console(stack: Stack, vhost: Vhost) -> Console:
    """The operator's console."""
    return Console(stack.broker.management("operator"), vhost.name)


@pytest.fixture
def road(make_road: MakeRoad) -> Road:
    """A slow upstream, and a normalizer."""
    laid = make_road("--offers", str(20 * PAGES), "--delay-ms", "300", "--seed", "7", "--quirks", "off")
    laid.start("normalizer", "run")
    return laid


async def running(road: Road) -> Service:
    service = road.start("fetcher", "run")
    await until(lambda: "orders are taken" in service.said(), within_s=60, what="the service takes orders")
    return service


async def test_load_pause_restart_resume_and_daily_update_are_driven_from_the_console(
    road: Road, console: Console
) -> None:
    service = await running(road)

    assert await console.publish("status")
    (status,) = await console.reads("status.done")
    assert (status["platform"], status["text"][:23]) == ("che168", "idle, daily-update at 2")

    assert await console.publish('{"command": "initial-load", "platform": "che168"}')
    await console.reads("initial-load.accepted", "initial-load.started")
    async with road.connection() as connection:

        async def has_begun() -> bool:
            return bool(await connection.fetchval("SELECT max(pages) >= 2 FROM fetch_runs"))

        await until(has_begun, within_s=60, what="two pages")

    assert await console.publish("pause")
    *_, stopped, paused = await console.reads("pause.accepted", "initial-load.stopped", "pause.done")
    assert stopped["text"].startswith("initial load interrupted, che168:")
    assert paused["text"] == "paused; initial-load has stopped"

    assert service.stop() == 0
    service = await running(road)
    assert await console.publish('{"command": "initial-load", "platform": "che168"}')
    (refused,) = await console.reads("initial-load.refused")
    assert refused["text"].startswith("paused since 20")

    assert await console.publish("resume", "fetcher.che168")
    assert await console.publish('{"command": "initial-load"}', "fetcher.che168")
    *_, done = await console.reads("resume.done", "initial-load.accepted", "initial-load.started", "initial-load.done")
    assert done["text"].startswith(f"initial load finished, che168: {20 * PAGES} records in {PAGES} pages")
    assert done["counts"]["resumed"] == 1

    assert await console.publish('{"command": "daily-update", "platform": "che168"}')
    *_, updated = await console.reads("daily-update.accepted", "daily-update.started", "daily-update.done")
    assert "records" in updated["counts"]

    assert service.stop() == 0
    assert "Traceback" not in service.said()
    await road.landed()
    async with road.connection() as connection:
        offers = await connection.fetchval("SELECT count(*) FROM raw_data WHERE platform = 'che168'")
    assert offers >= 20 * PAGES


async def test_a_typing_error_is_answered_and_looking_removes_nothing(road: Road, console: Console) -> None:
    service = await running(road)
    assert await console.publish('{"command": "pase"}')
    await until(lambda: "order refused" in service.said(), within_s=60, what="the refusal in the log")

    async def shown() -> list[dict[str, Any]]:
        return await console.get_messages(ack_mode="ack_requeue_true", count=1)

    await until(shown, within_s=60, what="the answer")
    (first,), (again,) = await shown(), await shown()
    assert first["payload"] == again["payload"]
    answer = json.loads(first["payload"])
    assert (first["routing_key"], answer["happening"], answer["platform"]) == (
        "fetcher.command.refused",
        "refused",
        None,
    )
    assert answer["text"].startswith("unknown command 'pase'; known: pause, resume, status, initial-load")
    assert first["properties"]["content_type"] == "application/json"
    assert service.stop() == 0


async def test_a_key_that_leads_nowhere_is_said_by_the_console(console: Console) -> None:
    assert not await console.publish("pause", "fetchr.command")
