"""The normalizer's store on PostgreSQL: arrays and bytes over asyncpg's own pool.

SQLAlchemy would cost this process a quarter of its memory for statements that are plain SQL anyway.
"""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from operator import attrgetter
from types import MappingProxyType
from typing import Any, Final

import asyncpg
import msgspec

from common.db.session import exchange_json_as_bytes
from common.db.states import ACTIVE, INACTIVE
from common.events import InnerId
from normalizer.adapters import sql
from normalizer.adapters.failures import translated
from normalizer.adapters.products import PostgresShelf
from normalizer.core.diary import Normalization
from normalizer.core.drift import Drift
from normalizer.core.merge import NEVER, LooseField, RawRow
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

_encode: Final = msgspec.json.Encoder().encode
_NO_EXCERPTS: Final[Mapping[Key, Collection[str]]] = MappingProxyType({})


async def prepare(connection: "asyncpg.Connection[Any]") -> None:
    """Make a new connection fit for the store: JSON goes over it as bytes, and it knows the rows that are sent."""
    await exchange_json_as_bytes(connection)
    await connection.execute(sql.ROW_TYPES)


class PostgresStore:
    """Rows, ledger and catalogue in PostgreSQL.

    Args:
        pool: Made by `common.db.session.create_pool` with this module's `prepare`.
        acquire_within_s: Seconds to wait for a connection.
    """

    def __init__(self, pool: "asyncpg.Pool[Any]", *, acquire_within_s: float) -> None:
        self._pool = pool
        self._acquire_within_s = acquire_within_s

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator["PostgresTransaction"]:
        """Open a transaction; it commits when the block ends and rolls back when the block raises."""
        with translated():
            async with self._connection() as connection, connection.transaction():
                yield PostgresTransaction(connection)

    async def pending(self, *, limit: int, after: int) -> tuple[list[Key], int]:
        """Return keys that wait to be normalised, and the last id looked at."""
        with translated():
            async with self._connection() as connection:
                rows = await connection.fetch(sql.PENDING, after, limit)
        return [Key(row["platform"], row["inner_id"]) for row in rows], rows[-1]["id"] if rows else after

    async def landed(self, wanted: Selection, *, limit: int, after: int) -> tuple[list[LandedRow], int]:
        """Return landed rows, and the last id looked at."""
        with translated():
            async with self._connection() as connection:
                rows = await connection.fetch(sql.LANDED, after, limit, wanted.platform, wanted.inner_id)
        return list(map(_landed, rows)), rows[-1]["id"] if rows else after

    async def replayed_to(self, wanted: Selection, *, mapping: str) -> int:
        """Return the last id of a replay under the same mapping that did not end, or 0."""
        with translated():
            async with self._connection() as connection:
                position = await connection.fetchval(sql.REPLAYED_TO, *_names(wanted), mapping)
        return position or 0

    async def end_replay(self, wanted: Selection) -> None:
        """Forget the position."""
        with translated():
            async with self._connection() as connection:
                await connection.execute(sql.END_REPLAY, *_names(wanted))

    async def record(self, operation: Normalization) -> None:
        """Add a row of type `normalization` to `operations_log`."""
        values = (
            operation.started_at,
            operation.duration_s,
            "OK" if operation.is_ok else "ERROR",
            operation.details,
            operation.platform,
            _encode(operation.counts),
        )
        with translated():
            async with self._connection() as connection:
                await connection.execute(sql.RECORD_OPERATION, *values)

    async def ping(self) -> None:
        """Return when the database answers and has what landing needs: its statements are run on nothing."""
        async with self.transaction() as transaction:
            await transaction.try_statements()

    def _connection(self) -> Any:
        return self._pool.acquire(timeout=self._acquire_within_s)


class PostgresTransaction:
    """An open transaction on one connection."""

    def __init__(self, connection: "asyncpg.Connection[Any]") -> None:
        self._connection = connection
        self.products = PostgresShelf(connection)

    @asynccontextmanager
    async def savepoint(self) -> AsyncIterator[None]:
        """Undo only what was done inside, if the block raises."""
        with translated():
            async with self._connection.transaction():
                yield

    async def record_pages(self, pages: Sequence[LedgerPage]) -> Mapping[str, int]:
        """Mark pages landed; return message id → page id."""
        arrays = _columns(
            (
                (p.platform, p.kind, p.position, p.run_id, p.message_id, p.fetched_at, p.records, p.quarantined)
                for p in pages
            ),
            width=8,
        )
        with translated():
            rows = await self._connection.fetch(sql.RECORD_PAGES, *arrays)
        return {row["message_id"]: row["id"] for row in rows}

    async def unknown(self, keys: Sequence[Key]) -> set[Key]:
        """Return those that have no row."""
        with translated():
            rows = await self._connection.fetch(sql.UNKNOWN, *_columns(keys, width=2))
        return {Key(row[0], row[1]) for row in rows}

    async def insert_rows(self, rows: Sequence[StoredRow], *, processed: bool) -> set[Key]:
        """Insert what is unknown; return its keys."""
        with translated():
            inserted = await self._connection.fetch(sql.INSERT_RAW, list(map(_raw_row, rows)), processed)
        return {Key(row[0], row[1]) for row in inserted}

    async def lock_rows(
        self, keys: Sequence[Key], excerpts: Mapping[Key, Collection[str]] = _NO_EXCERPTS
    ) -> Mapping[Key, StoredRow]:
        """Return known rows, locked."""
        return await self._locked(sql.LOCK_RAW, keys, excerpts)

    async def snapshots_on_their_way(self, platforms: Sequence[str]) -> Mapping[str, Collection[int]]:
        """Return platform → versions of snapshots that have not landed whole."""
        with translated():
            rows = await self._connection.fetch(sql.SNAPSHOTS_ON_THEIR_WAY, platforms)
        return {row["platform"]: row["versions"] for row in rows}

    async def lock_unprocessed(self, keys: Sequence[Key]) -> Mapping[Key, StoredRow]:
        """Return rows that wait to be normalised, locked."""
        return await self._locked(sql.LOCK_UNPROCESSED, keys)

    async def update_rows(self, rows: Sequence[StoredRow], *, processed: bool) -> None:
        """Write locked rows."""
        with translated():
            await self._connection.execute(sql.UPDATE_RAW, list(map(_raw_row, rows)), processed)

    async def mark_processed(self, keys: Sequence[Key]) -> None:
        """Flag locked rows."""
        with translated():
            await self._connection.execute(sql.MARK_PROCESSED, *_columns(keys, width=2))

    async def listed(self, keys: Sequence[Key]) -> Mapping[Key, Listed]:
        """Return what the catalogue holds."""
        with translated():
            rows = await self._connection.fetch(sql.LISTED, *_columns(keys, width=2))
        return {Key(row[0], row[1]): Listed(row[2], row[3]) for row in rows}

    async def listed_prices(self, keys: Sequence[Key]) -> Mapping[Key, Listed]:
        """Return the same, of the documents the price and its currency alone."""
        with translated():
            rows = await self._connection.fetch(sql.LISTED_PRICES, *_columns(keys, width=2))
        return {Key(row[0], row[1]): Listed(row[2], row[3]) for row in rows}

    async def write_catalogue(self, rows: Sequence[CatalogueRow | CataloguePrice]) -> None:
        """Insert or replace catalogue rows."""
        whole = [_catalogue_row(row) for row in rows if isinstance(row, CatalogueRow)]
        in_part = [_catalogue_price(row) for row in rows if isinstance(row, CataloguePrice)]
        with translated():
            if whole:
                await self._connection.execute(sql.WRITE_CATALOGUE, whole)
            if in_part:
                await self._connection.execute(sql.UPDATE_CATALOGUE, in_part)

    async def log_changes(self, changes: Sequence[CatalogueChange]) -> None:
        """Append to the downstream feed under its lock."""
        if not changes:
            return
        rows = [(*change.key, change.change_type, change.diff) for change in changes]
        with translated():
            await self._connection.execute(sql.LOCK_CHANGES)
            await self._connection.execute(sql.LOG_CHANGES, rows)

    async def note_drift(self, drift: Mapping[Drift, int]) -> None:
        """Add to the counts of what was met."""
        if not drift:
            return
        values = ((*met, times) for met, times in sorted(drift.items()))
        with translated():
            await self._connection.execute(sql.NOTE_DRIFT, *_columns(values, width=5))

    async def quarantine(self, rejects: Sequence[Reject]) -> None:
        """Keep rejected records once."""
        if not rejects:
            return
        values = ((r.platform, r.inner_id, r.message_id, r.index, r.reason, r.detail, r.body) for r in rejects)
        with translated():
            await self._connection.execute(sql.QUARANTINE, *_columns(values, width=7))

    async def save_replay(self, wanted: Selection, position: int, *, mapping: str) -> None:
        """Keep how far a replay is."""
        with translated():
            await self._connection.execute(sql.SAVE_REPLAY, *_names(wanted), mapping, position)

    async def mark_error(self, key: Key, error: str) -> None:
        """Count an error on a raw row; control characters of the text are escaped."""
        text = error.encode("utf-8", "backslashreplace").decode().replace("\x00", "\\x00")
        with translated():
            await self._connection.execute(sql.MARK_ERROR, key.platform, key.inner_id, text)

    async def try_statements(self) -> None:
        """Run what landing runs, on nothing."""
        await self.record_pages([])
        await self.unknown([])
        await self.insert_rows([], processed=True)
        await self.lock_rows([])
        await self.update_rows([], processed=True)
        await self.mark_processed([])
        await self.listed([])
        await self.listed_prices([])
        await self.products.write_products("", {})
        with translated():
            await self._connection.execute(sql.WRITE_CATALOGUE, [])
            await self._connection.execute(sql.UPDATE_CATALOGUE, [])
            await self._connection.execute(sql.LOG_CHANGES, [])
            await self._connection.execute(sql.QUARANTINE, *_columns((), width=7))
            await self._connection.execute(sql.NOTE_DRIFT, *_columns((), width=5))

    async def _locked(
        self, statement: str, keys: Sequence[Key], excerpts: Mapping[Key, Collection[str]] = _NO_EXCERPTS
    ) -> Mapping[Key, StoredRow]:
        names = sorted({name for names in excerpts.values() for name in names})
        wanted = [*_columns(keys, width=2), [key in excerpts for key in keys]]
        with translated():
            rows = await self._connection.fetch(statement, *wanted, names)
        return {Key(row["platform"], row["inner_id"]): _stored(row) for row in rows}


def _landed(row: Any) -> LandedRow:
    _, platform, inner_id, data, is_visible, is_processed, document, is_shown = row
    listed = None if document is None else Listed(document, is_shown)
    return LandedRow(Key(platform, inner_id), data, is_visible, is_processed, listed)


def _names(wanted: Selection) -> tuple[str, str]:
    return wanted.platform or "", wanted.inner_id or ""


def _columns(rows: Any, *, width: int) -> list[tuple[Any, ...]]:
    return list(zip(*rows, strict=True)) or [()] * width


def _raw_row(stored: StoredRow) -> tuple[Any, ...]:
    row = stored.row
    return (
        row.platform,
        row.inner_id,
        row.source_id,
        row.change_type,
        row.created_at,
        row.data if stored.news is None else None,
        row.source,
        ACTIVE if row.active else INACTIVE,
        _version(row.base_seq),
        _version(row.base_sight),
        _field_seq(row),
        _version(row.active_seq),
        row.max_seq,
        stored.page_id,
        stored.news if stored.news != b"{}" else None,
    )


def _version(value: int) -> int | None:
    return None if value == NEVER else value


def _field_seq(row: RawRow) -> bytes | None:
    """Write versions of exact fields as numbers and loose fields as objects; None where there are none."""
    if not row.field_seq and not row.loose:
        return None
    loose = {
        name: {"seq": field.seq, "value": msgspec.Raw(field.value), "place": field.place}
        | ({} if field.hides is None else {"hides": msgspec.Raw(field.hides)})
        for name, field in row.loose.items()
    }
    return _encode({"exact": row.field_seq, "loose": loose} if loose else row.field_seq)


class _Loose(msgspec.Struct):
    seq: int
    value: msgspec.Raw
    place: str | None = None
    hides: msgspec.Raw = msgspec.Raw(b"")  # empty: nothing; an optional field would read a hidden null as nothing


class _Versions(msgspec.Struct):
    exact: dict[str, int] = {}
    loose: dict[str, _Loose] = {}


_decode_versions: Final = msgspec.json.Decoder(_Versions).decode
_decode_exact: Final = msgspec.json.Decoder(dict[str, int]).decode


def _stored(row: Any) -> StoredRow:
    exact, loose = _versions(row["field_seq"])
    return StoredRow(
        RawRow(
            platform=row["platform"],
            inner_id=InnerId(row["inner_id"]),
            data=row["data"],
            change_type=row["change_type"],
            source=row["source"],
            source_id=row["source_id"],
            created_at=row["created_at"],
            active=row["active_status"] == ACTIVE,
            base_seq=NEVER if row["base_seq"] is None else row["base_seq"],
            base_sight=NEVER if row["base_sight"] is None else row["base_sight"],
            field_seq=exact,
            active_seq=NEVER if row["active_seq"] is None else row["active_seq"],
            max_seq=row["max_seq"],
            loose=loose,
        ),
        row["page_id"],
        row["waits"],
        is_excerpt=row["is_excerpt"],
    )


def _versions(value: bytes | None) -> tuple[dict[str, int], dict[str, LooseField]]:
    if value is None:
        return {}, {}
    try:
        return _decode_exact(value), {}
    except msgspec.ValidationError:
        found = _decode_versions(value)
    loose = {
        name: LooseField(f.seq, bytes(f.value), f.place, bytes(f.hides) or None) for name, f in found.loose.items()
    }
    return found.exact, loose


def _catalogue_row(row: CatalogueRow) -> tuple[Any, ...]:
    return (*_catalogue_head(row.raw, _encode(row.offer)), *_offer_values(row.offer))


def _catalogue_price(row: CataloguePrice) -> tuple[Any, ...]:
    return (*_catalogue_head(row.raw, None if row.news == b"{}" else row.news), row.price)


def _catalogue_head(raw: RawRow, document: bytes | None) -> tuple[Any, ...]:
    active_status = ACTIVE if raw.active else INACTIVE
    return raw.platform, raw.inner_id, document, active_status, raw.is_complete, raw.created_at, raw.max_seq


_offer_values: Final = attrgetter(*sql.OFFER_FIELDS)
