"""The whole road as real processes: a stand-in upstream, the fetcher, normalizers, and what came of it."""

import asyncio
import os
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import httpx
from tests import forking
from tests.forking import Forked
from tests.lent import connected
from tests.noon import noon_zone

from common.settings import SERVICE_PASSWORDS, DatabaseSettings, role_of
from sandbox.stack import Stack, Vhost
from sandbox.upstream.server import UpstreamProcess

POLL_S = 0.02
STOP_WITHIN_S = 30.0
UPSTREAM_WAIT_S = 30.0


@dataclass
class Service:
    """One of our processes, in a session of its own, with its output in a file."""

    name: str
    process: Forked | subprocess.Popen[bytes]
    output: Path

    def kill(self) -> None:
        """End it as a power cut would."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """End it by SIGTERM and return its exit code."""
        self.process.terminate()
        try:
            return self.process.wait(STOP_WITHIN_S)
        except subprocess.TimeoutExpired:
            self.kill()
            raise

    def said(self) -> str:
        """Return what it printed so far."""
        return self.output.read_text(encoding="utf-8", errors="replace")


@dataclass
class Road:
    """Addresses of one test's own database, virtual host and upstream, and the processes on them."""

    database: DatabaseSettings
    vhost: Vhost
    upstream: UpstreamProcess
    folder: Path
    platform: str = "che168"
    roles: Mapping[str, str] = field(default_factory=dict)
    """Service → password of its own role in the database; one that is not here works as the owner."""
    services: list[Service] = field(default_factory=list)
    starting: Callable[..., Forked | subprocess.Popen[bytes]] = forking.start
    """Starts a module as `forking.start` does, or in another way."""
    poll_s: float = POLL_S
    """Seconds between two looks at the ledger."""
    day_zone: str = field(default_factory=noon_zone)
    """Where the platform's days begin."""

    def environment(self, user: str) -> dict[str, str]:
        """Return the whole environment of a service that uses the broker as `user`."""
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
        return kept | {
            "DB_HOST": self.database.host,
            "DB_PORT": str(self.database.port),
            "DB_USER": self.database.user,
            "DB_PASSWORD": self.database.password.get_secret_value(),
            "DB_NAME": self.database.name,
            **({SERVICE_PASSWORDS[user]: self.roles[user]} if user in self.roles else {}),
            "RABBITMQ_URL": self.vhost.urls[user],
            "CHE168_BASE_URL": self.upstream.base_url,
            "CHE168_API_KEY": self.upstream.api_key,
            "FEEDMILL__PLATFORMS__CHE168__MIN_INTERVAL_S": "0",
            "FEEDMILL__PLATFORMS__CHE168__DAY_ZONE": self.day_zone,
            "FEEDMILL__FETCHER__RECONCILE_SWEEPS": "0",  # a first load ends with its last page unless a test wants more
            "SECRET_KEY": "0123456789abcdef0123456789abcdef",
        }

    def start(self, service: str, *arguments: str, **extra: str) -> Service:
        """Start one of our commands in the road's folder."""
        return self.start_module(service, service, *arguments, **extra)

    def start_module(self, service: str, module: str, *arguments: str, **extra: str) -> Service:
        """Start a module in place of a service, with everything that the service has."""
        output = self.folder / f"{service}-{len(self.services)}.log"
        with output.open("wb") as file:
            environment = self.environment(service) | extra
            process = self.starting(module, *arguments, env=environment, cwd=self.folder, output=file.fileno())
        self.services.append(Service(service, process, output))
        return self.services[-1]

    async def load(self, *arguments: str, within_s: float = 120) -> int:
        """Run `fetcher initial-load` to its end and return its exit code."""
        fetcher = self.start("fetcher", "initial-load", *arguments)
        await until(lambda: fetcher.process.poll() is not None, within_s=within_s, what="the first load")
        return fetcher.process.wait()

    async def landed(self, *, within_s: float = 60) -> None:
        """Wait until the ledger has pages and none of them is open."""
        async with self.connection() as connection:

            async def none_open() -> bool:
                row = await connection.fetchrow(LEDGER)
                return bool(row is not None and row["pages"] and not row["open"])

            await until(none_open, within_s=within_s, what="every page of the ledger landed", every_s=self.poll_s)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator["asyncpg.Connection[Any]"]:
        """Lend a connection to the test's own database."""
        async with connected(self.database) as connection:
            yield connection

    async def truth(self) -> dict[str, Mapping[str, Any]]:
        """Return the upstream's true state of each offer that its list shows, by inner id."""
        return {key: item for key, item in (await self.whole_truth()).items() if item["listed"] and item["active"]}

    async def whole_truth(self) -> dict[str, Mapping[str, Any]]:
        """Return the upstream's true state of every offer that it has ever had, by inner id."""
        known: dict[str, Mapping[str, Any]] = {}
        after: str | None = ""
        async with httpx.AsyncClient(timeout=UPSTREAM_WAIT_S) as client:
            while after is not None:
                query = {"limit": "1000", "platform": self.platform}
                if after:
                    query["after"] = after
                page = (await client.get(f"{self.upstream.admin}/truth", params=query)).raise_for_status().json()
                known |= {item["inner_id"]: item for item in page["result"]}
                after = page["next_after"]
        return known

    def stop(self) -> None:
        """End every process that still runs."""
        for service in self.services:
            if service.process.poll() is None:
                service.kill()


def roles_of(stack: Stack) -> dict[str, str]:
    """Return the passwords of the services' own roles, by service."""
    return {service: stack.state.passwords[role_of(service)] for service in SERVICE_PASSWORDS}


LEDGER = """
SELECT count(*) AS pages, count(*) FILTER (WHERE status <> 'landed') AS open, coalesce(sum(records), 0) AS records,
       coalesce(sum(landed), 0) AS landed, coalesce(sum(quarantined), 0) AS quarantined
FROM feed_pages
"""


async def until(condition: Callable[[], Any], *, within_s: float, what: str, every_s: float = POLL_S) -> None:
    """Poll a condition, which may be a coroutine function, until it holds.

    Raises:
        AssertionError: It does not hold within `within_s`.
    """
    deadline = time.monotonic() + within_s  # noqa: TID251 - waits for real processes
    while True:
        held = condition()
        if asyncio.iscoroutine(held):
            held = await held
        if held:
            return
        assert time.monotonic() < deadline, f"not within {within_s} s: {what}"  # noqa: TID251 - as above
        await asyncio.sleep(every_s)  # noqa: TID251 - as above
