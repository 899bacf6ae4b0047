"""A gateway as people run it, a process of its own on a real database, with something of everything in it."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx
import pytest
from tests.contract.gateway.fakes import OTHER_TOKEN, TOKEN
from tests.integration.gateway.conftest import opened
from tests.integration.gateway.test_shop import FULL

from common.clock import SystemClock
from common.settings import DatabaseSettings
from common.testing.offers import a_processed_offer, store_offers
from gateway.adapters.tokens import PostgresTokens
from gateway.core.tokens import digest

SECRET: Final = "canarycanarycanarycanarycanary01"
EXPIRED: Final = OTHER_TOKEN
HTML: Final = "<script>alert(1)</script><img src=x onerror=alert(2)>"
ODD_NAMES: Final = (
    "100% auto_matic",
    "back\\slash",
    "O'Brien; DROP TABLE offers;--",
    HTML,
    "Ёлка 🚗 ＢＭＷ ﷽",
    "İstanbul ß ŉ",
)
EVENTS: Final = """
    INSERT INTO raw_data (platform, inner_id, change_type, data, source, max_seq, is_processed)
    SELECT platform, inner_id, 'added', jsonb_build_object('mark', mark, 'inner_id', inner_id), 'initial_load', 1, true
    FROM processed_data;
    INSERT INTO catalog_changes (platform, inner_id, change_type, diff)
    SELECT platform, inner_id, 'changed', '{"price": [1, 2]}' FROM processed_data;
    INSERT INTO filters_reference (platform, fetched_at, data)
    VALUES ('che168', now(), '{"mark": {"BMW": {"model": ["X5"]}}}');
"""


@dataclass(frozen=True)
class Live:
    """A running gateway."""

    port: int
    process: asyncio.subprocess.Process
    log: Path

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    def said(self) -> str:
        """Return its log."""
        return self.log.read_text(encoding="utf-8", errors="replace")


async def filled(database: DatabaseSettings) -> None:
    """Put offers, a product, changes and two tokens into the database: `TOKEN` is valid, `EXPIRED` was."""
    odd = [a_processed_offer(inner_id=f"odd{n}", mark=name, title=name) for n, name in enumerate(ODD_NAMES)]
    await store_offers(database, [*(a_processed_offer(inner_id=str(50837300 + n)) for n in range(60)), *odd])
    async with opened(database) as pool, pool.connection() as connection:
        await connection.execute(FULL)
        await connection.execute(EVENTS)
    async with opened(database) as pool, PostgresTokens(pool).transaction() as tokens:
        await tokens.add([digest(TOKEN, SECRET.encode())], description=None, expires_at=None)
        yesterday = SystemClock().now().replace(year=2020)
        await tokens.add([digest(EXPIRED, SECRET.encode())], description=None, expires_at=yesterday)


@asynccontextmanager
async def live(database: DatabaseSettings, folder: Path, **settings: str) -> AsyncIterator[Live]:
    """Run a gateway until the block ends; `settings` are of its section, `trusted_proxies='["127.0.0.1/32"]'`."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    named = {f"FEEDMILL__GATEWAY__{name.upper()}": value for name, value in settings.items()}
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
        "HOME": str(folder),
        "DB_HOST": database.host,
        "DB_PORT": str(database.port),
        "DB_USER": database.user,
        "DB_PASSWORD": database.password.get_secret_value(),
        "DB_NAME": database.name,
        "SECRET_KEY": SECRET,
        "API_PORT": str(port),
        **named,
    }
    log = folder / "gateway.log"
    command = (sys.executable, "-m", "gateway", "run")
    with log.open("wb") as out:
        process = await asyncio.create_subprocess_exec(*command, env=environment, cwd=folder, stdout=out, stderr=out)
    gateway = Live(port, process, log)
    try:
        await _until_ready(gateway)
        yield gateway
        process.send_signal(signal.SIGTERM)
        await asyncio.wait_for(process.wait(), 60)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def _until_ready(gateway: Live) -> None:
    deadline = SystemClock().monotonic() + 60
    async with httpx.AsyncClient() as client:
        while SystemClock().monotonic() < deadline and gateway.process.returncode is None:
            try:
                if (await client.get(f"{gateway.url}/health/ready")).status_code == httpx.codes.OK:
                    return
            except httpx.TransportError:
                pass
            await SystemClock().sleep(0.05)
    pytest.fail(f"the gateway does not answer:\n{gateway.said()}")
