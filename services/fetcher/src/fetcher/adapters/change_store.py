"""How far a platform's changes have been followed, in PostgreSQL."""

from datetime import date
from typing import Final

from common.events import ChangeId
from fetcher.adapters import change_sql
from fetcher.adapters.session import PlatformSession
from fetcher.core.change_ports import SavedChanges, SyncState
from fetcher.core.errors import RunTakenOverError
from fetcher.core.ports import Run, RunKind

_KIND: Final = RunKind.DAILY_UPDATE.page_kind.value


class PostgresChangeStore:
    """`ChangeStore` over the platform's session."""

    def __init__(self, session: PlatformSession) -> None:
        self._session = session

    async def sync_state(self, platform: str) -> SyncState:
        """Return how far the platform has been followed."""
        row = await self._session.call(lambda session: session.fetchrow(change_sql.SYNC_STATE, platform))
        if row is None:
            return SyncState()
        last = row["last_change_id"]
        return SyncState(None if last is None else ChangeId(last), row["last_successful_date"])

    async def save_changes(self, run: Run, page: SavedChanges) -> None:
        """Save ledger rows, the run's position, the platform's cursor and the day's counts in one statement.

        Raises:
            RunTakenOverError: The run is no longer at `run.position`.
        """
        values = (
            run.run_id,
            run.position,
            page.position,
            page.next_position,
            page.records,
            list(page.messages),
            list(page.messages.values()),
            page.attempts,
            page.fetched_at,
            _KIND,
            page.day,
            page.kinds.added,
            page.kinds.changed,
            page.kinds.removed,
        )
        held = await self._session.call(lambda session: session.fetchval(change_sql.SAVE_CHANGES, *values))
        if not held:
            raise RunTakenOverError(
                f"run {run.run_id} is no longer at change id {run.position}: another process moved it"
            )

    async def save_day(self, platform: str, day: date) -> None:
        """Note that everything of a day was confirmed; never goes back."""
        await self._session.call(lambda session: session.execute(change_sql.SAVE_DAY, platform, day))

    async def finish_changes(self, run: Run, cursor: ChangeId) -> None:
        """Mark the run done; gaps below the cursor or at it are closed, whatever run had left them."""
        values = run.run_id, run.platform, cursor, _KIND
        await self._session.call(lambda session: session.execute(change_sql.FINISH_CHANGES, *values))
