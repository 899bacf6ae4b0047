"""`SIGTERM` while the database takes connections and says nothing any more: the gateway ends in order."""

from pathlib import Path

import httpx
import pytest
from tests.contract.gateway.fakes import TOKEN
from tests.integration.gateway.conftest import Wire
from tests.integration.gateway.live import filled, live

from common.settings import DatabaseSettings

pytestmark = pytest.mark.integration


async def test_a_database_that_says_nothing_holds_up_no_end(
    database: DatabaseSettings, wire: Wire, tmp_path: Path
) -> None:
    await filled(database)
    async with live(database.model_copy(update={"port": wire.port}), tmp_path) as gateway:
        async with httpx.AsyncClient(base_url=gateway.url, headers={"X-API-Key": TOKEN}) as client:
            assert (await client.get("/collect-data")).headers.get("X-Sources")
        wire.stall()
    assert gateway.process.returncode == 0
    assert "Traceback" not in gateway.said()
