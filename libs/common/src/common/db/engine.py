"""The one way to a PostgreSQL pool: SQLAlchemy's engine over asyncpg, with bounds on every wait."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
from sqlalchemy import URL, event
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from common.db.session import exchange_json_as_bytes, server_settings
from common.settings import DatabaseSettings


def url(settings: DatabaseSettings) -> URL:
    """Return the address for SQLAlchemy; printing it hides the password."""
    return URL.create(
        "postgresql+asyncpg",
        username=settings.user,
        password=settings.password.get_secret_value() or None,
        host=settings.host,
        port=settings.port,
        database=settings.name,
    )


def create_engine(settings: DatabaseSettings, *, application: str) -> AsyncEngine:
    """Make a pool; it connects on first use.

    Args:
        settings: Where, and the bounds in seconds.
        application: What `pg_stat_activity` shows: `normalizer@host`.
    """
    engine = create_async_engine(
        url(settings),
        pool_size=settings.pool_size,
        max_overflow=0,
        pool_timeout=settings.connect_timeout_s,
        pool_pre_ping=True,
        connect_args={
            "timeout": settings.connect_timeout_s,
            "command_timeout": settings.statement_timeout_s,
            "server_settings": server_settings(settings, application=application),
        },
    )
    event.listen(engine.sync_engine, "connect", _exchange_json_as_bytes)
    return engine


def _exchange_json_as_bytes(connection: Any, _record: object) -> None:
    """Listen after SQLAlchemy's own codecs and replace them.

    A JSON column read through SQLAlchemy is therefore bytes as well; written through it, it still takes objects.
    """
    connection.run_async(exchange_json_as_bytes)


@asynccontextmanager
async def driver_connection(engine: AsyncEngine) -> AsyncIterator["asyncpg.Connection[Any]"]:
    """Lend the pool's bare asyncpg connection: for arrays, bytes and COPY on the hot path.

    No transaction is open on it; the borrower opens and ends its own.
    """
    async with engine.connect() as connection:
        raw = await connection.get_raw_connection()
        driver = raw.driver_connection
        assert driver is not None  # noqa: S101 - only a detached connection has none
        yield driver
