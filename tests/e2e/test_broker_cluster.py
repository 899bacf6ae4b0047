"""A broker of three nodes of which one is killed again and again during a load: nothing is lost, nothing happens twice.

The short form is part of `make test`; `make chaos` kills a node every 5 s for a minute and ends the cluster in order.
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.e2e.road import Road, roles_of, until
from tests.e2e.truth import assert_equal_to_the_truth

from common import topology
from common.clock import SystemClock
from common.definitions import TEMPLATE
from common.doctor import broker as doctor
from common.doctor.report import Level
from common.settings import DatabaseSettings
from fetcher.entrypoints.order_queue import OrderQueue
from gateway.adapters.catalog_events import CatalogEvents
from sandbox.stack import Stack, StackError
from sandbox.stack.node import Node
from sandbox.upstream.server import UpstreamProcess

KILL_EVERY_S = 5.0
SHORT = 1
"""Kills of the short form, which does not ask the nodes to end in order either: RabbitMQ 3.10 takes 5 s for that."""
OFFERS_PER_KILL = 1_000
PACE = {"kind": "delay", "endpoint": "offers", "seconds": 0.4, "times": None}
"""20 s of load for each kill, which takes 5 to 8 s; what is left after the last one comes as fast as it can."""
NORMALIZERS = 3
CONSUMERS = {topology.RAW_QUEUE: NORMALIZERS, topology.COMMANDS_QUEUE: 1, "gateway.catalog": 1}
HANGS_AFTER_S = 300
"""How long a state may take to come; a busy machine needs a minute."""
MOST_STARTS = 4

PAUSE = """
SELECT extract(epoch FROM max(gap))::float8
FROM (SELECT moment - lag(moment) OVER (ORDER BY moment) AS gap
      FROM (SELECT $1::timestamptz AS moment UNION ALL SELECT first_loaded_at FROM raw_data UNION ALL SELECT $2) AS rows
      WHERE moment BETWEEN $1 AND $2) AS gaps
"""
"""The longest time in which no row was committed."""

DOUBLED = """
SELECT (SELECT count(*) - count(DISTINCT (platform, inner_id)) FROM catalog_changes)
     + (SELECT count(*) FROM feed_pages WHERE landed <> records)
"""
"""Offers that were told of twice, and pages of which more or fewer records landed than were sent."""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A RabbitMQ of three nodes for this file alone."""
    own = Stack(tmp_path_factory.mktemp("cluster"), preferred_ports={}, servers=("broker",), brokers=3)
    try:
        own.up()
        yield own
    finally:
        own.delete_data()


@pytest.fixture
def road(
    cluster: Stack, stack: Stack, database: DatabaseSettings, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Road]:
    """A road over the three nodes."""
    offers = request.config.getoption("--broker-kills") * OFFERS_PER_KILL
    with UpstreamProcess("--offers", str(offers), "--seed", "3") as upstream:
        laid = Road(database, cluster.vhost(), upstream, tmp_path, roles=roles_of(stack))
        yield laid
        laid.stop()


@dataclass
class Campaign:
    """Kills nodes in turn, and notes how long others took to be back."""

    cluster: Stack
    moments_s: list[float] = field(default_factory=list)
    consumers_back_s: list[float] = field(default_factory=list)
    node_back_s: list[float] = field(default_factory=list)
    killed: Node | None = None

    async def kill(self, number: int) -> None:
        """Kill a node, start it anew, and return when all consumers are back elsewhere.

        Before that, wait until the one killed before is back, because two of three are no quorum, and 5 s are over.
        """
        if self.killed:
            await self.see_whole()
            await asyncio.sleep(max(0.0, self.moments_s[-1] + KILL_EVERY_S - _now_s()))  # noqa: TID251 - the pace
        node = self.killed = self.cluster.broker.nodes[number % 3]
        self.moments_s.append(_now_s())
        await asyncio.to_thread(node.kill)
        await asyncio.to_thread(node.launch)
        await until(partial(self._all_consume_without, node), within_s=HANGS_AFTER_S, what="consumers back")
        self.consumers_back_s.append(_now_s() - self.moments_s[-1])

    async def see_whole(self) -> None:
        """Wait until the node that was killed last is back."""
        assert self.killed is not None, "the load was over before anything was killed"
        await asyncio.to_thread(self.killed.wait, starts=MOST_STARTS)
        self.node_back_s.append(_now_s() - self.moments_s[-1])

    async def _all_consume_without(self, dead: Node) -> bool:
        alive = next(node for node in self.cluster.broker.nodes if node.name != dead.name)
        return await asyncio.to_thread(_consumers, alive, dead) == CONSUMERS


def _now_s() -> float:
    return time.monotonic()  # noqa: TID251 - waits for real processes


def _consumers(asked: Node, dead: Node | None = None) -> Counter[str]:
    """Return how many consumers each queue has that are not connected to `dead`; those of gateways are one kind.

    While a channel comes or goes RabbitMQ 3.10 tells of its consumer, and `[]` of the channel: that one does not count.
    """
    try:
        found = asked.management().get("consumers", topology.VHOST)
    except StackError:
        return Counter()
    connected = [one for one in found if one["channel_details"]]
    alive = [one for one in connected if dead is None or one["channel_details"]["node"] != dead.name]
    names = [one["queue"]["name"] for one in alive]
    return Counter("gateway.catalog" if name.startswith("gateway.catalog.") else name for name in names)


@asynccontextmanager
async def _others_follow(cluster: Stack) -> AsyncIterator[None]:
    """Take orders as the fetcher does and hear news as the gateway does, each in one task."""

    async def obey(_body: bytes, _key: str) -> None:
        return

    urls, clock = cluster.vhost().urls, SystemClock()
    timing = {"connect_timeout_s": 5.0, "pause_s": 0.2}
    orders = OrderQueue(urls["fetcher"], connection_name="fetcher@test", obey=obey, clock=clock, **timing)
    names = iter(range(10_000))
    news = CatalogEvents(
        urls["gateway"],
        name="gateway@test",
        new_instance=lambda: f"test.{next(names)}",
        wake=lambda: None,
        clock=clock,
        reconnect_interval_s=0.2,
    )
    tasks = [asyncio.create_task(orders.keep_consuming()), asyncio.create_task(news.follow())]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def test_every_queue_has_three_members_and_the_state_names_three_nodes(cluster: Stack) -> None:
    nodes = {"feedmill@localhost", "feedmill2@localhost", "feedmill3@localhost"}
    queues = cluster.broker.management().get("queues", topology.VHOST)
    assert {queue["name"]: set(queue["members"]) for queue in queues} == dict.fromkeys(topology.QUEUES, nodes)
    assert set(cluster.state.processes) == {"epmd", "broker", "broker2", "broker3"}
    assert len(set(cluster.state.ports.values())) == len(cluster.state.ports)
    assert cluster.up()[0].startswith("RabbitMQ on 127.0.0.1:")


async def test_the_doctor_looks_at_every_node_and_names_a_queue_that_would_go_with_one(cluster: Stack) -> None:
    url = cluster.vhost().urls["fetcher"].replace("@", "@127.0.0.1:1,")
    seen = [line async for line in doctor.amqp_lines(url, TEMPLATE, timeout_s=5) if line.what == "broker"]
    assert [line.level for line in seen] == [Level.ERROR, Level.OK, Level.OK, Level.OK]
    lonely = {"durable": True, "arguments": {"x-queue-type": "quorum", "x-quorum-initial-group-size": 1}}
    cluster.broker.management().put("queues", topology.VHOST, "lonely", body=lonely)
    consoles = tuple(f"http://127.0.0.1:{port}" for port in (1, cluster.state.ports["management2"]))
    console = doctor.Console(consoles, topology.VHOST, "operator", cluster.state.passwords["operator"])
    lines = [line async for line in doctor.console_lines(console, TEMPLATE, timeout_s=5)]
    cluster.broker.management().delete("queues", topology.VHOST, "lonely")
    assert [line.what for line in lines if line.what.startswith("node ")] == [
        "node feedmill2@localhost",
        "node feedmill3@localhost",
        "node feedmill@localhost",
    ]
    (told,) = [line for line in lines if line.level is not Level.OK]
    assert (told.level, told.what) == (Level.WARNING, "queue lonely")


@pytest.mark.timeout(1800)
async def test_a_node_killed_every_five_seconds_of_a_load_loses_and_doubles_nothing(
    cluster: Stack, road: Road, request: pytest.FixtureRequest
) -> None:
    kills = request.config.getoption("--broker-kills")
    await _pace(road, [PACE])
    normalizers = [road.start("normalizer", "run") for _ in range(NORMALIZERS)]
    fetcher = road.start("fetcher", "initial-load")
    async with _others_follow(cluster):
        first = cluster.broker.nodes[0]
        await until(lambda: _consumers(first) == CONSUMERS, within_s=HANGS_AFTER_S, what="all consume")
        await until(partial(_has_rows, road), within_s=HANGS_AFTER_S, what="the first rows")
        began, campaign = await _moment(road), Campaign(cluster)
        for number in range(kills):
            if fetcher.process.poll() is None:  # on a slow machine the load may be over before the last kill
                await campaign.kill(number)
        ended = await _moment(road)
    await _pace(road, [])
    await until(lambda: fetcher.process.poll() is not None, within_s=HANGS_AFTER_S, what="the end of the load")
    assert fetcher.process.poll() == 0, fetcher.said()
    await road.landed(within_s=HANGS_AFTER_S)
    await campaign.see_whole()
    await _print_figures(road, campaign, began, ended)
    await assert_equal_to_the_truth(road)
    assert await asyncio.gather(*(asyncio.to_thread(one.stop) for one in normalizers)) == [0] * NORMALIZERS
    for service in normalizers:
        assert "Traceback" not in service.said()
        assert "Batch landed" in service.said()


def test_a_cluster_of_which_a_node_was_killed_ends_whole(cluster: Stack, request: pytest.FixtureRequest) -> None:
    if in_order := request.config.getoption("--broker-kills") > SHORT:
        cluster.up()
    cluster.broker.nodes[1].kill()
    ended = cluster.down() if in_order else cluster.delete_data()
    assert sorted(ended) == ["broker", "broker3", "epmd"]
    assert not any(str(cluster.folder) in line for line in _command_lines())


def _command_lines() -> Iterator[str]:
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            yield path.read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue


async def _pace(road: Road, rules: list[dict[str, Any]]) -> None:
    """Let the upstream answer by these rules from now on."""
    async with httpx.AsyncClient() as client:
        (await client.delete(f"{road.upstream.admin}/faults")).raise_for_status()
        (await client.post(f"{road.upstream.admin}/faults", json=rules)).raise_for_status()


async def _has_rows(road: Road) -> bool:
    async with road.connection() as connection:
        return bool(await connection.fetchval("SELECT EXISTS (SELECT FROM raw_data)"))


async def _moment(road: Road) -> datetime:
    async with road.connection() as connection:
        moment: datetime = await connection.fetchval("SELECT clock_timestamp()")
        return moment


async def _print_figures(road: Road, campaign: Campaign, began: datetime, ended: datetime) -> None:
    truth = await road.truth()
    async with road.connection() as connection:
        rows = {row[0] for row in await connection.fetch("SELECT inner_id FROM raw_data")}
        pause_s, doubled = await connection.fetchval(PAUSE, began, ended), await connection.fetchval(DOUBLED)
    moments, back, up = campaign.moments_s, campaign.consumers_back_s, campaign.node_back_s
    apart = [after - before for before, after in pairwise(moments)]
    print(  # noqa: T201 - shown by -s
        f"\n{len(moments)} kills within {moments[-1] - moments[0]:.0f} s, up to {max(apart, default=0):.1f} s apart;"
        f" {len(truth):,} offers: lost {len(truth.keys() - rows)}, effects doubled {doubled};"
        f" longest pause {pause_s:.1f} s; consumers back within {min(back):.1f} to {max(back):.1f} s,"
        f" the node within {min(up):.1f} to {max(up):.1f} s"
    )
