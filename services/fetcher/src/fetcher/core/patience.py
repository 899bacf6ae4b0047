"""Waiting for our own servers: broker and database may be away for a while, and the work goes on by itself."""

import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from common.clock import Clock
from common.errors import UnavailableError
from common.log import fields

T = TypeVar("T")
_log = logging.getLogger(__name__)


async def until_available(call: Callable[[], Awaitable[T]], *, clock: Clock, pause_s: float) -> T:
    """Make a call, again and again while its server is away; one WARNING at the start, one INFO at the end.

    Args:
        call: Safe to repeat after an unknown outcome.
        clock: Source of the pauses.
        pause_s: Seconds between two calls.
    """
    since: float | None = None
    while True:
        try:
            result = await call()
        except UnavailableError as error:
            if since is None:
                since = clock.monotonic()
                _log.warning(fields("server away, waiting for it", error=error))
            await clock.sleep(pause_s)
        else:
            if since is not None:
                _log.info(fields("server is back", waited_s=round(clock.monotonic() - since)))
            return result
