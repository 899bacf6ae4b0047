"""Connections that a test borrows; none has a limit of its own: a busy machine is no failure."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from common.db.session import address
from common.settings import DatabaseSettings


@asynccontextmanager
async def connected(settings: DatabaseSettings, **otherwise: Any) -> "AsyncIterator[asyncpg.Connection[Any]]":
    """Lend a connection to this database; `otherwise` is what `asyncpg.connect` shall take in place of the settings."""
    connection = await asyncpg.connect(**address(settings) | {"timeout": None} | otherwise)
    try:
        yield connection
    finally:
        await connection.close()
