"""A broker is reached through whichever of its nodes answers."""

import asyncio

import aio_pika
import pytest

from common.amqp import connected, fail_over
from common.broker_nodes import Nodes
from sandbox.stack import Vhost

TIMEOUT_S = 5.0


def beside(vhost: Vhost, *ports: int) -> str:
    """Return the normalizer's URL with other nodes before the one that runs."""
    before, at, after = vhost.urls["normalizer"].partition("@")
    return before + at + "".join(f"127.0.0.1:{port}," for port in ports) + after


async def test_nodes_that_are_away_are_passed_over_each_time(vhost: Vhost, closed_port: int) -> None:
    nodes = Nodes(beside(vhost, closed_port, 1))
    for _ in range(3):
        async with await connected(nodes, timeout_s=TIMEOUT_S) as connection:
            assert not connection.is_closed


async def test_a_node_that_says_nothing_costs_its_time_and_no_more(vhost: Vhost, silent_port: int) -> None:
    async with asyncio.timeout(TIMEOUT_S):
        async with await connected(Nodes(beside(vhost, silent_port)), timeout_s=1.0) as connection:
            assert not connection.is_closed


async def test_a_broker_of_which_no_node_answers_raises_for_the_last(closed_port: int) -> None:
    with pytest.raises(OSError, match=str(closed_port)):
        await connected(Nodes(f"amqp://u:p@127.0.0.1:1,127.0.0.1:{closed_port}/v"), timeout_s=TIMEOUT_S)


async def test_a_connection_that_cannot_be_made_leaves_nothing_to_its_destructor(closed_port: int) -> None:
    with pytest.raises(OSError, match=str(closed_port)) as caught:
        await connected(Nodes(f"amqp://u:p@127.0.0.1:{closed_port}/v"), timeout_s=TIMEOUT_S)
    everything = [frame.frame.f_locals.get("connection") for frame in caught.traceback]
    failed = [made for made in everything if isinstance(made, aio_pika.Connection)]
    assert failed
    assert all(made.is_closed for made in failed)


async def test_a_robust_connection_that_is_lost_is_made_again_past_a_node_that_is_away(
    vhost: Vhost, closed_port: int
) -> None:
    nodes = Nodes(beside(vhost, closed_port, 1))
    assert nodes.following().count(str(closed_port)) == 1
    connection = await aio_pika.connect_robust(vhost.urls["normalizer"], reconnect_interval=0.05)
    assert isinstance(connection, aio_pika.RobustConnection)
    fail_over(connection, nodes)
    again = asyncio.Event()
    connection.reconnect_callbacks.add(lambda _: again.set())
    async with connection:
        assert connection.transport is not None
        await connection.transport.connection.close(ConnectionResetError("pulled"))
        async with asyncio.timeout(60):
            await again.wait()
        assert connection.url.user == "normalizer"
        assert (await connection.channel()).is_initialized
