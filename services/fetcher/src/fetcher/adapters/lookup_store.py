"""Which offers are known only in part, in PostgreSQL."""

from collections.abc import Sequence
from datetime import datetime

from common.events import InnerId, PageKind
from common.log import scrub
from fetcher.adapters import lookup_sql
from fetcher.adapters.session import PlatformSession
from fetcher.core.lookup_ports import DueLookup, SavedLookups


class PostgresLookupStore:
    """`LookupStore` over the platform's session."""

    def __init__(self, session: PlatformSession) -> None:
        self._session = session

    async def due_lookups(self, platform: str, now: datetime, limit: int) -> Sequence[DueLookup]:
        """Return active offers known only from partial events whose next attempt is due; those never asked come first.

        What is kept of offers that have become complete, or inactive, is forgotten.
        """
        values = platform, now, limit
        rows = await self._session.call(lambda session: session.fetch(lookup_sql.DUE_LOOKUPS, *values))
        return [DueLookup(InnerId(row["inner_id"]), row["missed"], row["first_missed_at"]) for row in rows]

    async def save_lookups(self, page: SavedLookups) -> None:
        """Save ledger rows, what is kept of each look-up, and the day's counts in one statement."""
        results = page.results
        values = (
            page.platform,
            page.run_id,
            page.position,
            PageKind.LOOKUP.value,
            list(page.messages),
            list(page.messages.values()),
            page.fetched_at,
            page.day,
            [result.inner_id for result in results],
            [result.missed for result in results],
            [result.first_missed_at for result in results],
            [result.next_attempt_at for result in results],
            [None if result.error is None else scrub(result.error) for result in results],
            page.kinds.added,
            page.kinds.removed,
        )
        await self._session.call(lambda session: session.execute(lookup_sql.SAVE_LOOKUPS, *values))
