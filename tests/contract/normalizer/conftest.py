"""The shelf of each test: the fake and PostgreSQL in turn."""

from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest
from tests.contract.normalizer.shelves import Shelf, an_empty_shelf

from common.db.session import create_pool
from common.settings import DatabaseSettings
from normalizer.adapters.postgres import prepare


@pytest.fixture(scope="module")
async def pool(module_database: DatabaseSettings) -> "AsyncIterator[asyncpg.Pool[Any]]":
    """A pool on a database of this file's own."""
    async with create_pool(module_database, application="test", prepare=prepare) as opened:
        yield opened


@pytest.fixture(params=["fake", "postgres"])
def server(request: pytest.FixtureRequest) -> "asyncpg.Pool[Any] | None":
    """Where the shelf is: None is in memory."""
    found: asyncpg.Pool[Any] | None = None if request.param == "fake" else request.getfixturevalue("pool")
    return found


@pytest.fixture
async def shelf(server: "asyncpg.Pool[Any] | None") -> Shelf:
    """An empty store: the fake and the real one in turn."""
    return await an_empty_shelf(server)
