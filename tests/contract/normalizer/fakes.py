"""The normalizer's store in memory. The contract suite runs on it and on PostgreSQL alike."""

import asyncio
import json
import re
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from copy import copy
from dataclasses import dataclass, field, replace
from itertools import count
from types import MappingProxyType
from typing import Any, Final

import msgspec
from msgspec import structs
from tests.contract.normalizer.product_fakes import FakeShelf, ShopTables

from normalizer.core.drift import MAX_WORDS, Drift
from normalizer.core.errors import PoisonError, TransientError
from normalizer.core.ports import (
    CatalogueChange,
    CataloguePrice,
    CatalogueRow,
    Key,
    LandedRow,
    LedgerPage,
    Listed,
    Reject,
    Selection,
    StoredRow,
)

EXPONENT: Final = re.compile(rb"\d[eE]\+?(\d+)")
LARGEST_EXPONENT: Final = 131_071
"""What a jsonb number can hold, as `1e131071`."""


@dataclass(frozen=True)
class FakeRow:
    """A row of `raw_data`; `version` changes with every write."""

    id: int
    stored: StoredRow
    processed: bool
    version: int
    error_count: int = 0
    last_error: str | None = None


@dataclass
class Tables:
    """What a transaction can change, and a rollback brings back."""

    raw: dict[Key, FakeRow] = field(default_factory=dict)
    pages: dict[str, tuple[int, LedgerPage]] = field(default_factory=dict)
    catalogue: dict[Key, CatalogueRow] = field(default_factory=dict)
    changes: list[CatalogueChange] = field(default_factory=list)
    rejects: dict[tuple[str, int, str], Reject] = field(default_factory=dict)
    shops: ShopTables = field(default_factory=ShopTables)
    replays: dict[Selection, tuple[int, str]] = field(default_factory=dict)
    drift: Counter[Drift] = field(default_factory=Counter)

    def copied(self) -> "Tables":
        """Return a copy whose containers are its own."""
        return Tables(*(copy(getattr(self, name)) for name in self.__dataclass_fields__))


@dataclass
class FakeStore:
    """Rows in memory; transactions run one after another.

    Attributes:
        poison: Says of a catalogue row that its columns cannot hold it.
        outages: So many transactions fail before they commit.
    """

    tables: Tables = field(default_factory=Tables)
    poison: Callable[[CatalogueRow], bool] = lambda _: False
    outages: int = 0
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    _numbers: "count[int]" = field(default_factory=lambda: count(1))

    @asynccontextmanager
    async def transaction(self) -> "AsyncIterator[FakeTransaction]":
        """Open a transaction; an error rolls back."""
        async with self._turn:
            before = self.tables.copied()
            try:
                yield FakeTransaction(self, self._numbers)
                self.be_away()
            except BaseException:
                self.tables = before
                raise

    async def pending(self, *, limit: int, after: int) -> tuple[list[Key], int]:
        """Return keys that wait, by id."""
        rows = sorted((r.id, key) for key, r in self.tables.raw.items() if not r.processed and r.id > after)[:limit]
        return [key for _, key in rows], rows[-1][0] if rows else after

    async def landed(self, wanted: Selection, *, limit: int, after: int) -> tuple[list[LandedRow], int]:
        """Return landed rows, by id."""
        meant = (
            (row.id, key)
            for key, row in self.tables.raw.items()
            if wanted.platform in {None, key.platform} and wanted.inner_id in {None, key.inner_id} and row.id > after
        )
        rows = sorted(meant)[:limit]
        return [self._landed(key) for _, key in rows], rows[-1][0] if rows else after

    def _landed(self, key: Key) -> LandedRow:
        row, shown = self.tables.raw[key], self.tables.catalogue.get(key)
        raw = row.stored.row
        listed = None if shown is None else _listed(shown)
        return LandedRow(key, raw.data, raw.active and raw.is_complete, row.processed, listed)

    async def replayed_to(self, wanted: Selection, *, mapping: str) -> int:
        """Return where a replay stands."""
        position, its_mapping = self.tables.replays.get(wanted, (0, mapping))
        return position if its_mapping == mapping else 0

    async def end_replay(self, wanted: Selection) -> None:
        """Forget where it stands."""
        self.tables.replays.pop(wanted, None)

    async def ping(self) -> None:
        """Return when it answers."""
        self.be_away()

    def be_away(self) -> None:
        """Fail, as often as told."""
        if self.outages:
            self.outages -= 1
            raise TransientError("away")


class FakeTransaction:
    """An open transaction."""

    def __init__(self, store: FakeStore, numbers: "count[int]") -> None:
        self._store = store
        self.numbers = numbers

    @property
    def products(self) -> FakeShelf:
        """The shop tables."""
        return FakeShelf(self._tables.shops)

    @property
    def _tables(self) -> Tables:
        return self._store.tables

    @asynccontextmanager
    async def savepoint(self) -> AsyncIterator[None]:
        """Undo what was done inside, if it fails."""
        before = self._tables.copied()
        try:
            yield
        except BaseException:
            self._store.tables = before
            raise

    async def record_pages(self, pages: Sequence[LedgerPage]) -> Mapping[str, int]:
        """Mark pages landed."""
        for page in pages:
            if "\x00" in page.run_id:
                raise PoisonError("22021 text refuses NUL")
            number = self._tables.pages.get(page.message_id, (next(self.numbers), page))[0]
            self._tables.pages[page.message_id] = (number, page)
        return {page.message_id: self._tables.pages[page.message_id][0] for page in pages}

    async def unknown(self, keys: Sequence[Key]) -> set[Key]:
        """Return what has no row."""
        return {key for key in keys if key not in self._tables.raw}

    async def insert_rows(self, rows: Sequence[StoredRow], *, processed: bool) -> set[Key]:
        """Insert what is unknown."""
        inserted = set()
        for stored in rows:
            _check(stored)
            key = _key(stored)
            if key not in self._tables.raw:
                self._tables.raw[key] = FakeRow(next(self.numbers), stored, processed, next(self.numbers))
                inserted.add(key)
        return inserted

    async def lock_rows(
        self, keys: Sequence[Key], excerpts: Mapping[Key, Collection[str]] = MappingProxyType({})
    ) -> Mapping[Key, StoredRow]:
        """Return known rows."""
        known = {key: self._tables.raw[key] for key in keys if key in self._tables.raw}
        return {
            key: replace(
                _excerpt(row.stored, excerpts[key])
                if key in excerpts and row.processed and not row.stored.row.loose
                else row.stored,
                waits=not row.processed and row.error_count == 0,
            )
            for key, row in known.items()
        }

    async def snapshots_on_their_way(self, platforms: Sequence[str]) -> Mapping[str, Collection[int]]:
        """Nothing is sent here that does not land at once."""
        return dict.fromkeys(platforms, ())

    async def lock_unprocessed(self, keys: Sequence[Key]) -> Mapping[Key, StoredRow]:
        """Return rows that wait."""
        known = await self.lock_rows(keys)
        return {key: row for key, row in known.items() if not self._tables.raw[key].processed}

    async def update_rows(self, rows: Sequence[StoredRow], *, processed: bool) -> None:
        """Write rows."""
        for stored in rows:
            _check(stored)
            old = self._tables.raw[_key(stored)]
            self._tables.raw[_key(stored)] = FakeRow(
                old.id, _written(stored, old.stored), processed, next(self.numbers)
            )

    async def mark_processed(self, keys: Sequence[Key]) -> None:
        """Flag rows."""
        for key in keys:
            row = self._tables.raw[key]
            self._tables.raw[key] = FakeRow(row.id, row.stored, processed=True, version=next(self.numbers))

    async def listed(self, keys: Sequence[Key]) -> Mapping[Key, Listed]:
        """Return what the catalogue holds."""
        return {key: _listed(self._tables.catalogue[key]) for key in keys if key in self._tables.catalogue}

    async def listed_prices(self, keys: Sequence[Key]) -> Mapping[Key, Listed]:
        """Return the prices and their currencies alone."""
        held = await self.listed(keys)
        documents = {key: json.loads(row.document) for key, row in held.items()}
        prices = {key: {name: found.get(name) for name in ("price", "currency")} for key, found in documents.items()}
        return {key: replace(row, document=json.dumps(prices[key]).encode()) for key, row in held.items()}

    async def write_catalogue(self, rows: Sequence[CatalogueRow | CataloguePrice]) -> None:
        """Insert or replace rows."""
        for row in rows:
            key = Key(row.raw.platform, row.raw.inner_id)
            if isinstance(row, CataloguePrice):
                held = self._tables.catalogue[key]
                assert (_document(held) | json.loads(row.news)).get("price") == row.price, "column and document differ"
                written = CatalogueRow(row.raw, structs.replace(held.offer, price=row.price))
            else:
                written = row
            if self._store.poison(written):
                raise PoisonError("23514 the catalogue refuses a row")
            self._tables.catalogue[key] = written

    async def log_changes(self, changes: Sequence[CatalogueChange]) -> None:
        """Append to the feed."""
        self._tables.changes.extend(changes)

    async def note_drift(self, drift: Mapping[Drift, int]) -> None:
        """Count what was met."""
        kept = self._tables.drift
        words = Counter(met[:3] for met in kept)
        for met, times in sorted(drift.items()):
            words[met[:3]] += met not in kept
            kept[met if met in kept or words[met[:3]] <= MAX_WORDS else met._replace(word="")] += times

    async def quarantine(self, rejects: Sequence[Reject]) -> None:
        """Keep records once."""
        for reject in rejects:
            self._tables.rejects.setdefault((reject.message_id, reject.index, reject.reason), reject)

    async def save_replay(self, wanted: Selection, position: int, *, mapping: str) -> None:
        """Keep how far it is."""
        self._tables.replays[wanted] = position, mapping

    async def mark_error(self, key: Key, error: str) -> None:
        """Count an error."""
        row = self._tables.raw.get(key)
        if row is not None and not row.processed:
            number = next(self.numbers)
            self._tables.raw[key] = replace(row, error_count=row.error_count + 1, last_error=error, version=number)


def _written(stored: StoredRow, old: StoredRow) -> StoredRow:
    """Return the row that the table holds after this one was written over an old one."""
    if stored.news is None:
        assert not stored.is_excerpt, "an excerpt is no document"
        return stored
    document = json.loads(old.row.data) | json.loads(stored.news)
    of_row = json.loads(stored.row.data)
    of_table = {name: document.get(name) for name in of_row} if stored.is_excerpt else document
    assert of_row == of_table, "the others are not as the table holds them"
    row = structs.replace(stored.row, data=json.dumps(document).encode())
    return replace(stored, row=row, news=None, is_excerpt=False)


def _excerpt(stored: StoredRow, names: Collection[str]) -> StoredRow:
    document = json.loads(stored.row.data)
    data = json.dumps({name: document.get(name) for name in names}).encode()
    return replace(stored, row=structs.replace(stored.row, data=data), is_excerpt=True)


def _listed(row: CatalogueRow) -> Listed:
    return Listed(msgspec.json.encode(row.offer), row.raw.active and row.raw.is_complete)


def _document(row: CatalogueRow) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.to_builtins(row.offer)
    return found


def _key(stored: StoredRow) -> Key:
    return Key(stored.row.platform, stored.row.inner_id)


def _check(stored: StoredRow) -> None:
    largest = max((int(found[1]) for found in EXPONENT.finditer(stored.row.data)), default=0)
    if largest > LARGEST_EXPONENT or b"\\u0000" in stored.row.data:
        raise PoisonError("22003 jsonb refuses the document")
