"""Saying at the end of a command what the watchdog finds about its platform."""

import logging
from contextlib import suppress

from common.clock import SystemClock
from common.errors import UnavailableError
from fetcher.adapters.service_store import PostgresServiceStore
from fetcher.commands.parts import session_of
from fetcher.core.errors import AlreadyRunningError
from fetcher.core.watch import line_of
from fetcher.settings import FetcherServiceSettings

_log = logging.getLogger(__name__)


async def say_findings(settings: FetcherServiceSettings, name: str) -> None:
    """Log a WARNING for each finding about a platform; nothing where the database is away.

    Raises:
        SchemaError: The database lacks the watchdog: it is not migrated.
    """
    with suppress(UnavailableError, AlreadyRunningError):  # the second: another process says the same now
        async with session_of(settings, f"watch of {name}") as session:
            for finding in await PostgresServiceStore(session).findings(SystemClock().now()):
                if finding.platform == name:
                    _log.warning(line_of(finding))
