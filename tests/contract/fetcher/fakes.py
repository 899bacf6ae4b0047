"""The fetcher's ports in memory. The contract suite runs on them and on the real adapters alike."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta

import msgspec

from common.clock import Clock
from common.errors import UnavailableError
from common.events import ChangeId, PageFetched, PageKind
from fetcher.core.errors import RunTakenOverError
from fetcher.core.feed import SourceRow, UpstreamPage
from fetcher.core.ports import FailedPage, Operation, Run, RunKind, RunStatus, SavedPage
from fetcher.core.progress import Progress


def a_row(inner_id: str = "55651236", **changes: object) -> SourceRow:
    """Return a row of `/offers`."""
    row = SourceRow(inner_id, "added", "1273379", "2025-08-05T08:18:10.679Z", msgspec.Raw(b'{"price":1}'))
    return msgspec.structs.replace(row, **changes)


@dataclass
class FakeUpstream:
    """A list of `pages` pages with two offers each.

    `failures[page]` are used up first, one per request; an `always` failure never is. `requests` holds each request
    with its moment. An answer takes `delay_s`, or what `delays` says of its page.
    """

    clock: Clock
    pages: int = 3
    start: int = 1000
    failures: dict[int, list[BaseException]] = field(default_factory=dict)
    always: dict[int, BaseException] = field(default_factory=dict)
    requests: list[tuple[int, datetime]] = field(default_factory=list)
    days: list[date] = field(default_factory=list)
    events: dict[int, list[SourceRow]] = field(default_factory=dict)
    delay_s: float = 0.0
    delays: dict[int, float] = field(default_factory=dict)
    in_flight: int = 0
    most_in_flight: int = 0

    async def change_id(self, day: date) -> ChangeId:
        """Return `start`."""
        self.days.append(day)
        self._fail(0)
        return ChangeId(self.start)

    async def changes(self, change_id: ChangeId) -> UpstreamPage:
        """Return the events of a page of changes; without any, the end."""
        self._fail(change_id)
        rows = self.events.get(change_id, [])
        return UpstreamPage(change_id, None, rows, self.clock.now())

    async def offers(self, page: int) -> UpstreamPage:
        """Return the page, or fail as told."""
        self.requests.append((page, self.clock.now()))
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            await self.clock.sleep(self.delays.get(page, self.delay_s))
            self._fail(page)
        finally:
            self.in_flight -= 1
        rows = [a_row(f"{page}-{number}") for number in (1, 2)] if page <= self.pages else []
        return UpstreamPage(page, page + 1 if page < self.pages else None, rows, self.clock.now())

    @property
    def asked(self) -> list[int]:
        """The page numbers asked, in order."""
        return [page for page, _ in self.requests]

    def _fail(self, page: int) -> None:
        if self.failures.get(page):
            raise self.failures[page].pop(0)
        if page in self.always:
            raise self.always[page]


@dataclass
class FakePublisher:
    """Takes messages, or raises what `errors` holds first. `journal` may be shared with a store."""

    messages: list[PageFetched] = field(default_factory=list)
    errors: list[Exception] = field(default_factory=list)
    journal: list[str] = field(default_factory=list)

    async def publish(self, page: PageFetched) -> None:
        """Keep the message."""
        if self.errors:
            raise self.errors.pop(0)
        self.messages.append(page)
        self.journal.append(f"confirmed {page.position}")


@dataclass
class LedgerRow:
    """A row of `feed_pages`."""

    run_id: str
    position: int
    status: str
    records: int = 0
    attempts: int = 0
    first_try_at: datetime | None = None
    fetched_at: datetime | None = None
    next_attempt_at: datetime | None = None
    error: str = ""


@dataclass
class FakeStore:
    """Runs, ledger and diary in memory; `outages` calls fail first."""

    runs: dict[str, Run] = field(default_factory=dict)
    ledger: dict[str, LedgerRow] = field(default_factory=dict)
    cursors: dict[str, int] = field(default_factory=dict)
    operations: list[Operation] = field(default_factory=list)
    failures: list[FailedPage] = field(default_factory=list)
    journal: list[str] = field(default_factory=list)
    outages: int = 0
    lost_answers: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    async def latest_run(self, platform: str, kind: RunKind) -> Run | None:
        """Return the newest run."""
        self._be_away()
        mine = (run for run in reversed(self.runs.values()) if (run.platform, run.kind) == (platform, kind))
        return next(mine, None)

    async def previous_total(self, platform: str, kind: RunKind) -> int | None:
        """Return the records of the last finished run."""
        done = [run for run in self.runs.values() if run.status is RunStatus.DONE]
        runs = [run for run in done if (run.platform, run.kind) == (platform, kind)]
        return runs[-1].records if runs else None

    async def start_run(self, run: Run) -> None:
        """Save a new run."""
        self._be_away()
        self.journal.append(f"started {run.start_change_id}")
        others = [known.started_at for known in self.runs.values() if known.platform == run.platform]
        begun = max([run.started_at, *(moment + timedelta(microseconds=1) for moment in others)])
        self.runs.setdefault(run.run_id, replace(run, started_at=begun))

    async def reopen_run(self, run_id: str) -> None:
        """Mark an unfinished run as running."""
        run = self.runs[run_id]
        if run.status is not RunStatus.DONE:
            self.runs[run_id] = replace(run, status=RunStatus.RUNNING)

    async def save_pages(self, run: Run, pages: Sequence[SavedPage]) -> None:
        """Save position and ledger."""
        self._be_away()
        held, last = self.runs.get(run.run_id), pages[-1].position
        if held is None or held.status is not RunStatus.RUNNING or held.position not in {run.position, last}:
            raise RunTakenOverError(run.run_id)
        self.journal.append(f"saved {', '.join(str(page.position) for page in pages)}")
        for page in pages:
            self.runs[run.run_id] = self.runs[run.run_id].after(page)
            self._fill_ledger(run, page)
        if self.lost_answers["save_pages"]:
            self.lost_answers["save_pages"] -= 1
            raise UnavailableError("the answer was lost")

    async def missing_pages(
        self, platform: str, kind: PageKind, *, lost_before: datetime
    ) -> Sequence[tuple[Run, FailedPage]]:
        """Return gaps, and fetched pages of which later ones have landed."""
        self._be_away()
        landed = [row.fetched_at for row in self.ledger.values() if row.status == "landed" and row.fetched_at]
        bound = min(lost_before, max(landed)) if landed else None
        found: dict[tuple[int, int], tuple[Run, FailedPage]] = {}
        for key, row in self.ledger.items():
            run = self.runs[row.run_id]
            is_lost = row.status == "fetched" and bound and row.fetched_at and row.fetched_at < bound
            if key.startswith(f"{platform}:{kind}:") and (row.status == "gap" or is_lost):
                first_try_at = row.first_try_at or row.fetched_at or lost_before
                page = FailedPage(row.position, key, row.attempts, first_try_at, None, row.error)
                found.setdefault((list(self.runs).index(row.run_id), row.position), (run, page))
        return [found[place] for place in sorted(found)]

    async def forget_lost(self, platform: str, kind: PageKind, *, lost_before: datetime) -> None:
        """Forget what was lost."""
        landed = [row.fetched_at for row in self.ledger.values() if row.status == "landed" and row.fetched_at]
        for key, row in list(self.ledger.items()):
            is_old = row.fetched_at is not None and row.fetched_at < min(lost_before, max(landed, default=lost_before))
            if landed and is_old and row.status == "fetched" and key.startswith(f"{platform}:{kind}:"):
                del self.ledger[key]

    async def close_gap(self, run: Run, page: SavedPage) -> None:
        """Note that a gap was fetched after all."""
        self._be_away()
        self.journal.append(f"closed {page.position}")
        rows = [row for row in self.ledger.values() if (row.run_id, row.position) == (run.run_id, page.position)]
        held = self.runs[run.run_id]
        if page.position <= (held.position or -1) and any(row.status == "gap" for row in rows):
            self.runs[run.run_id] = held.with_gap_closed(page)
        self._fill_ledger(run, page)

    def _fill_ledger(self, run: Run, page: SavedPage) -> None:
        for message_id, records in page.messages.items():
            old = self.ledger.get(message_id)
            status = "landed" if old and old.status == "landed" else "fetched"
            self.ledger[message_id] = LedgerRow(
                run.run_id, page.position, status, records, page.attempts, fetched_at=page.fetched_at
            )
        for message_id, row in list(self.ledger.items()):
            is_of_page = (row.run_id, row.position) == (run.run_id, page.position)
            if is_of_page and row.status != "landed" and message_id not in page.messages:
                del self.ledger[message_id]

    async def save_failure(self, run: Run, page: FailedPage) -> None:
        """Note a failed page unless it was fetched."""
        self._be_away()
        self.failures.append(page)
        old = self.ledger.get(page.message_id)
        if old is None or old.status == "gap":
            self.ledger[page.message_id] = LedgerRow(
                run.run_id,
                page.position,
                "gap",
                attempts=page.attempts,
                first_try_at=page.first_try_at,
                next_attempt_at=page.next_attempt_at,
                error=page.error,
            )

    async def open_failures(self, run_id: str) -> Sequence[FailedPage]:
        """Return failed pages that were not fetched since."""
        found = [(key, row) for key, row in self.ledger.items() if row.run_id == run_id and row.status == "gap"]
        return [
            FailedPage(row.position, key, row.attempts, row.first_try_at, row.next_attempt_at, row.error)
            for key, row in sorted(found, key=lambda item: item[1].position)
            if row.first_try_at is not None
        ]

    async def finish_run(self, run: Run) -> None:
        """Mark the run done and set the cursor once."""
        self.runs[run.run_id] = replace(self.runs[run.run_id], status=RunStatus.DONE, next_position=None)
        self.cursors.setdefault(run.platform, run.start_change_id)

    async def fail_run(self, run_id: str) -> None:
        """Mark a running run failed."""
        if self.runs[run_id].status is RunStatus.RUNNING:
            self.runs[run_id] = replace(self.runs[run_id], status=RunStatus.FAILED)

    async def record(self, operation: Operation) -> None:
        """Add to the diary."""
        self._be_away()
        self.operations.append(operation)

    def status_of(self, position: int) -> list[str]:
        """Return the ledger's statuses of a page."""
        return [row.status for row in self.ledger.values() if row.position == position]

    def _be_away(self) -> None:
        if self.outages:
            self.outages -= 1
            raise UnavailableError("database away")


@dataclass
class FakeDisplay:
    """Keeps what it was shown."""

    shown: list[Progress] = field(default_factory=list)
    is_closed: bool = False

    def show(self, progress: Progress) -> None:
        """Keep it."""
        self.shown.append(progress)

    def close(self) -> None:
        """Remember that it was closed."""
        self.is_closed = True
