"""Rows, sights and the reference in memory, and a list that lives on while it is walked."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime

import msgspec
from tests.contract.fetcher.fakes import FakePublisher, FakeStore

from common.clock import Clock
from common.errors import UnavailableError
from common.events import ChangeId, FeedRecord, InnerId
from fetcher.core.feed import SourceRow, UpstreamPage, seq_before
from fetcher.core.ports import Run, RunKind, RunStatus
from fetcher.core.sweep_ports import Unseen

NEVER = -(10**9)


@dataclass
class HeldRow:
    """A row of `raw_data`, as far as a reconciliation looks at it."""

    base_seq: int | None = None
    active_seq: int | None = None
    is_active: bool = True
    max_seq: int = NEVER
    run_id: str = ""

    def take(self, record: FeedRecord, run_id: str) -> None:
        """Merge a record by its version."""
        before = replace(self)
        if record.change_type == "added" and record.seq > (NEVER if self.base_seq is None else self.base_seq):
            self.base_seq = record.seq
        is_word = record.change_type in {"added", "removed"}
        if is_word and record.seq > (NEVER if self.active_seq is None else self.active_seq):
            self.active_seq = record.seq
            self.is_active = record.change_type == "added"
        self.max_seq = max(self.max_seq, record.seq)
        self.run_id = self.run_id if self == before else run_id


@dataclass
class FakeSweepStore:
    """`SweepStore` and `ReferenceStore` over a `FakeStore`; messages land when somebody asks whether they have."""

    store: FakeStore
    publisher: FakePublisher = field(default_factory=FakePublisher)
    rows: dict[tuple[str, str], HeldRow] = field(default_factory=dict)
    seen: set[tuple[str, str]] = field(default_factory=set)
    filters: dict[str, tuple[bytes, datetime]] = field(default_factory=dict)
    lands: bool = True
    outages: int = 0
    _landed: int = 0

    def land(self) -> None:
        """Merge every message that has not landed."""
        for message in self.publisher.messages[self._landed :]:
            for record in message.records:
                if record.inner_id:
                    self.rows.setdefault((message.platform, record.inner_id), HeldRow()).take(record, message.run_id)
        self._landed = len(self.publisher.messages)
        for row in self.store.ledger.values():
            row.status = "landed" if row.status == "fetched" else row.status

    async def see(self, platform: str, inner_ids: Collection[InnerId]) -> set[InnerId]:
        """Note and compare."""
        if self.outages:
            self.outages -= 1
            raise UnavailableError("database away")
        self.seen |= {(platform, inner_id) for inner_id in inner_ids}
        rows = {inner_id: self.rows.get((platform, inner_id)) for inner_id in inner_ids}
        return {key for key, row in rows.items() if row is None or row.base_seq is None or not row.is_active}

    async def sights(self, platform: str) -> int:
        """Count sights."""
        return sum(owner == platform for owner, _ in self.seen)

    async def forget_sights(self, platform: str) -> None:
        """Forget them."""
        self.seen = {(owner, inner_id) for owner, inner_id in self.seen if owner != platform}

    async def unlanded(self, platform: str, since: datetime) -> int:
        """Land everything, if things land at all; return what has not."""
        if self.lands:
            self.land()
        runs = {run_id for run_id, run in self.store.runs.items() if run.platform == platform}
        rows = [row for row in self.store.ledger.values() if row.run_id in runs and row.status == "fetched"]
        return sum(row.fetched_at is not None and row.fetched_at >= since for row in rows)

    async def taken(self, sweep: Run) -> int:
        """Count rows as a sweep has brought them."""
        seq = seq_before(sweep.start_change_id)
        mine = [row for row in self.rows.values() if row.run_id == sweep.run_id and row.is_active]
        return sum(row.base_seq == seq == row.active_seq for row in mine)

    async def earlier_pages(self, platform: str, run_id: str) -> int | None:
        """Return the pages of the newest other walk that is done."""
        kinds = {RunKind.INITIAL_LOAD, RunKind.SWEEP}
        done = [
            run
            for run in self.store.runs.values()
            if run.platform == platform and run.kind in kinds and run.status is RunStatus.DONE and run.run_id != run_id
        ]
        return done[-1].pages if done else None

    async def unseen(self, platform: str, since: ChangeId) -> Unseen:
        """Count them."""
        active = sum(owner == platform and row.is_active for (owner, _), row in self.rows.items())
        return Unseen(active, len(self._unseen(platform, since)), len(self._removable(platform, since)))

    async def unseen_after(self, platform: str, since: ChangeId, after: InnerId, limit: int) -> Sequence[InnerId]:
        """Return some of them."""
        return [inner_id for inner_id in self._removable(platform, since) if inner_id > after][:limit]

    async def is_reconciled(self, platform: str) -> bool:
        """Whether a sweep was done after the newest load that was."""
        if await self.sights(platform):
            return False
        done = [run for run in self.store.runs.values() if run.platform == platform and run.status is RunStatus.DONE]
        walks = [run.kind for run in done if run.kind in {RunKind.INITIAL_LOAD, RunKind.SWEEP}]
        return bool(walks) and walks[-1] is RunKind.SWEEP

    async def filters_fetched_at(self, platform: str) -> datetime | None:
        """Return the moment of what is kept."""
        return self.filters[platform][1] if platform in self.filters else None

    async def save_filters(self, platform: str, data: bytes, fetched_at: datetime) -> None:
        """Keep it."""
        self.filters[platform] = data, fetched_at

    def _unseen(self, platform: str, since: ChangeId) -> list[InnerId]:
        return [
            InnerId(inner_id)
            for (owner, inner_id), row in sorted(self.rows.items())
            if owner == platform
            and row.is_active
            and row.base_seq is not None
            and row.max_seq < since
            and (owner, inner_id) not in self.seen
        ]

    def _removable(self, platform: str, since: ChangeId) -> list[InnerId]:
        rows = {inner_id: self.rows[platform, inner_id] for inner_id in self._unseen(platform, since)}
        last_word = {key: row.base_seq if row.active_seq is None else row.active_seq for key, row in rows.items()}
        return [key for key, seq in last_word.items() if seq is None or seq < since - 1]


@dataclass
class Market:
    """A marketplace with two offers a page, a feed, and `/offer`; what `meanwhile` holds happens at its requests.

    `meanwhile[n]` is done before the list answers request number n (from 1). `quiet` names changes that the feed
    never tells. `errors[inner_id]` is raised by `/offer`, `dead` pages raise what they hold.
    """

    clock: Clock
    listed: list[str] = field(default_factory=list)
    meanwhile: dict[int, Callable[[], None]] = field(default_factory=dict)
    errors: dict[str, BaseException] = field(default_factory=dict)
    dead: dict[int, BaseException] = field(default_factory=dict)
    hidden: set[str] = field(default_factory=set)
    events: list[tuple[str, str]] = field(default_factory=list)
    first_event: int = 1000
    requests: list[int] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    reference: bytes | BaseException = b'{"mark":{}}'

    def add(self, inner_id: str, *, place: int = 0) -> None:
        """Let an offer come."""
        self.listed.insert(place, inner_id)
        self.events.append(("added", inner_id))

    def remove(self, inner_id: str, *, quietly: bool = False) -> None:
        """Let an offer go; quietly: the feed does not tell."""
        self.listed.remove(inner_id)
        if not quietly:
            self.events.append(("removed", inner_id))

    async def change_id(self, day: date) -> ChangeId:
        """Return the first id."""
        del day
        return ChangeId(self.first_event)

    async def offers(self, page: int) -> UpstreamPage:
        """Return two offers."""
        self.requests.append(page)
        self.meanwhile.pop(len(self.requests), lambda: None)()
        await self.clock.sleep(0)
        if page in self.dead:
            raise self.dead[page]
        shown = [inner_id for inner_id in self.listed if inner_id not in self.hidden]
        rows = [_row(inner_id) for inner_id in shown[2 * page - 2 : 2 * page]]
        return UpstreamPage(page, page + 1 if len(shown) > 2 * page else None, rows, self.clock.now())

    async def changes(self, change_id: ChangeId) -> UpstreamPage:
        """Return two events."""
        await self.clock.sleep(0)
        first = max(0, change_id - self.first_event)
        numbered = list(enumerate(self.events, start=self.first_event))[first : first + 2]
        rows = [_row(inner_id, change_type, number) for number, (change_type, inner_id) in numbered]
        following = ChangeId(numbered[-1][0] + 1) if numbered else None
        return UpstreamPage(change_id, following, rows, self.clock.now())

    async def offer(self, inner_id: InnerId) -> SourceRow | None:
        """Return an offer of the list, hidden ones included."""
        self.asked.append(inner_id)
        if inner_id in self.errors:
            raise self.errors[inner_id]
        return _row(inner_id) if inner_id in self.listed else None

    async def filters(self) -> bytes:
        """Return the reference."""
        if isinstance(self.reference, BaseException):
            raise self.reference
        return self.reference


def _row(inner_id: str, change_type: str = "added", number: int = 1) -> SourceRow:
    body = b"null" if change_type == "removed" else b'{"price":1}'
    return SourceRow(inner_id, change_type, str(number), None, msgspec.Raw(body))
