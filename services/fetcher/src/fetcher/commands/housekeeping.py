"""`fetcher housekeeping`: remove old rows once, for who fetches by cron; `fetcher run` does so by itself."""

import asyncio
from typing import Final

from common.clock import SystemClock
from fetcher.adapters.attic import PostgresAttic
from fetcher.adapters.session import PlatformSession
from fetcher.commands.command import Command, Options, no_options, only
from fetcher.commands.parts import session_of
from fetcher.core.housekeeping import Housekeeping
from fetcher.entrypoints.cli import Exit
from fetcher.settings import FetcherServiceSettings

LOCK: Final = "housekeeping"
"""Stands where other locks have a platform."""


def over(settings: FetcherServiceSettings, session: PlatformSession, stop: asyncio.Event) -> Housekeeping:
    """Return housekeeping as configured, in a session."""
    own = settings.fetcher
    return Housekeeping(
        PostgresAttic(session),
        keep_days=own.keep_days,
        clock=SystemClock(),
        pause_s=own.server_retry_interval_s,
        stop=stop,
    )


async def _perform(settings: FetcherServiceSettings, options: Options, name: str, stop: asyncio.Event) -> Exit:
    del options
    async with session_of(settings, name) as session:
        return Exit.DONE if await over(settings, session, stop).tidy() else Exit.WITH_ERRORS


COMMAND = Command(
    name="housekeeping",
    summary="remove old changes, pages, operations and refused records; `run` does so by itself",
    description="Removes what is older than fetcher.keep_..._days, a thousand rows at a time.",
    add_options=no_options,
    targets=only(LOCK),
    perform=_perform,
)
