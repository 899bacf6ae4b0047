"""Every secret is a canary: whatever fails, none of them is in a line, a row, a message or an answer.

A new command is a line of `COMMANDS`, a new endpoint one of `PATHS`.
"""

import asyncio
import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, unquote, urlsplit

import httpx
from tests.e2e.conftest import MakeRoad
from tests.e2e.road import Road, until

from common.settings import SERVICE_PASSWORDS
from sandbox.stack import Stack
from sandbox.upstream.faults import FaultKind

COMMANDS: Final = (
    ("initial-load", "--again"),
    ("retry-gaps",),
    ("daily-update",),
    ("reconcile",),
    ("shop-sync", "--force"),
)
PATHS: Final = (
    "/health/live",
    "/health/ready",
    "/docs",
    "/openapi.json",
    "/offers",
    "/offers?limit=x",
    "/offers/facets",
)

ROOT: Final = str(Path(__file__).parents[2])
API_KEY = "canary-api-key-4f1c9e"
SET = {
    "CHE168_ACCESS_NAME": "canary-access-name",
    "SECRET_KEY": "canary-secret-key-0123456789abcdef",
    "FEEDMILL__LOG__LEVEL": "DEBUG",
    "FEEDMILL__LOG__DIRECTORY": "logs",
    "FEEDMILL__FETCHER__QUICK_DELAY_S": "0.01",
    "FEEDMILL__FETCHER__RETRY_INTERVAL_S": "0.05",
    "FEEDMILL__FETCHER__MAX_RETRIES": "40",
    "FEEDMILL__FETCHER__REQUEST_TIMEOUT_S": "2",
    "FEEDMILL__FETCHER__LANDING_WAIT_S": "5",
    "FEEDMILL__RABBITMQ__PUBLISH_TIMEOUT_S": "5",
}
WRONG = ("canary-wrong-database", "canary-wrong-broker")
EVERY_KIND = [{"kind": kind, "seconds": 0.01, "way": "backward"} for kind in FaultKind]
DEAD_PAGE = [{"kind": "status", "code": 503, "endpoint": "offers", "position": 2, "times": None}]
REFUSED = [{"kind": "status", "code": 401, "body": {"message": f"{API_KEY} is no key"}, "times": None}]


class Witness:
    """Everything that came out of the processes, by where it was seen."""

    def __init__(self, canaries: set[str]) -> None:
        self._canaries = {form for canary in canaries for form in (canary, quote(canary, safe=""))}
        self.seen: dict[str, int] = {}

    def take(self, where: str, text: str) -> None:
        """Look for canaries in a text."""
        self.seen[where] = self.seen.get(where, 0) + len(text)
        for canary in self._canaries:
            place = text.find(canary)
            assert place < 0, f"{where}: {text[max(0, place - 300) : place + 100]}"


def canaries_of(road: Road) -> set[str]:
    """Return every secret that the processes are given."""
    passwords = {unquote(urlsplit(url).password or "") for url in road.vhost.urls.values()}
    shop = {"canary-shop-password", "canary-shop-token"}
    own = {API_KEY, SET["CHE168_ACCESS_NAME"], SET["SECRET_KEY"], *WRONG, *shop}
    return {road.database.password.get_secret_value(), *passwords, *own}


async def call(road: Road, witness: Witness, *command: str, module: str = "fetcher", **extra: str) -> str:
    """Run a command of the fetcher to its end and return what it said."""
    root = urlsplit(road.upstream.base_url).netloc
    shop = {"SHOP_API_URL": f"http://me:canary-shop-password@{root}/api/products?token=canary-shop-token"}
    started = road.start_module("fetcher", module, *command, **(SET | shop | {"PYTHONPATH": ROOT} | extra))
    await until(lambda: started.process.poll() is not None, within_s=120, what=" ".join(command))
    witness.take(f"console of {command[0]} {sorted(extra)}", started.said())
    return started.said()


async def script(road: Road, rules: list[dict[str, Any]]) -> None:
    """Give the upstream a fault script in place of the one it has."""
    async with httpx.AsyncClient() as client:
        (await client.delete(f"{road.upstream.admin}/faults")).raise_for_status()
        (await client.post(f"{road.upstream.admin}/faults", json=rules)).raise_for_status()


async def kinds_met(road: Road) -> int:
    """Return how many rules of the script have worked."""
    async with httpx.AsyncClient() as client:
        return sum(map(bool, (await client.get(f"{road.upstream.admin}/faults")).json()["fired"]))


def failures(road: Road) -> Iterator[tuple[dict[str, str], str]]:
    """Give settings under which no command can work, and a word of what it must say."""
    broker = urlsplit(road.vhost.urls["fetcher"])
    yield {"DB_PASSWORD": WRONG[0], SERVICE_PASSWORDS["fetcher"]: WRONG[0]}, "InvalidPasswordError"
    yield {"DB_PORT": "9"}, "database 127.0.0.1:9"
    yield {"RABBITMQ_URL": f"amqp://fetcher:{WRONG[1]}@127.0.0.1:{broker.port}{broker.path}"}, "broker 127.0.0.1"
    yield {"RABBITMQ_URL": f"amqp://fetcher:{WRONG[1]}@127.0.0.1:9{broker.path}"}, "broker 127.0.0.1:9"


async def look_at_answers(road: Road, witness: Witness, **extra: str) -> None:
    """Ask a gateway for everything and look at its answers."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    made = road.start("gateway", "tokens", "create", **SET, API_PORT=str(port))
    await until(lambda: made.process.poll() is not None, within_s=60, what="a token")
    token = made.said().split()[-1] if made.process.returncode == 0 else "x" * 16
    gateway = road.start("gateway", "run", **(SET | extra), API_PORT=str(port))
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=10) as client:

        async def lives() -> bool:
            try:
                return (await client.get("/health/live")).status_code == 200
            except httpx.TransportError:
                return False

        await until(lives, within_s=60, what="the gateway")
        for path in PATHS:
            for headers in ({}, {"Authorization": f"Bearer {token}"}, {"X-API-Key": API_KEY}):
                answer = await client.get(path, headers=headers)
                witness.take("answers", f"{path} {answer.status_code} {answer.headers} {answer.text}")
    gateway.stop()
    witness.take("console of the gateway", made.said() + gateway.said())


async def look_at_tables(road: Road, witness: Witness) -> None:
    """Look at every row of every table as text."""
    async with road.connection() as connection:
        tables = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        for (table,) in tables:
            for (row,) in await connection.fetch(f'SELECT t::text FROM "{table}" t'):  # noqa: S608 - named by the server
                witness.take(f"table {table}", row)


TAP = "witness"


def tap(road: Road, stack: Stack) -> None:
    """Let a copy of every message of every exchange come to a queue of the test's own."""
    management = stack.broker.management()
    names = [found["name"] for found in management.get("exchanges", road.vhost.name)]
    own = [name for name in names if name.startswith("feedmill.")]
    bindings = [
        {"source": name, "destination": TAP, "destination_type": "queue", "routing_key": "#", "arguments": {}}
        for name in own
    ]
    queue = {"name": TAP, "durable": True, "auto_delete": False, "arguments": {}}
    management.post("definitions", road.vhost.name, body={"queues": [queue], "bindings": bindings})


async def look_at_messages(road: Road, stack: Stack, witness: Witness) -> None:
    """Look at every message that was ever sent, with its properties."""
    management = stack.broker.management("operator")
    wish = {"count": 10_000, "ackmode": "ack_requeue_true", "encoding": "auto"}
    for message in await asyncio.to_thread(management.post, "queues", road.vhost.name, TAP, "get", body=wish):
        witness.take(f"messages of {message['exchange']}", json.dumps(message, ensure_ascii=False))


def look_at_files(folder: Path, witness: Witness) -> None:
    """Look at the log files."""
    for path in folder.iterdir():
        witness.take(f"file {path.name}", path.read_text(encoding="utf-8"))


async def fail_in_every_way(road: Road, witness: Witness, *command: str) -> int:
    """Run a command under everything that can go wrong; return how many kinds of fault the upstream showed it."""
    await script(road, REFUSED)
    assert "http_401" in await call(road, witness, *command)
    assert "crashed: RuntimeError" in await call(road, witness, *command, module="tests.e2e.crashing_fetcher")
    for extra, word in failures(road):
        assert word in await call(road, witness, *command, **extra)
    await script(road, EVERY_KIND)
    await call(road, witness, *command)
    return await kinds_met(road)


async def test_no_canary_is_seen_whatever_fails(make_road: MakeRoad, stack: Stack) -> None:
    road = make_road("--offers", "100", "--shop", "50", "--api-key", API_KEY)
    witness = Witness(canaries_of(road))
    tap(road, stack)
    normalizer = road.start("normalizer", "run", **SET)
    await script(road, DEAD_PAGE)
    await call(road, witness, "initial-load", FEEDMILL__FETCHER__MAX_RETRIES="0")
    kinds = [await fail_in_every_way(road, witness, *command) for command in COMMANDS]
    assert min(kinds) >= 1
    assert max(kinds) >= 15
    await until(lambda: rows_processed(road), within_s=60, what="the messages landed")
    normalizer.stop()
    witness.take("console of the normalizer", normalizer.said())
    await look_at_messages(road, stack, witness)
    await look_at_answers(road, witness)
    await look_at_answers(road, witness, DB_PASSWORD=WRONG[0])
    await look_at_tables(road, witness)
    look_at_files(road.folder / "logs", witness)
    for where in ("messages of feedmill.raw", "table raw_data", "table operations_log", "file fetcher.log", "answers"):
        assert witness.seen[where] > 100, where


async def rows_processed(road: Road) -> bool:
    """Tell whether the normalizer has landed something."""
    async with road.connection() as connection:
        return bool(await connection.fetchval("SELECT count(*) FROM processed_data"))
