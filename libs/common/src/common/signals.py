"""SIGTERM and SIGINT: the first asks to stop, the second ends the process at once."""

import asyncio
import logging
import os
import signal
from collections.abc import Callable
from typing import Final

SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)

_log = logging.getLogger(__name__)


def _die(number: int) -> None:
    os._exit(128 + number)


class StopSignals:
    """Sets `stop` at the first signal; the second is as safe as `kill -9`, which every step allows for.

    Args:
        stop: What is set.
        finishing: What the service still does, for its log.
        die: Ends the process.
    """

    def __init__(self, stop: asyncio.Event, *, finishing: str, die: Callable[[int], None] = _die) -> None:
        self._stop = stop
        self._finishing = finishing
        self._die = die

    def install(self, loop: asyncio.AbstractEventLoop) -> None:
        """Listen in this loop."""
        for number in SIGNALS:
            loop.add_signal_handler(number, self.receive, number)

    def receive(self, number: int) -> None:
        """Act on one signal."""
        if self._stop.is_set():
            self._die(number)
            return
        _log.info("%s: finishing %s; once more ends at once", signal.Signals(number).name, self._finishing)
        self._stop.set()
