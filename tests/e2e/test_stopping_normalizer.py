"""`SIGTERM` at any moment: the batch in hand is finished or rolled back, and what was committed comes never again."""

import asyncio
import signal
import socket
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from random import Random

import aio_pika
import pytest
from tests.e2e.history import made_up
from tests.e2e.road import until
from tests.e2e.test_chaos import SEED, Field

from common import topology
from common.settings import DatabaseSettings
from sandbox.stack import Vhost

STOPS = 4
STOP_WITHIN_S = 30.0


@pytest.fixture
def ground(database: DatabaseSettings, vhost: Vhost, tmp_path: Path) -> Iterator[Field]:
    """A database and a virtual host of the test's own."""
    one = Field(database, vhost, tmp_path)
    yield one
    one.stop()


async def left_in_the_queue(vhost: Vhost) -> set[str]:
    """Return the ids of the messages that would be delivered next; they stay in the queue."""
    async with await aio_pika.connect(vhost.urls["normalizer"]) as connection:
        queue = await (await connection.channel()).declare_queue(topology.RAW_QUEUE, passive=True)
        found = set()
        while (message := await queue.get(fail=False)) is not None:
            found.add(message.message_id or "")
        return found


async def test_stopped_at_any_moment_it_exits_with_0_in_time_and_nothing_committed_is_delivered_again(
    ground: Field, vhost: Vhost
) -> None:
    random = Random(SEED)  # noqa: S311 - moments of a test
    history = made_up(random, offers=600, changes=8_000, run="stop")
    history = replace(history, messages=list({message.message_id: message for message in history.messages}.values()))
    landed: set[str] = set()
    found_waiting = 0
    for number in range(STOPS):
        await ground.publish(replace(history, messages=history.messages[number::STOPS]))
        process = ground.start("normalizer", "run")
        await until(lambda: has_landed_more(ground, landed), within_s=60, what="a batch landed")  # noqa: B023 - awaited at once
        await asyncio.sleep(random.uniform(0, 0.15))  # noqa: TID251 - any moment of a batch
        began = time.monotonic()  # noqa: TID251 - the time of a real process
        process.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(process.wait, STOP_WITHIN_S) == 0
        assert time.monotonic() - began < STOP_WITHIN_S  # noqa: TID251 - as above
        ground.running.remove(process)
        landed = await ground.landed_messages()
        left = await left_in_the_queue(vhost)
        assert not landed & left
        sent = [message for start in range(number + 1) for message in history.messages[start::STOPS]]
        assert landed | left == {message.message_id for message in sent}
        found_waiting += bool(left)
    assert found_waiting, "every stop came after the end of the queue"
    ground.start("normalizer", "run")
    await until(ground.is_drained, within_s=60, what="the rest delivered")
    await until(lambda: all_landed(ground, history.records), within_s=60, what="the rest landed")
    await ground.assert_equals(history.rows)


async def has_landed_more(ground: Field, before: set[str]) -> bool:
    return len(await ground.landed_messages()) > len(before)


async def all_landed(ground: Field, records: int) -> bool:
    return await ground.landed_records() == records


async def test_a_broker_that_takes_connections_and_says_nothing_holds_up_no_end(ground: Field) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.setblocking(False)  # noqa: FBT003 - the name says it
        url = f"amqp://normalizer:any@127.0.0.1:{silent.getsockname()[1]}/any"
        process = ground.start("normalizer", "run", at=url)
        called, _ = await asyncio.get_running_loop().sock_accept(silent)
        with called:
            process.send_signal(signal.SIGTERM)
            assert await asyncio.to_thread(process.wait, STOP_WITHIN_S) == 0
        ground.running.remove(process)
