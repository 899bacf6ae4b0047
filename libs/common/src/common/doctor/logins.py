"""Whether each service is let in with the passwords that it is given, where the doctor is given them too."""

import asyncio
from collections.abc import AsyncIterator
from typing import Final
from urllib.parse import unquote, urlsplit

import asyncpg

from common.broker_nodes import node_urls
from common.db.session import AWAY, connect
from common.doctor.broker import SHUT_OUT, closing, entered, refusal
from common.doctor.report import Line, error, ok, said
from common.settings import SERVICE_PASSWORDS, DatabaseSettings, role_of

_WHERE: Final = "docs/deployment.md, Secrets"


async def lines(service: str, database: DatabaseSettings, url: str) -> AsyncIterator[Line]:
    """Log in as a service does, and do nothing more.

    Args:
        service: Whose passwords these are.
        database: As the service reads it; tried where the service has a role of its own.
        url: Its address of the broker; tried unless it is empty.
    """
    to_broker = _to_broker(service, url, timeout_s=database.connect_timeout_s)
    for line in await asyncio.gather(_to_database(service, database), to_broker):
        if line:
            yield line


async def _to_database(service: str, settings: DatabaseSettings) -> Line | None:
    if settings.user != role_of(service):
        return None
    what = f"database as {service}"
    try:
        connection = await connect(settings, application="doctor")
    except AWAY as fault:
        return error(what, said(fault), f"does it run, and are DB_HOST and DB_PORT of the {service} right?")
    except asyncpg.PostgresError as fault:
        return error(what, said(fault), f"is {SERVICE_PASSWORDS[service]} the password of its role? {_WHERE}")
    await connection.close(timeout=settings.connect_timeout_s)
    return ok(what, f"{settings.user} is let in")


async def _to_broker(service: str, url: str, *, timeout_s: float) -> Line | None:
    if not url:
        return None
    what = f"broker as {service}"
    try:
        connection = await entered(url, timeout_s=timeout_s)
    except SHUT_OUT as fault:
        return error(what, refusal(fault), f"is the {service}'s own RABBITMQ_URL right? {_WHERE}")
    async with closing(connection, timeout_s):
        return ok(what, f"{unquote(urlsplit(node_urls(url)[0]).username or 'guest')} is let in")
