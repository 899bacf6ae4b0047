"""Progress as people see it: a line in the log every few seconds, and a live bar on a terminal."""

import logging
from contextlib import ExitStack
from typing import Any

from common.clock import Clock
from fetcher.core.progress import Progress

_log = logging.getLogger(__name__)


class ProgressLines:
    """A `ProgressDisplay` that writes a log line at most every `interval_s` seconds."""

    def __init__(self, *, interval_s: float, clock: Clock) -> None:
        self._interval_s = interval_s
        self._clock = clock
        self._next_s = clock.monotonic() + interval_s
        self._unsaid: Progress | None = None

    def show(self, progress: Progress) -> None:
        """Say it now if it is time."""
        self._unsaid = progress
        if self._clock.monotonic() >= self._next_s:
            self._say()

    def close(self) -> None:
        """Say the last state unless it was said."""
        self._say()

    def _say(self) -> None:
        if self._unsaid is not None:
            _log.info(self._unsaid.line)
            self._unsaid = None
        self._next_s = self._clock.monotonic() + self._interval_s


class ProgressBar:
    """A `ProgressDisplay` that draws a bar under the log lines of a terminal, from the first progress to `close`."""

    def __init__(self, lines: ProgressLines) -> None:
        self._lines = lines
        self._exits = ExitStack()
        self._bar: Any = None

    def show(self, progress: Progress) -> None:
        """Move the bar, and say a line if it is time."""
        total = progress.expected if progress.percent is not None else None
        if self._bar is None:
            self._bar = self._drawn(progress.records, total)
        self._bar.total = total
        self._bar.update(progress.records - self._bar.n)
        self._lines.show(progress)

    def close(self) -> None:
        """Say the last state and clear the bar."""
        self._lines.close()
        self._exits.close()
        self._bar = None

    def _drawn(self, records: int, total: int | None) -> Any:
        from tqdm import tqdm  # noqa: PLC0415 - only a terminal pays for it
        from tqdm.contrib.logging import logging_redirect_tqdm  # noqa: PLC0415 - as above

        self._exits.enter_context(logging_redirect_tqdm())
        bar = tqdm(initial=records, total=total, unit=" records", leave=False, dynamic_ncols=True)
        return self._exits.enter_context(bar)
