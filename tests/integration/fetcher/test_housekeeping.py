"""Old rows go by `fetcher housekeeping`, and by `fetcher run` without being asked; a real process and database."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.forking import Upstream
from tests.integration.fetcher.command import Command
from tests.lent import connected

from common.settings import DatabaseSettings
from sandbox.stack import Vhost

pytestmark = pytest.mark.integration

CHANGES = """
    INSERT INTO catalog_changes (platform, inner_id, change_type, diff, changed_at)
    SELECT 'che168', n::text, 'added', '{}', now() - make_interval(days => 100 - n) FROM generate_series(1, 20) AS n
"""


@pytest.fixture
def command(database: DatabaseSettings, vhost: Vhost, tmp_path: Path) -> Iterator[Command]:
    """A fetcher that has nothing to fetch."""
    with Upstream("--offers", "1") as upstream:
        made = Command(database, vhost, upstream, tmp_path, {"FEEDMILL__PLATFORMS__CHE168__ENABLED": "false"})
        yield made
        made.end()


async def kept(database: DatabaseSettings, *, statement: str = "SELECT 1") -> Any:
    """Return the numbers of changes that are kept, after a statement."""
    async with connected(database) as connection:
        await connection.execute(statement)
        return await connection.fetchval("SELECT array_agg(change_id ORDER BY change_id) FROM catalog_changes")


async def test_the_command_removes_what_is_too_old_and_the_service_does_it_by_itself(
    database: DatabaseSettings, command: Command
) -> None:
    await kept(database, statement=CHANGES)
    assert await asyncio.to_thread(command.run, "housekeeping") == 0
    assert await kept(database) == list(range(11, 21))
    await kept(database, statement="UPDATE catalog_changes SET changed_at = changed_at - interval '5 days'")
    command.start("run")
    for _ in range(200):
        left = await kept(database)
        if left == list(range(16, 21)):
            break
        await asyncio.sleep(0.1)  # noqa: TID251 - waits for a real process
    assert left == list(range(16, 21))
