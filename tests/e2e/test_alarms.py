"""A real Prometheus reads a small running system by the shipped configuration, and the right alerts fire after faults.

It takes half a minute, so it runs with `--alarms` (`make alarms`) only. Times in the rules are shortened, nothing else.
"""

import asyncio
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import aio_pika
import httpx
import pytest
from tests.e2e.conftest import MakeRoad
from tests.e2e.road import Road, until
from tests.house import exported
from tests.house.tree import ROOT

from common import topology
from sandbox.stack import Stack

FOLDER = ROOT / "deploy/prometheus"
SECONDS = {"30m": "6s", "15m": "6s", "10m": "6s", "5m": "6s", "2m": "2s", "1m": "2s", "1h": "6s"}
"""What stands in place of times in the rules; a scrape is a second."""


def free_ports(count: int) -> list[str]:
    """Return ports that nobody listens on."""
    with ExitStack() as exits:
        listeners = [exits.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [str(listener.getsockname()[1]) for listener in listeners]


@dataclass
class Prometheus:
    """A running Prometheus."""

    url: str

    async def value_of(self, expression: str) -> list[dict[str, str]]:
        """Return the labels of what an expression finds."""
        async with httpx.AsyncClient(timeout=5) as client:
            answer = await client.get(f"{self.url}/api/v1/query", params={"query": expression})
        return [found["metric"] for found in answer.raise_for_status().json()["data"]["result"]]

    async def firing(self) -> set[str]:
        """Return the names of the alerts that fire."""
        return {labels["alertname"] for labels in await self.value_of('ALERTS{alertstate="firing"}')}

    async def problems(self) -> list[str]:
        """Return why rules could not be evaluated."""
        async with httpx.AsyncClient(timeout=5) as client:
            groups = (await client.get(f"{self.url}/api/v1/rules")).raise_for_status().json()["data"]["groups"]
        return [rule["lastError"] for group in groups for rule in group["rules"] if rule.get("lastError")]


def configured(folder: Path, places: dict[str, str], vhost: str) -> None:
    """Write the shipped configuration and rules, with other addresses and shorter times."""
    shutil.copytree(FOLDER / "rules", folder / "rules")
    for path in (folder / "rules").iterdir():
        times = re.compile(r"(?<=\[)\d+[mh](?=\])|(?<=for: )\d+[mh]")
        path.write_text(times.sub(lambda found: SECONDS.get(found[0], found[0]), path.read_text()))
    text = (FOLDER / "packages.yml").read_text().replace("/etc/prometheus/rules", str(folder / "rules"))
    text = re.sub(r"(?m)^alerting:\n(?: .*\n)+", "", text).replace("15s", "1s").replace("[feedmill]", f"[{vhost}]")
    for usual, own in places.items():
        assert f"127.0.0.1:{usual}" in text
        text = text.replace(f"127.0.0.1:{usual}", f"127.0.0.1:{own}")
    (folder / "prometheus.yml").write_text(text)


@pytest.fixture
def road(make_road: MakeRoad, request: pytest.FixtureRequest) -> Road:
    """A shop as the only source."""
    if not request.config.getoption("--alarms"):
        pytest.skip("takes half a minute: --alarms")
    if shutil.which("prometheus") is None:
        pytest.skip("prometheus is not installed")
    return make_road("--offers", "20", "--shop")


@pytest.fixture
def prometheus(road: Road, stack: Stack) -> Iterator[Prometheus]:
    """The three services, and a Prometheus that reads them and the broker."""
    fetcher, normalizer, gateway, own = free_ports(4)
    road.start("normalizer", "run", FEEDMILL__NORMALIZER__METRICS_PORT=normalizer)
    road.start("gateway", "run", API_PORT=gateway)
    road.start(
        "fetcher",
        "run",
        FEEDMILL__FETCHER__METRICS_PORT=fetcher,
        FEEDMILL__PLATFORMS__CHE168__ENABLED="false",
        SHOP_API_URL=road.upstream.shop_url,
        SHOP_SYNC_INTERVAL_S="2",
    )
    folder = road.folder / "prometheus"
    folder.mkdir()
    broker = str(stack.state.ports["prometheus"])
    configured(folder, {"9551": fetcher, "9561": normalizer, "5555": gateway, "15692": broker}, road.vhost.name)
    command = ["prometheus", "--config.file=prometheus.yml", f"--web.listen-address=127.0.0.1:{own}"]
    with (folder / "output.log").open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 - Debian's own
            [*command, "--storage.tsdb.path=data"], cwd=folder, stdout=output, stderr=output, start_new_session=True
        )
    yield Prometheus(f"http://127.0.0.1:{own}")
    process.terminate()
    process.wait(10)


async def test_each_fault_raises_its_alert_and_a_healthy_system_none(prometheus: Prometheus, road: Road) -> None:
    async def all_is_seen() -> bool:
        try:
            landed = await prometheus.value_of('feedmill_batches_total{end="landed"} > 0')
            return bool(landed) and len(await prometheus.value_of("up == 1")) == len(("f", "n", "g", "r", "queues"))
        except httpx.HTTPError:
            return False

    await until(all_is_seen, within_s=40, what="five targets up and a batch landed")
    await asyncio.sleep(4)  # noqa: TID251 - what would fire without a reason would do so now
    assert await prometheus.firing() <= {"FeedmillFinding"}  # a new shop has not run for 26 hours
    found = {labels["__name__"] for labels in await prometheus.value_of('{__name__=~"(feedmill|rabbitmq)_.*"}')}
    assert found >= exported.BROKER

    road.services[0].kill()  # the normalizer
    connection = await aio_pika.connect(road.vhost.urls["fetcher"])
    async with connection:
        exchange = await (await connection.channel()).get_exchange(topology.RAW_EXCHANGE, ensure=False)
        await exchange.publish(aio_pika.Message(b"nonsense", delivery_mode=2), "raw.bot_igor.snapshot")
    road.upstream.stop()
    wanted = {"FeedmillServiceDown", "FeedmillNoConsumer", "FeedmillQueueStands", "FeedmillSourceDead"}

    async def all_fire() -> bool:
        return wanted <= await prometheus.firing()

    await until(all_fire, within_s=60, what=str(wanted))
    assert await prometheus.problems() == []
    wrong = await prometheus.firing() - wanted
    assert wrong <= {"FeedmillFinding", "FeedmillJobsFail", "FeedmillBatchesFail"}

    road.start("normalizer", "run")  # reads the message that is none
    wanted = {"FeedmillDeadLetters"}
    await until(all_fire, within_s=40, what=str(wanted))
