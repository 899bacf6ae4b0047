"""What a reconciliation needs to know, and the reference, in PostgreSQL."""

from collections.abc import Collection, Sequence
from datetime import datetime

from common.events import ChangeId, InnerId
from fetcher.adapters import sweep_sql
from fetcher.adapters.session import PlatformSession
from fetcher.core.feed import seq_before
from fetcher.core.ports import Run
from fetcher.core.sweep_ports import Unseen


class PostgresSweepStore:
    """`SweepStore` and `ReferenceStore` over the platform's session."""

    def __init__(self, session: PlatformSession) -> None:
        self._session = session

    async def see(self, platform: str, inner_ids: Collection[InnerId]) -> set[InnerId]:
        """Note offers as seen; return those that we do not hold both complete and active."""
        rows = await self._session.call(lambda session: session.fetch(sweep_sql.SEE, platform, list(inner_ids)))
        return {InnerId(row["inner_id"]) for row in rows}

    async def sights(self, platform: str) -> int:
        """Return how many offers the sweeps under way have seen."""
        return int(await self._session.call(lambda session: session.fetchval(sweep_sql.SIGHTS, platform)))

    async def forget_sights(self, platform: str) -> None:
        """Forget them all: a reconciliation is over."""
        await self._session.call(lambda session: session.execute(sweep_sql.FORGET_SIGHTS, platform))

    async def unlanded(self, platform: str, since: datetime) -> int:
        """Return how many messages that were confirmed after a moment have not landed."""
        return int(await self._session.call(lambda session: session.fetchval(sweep_sql.UNLANDED, platform, since)))

    async def taken(self, sweep: Run) -> int:
        """Return how many active rows stand as a sweep has brought them: no change has told of them meanwhile."""
        values = sweep.platform, seq_before(sweep.start_change_id), sweep.run_id
        return int(await self._session.call(lambda session: session.fetchval(sweep_sql.TAKEN, *values)))

    async def earlier_pages(self, platform: str, run_id: str) -> int | None:
        """Return the pages of the last load or sweep but this one that reached the end; None where there was none."""
        pages: int | None = await self._session.call(
            lambda session: session.fetchval(sweep_sql.EARLIER_PAGES, platform, run_id)
        )
        return pages

    async def unseen(self, platform: str, since: ChangeId) -> Unseen:
        """Count what no sweep has shown and no change from `since` on has mentioned."""
        row = await self._session.call(lambda session: session.fetchrow(sweep_sql.UNSEEN, platform, since))
        return Unseen(row["active"], row["unseen"], row["removable"])

    async def unseen_after(self, platform: str, since: ChangeId, after: InnerId, limit: int) -> Sequence[InnerId]:
        """Return those of them that can be removed, in order of their ids, from the one after `after` on."""
        values = platform, since, after, limit
        rows = await self._session.call(lambda session: session.fetch(sweep_sql.UNSEEN_AFTER, *values))
        return [InnerId(row["inner_id"]) for row in rows]

    async def is_reconciled(self, platform: str) -> bool:
        """Return whether a reconciliation has been carried through since the last load ended."""
        return bool(await self._session.call(lambda session: session.fetchval(sweep_sql.IS_RECONCILED, platform)))

    async def filters_fetched_at(self, platform: str) -> datetime | None:
        """Return when the reference of a platform was fetched; None: never."""
        found: datetime | None = await self._session.call(
            lambda session: session.fetchval(sweep_sql.FILTERS_FETCHED_AT, platform)
        )
        return found

    async def save_filters(self, platform: str, data: bytes, fetched_at: datetime) -> None:
        """Keep a reference, one JSON object in UTF-8, in place of the one before.

        Raises:
            SchemaError: It cannot be stored.
        """
        values = platform, data.decode(), fetched_at
        await self._session.call(lambda session: session.execute(sweep_sql.SAVE_FILTERS, *values))
