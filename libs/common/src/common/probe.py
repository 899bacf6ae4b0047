"""Whether the servers that a service needs can be reached now; what a container's health check asks."""

import asyncio
from urllib.parse import urlsplit

import asyncpg

from common.db.session import address, server_settings
from common.errors import ConfigurationError, UnavailableError
from common.settings import BrokerSettings, DatabaseSettings, Settings


async def servers_answer(settings: Settings) -> None:
    """Return when database and broker answer.

    Raises:
        UnavailableError: One of them does not; the text names its host and port.
    """
    await database_answers(settings.database)
    await broker_answers(settings.rabbitmq, timeout_s=settings.database.connect_timeout_s)


async def database_answers(settings: DatabaseSettings) -> None:
    """Return when the database takes this user and answers a query.

    Raises:
        UnavailableError: It does not.
    """
    try:
        connection = await asyncpg.connect(
            **address(settings),
            command_timeout=settings.connect_timeout_s,
            server_settings=server_settings(settings, application="health"),
        )
        try:
            await connection.execute("SELECT 1")
        finally:
            await connection.close(timeout=settings.connect_timeout_s)
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise UnavailableError(f"database {settings.host}:{settings.port}/{settings.name}: {_said(error)}") from error


async def broker_answers(settings: BrokerSettings, *, timeout_s: float) -> None:
    """Return when something listens where the broker should be.

    Raises:
        UnavailableError: Nothing does.
        ConfigurationError: The URL names no port number.
    """
    host, port = _broker_address(settings.url.get_secret_value())
    try:
        async with asyncio.timeout(timeout_s):
            _, writer = await asyncio.open_connection(host, port)
            writer.close()
            await writer.wait_closed()
    except OSError as error:
        raise UnavailableError(f"broker {host}:{port}: {_said(error)}") from error


def _broker_address(url: str) -> tuple[str, int]:
    address = urlsplit(url)
    try:
        port = address.port or (5671 if address.scheme == "amqps" else 5672)
    except ValueError:
        raise ConfigurationError("rabbitmq.url (RABBITMQ_URL): the port is no number") from None
    return address.hostname or "127.0.0.1", port


def _said(error: Exception) -> str:
    """Return the error's text; a timeout has none."""
    return str(error) or type(error).__name__
