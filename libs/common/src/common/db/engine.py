"""SQLAlchemy's engine over asyncpg: for migrations and ordinary queries. The hot path uses `common.db.session`."""

from contextlib import suppress

import asyncpg
from sqlalchemy import URL
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from common.db.session import CLOSE_WITHIN_S, COMMAND_MARGIN_S, server_settings
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


def create_engine(settings: DatabaseSettings, *, application: str, autocommit: bool = False) -> AsyncEngine:
    """Make a pool; it connects on first use. JSON columns take and give objects.

    Args:
        settings: Where, and the bounds in seconds.
        application: What `pg_stat_activity` shows: `migrate`.
        autocommit: Each statement is a transaction of its own: a query takes two round trips with its ping, not six.
    """
    return create_async_engine(
        url(settings),
        pool_size=settings.pool_size,
        max_overflow=0,
        pool_timeout=settings.connect_timeout_s,
        pool_pre_ping=True,
        **({"isolation_level": "AUTOCOMMIT"} if autocommit else {}),
        connect_args={
            "connection_class": _Connection,
            "timeout": settings.connect_timeout_s,
            "command_timeout": settings.statement_timeout_s + COMMAND_MARGIN_S,
            "server_settings": server_settings(settings, application=application),
        },
    )


class _Connection(asyncpg.Connection):  # type: ignore[misc] # asyncpg has no types
    """One that is dropped where the server does not hear its goodbye: SQLAlchemy waits as long as it takes."""

    async def close(self, *, timeout: float | None = None) -> None:  # noqa: ASYNC109 - the library's signature
        with suppress(TimeoutError):
            await super().close(timeout=timeout or CLOSE_WITHIN_S)
