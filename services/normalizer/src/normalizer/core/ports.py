"""What the normalizer's rules need from a database, named for its role."""

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Protocol

from normalizer.core.drift import Drift
from normalizer.core.merge import RawRow
from normalizer.core.offers.record import Offer
from normalizer.core.products.ports import ProductShelf


class Key(NamedTuple):
    """The identity of an offer; sorts by code point, the order in which rows are locked everywhere."""

    platform: str
    inner_id: str


@dataclass(frozen=True, slots=True)
class LedgerPage:
    """A page as the ledger shows it once it is landed: `landed + quarantined == records`."""

    platform: str
    kind: str
    position: int
    run_id: str
    message_id: str
    fetched_at: datetime
    records: int
    quarantined: int


@dataclass(frozen=True, slots=True)
class Reject:
    """A record that cannot be a row, or not as it came, with its bytes."""

    platform: str
    inner_id: str | None
    message_id: str
    index: int
    reason: str
    detail: str
    body: bytes


@dataclass(frozen=True, slots=True)
class StoredRow:
    """A row of `raw_data`.

    Attributes:
        row: What the merge decides.
        page_id: The page that changed it last.
        waits: Whether it was landed but never normalised, neither well nor with an error: whoever landed it was
            interrupted.
        news: Fields of `row.data` that the database does not hold yet, as a JSON object, where the others are held as
            they are; None: `row.data` is written whole.
        is_excerpt: Whether `row.data` is not the whole document; such a row is only written with its `news`.
    """

    row: RawRow
    page_id: int
    waits: bool = False
    news: bytes | None = None
    is_excerpt: bool = False


@dataclass(frozen=True, slots=True)
class Listed:
    """What `processed_data` holds of an offer: its document as JSON bytes, and whether people see it.

    Attributes:
        document: All of it, or the price and its currency alone where no more was asked for.
    """

    document: bytes
    is_visible: bool


@dataclass(frozen=True, slots=True)
class LandedRow:
    """A landed row beside what the catalogue holds of it, both as one moment showed them; nothing is locked.

    Attributes:
        data: The merged document as JSON bytes.
        is_visible: Whether people are to see the offer.
        is_processed: Whether the catalogue holds it as it is.
        listed: What the catalogue holds; None: nothing.
    """

    key: Key
    data: bytes
    is_visible: bool
    is_processed: bool
    listed: Listed | None


@dataclass(frozen=True, slots=True)
class CatalogueRow:
    """An offer on its way into `processed_data`."""

    raw: RawRow
    offer: Offer


@dataclass(frozen=True, slots=True)
class CataloguePrice:
    """An offer that `processed_data` holds and whose document is new in its price at most.

    Attributes:
        raw: What decides whether the offer is shown; its document is not looked at.
        price: What the offer costs now.
        news: What is new of the document, as a JSON object.
    """

    raw: RawRow
    price: float | None
    news: bytes


@dataclass(frozen=True, slots=True)
class Selection:
    """Which landed rows are meant; without anything: all."""

    platform: str | None = None
    inner_id: str | None = None


@dataclass(frozen=True, slots=True)
class CatalogueChange:
    """One line of the downstream feed; `diff` is JSON bytes of `{field: [old, new]}`."""

    key: Key
    change_type: str
    diff: bytes


class Transaction(Protocol):
    """One database transaction; leaving it without an error commits, leaving it by an error rolls all of it back.

    Every method raises `TransientError` or `PoisonError`. Rows are given and locked in the order of their keys.
    """

    @property
    def products(self) -> ProductShelf:
        """The shop tables."""
        ...

    async def record_pages(self, pages: Sequence[LedgerPage]) -> Mapping[str, int]:
        """Mark pages landed in the ledger; return message id → page id."""
        ...

    async def unknown(self, keys: Sequence[Key]) -> set[Key]:
        """Return those that have no row; they may have one a moment later."""
        ...

    async def insert_rows(self, rows: Sequence[StoredRow], *, processed: bool) -> set[Key]:
        """Insert what is unknown and return its keys; a known row is left as it is."""
        ...

    async def lock_rows(
        self, keys: Sequence[Key], excerpts: Mapping[Key, Collection[str]] = ...
    ) -> Mapping[Key, StoredRow]:
        """Return known rows, locked until the end of the transaction.

        Args:
            keys: Which rows.
            excerpts: Of these rows it is enough to have these fields of the document (null where there is none),
                unless the catalogue does not hold them as they are, or where fields belong depends on the others.
        """
        ...

    async def snapshots_on_their_way(self, platforms: Sequence[str]) -> Mapping[str, Collection[int]]:
        """Return platform → versions of its snapshots of which messages were sent and have not landed."""
        ...

    async def lock_unprocessed(self, keys: Sequence[Key]) -> Mapping[Key, StoredRow]:
        """Return those rows that still wait to be normalised, locked."""
        ...

    async def update_rows(self, rows: Sequence[StoredRow], *, processed: bool) -> None:
        """Write locked rows."""
        ...

    async def mark_processed(self, keys: Sequence[Key]) -> None:
        """Say of locked rows that the catalogue holds them as they are now, and forget their last error."""
        ...

    async def listed(self, keys: Sequence[Key]) -> Mapping[Key, Listed]:
        """Return what the catalogue holds."""
        ...

    async def listed_prices(self, keys: Sequence[Key]) -> Mapping[Key, Listed]:
        """Return the same, of each document `price` and `currency` alone (null where there is none)."""
        ...

    async def write_catalogue(self, rows: Sequence[CatalogueRow | CataloguePrice]) -> None:
        """Insert or replace catalogue rows of locked raw rows, or write what is new of them."""
        ...

    async def log_changes(self, changes: Sequence[CatalogueChange]) -> None:
        """Append to the downstream feed; the last statement, for ids must become visible in their order."""
        ...

    async def note_drift(self, drift: Mapping[Drift, int]) -> None:
        """Add to the counts of what was met; of one field `MAX_WORDS` words, give or take those met at once."""
        ...

    async def quarantine(self, rejects: Sequence[Reject]) -> None:
        """Keep rejected records; the same one again is kept once."""
        ...

    async def save_replay(self, wanted: Selection, position: int, *, mapping: str) -> None:
        """Keep how far a replay is: every row up to this id was normalised anew, under the mapping of this digest."""
        ...

    async def mark_error(self, key: Key, error: str) -> None:
        """Count an error on a raw row and keep its text."""
        ...

    def savepoint(self) -> AbstractAsyncContextManager[None]:
        """Undo only what was done inside, if it is left by an error."""
        ...


class Store(Protocol):
    """Where offers are kept."""

    def transaction(self) -> AbstractAsyncContextManager[Transaction]:
        """Open a transaction.

        Raises:
            TransientError: The same work may succeed later.
            PoisonError: Some record can never be stored as it is.
        """
        ...

    async def pending(self, *, limit: int, after: int) -> tuple[list[Key], int]:
        """Return keys of rows that wait to be normalised, with ids above `after`, and the last id looked at."""
        ...

    async def ping(self) -> None:
        """Return when the database answers and is fit for landing; raises `TransientError` while it is not."""
        ...


class ReplayStore(Store, Protocol):
    """Where offers are kept, and how far a replay of them is."""

    async def landed(self, wanted: Selection, *, limit: int, after: int) -> tuple[list[LandedRow], int]:
        """Return landed rows with ids above `after`, and the last id looked at."""
        ...

    async def replayed_to(self, wanted: Selection, *, mapping: str) -> int:
        """Return where a replay of just this selection stands that did not end; 0: none under this mapping."""
        ...

    async def end_replay(self, wanted: Selection) -> None:
        """Forget where a replay stands."""
        ...
