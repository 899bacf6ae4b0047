"""A store and a look at what is in it: the fake and PostgreSQL, seen alike."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Protocol

import asyncpg
import msgspec
from tests.contract.normalizer.fakes import FakeStore

from common.db.states import ACTIVE
from normalizer.adapters.postgres import PostgresStore
from normalizer.core.drift import Drift
from normalizer.core.merge import NEVER
from normalizer.core.ports import CatalogueRow, Key, ReplayStore

POISON_TITLE: Final = "the catalogue refuses this"
"""An offer of this title is refused by the catalogue, by a constraint that stands in for a bound nobody thought of."""

TABLES: Final = (
    "raw_data, processed_data, catalog_changes, feed_pages, quarantine, products, categories, marks, replays, drift"
)


@dataclass(frozen=True)
class Raw:
    """A row of `raw_data`; `version` changes with every write.

    Attributes:
        head: Newest version, with its change type and source.
    """

    data: dict[str, Any]
    head: tuple[int, str, str]
    active: bool
    complete: bool
    processed: bool
    max_seq: int
    page_id: int
    error_count: int
    last_error: str | None
    version: int


@dataclass(frozen=True)
class Page:
    """A page of the ledger."""

    id: int
    status: str
    records: int
    landed: int
    quarantined: int


@dataclass(frozen=True)
class Kept:
    """A record in quarantine."""

    inner_id: str | None
    index: int
    reason: str
    body: bytes


class Shelf(Protocol):
    """A store, and what is in it."""

    @property
    def store(self) -> ReplayStore:
        """The store itself."""
        ...

    async def raw(self) -> dict[str, Raw]:
        """Return rows by inner_id."""
        ...

    async def listed(self) -> dict[str, dict[str, Any]]:
        """Return catalogue documents by inner_id."""
        ...

    async def pages(self) -> dict[str, Page]:
        """Return the ledger by message id."""
        ...

    async def changes(self) -> list[tuple[str, str, dict[str, Any]]]:
        """Return the downstream feed in its order."""
        ...

    async def quarantine(self) -> list[Kept]:
        """Return what is in quarantine, by page and place."""
        ...

    async def drift(self) -> dict[Drift, int]:
        """Return what was met, and how often."""
        ...

    async def lose(self, inner_id: str) -> None:
        """Let the catalogue lose an offer whose row is as it was."""
        ...

    async def refuse_poison(self, *, refused: bool) -> None:
        """Let the catalogue refuse offers of `POISON_TITLE`, or take them."""
        ...


class FakeShelf:
    """The fake store."""

    def __init__(self) -> None:
        self.store = FakeStore()

    async def raw(self) -> dict[str, Raw]:
        """Return rows by inner_id."""
        return {
            key.inner_id: Raw(
                json.loads(row.stored.row.data),
                (row.stored.row.max_seq, row.stored.row.change_type, row.stored.row.source),
                row.stored.row.active,
                row.stored.row.base_seq > NEVER,
                row.processed,
                row.stored.row.max_seq,
                row.stored.page_id,
                row.error_count,
                row.last_error,
                row.version,
            )
            for key, row in self.store.tables.raw.items()
        }

    async def listed(self) -> dict[str, dict[str, Any]]:
        """Return catalogue documents by inner_id."""
        return {key.inner_id: msgspec.to_builtins(row.offer) for key, row in self.store.tables.catalogue.items()}

    async def pages(self) -> dict[str, Page]:
        """Return the ledger by message id."""
        return {
            name: Page(number, "landed", page.records, page.records - page.quarantined, page.quarantined)
            for name, (number, page) in self.store.tables.pages.items()
        }

    async def changes(self) -> list[tuple[str, str, dict[str, Any]]]:
        """Return the downstream feed."""
        return [(c.key.inner_id, c.change_type, json.loads(c.diff)) for c in self.store.tables.changes]

    async def quarantine(self) -> list[Kept]:
        """Return what is in quarantine."""
        rejects = sorted(self.store.tables.rejects.items())
        return [Kept(reject.inner_id, reject.index, reject.reason, reject.body) for _, reject in rejects]

    async def drift(self) -> dict[Drift, int]:
        """Return what was met."""
        return dict(self.store.tables.drift)

    async def lose(self, inner_id: str) -> None:
        """Take an offer out of the catalogue."""
        del self.store.tables.catalogue[a_key(inner_id)]

    async def refuse_poison(self, *, refused: bool) -> None:
        """Refuse offers of `POISON_TITLE`, or take them."""
        self.store.poison = is_poison if refused else lambda _: False


is_poison: Callable[[CatalogueRow], bool] = lambda row: row.offer.title == POISON_TITLE  # noqa: E731 - a value of a field


class PostgresShelf:
    """PostgreSQL, looked at through the store's own pool."""

    def __init__(self, pool: "asyncpg.Pool[Any]") -> None:
        self._pool = pool
        self.store = PostgresStore(pool, acquire_within_s=10)

    async def empty(self) -> None:
        """Make every table empty."""
        await self._pool.execute(f"TRUNCATE {TABLES} RESTART IDENTITY CASCADE")
        await self.refuse_poison(refused=False)

    async def raw(self) -> dict[str, Raw]:
        """Return rows by inner_id."""
        return {
            row["inner_id"]: Raw(
                json.loads(row["data"]),
                (row["max_seq"], row["change_type"], row["source"]),
                row["active_status"] == ACTIVE,
                row["base_seq"] is not None,
                row["is_processed"],
                row["max_seq"],
                row["page_id"],
                row["error_count"],
                row["last_error"],
                row["version"],
            )
            for row in await self._pool.fetch("SELECT *, xmin::text::bigint AS version FROM raw_data")
        }

    async def listed(self) -> dict[str, dict[str, Any]]:
        """Return catalogue documents by inner_id."""
        rows = await self._pool.fetch("SELECT inner_id, normalized_data FROM processed_data")
        return {row["inner_id"]: json.loads(row["normalized_data"]) for row in rows}

    async def pages(self) -> dict[str, Page]:
        """Return the ledger by message id."""
        rows = await self._pool.fetch("SELECT message_id, id, status, records, landed, quarantined FROM feed_pages")
        return {row[0]: Page(*tuple(row)[1:]) for row in rows}

    async def changes(self) -> list[tuple[str, str, dict[str, Any]]]:
        """Return the downstream feed."""
        rows = await self._pool.fetch("SELECT inner_id, change_type, diff FROM catalog_changes ORDER BY change_id")
        return [(row[0], row[1], json.loads(row[2])) for row in rows]

    async def quarantine(self) -> list[Kept]:
        """Return what is in quarantine."""
        rows = await self._pool.fetch(
            "SELECT inner_id, record_index, reason, body FROM quarantine ORDER BY message_id, record_index, reason"
        )
        return [Kept(*tuple(row)) for row in rows]

    async def drift(self) -> dict[Drift, int]:
        """Return what was met."""
        rows = await self._pool.fetch("SELECT platform, field, reason, word, seen FROM drift")
        return {Drift(*tuple(row)[:4]): row["seen"] for row in rows}

    async def lose(self, inner_id: str) -> None:
        """Take an offer out of the catalogue."""
        await self._pool.execute("DELETE FROM processed_data WHERE inner_id = $1", inner_id)

    async def refuse_poison(self, *, refused: bool) -> None:
        """Refuse offers of `POISON_TITLE` by a constraint, or take them."""
        await self._pool.execute("ALTER TABLE processed_data DROP CONSTRAINT IF EXISTS poison")
        if refused:
            await self._pool.execute(
                f"ALTER TABLE processed_data ADD CONSTRAINT poison CHECK (title <> '{POISON_TITLE}') NOT VALID"
            )


async def an_empty_shelf(server: "asyncpg.Pool[Any] | None") -> Shelf:
    """Return a shelf with nothing on it; None is in memory."""
    if server is None:
        return FakeShelf()
    real = PostgresShelf(server)
    await real.empty()
    return real


def a_key(inner_id: str) -> Key:
    """Return the key of an offer of che168."""
    return Key("che168", inner_id)
