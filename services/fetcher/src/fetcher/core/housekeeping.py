"""Removing what is older than it need be: a few rows at a time, so that nobody waits, and as often as it takes."""

import asyncio
import logging
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final, Protocol

from common.clock import Clock
from common.errors import FeedmillError
from common.log import fields
from fetcher.core.patience import until_available

INTERVAL_S: Final = 6 * 3600.0
"""Seconds from the end of one round to the next."""

BATCH: Final = 1000
"""Rows of one transaction: some ten milliseconds."""

PAUSE_S: Final = 0.2
"""Seconds between two transactions, for those who wait for the same disk."""

_log = logging.getLogger(__name__)


class Attic(Protocol):
    """Where old rows are."""

    async def remove_older(self, table: str, moment: datetime, *, most: int) -> int:
        """Remove up to `most` rows of a table from before a moment, oldest first, and return how many; repeatable.

        Raises:
            UnavailableError: The database is away.
            FeedmillError: It refuses.
        """
        ...


class Housekeeping:
    """Keeps each table of `keep_days` for its days; a table with None is kept for ever."""

    def __init__(
        self,
        attic: Attic,
        *,
        keep_days: Mapping[str, int | None],
        clock: Clock,
        pause_s: float,
        stop: asyncio.Event,
    ) -> None:
        self._attic = attic
        self._keep_days = keep_days
        self._clock = clock
        self._pause_s = pause_s
        self._stop = stop

    async def keep(self) -> None:
        """Remove what has become too old, for ever."""
        while True:
            await self.tidy()
            await self._clock.sleep(INTERVAL_S)

    async def tidy(self) -> bool:
        """Remove what is too old now, or until `stop` is set; a database that is away is waited for.

        Returns:
            Whether every table could be cleared.
        """
        all_well = True
        for table, days in self._keep_days.items():
            if days is None or self._stop.is_set():
                continue
            try:
                await self._clear(table, days)
            except FeedmillError as error:
                _log.error(fields("old rows cannot be removed", table=table, error=error))
                all_well = False
        return all_well

    async def _clear(self, table: str, days: int) -> None:
        moment = self._clock.now() - timedelta(days=days)
        removed, total = BATCH, 0
        while removed == BATCH and not self._stop.is_set():
            removed = await until_available(
                lambda: self._attic.remove_older(table, moment, most=BATCH), clock=self._clock, pause_s=self._pause_s
            )
            total += removed
            if removed == BATCH:
                await self._clock.sleep(PAUSE_S)
        if total:
            _log.info(fields("old rows removed", table=table, rows=total, kept_days=days))
