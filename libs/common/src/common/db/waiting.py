"""A session that waits for others says for whom: a lock that a stranger holds is no silence without an end."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

import asyncpg

from common.clock import Clock
from common.db.session import AWAY, connect
from common.log import fields
from common.settings import DatabaseSettings

LOOK_EVERY_S: Final = 5.0

_BLOCKERS: Final = """
SELECT pid, usename AS user, application_name AS application, state
  FROM pg_stat_activity WHERE pid = ANY (pg_blocking_pids($1)) ORDER BY pid
"""
"""For whom a session waits; every user may ask. `state` is null where the other one is of another user."""

_log = logging.getLogger(__name__)


@asynccontextmanager
async def told(settings: DatabaseSettings, pid: int, *, clock: Clock) -> AsyncIterator[None]:
    """Warn once of each session that the one of `pid` waits for, as long as this is entered.

    Args:
        settings: Of the database that both are in.
        pid: Of the server process of the session that may wait.
        clock: For the pauses of `LOOK_EVERY_S`.
    """
    watch = asyncio.create_task(_watch(settings, pid, clock))
    try:
        yield
    finally:
        watch.cancel()
        with suppress(asyncio.CancelledError):
            await watch


async def _watch(settings: DatabaseSettings, pid: int, clock: Clock) -> None:
    known: set[int] = set()
    while True:
        await clock.sleep(LOOK_EVERY_S)
        with suppress(*AWAY, asyncpg.PostgresError):  # who waits finds out for itself
            for row in await _blockers(settings, pid):
                if row["pid"] not in known:
                    known.add(row["pid"])
                    _log.warning(fields("waiting for another session of the database to end its transaction", **row))


async def _blockers(settings: DatabaseSettings, pid: int) -> list[Any]:
    connection = await connect(settings, application="migrate")
    try:
        return list(await connection.fetch(_BLOCKERS, pid))
    finally:
        await connection.close(timeout=settings.connect_timeout_s)
