"""The window of a dead page outlives its process: kill -9, the real ledger, the usual 12 minutes and 4 hours.

Time that passes while no process runs is made by moving the ledger's rows back.
"""

import asyncio
import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.forking import Upstream
from tests.integration.fetcher.command import Command
from tests.lent import connected

from common.settings import DatabaseSettings
from sandbox.stack import Vhost

pytestmark = pytest.mark.integration

INTERVAL = timedelta(minutes=12)
TOLERANCE = timedelta(seconds=0.5)
WINDOW = "SELECT attempts, created_at, next_attempt_at, status, error FROM feed_pages WHERE position = 2"
LET_TIME_PASS = """
UPDATE feed_pages SET attempts = $1, created_at = now() - $2::interval, next_attempt_at = now() WHERE position = 2
"""


@pytest.fixture
def command(database: DatabaseSettings, vhost: Vhost, tmp_path: Path) -> Iterator[Command]:
    """Return the command beside an upstream whose page 2 is dead."""
    script = tmp_path / "faults.json"
    dead = {"kind": "status", "code": 503, "endpoint": "offers", "position": 2, "times": None}
    script.write_text(json.dumps([dead]))
    options = ("--offers", "60", "--quirks", "off", "--faults", str(script))
    with Upstream(*options) as upstream:
        command = Command(database, vhost, upstream, tmp_path)
        yield command
        command.end()


async def killed_after(command: Command, attempts: int) -> Any:
    """Start the load, kill it once the ledger has so many tries of page 2, and return the row."""
    process = command.start("initial-load")
    async with connected(command.database) as connection:
        row = None
        while row is None or row["attempts"] != attempts:
            assert process.poll() is None, command.said
            await asyncio.sleep(0.02)  # noqa: TID251 - waits for a real process
            row = await connection.fetchrow(WINDOW)
    process.kill()
    await asyncio.to_thread(process.wait)
    return row


async def let_time_pass(command: Command, attempts: int) -> None:
    """Make the ledger what it is when the window began long ago, so many tries have failed and the next is due."""
    async with connected(command.database) as connection:
        await connection.execute(LET_TIME_PASS, attempts, INTERVAL * attempts)


async def requests_for_page_2(command: Command) -> int:
    """Return how often page 2 was asked for."""
    async with httpx.AsyncClient() as client:
        (fired,) = (await client.get(f"{command.upstream.admin}/faults")).json()["fired"]
    return int(fired)


async def test_the_window_goes_on_after_kill_9_at_try_7_and_ends_in_a_gap(command: Command) -> None:
    row = await killed_after(command, 1)
    assert abs(row["next_attempt_at"] - row["created_at"] - INTERVAL) < TOLERANCE

    await let_time_pass(command, 7)
    row = await killed_after(command, 8)
    assert abs(row["next_attempt_at"] - row["created_at"] - 8 * INTERVAL) < TOLERANCE
    assert await requests_for_page_2(command) == 2, "one try of each process"

    await let_time_pass(command, 20)
    assert await asyncio.to_thread(command.run, "initial-load") == 1
    async with connected(command.database) as connection:
        row = await connection.fetchrow(WINDOW)
        others = await connection.fetch("SELECT position, status FROM feed_pages WHERE position <> 2 ORDER BY 1")
    assert (row["attempts"], row["next_attempt_at"], row["status"]) == (21, None, "gap")
    assert row["error"] == "http_5xx: status 503"
    assert [tuple(other) for other in others] == [(1, "fetched"), (3, "fetched")]
    assert await requests_for_page_2(command) == 4, "the 21st try, and once more at the end of the load"


async def test_a_process_that_comes_back_early_waits_for_its_turn(command: Command) -> None:
    await killed_after(command, 1)
    process = command.start("initial-load")
    await asyncio.to_thread(command.wait_until_said, "resuming the initial load")
    await asyncio.to_thread(command.wait_until_said, "Starting page", times=2)
    await asyncio.sleep(0.3)  # noqa: TID251 - long enough for a request that must not come
    assert process.poll() is None
    assert await requests_for_page_2(command) == 1


async def test_a_window_that_ended_while_nobody_ran_gets_its_last_try(command: Command) -> None:
    await killed_after(command, 1)
    async with connected(command.database) as connection:
        await connection.execute(LET_TIME_PASS, 3, timedelta(hours=5))
    assert await asyncio.to_thread(command.run, "initial-load") == 1
    async with connected(command.database) as connection:
        row = await connection.fetchrow(WINDOW)
    assert (row["attempts"], row["next_attempt_at"], row["status"]) == (4, None, "gap")
