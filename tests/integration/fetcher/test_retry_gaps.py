"""`fetcher retry-gaps` as an operator meets it: a gap that a load has left, an upstream that is well again."""

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.contract.fetcher.stores import address_of
from tests.forking import Upstream
from tests.integration.fetcher.command import Command

from common.settings import DatabaseSettings
from fetcher.adapters.session import PlatformSession
from sandbox.stack import Vhost

pytestmark = pytest.mark.integration

LEDGER = "SELECT position, status FROM feed_pages ORDER BY position"


async def rows(database: DatabaseSettings, query: str) -> list[tuple[Any, ...]]:
    """Return what a query finds."""
    async with PlatformSession(address_of(database), "test") as session:
        return [tuple(row) for row in await session.call(lambda call: call.fetch(query))]


async def test_a_gap_is_a_row_until_retry_gaps_has_closed_it(
    database: DatabaseSettings, vhost: Vhost, tmp_path: Path
) -> None:
    script = tmp_path / "faults.json"
    script.write_text(json.dumps([{"kind": "status", "code": 503, "endpoint": "offers", "position": 2, "times": None}]))
    options = ("--offers", "60", "--quirks", "off", "--faults", str(script))
    with Upstream(*options) as upstream:
        command = Command(database, vhost, upstream, tmp_path, {"FEEDMILL__FETCHER__MAX_RETRIES": "0"})
        assert await asyncio.to_thread(command.run, "initial-load") == 1
        assert await rows(database, LEDGER) == [(1, "fetched"), (2, "gap"), (3, "fetched")]

        assert await asyncio.to_thread(command.run, "retry-gaps") == 1
        assert "0 of 1 missing pages fetched" in command.said
        assert await rows(database, LEDGER) == [(1, "fetched"), (2, "gap"), (3, "fetched")]

        async with httpx.AsyncClient() as client:
            (await client.delete(f"{upstream.admin}/faults")).raise_for_status()
        assert await asyncio.to_thread(command.run, "retry-gaps") == 0
        assert await rows(database, LEDGER) == [(1, "fetched"), (2, "fetched"), (3, "fetched")]
        assert await rows(database, "SELECT status, pages, records FROM fetch_runs") == [("done", 3, 60)]
        assert await rows(database, "SELECT status FROM operations_log ORDER BY id") == [
            ("ERROR",),
            ("ERROR",),
            ("OK",),
        ]

        assert await asyncio.to_thread(command.run, "retry-gaps") == 0
        assert "[INFO] no page of che168 is missing" in command.said
        command.end()
