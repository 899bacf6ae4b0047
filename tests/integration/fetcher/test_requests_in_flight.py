"""How many requests are in flight, as the upstream counts them: one, unless an operator allows more."""

import asyncio
from pathlib import Path

import httpx
import pytest
from tests.forking import Upstream
from tests.integration.fetcher.command import Command

from common.settings import DatabaseSettings
from sandbox.stack import Vhost

pytestmark = pytest.mark.integration

PAGES = 24


@pytest.mark.parametrize(("setting", "most"), [({}, 1), ({"FEEDMILL__PLATFORMS__CHE168__PAGES_IN_FLIGHT": "8"}, 8)])
async def test_the_upstream_sees_as_many_requests_at_once_as_are_allowed(
    database: DatabaseSettings, vhost: Vhost, tmp_path: Path, setting: dict[str, str], most: int
) -> None:
    options = ("--offers", str(20 * PAGES), "--quirks", "off", "--delay-ms", "50")
    with Upstream(*options) as upstream:
        command = Command(database, vhost, upstream, tmp_path, setting)
        try:
            assert await asyncio.to_thread(command.run, "initial-load") == 0, command.said
        finally:
            command.end()
        async with httpx.AsyncClient() as client:
            stats = (await client.get(f"{upstream.admin}/stats")).json()
    assert stats["max_in_flight"] == most
    assert PAGES <= stats["endpoints"]["offers"] <= PAGES + most - 1
    assert f"{20 * PAGES} records in {PAGES} pages" in command.said
