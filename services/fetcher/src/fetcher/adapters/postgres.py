"""Runs, the page ledger and the diary in PostgreSQL."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from common.events import ChangeId, PageKind
from common.log import scrub
from fetcher.adapters import sql
from fetcher.adapters.session import PlatformSession
from fetcher.core.errors import RunTakenOverError
from fetcher.core.ports import FailedPage, Operation, Run, RunKind, RunStatus, SavedPage


class PostgresStore:
    """`LoadStore` and `OperationsLog` over the platform's session."""

    def __init__(self, session: PlatformSession) -> None:
        self.session = session

    async def latest_run(self, platform: str, kind: RunKind) -> Run | None:
        """Return the platform's newest run of a kind; None where there was none."""
        row = await self.session.call(lambda session: session.fetchrow(sql.LATEST_RUN, platform, kind.value))
        return None if row is None else _run(row)

    async def previous_total(self, platform: str, kind: RunKind) -> int | None:
        """Return the records of the last run that reached the end; None where there was none."""
        total: int | None = await self.session.call(
            lambda session: session.fetchval(sql.PREVIOUS_TOTAL, platform, kind.value)
        )
        return total

    async def start_run(self, run: Run) -> None:
        """Save a new run before its first page."""
        values = run.run_id, run.platform, run.start_change_id, run.started_at, run.kind.value
        await self.session.call(lambda session: session.execute(sql.START_RUN, *values))

    async def reopen_run(self, run_id: str) -> None:
        """Mark an unfinished run as running again."""
        await self.session.call(lambda session: session.execute(sql.REOPEN_RUN, run_id))

    async def save_pages(self, run: Run, pages: Sequence[SavedPage]) -> None:
        """Save position and ledger rows in one statement.

        Raises:
            RunTakenOverError: The run is no longer at `run.position`.
        """
        last = pages[-1]
        values = *_page_values(run, pages), run.position, last.position, last.next_position
        moved = await self.session.call(lambda session: session.fetchval(sql.SAVE_PAGES, *values))
        if not moved:
            raise RunTakenOverError(f"run {run.run_id} is no longer at page {run.position}: another process moved it")

    async def save_failure(self, run: Run, page: FailedPage) -> None:
        """Note a page that waits for its next try, or a gap."""
        values = (
            run.platform,
            page.position,
            run.run_id,
            page.message_id,
            page.attempts,
            page.first_try_at,
            page.next_attempt_at,
            scrub(page.error),
            run.kind.page_kind.value,
        )
        await self.session.call(lambda session: session.execute(sql.SAVE_FAILURE, *values))

    async def open_failures(self, run_id: str) -> Sequence[FailedPage]:
        """Return the run's pages that failed and were not fetched since, in order of position."""
        rows = await self.session.call(lambda session: session.fetch(sql.OPEN_FAILURES, run_id))
        return [
            FailedPage(
                position=row["position"],
                message_id=row["message_id"],
                attempts=row["attempts"],
                first_try_at=row["created_at"],
                next_attempt_at=row["next_attempt_at"],
                error=row["error"] or "",
            )
            for row in rows
        ]

    async def missing_pages(
        self, platform: str, kind: PageKind, *, lost_before: datetime
    ) -> Sequence[tuple[Run, FailedPage]]:
        """Return the gaps of all runs, and the pages that were lost on the way, each with its run, oldest first."""
        values = platform, kind.value, lost_before
        rows = await self.session.call(lambda session: session.fetch(sql.MISSING_PAGES, *values))
        return [
            (
                _run(row),
                FailedPage(
                    row["page"], row["message_id"], row["attempts"], row["created_at"], None, row["error"] or ""
                ),
            )
            for row in rows
        ]

    async def forget_lost(self, platform: str, kind: PageKind, *, lost_before: datetime) -> None:
        """Forget the pages of a kind that were lost on the way, and that are made anew by themselves."""
        values = platform, kind.value, lost_before
        await self.session.call(lambda session: session.execute(sql.FORGET_LOST, *values))

    async def close_gap(self, run: Run, page: SavedPage) -> None:
        """Note that a missing page was fetched after all, whatever has become of its run; the run's position stays."""
        await self.session.call(lambda session: session.execute(sql.CLOSE_GAP, *_page_values(run, [page])))

    async def finish_run(self, run: Run) -> None:
        """Mark the run done; after a first load the platform's changes begin at S0, unless they have begun already."""
        await self.session.call(lambda session: session.execute(sql.FINISH_RUN, run.run_id))

    async def fail_run(self, run_id: str) -> None:
        """Mark the run failed; it can be resumed."""
        await self.session.call(lambda session: session.execute(sql.FAIL_RUN, run_id))

    async def record(self, operation: Operation) -> None:
        """Add a row of type `data_fetch` to `operations_log`."""
        values = (
            operation.started_at,
            operation.duration_s,
            "OK" if operation.is_ok else "ERROR",
            scrub(operation.details),
            operation.platform,
            json.dumps(dict(operation.counts)),
        )
        await self.session.call(lambda session: session.execute(sql.RECORD_OPERATION, *values))


def _page_values(run: Run, pages: Sequence[SavedPage]) -> tuple[Any, ...]:
    messages = [(message_id, records, page.position) for page in pages for message_id, records in page.messages.items()]
    return (
        run.run_id,
        [page.position for page in pages],
        [page.records for page in pages],
        [page.attempts for page in pages],
        [page.fetched_at for page in pages],
        [message_id for message_id, _, _ in messages],
        [records for _, records, _ in messages],
        [position for _, _, position in messages],
        run.kind.page_kind.value,
    )


def _run(row: Any) -> Run:
    return Run(
        run_id=row["run_id"],
        platform=row["platform"],
        start_change_id=ChangeId(row["start_change_id"]),
        kind=RunKind(row["kind"]),
        position=row["position"],
        next_position=row["next_position"],
        pages=row["pages"],
        records=row["records"],
        status=RunStatus(row["status"]),
        finished_at=row["finished_at"],
        started_at=row["started_at"],
    )
