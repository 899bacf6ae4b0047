"""Opening the real store on a test's own database."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from common.db.session import server_settings
from common.settings import DatabaseSettings
from fetcher.adapters.postgres import PostgresStore
from fetcher.adapters.session import PlatformSession, SessionAddress


def address_of(database: DatabaseSettings) -> SessionAddress:
    """Return where a test's database is."""
    return SessionAddress(
        host=database.host,
        port=database.port,
        user=database.user,
        password=database.password.get_secret_value(),
        database=database.name,
        connect_timeout_s=database.connect_timeout_s,
        statement_timeout_s=database.statement_timeout_s,
        server_settings=server_settings(database, application="fetcher@test"),
    )


@asynccontextmanager
async def opened_store(database: DatabaseSettings, platform: str = "che168") -> AsyncIterator[PostgresStore]:
    """Open the store, and with it the platform's lock."""
    async with PlatformSession(address_of(database), platform) as session:
        yield PostgresStore(session)
