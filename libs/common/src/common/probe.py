"""Whether the servers that a service needs can be reached now; what a container's health check asks."""

import asyncio

import asyncpg

from common.broker_nodes import addresses, node_urls
from common.db.session import address, server_settings
from common.errors import UnavailableError
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
    """Return when something listens where one of the broker's nodes should be.

    Raises:
        UnavailableError: Nothing does, at any of them.
    """
    nodes = node_urls(settings.url.get_secret_value())
    faults = await asyncio.gather(*(_fault_of(node, timeout_s=timeout_s) for node in nodes))
    if all(faults):
        raise UnavailableError("; ".join(fault for fault in faults if fault))


async def _fault_of(node: str, *, timeout_s: float) -> str | None:
    where = addresses(node)
    host, _, port = where.rpartition(":")
    try:
        async with asyncio.timeout(timeout_s):
            _, writer = await asyncio.open_connection(host, int(port))
            writer.close()
            await writer.wait_closed()
    except OSError as error:
        return f"broker {where}: {_said(error)}"
    return None


def _said(error: Exception) -> str:
    """Return the error's text; a timeout has none."""
    return str(error) or type(error).__name__
