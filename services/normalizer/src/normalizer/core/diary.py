"""The diary of normalising: one row of `operations_log` for each busy period, however many batches it had."""

import asyncio
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Protocol

from common.clock import Clock
from common.errors import FeedmillError
from common.events import PageFetched
from common.log import fields
from normalizer.core.errors import TransientError

IDLE_S: Final = 10.0
"""Seconds without a batch after which a period is over."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Normalization:
    """A row of `operations_log`.

    Attributes:
        duration_s: From the first batch's begin to the last one's end.
        is_ok: No record failed, and none was quarantined.
        details: One sentence for people.
        platform: Whose records; None: of several.
    """

    started_at: datetime
    duration_s: float
    is_ok: bool
    details: str
    platform: str | None
    counts: Mapping[str, int]


class OperationsLog(Protocol):
    """Where the rows go."""

    async def record(self, operation: Normalization) -> None:
        """Add a row.

        Raises:
            TransientError: The database is away.
        """
        ...


class Landing(Protocol):
    """Lands pages; see `normalizer.core.land.Lander`."""

    async def land(self, pages: Sequence[PageFetched], /) -> Counter[str]:
        """Return counts when every record of the pages is committed."""
        ...


@dataclass(slots=True)
class _Period:
    started_at: datetime
    start_s: float
    end_s: float
    counts: Counter[str] = field(default_factory=Counter)
    platforms: set[str] = field(default_factory=set)


class Diary:
    """Notes what is normalised and writes a row when it was quiet for `IDLE_S`, and at the end."""

    def __init__(self, operations: OperationsLog, *, clock: Clock) -> None:
        self._operations = operations
        self._clock = clock
        self._period: _Period | None = None

    def note(self, counts: Mapping[str, int], *, platforms: set[str], took_s: float) -> None:
        """Add what a piece of work came to that ended now."""
        end_s = self._clock.monotonic()
        if self._period is None:
            self._period = _Period(self._clock.now() - timedelta(seconds=took_s), end_s - took_s, end_s)
        self._period.end_s = end_s
        self._period.counts.update(counts)
        self._period.platforms |= platforms

    async def keep(self) -> None:
        """Write a row after each period, for ever."""
        while True:
            await self._clock.sleep(IDLE_S)
            if self._period is not None and self._clock.monotonic() - self._period.end_s >= IDLE_S:
                with suppress(TransientError):  # the period stays open and is written later
                    await self.write()

    async def write(self) -> None:
        """Write the row of the open period, if there is one.

        Raises:
            TransientError: The database is away; the period stays open.
        """
        period, self._period = self._period, None
        if period is None:
            return
        try:
            await self._operations.record(_row(period))
        except FeedmillError:
            self._resume(period)
            raise

    def _resume(self, period: _Period) -> None:
        if self._period is not None:
            period.end_s = self._period.end_s
            period.counts.update(self._period.counts)
            period.platforms |= self._period.platforms
        self._period = period


class NotedLanding:
    """A landing whose work is noted in the diary."""

    def __init__(self, landing: Landing, diary: Diary, *, clock: Clock) -> None:
        self._landing = landing
        self._diary = diary
        self._clock = clock

    async def land(self, pages: Sequence[PageFetched], /) -> Counter[str]:
        """Land pages and note them."""
        began_s = self._clock.monotonic()
        counts = await self._landing.land(pages)
        took_s = self._clock.monotonic() - began_s
        self._diary.note(counts, platforms={page.platform for page in pages}, took_s=took_s)
        return counts


async def kept(diary: Diary, work: "asyncio.Future[None]", *, last_word_s: float) -> None:
    """Keep the diary while `work` goes on; the last row is written within `last_word_s` seconds or given up."""
    keeping = asyncio.ensure_future(diary.keep())
    try:
        await work
    finally:
        keeping.cancel()
        writing = asyncio.ensure_future(diary.write())
        writing.add_done_callback(_heard)
        await asyncio.wait({writing}, timeout=last_word_s)
        try:
            # Not waited for: with a database that says nothing, to be cancelled takes seconds as well.
            error = f"not within {last_word_s} s" if writing.cancel() else writing.result()
        except FeedmillError as failure:
            error = str(failure)
        if error is not None:
            _log.warning(fields("Last row of the operations log not written", error=error))


def _heard(writing: "asyncio.Future[None]") -> None:
    """Take an error that comes when nobody waits any more."""
    if not writing.cancelled():
        writing.exception()


def _row(period: _Period) -> Normalization:
    counts = period.counts
    failed = counts["errors"] + counts["quarantined"]
    flaws = [f"{counts[name]:,} {said}" for name, said in _FLAWS.items() if counts[name]]
    details = ", ".join([f"normalised {counts['records']:,} records", *flaws])
    return Normalization(
        started_at=period.started_at,
        duration_s=period.end_s - period.start_s,
        is_ok=not failed,
        details=details,
        platform=min(period.platforms) if len(period.platforms) == 1 else None,
        counts={name: number for name, number in sorted(counts.items()) if number},
    )


_FLAWS: Final = {"errors": "could not be normalised", "quarantined": "in quarantine"}
