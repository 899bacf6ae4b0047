"""`fetcher run` as an operator meets it: real process, broker and database, orders and answers by AMQP."""

import asyncio
import json
import signal
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aio_pika
import httpx
import pytest
from aio_pika.abc import AbstractChannel
from tests.forking import Upstream
from tests.integration.fetcher.command import Command
from tests.lent import connected

from common import topology
from common.clock import SystemClock
from common.settings import DatabaseSettings
from sandbox.stack import Stack, Vhost

pytestmark = pytest.mark.integration

Make = Callable[..., Command]
SLOWLY = ("--delay-ms", "300")
LOAD = '{"command": "initial-load", "platform": "che168"}'


@pytest.fixture
def make(database: DatabaseSettings, vhost: Vhost, tmp_path: Path) -> Iterator[Make]:
    """Return a function that starts an upstream and gives the command for it."""
    with ExitStack() as exits:

        def start(*options: str, **extra: str) -> Command:
            upstream = exits.enter_context(Upstream("--offers", "200", "--quirks", "off", *options))
            command = Command(database, vhost, upstream, tmp_path, extra)
            exits.callback(command.end)
            return command

        yield start


@dataclass
class Console:
    """What an operator does: publish an order, get messages."""

    channel: AbstractChannel

    async def order(self, text: str, key: str = "fetcher.command") -> None:
        """Publish an order."""
        exchange = await self.channel.get_exchange(topology.COMMANDS_EXCHANGE, ensure=False)
        await exchange.publish(aio_pika.Message(text.encode()), key)

    async def answers(self, count: int) -> list[dict[str, Any]]:
        """Return the next answers, waiting for so many, with their routing keys as `key`."""
        queue = await self.channel.get_queue(topology.EVENTS_QUEUE, ensure=False)
        found: list[dict[str, Any]] = []
        clock = SystemClock()
        for _ in range(300):
            while message := await queue.get(fail=False, no_ack=True):
                found.append({"key": message.routing_key, **json.loads(message.body)})
            if len(found) >= count:
                return found
            await clock.sleep(0.05)
        pytest.fail(f"{len(found)} of {count} answers: {found}")

    async def keys(self, count: int) -> list[str]:
        """Return the routing keys of the next answers."""
        return [answer["key"] for answer in await self.answers(count)]


@pytest.fixture
async def console(vhost: Vhost) -> AsyncIterator[Console]:
    """An operator's console."""
    async with await aio_pika.connect(vhost.urls["operator"]) as connection:
        yield Console(await connection.channel())


async def value(command: Command, query: str) -> Any:
    async with connected(command.database) as connection:
        return await connection.fetchval(query)


async def started(command: Command) -> Any:
    """Start the service and return it when it takes orders."""
    taken = command.said.count("orders are taken") if (command.folder / "said.log").exists() else 0
    process = command.start("run")
    await asyncio.to_thread(command.wait_until_said, "orders are taken", times=taken + 1)
    return process


async def ended(process: Any, command: Command, number: signal.Signals = signal.SIGTERM) -> None:
    process.send_signal(number)
    assert await asyncio.to_thread(process.wait, 10) == 0, command.said
    assert "Traceback" not in command.said


async def test_an_ordered_load_is_answered_at_each_step(make: Make, console: Console) -> None:
    command = make()
    process = await started(command)
    await console.order('{"command": "initial-load", "platform": "che168", "max_pages": 3}')
    answers = await console.answers(3)
    assert [answer["key"] for answer in answers] == [
        "fetcher.initial-load.accepted",
        "fetcher.initial-load.started",
        "fetcher.initial-load.done",
    ]
    done = answers[-1]
    assert (done["command"], done["happening"], done["platform"]) == ("initial-load", "done", "che168")
    assert done["text"].startswith("initial load paused after the pages asked for, che168: 60 records in 3 pages")
    assert (done["counts"]["pages"], done["counts"]["records"]) == (3, 60)
    await ended(process, command)


async def test_pause_survives_kill_9_and_resume_goes_on(make: Make, console: Console) -> None:
    command = make(*SLOWLY)
    process = await started(command)
    await console.order(LOAD)
    await asyncio.to_thread(command.wait_until_said, "Starting page 1 loading")
    await console.order("pause")
    assert await console.keys(5) == [
        "fetcher.initial-load.accepted",
        "fetcher.initial-load.started",
        "fetcher.pause.accepted",
        "fetcher.initial-load.stopped",
        "fetcher.pause.done",
    ]
    process.kill()
    await asyncio.to_thread(process.wait)
    process = await started(command)
    await console.order(LOAD)
    (refused,) = await console.answers(1)
    assert (refused["key"], refused["text"][:12]) == ("fetcher.initial-load.refused", "paused since")
    await console.order("resume", "fetcher.che168")
    await console.order(LOAD)
    assert (await console.keys(4))[-1] == "fetcher.initial-load.done"
    assert await value(command, "SELECT records FROM fetch_runs") == 200
    await ended(process, command)


async def test_a_pause_stops_a_load_that_resume_takes_up_again(make: Make, console: Console) -> None:
    command = make(*SLOWLY)
    process = await started(command)
    await console.order(LOAD)
    await asyncio.to_thread(command.wait_until_said, "Starting page 1 loading")
    await console.order("pause")
    stopped = (await console.answers(5))[3]
    assert stopped["text"].startswith("initial load interrupted, che168:")
    await console.order("resume")
    assert await console.keys(3) == [
        "fetcher.resume.done",
        "fetcher.initial-load.started",
        "fetcher.initial-load.done",
    ]
    assert await value(command, "SELECT array_agg(status) FROM fetch_runs") == ["done"]
    assert await value(command, "SELECT count(*) FROM feed_pages WHERE status = 'fetched'") == 10
    await ended(process, command)


@pytest.mark.parametrize("body", ["", "dance", "{", '{"command": "pause", "platform": "nosuch"}'])
async def test_what_is_no_order_is_answered_once_and_is_gone(make: Make, console: Console, body: str) -> None:
    command = make()
    process = await started(command)
    await console.order(body)
    await console.order("status")
    first, second = await console.answers(2)
    assert (first["key"], first["platform"]) == ("fetcher.command.refused", None)
    assert second["key"] == "fetcher.status.done"
    assert second["text"].startswith("idle, daily-update at ")
    await ended(process, command)
    queue = await console.channel.declare_queue(topology.COMMANDS_QUEUE, passive=True)
    assert queue.declaration_result.message_count == 0


async def test_the_command_line_and_the_service_meet_at_the_lock(make: Make, console: Console) -> None:
    command = make(*SLOWLY)
    process = await started(command)
    by_hand = command.start("initial-load")
    await asyncio.to_thread(command.wait_until_said, "Starting page 1 loading")
    await console.order(LOAD)
    answers = await console.answers(3)
    assert answers[-1]["key"] == "fetcher.initial-load.refused"
    assert answers[-1]["text"] == "a fetcher is already running for che168"
    assert await asyncio.to_thread(by_hand.wait, 20) == 0
    await console.order('{"command": "initial-load", "again": true}')
    assert await console.keys(2) == ["fetcher.initial-load.accepted", "fetcher.initial-load.started"]
    assert await asyncio.to_thread(command.run, "initial-load") == 75
    await ended(process, command)


async def test_a_second_service_exits_75(make: Make) -> None:
    command = make()
    process = await started(command)
    assert await asyncio.to_thread(command.run, "run") == 75
    assert "[ERROR] a fetcher is already running for schedule and orders" in command.said
    await ended(process, command)


async def test_sigterm_in_mid_load_saves_the_page_and_tells_what_has_stopped(make: Make, console: Console) -> None:
    command = make(*SLOWLY)
    process = await started(command)
    await console.order(LOAD)
    await console.keys(2)
    while not await value(command, "SELECT pages >= 2 FROM fetch_runs"):
        assert process.poll() is None
    await ended(process, command)
    assert await console.keys(1) == ["fetcher.initial-load.stopped"]
    pages, status = await value(command, "SELECT (pages, status) FROM fetch_runs")
    assert (pages >= 2, status) == (True, "running")
    assert await value(command, "SELECT count(*) FROM feed_pages WHERE status = 'fetched'") == pages


@pytest.mark.parametrize(
    ("extra", "line"),
    [
        ({"DB_PORT": "9"}, "[WARNING] server away, waiting for it error="),
        (
            {"RABBITMQ_URL": "amqp://fetcher:pw@127.0.0.1:9/x"},
            "[WARNING] orders cannot be taken, waiting for the broker",
        ),
    ],
    ids=["database", "broker"],
)
async def test_a_server_that_is_away_at_the_start_is_waited_for(make: Make, extra: dict[str, str], line: str) -> None:
    command = make(**extra)
    process = command.start("run")
    await asyncio.to_thread(command.wait_until_said, line)
    assert process.poll() is None
    await ended(process, command)
    assert command.said.count(line) == 1


async def test_orders_come_through_after_every_connection_was_cut(make: Make, console: Console, stack: Stack) -> None:
    command = make()
    process = await started(command)
    management = stack.broker.management()
    clock = SystemClock()
    for _ in range(100):
        connections = await asyncio.to_thread(management.get, "vhosts", command.vhost.name, "connections")
        ours = [c for c in connections if str(c.get("user_provided_name", "")).startswith("fetcher@")]
        if ours:
            break
        await clock.sleep(0.1)
    for connection in ours:
        await asyncio.to_thread(management.ask, "DELETE", "connections", connection["name"])
    async with connected(command.database) as connection:
        await connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND application_name LIKE 'fetcher@%'"
        )
    await console.order("pause")
    assert (await console.keys(1)) == ["fetcher.pause.done"]
    assert "orders cannot be taken, waiting for the broker" in command.said
    await ended(process, command)


async def test_findings_are_said_by_the_service_and_once_by_the_command(make: Make) -> None:
    command = make()
    async with connected(command.database) as connection:
        await connection.execute(
            "INSERT INTO feed_pages (platform, kind, position, run_id, message_id, status, created_at)"
            " SELECT platform, 'page', 1, 'r', platform, 'gap', now() - interval '2 days'"
            " FROM unnest(ARRAY['che168', 'encar']) AS platform"
        )
    process = await started(command)
    await asyncio.to_thread(command.wait_until_said, "[WARNING] watchdog: old_gap platform=che168 since=")
    await ended(process, command)
    await asyncio.to_thread(command.run, "daily-update")
    assert command.said.count("watchdog: old_gap platform=che168") == 2
    assert "platform=encar" not in command.said


async def test_an_ordered_daily_update_follows_the_feed(make: Make, console: Console) -> None:
    command = make()
    process = await started(command)
    await console.order('{"command": "daily-update", "platform": "che168", "max_dates": 1}')
    answers = await console.answers(3)
    assert [answer["key"] for answer in answers] == [
        f"fetcher.daily-update.{word}" for word in ("accepted", "started", "done")
    ], answers
    assert answers[-1]["counts"]
    await ended(process, command)


async def test_an_order_that_was_not_yet_saved_comes_again_after_kill_9(make: Make, console: Console) -> None:
    command = make()
    process = await started(command)
    async with connected(command.database) as blocker:
        await blocker.execute("BEGIN; LOCK TABLE sync_state")
        await console.order("pause")
        while not await value(command, "SELECT count(*) FROM pg_locks WHERE NOT granted"):
            assert process.poll() is None
        process.kill()
        await asyncio.to_thread(process.wait)
        await blocker.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND application_name LIKE 'fetcher@%'"
        )
        await blocker.execute("ROLLBACK")
    assert await value(command, "SELECT count(paused_at) FROM sync_state") == 0
    process = await started(command)
    assert await console.keys(1) == ["fetcher.pause.done"]
    assert await value(command, "SELECT count(paused_at) FROM sync_state") == 1
    await ended(process, command)


async def test_the_service_counts_its_requests_and_jobs_for_prometheus(make: Make, console: Console) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = str(listener.getsockname()[1])
    command = make(FEEDMILL__FETCHER__METRICS_PORT=port)
    process = await started(command)
    await console.order('{"command": "initial-load", "platform": "che168", "max_pages": 3}')
    await console.answers(3)
    async with httpx.AsyncClient(trust_env=False) as client:
        text = (await client.get(f"http://127.0.0.1:{port}/metrics")).text
    lines = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    assert float(lines['feedmill_upstream_requests_total{outcome="ok",platform="che168"}']) >= 4  # S0 and 3 pages
    assert lines['feedmill_upstream_requests_total{outcome="http_401",platform="che168"}'] == "0.0"
    assert lines['feedmill_jobs_total{end="done",platform="che168"}'] == "1.0"
    await ended(process, command)
