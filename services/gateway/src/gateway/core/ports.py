"""What the gateway asks of the outside. Every method may raise UnavailableError or QueryTimeoutError."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from gateway.core.autoapi import Event
from gateway.core.change_feed import StoredChange
from gateway.core.export import ExportQuery
from gateway.core.facets import Facets
from gateway.core.metrics import FeedNumbers
from gateway.core.product_query import ProductPosition, ProductQuery
from gateway.core.query import Condition, OfferQuery, Position
from gateway.core.reference import ReferenceRecord
from gateway.core.search import Search


@dataclass(frozen=True, slots=True)
class OfferPage:
    """Offers of one page as JSON texts, in order; `last` only where more follow."""

    items: Sequence[str]
    last: Position | None


@dataclass(frozen=True, slots=True)
class StoredItem:
    """One offer or product in full, as JSON text."""

    platform: str
    body: str


@dataclass(frozen=True, slots=True)
class Total:
    """How many offers there are."""

    number: int
    exact: bool


class OfferReader(Protocol):
    """Reads the catalogue."""

    async def page(self, query: OfferQuery, after: Position | None) -> OfferPage:
        """Return active and complete offers that meet the query's conditions: those after `after`, or after `skip`."""
        ...

    async def total(self, conditions: Sequence[Condition], *, exact: bool) -> Total:
        """Return how many active and complete offers meet the conditions; not exactly where that is allowed."""
        ...

    async def facets(self, conditions: Sequence[Condition]) -> Facets:
        """Return how often each value occurs among the active and complete offers that meet the conditions."""
        ...

    async def filters(self, platform: str | None) -> Sequence[str]:
        """Return the filters that the sources offer, of one platform or of all, as JSON texts ordered by platform."""
        ...

    async def find(self, inner_id: str, platform: str | None) -> Sequence[StoredItem]:
        """Return what has this id, active or not, on one platform or on any; ordered by platform."""
        ...

    async def search(self, search: Search) -> Sequence[str]:
        """Return the newest listed offers, as JSON texts, with beginnings of all words in mark, model and title."""
        ...


class ProvenanceReader(Protocol):
    """Reads where offers come from."""

    async def provenance(self, inner_id: str, platform: str | None) -> Sequence[StoredItem]:
        """Return where what has this id comes from, on one platform or on any; ordered by platform."""
        ...


class OfferExporter(Protocol):
    """Writes all offers of a query into one file."""

    def opened(self, query: ExportQuery) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """Open the parts of the file: active and complete offers as of one moment, those that came first first.

        Leaving the block ends what is still asked of the database.

        Raises:
            FormatMissingError: The format needs a package that is not installed.
        """
        ...


@dataclass(frozen=True, slots=True)
class ProductPage:
    """Products of one page as JSON texts, in order; `last` only where more follow."""

    items: Sequence[str]
    last: ProductPosition | None


@dataclass(frozen=True, slots=True)
class NumberedProducts:
    """Products of one page as JSON texts, in order, and how many all pages have."""

    items: Sequence[str]
    total: int


class ProductReader(Protocol):
    """Reads the shops."""

    async def page(self, query: ProductQuery, after: ProductPosition | None) -> ProductPage:
        """Return products that meet the query's conditions, those after `after`."""
        ...

    async def numbered(self, query: ProductQuery, page: int) -> NumberedProducts:
        """Return a page by its number, from 1: for people, who want to know how many there are."""
        ...

    async def find(self, product_id: str, platform: str | None) -> Sequence[StoredItem]:
        """Return what has this id, with all its parts, in one shop or in any; ordered by platform."""
        ...

    async def categories(self, platform: str | None) -> Sequence[str]:
        """Return the categories of one shop or of all as JSON texts, in the shop's order."""
        ...

    async def search(self, search: Search) -> Sequence[str]:
        """Return the newest products, as JSON texts, with all words in the name."""
        ...


class ChangeReader(Protocol):
    """Reads what changed in the catalogue; ids become visible in their order."""

    async def changes(self, start: int, *, limit: int, platform: str | None) -> Sequence[StoredChange]:
        """Return changes from the id `start` on, in order, of one platform or of all; 0: from the oldest that is kept.

        Fewer than `limit` where they are so long that more of them would weigh on memory; none only where none are.

        Raises:
            PositionGoneError: From `start` on, some are kept no longer.
        """
        ...

    async def ensure_kept(self, start: int) -> None:
        """Return if every change from the id `start` on is kept; of 0 nothing is promised.

        Raises:
            PositionGoneError: Some are not.
        """
        ...

    async def last_id(self) -> int:
        """Return the newest id; 0: nothing ever changed."""
        ...

    async def first_id_since(self, moment: datetime, platform: str | None) -> int | None:
        """Return the least id of what changed at `moment` or later; None: nothing did.

        Raises:
            PositionGoneError: Some of that is kept no longer.
        """
        ...


class RecordReader(Protocol):
    """Reads records as their platforms gave them, changes merged in."""

    async def offers(self, platform: str, page: int, conditions: Sequence[Condition]) -> Sequence[Event]:
        """Return a page of listed offers, from 1, and, where others follow, one row more."""
        ...

    async def offer(self, platform: str, inner_id: str) -> str | None:
        """Return the record of a listed offer as JSON text."""
        ...

    async def changes(self, platform: str, start: int) -> Sequence[Event]:
        """Return a page of events from an id on."""
        ...

    async def filters(self, platform: str) -> str | None:
        """Return the platform's own reference as JSON text; None: it was never fetched."""
        ...


class RecordSource(Protocol):
    """One of the reference sources."""

    @property
    def name(self) -> str:
        """What the source is called in headers, log and metrics."""
        ...

    async def records(self) -> Sequence[ReferenceRecord]:
        """Return all of its records, in any order.

        Raises:
            WrongShapeError: It holds something else.
        """
        ...


class StatusReader(Protocol):
    """Reads how the installation is doing."""

    async def status(self) -> str:
        """Return counts, runs, gaps and positions as one JSON object."""
        ...

    async def feed_numbers(self) -> FeedNumbers:
        """Return what is wrong with the feeds that are followed, and how much they have brought."""
        ...

    async def schema_revision(self) -> str | None:
        """Return the revision of the database's schema; None: there is no schema."""
        ...


class StatsReader(Protocol):
    """Counts what went through the pipeline."""

    async def stats(self) -> str:
        """Return counts by platform and by operation as one JSON object."""
        ...


class QueueReader(Protocol):
    """Asks the broker."""

    async def depths(self) -> Mapping[str, int] | None:
        """Return how many messages wait in each queue of interest; None: the broker cannot be asked. Never raises."""
        ...


@dataclass(frozen=True, slots=True)
class KnownToken:
    """A token that is valid now by the database's clock."""

    id: int
    expires_at: datetime | None


class TokenLookup(Protocol):
    """What a request needs to know of tokens."""

    async def find(self, digest: str) -> KnownToken | None:
        """Return the valid token with this digest."""
        ...

    async def mark_used(self, used_at: Mapping[int, datetime]) -> None:
        """Write when each token (by id) was last used; an older time never replaces a newer one."""
        ...


@dataclass(frozen=True, slots=True)
class TokenListing:
    """A token as people see it in a list; the token itself is nowhere."""

    id: int
    description: str | None
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    active: bool


class TokenTransaction(Protocol):
    """Tokens inside one transaction that keeps other makers of tokens out."""

    async def any_exist(self) -> bool:
        """Return whether any token was ever made, revoked ones included."""
        ...

    async def add(self, digests: Sequence[str], *, description: str | None, expires_at: datetime | None) -> None:
        """Add tokens."""
        ...


class TokenRegistry(Protocol):
    """What the administration of tokens needs."""

    def transaction(self) -> AbstractAsyncContextManager[TokenTransaction]:
        """Open a transaction that commits when it is left without an error."""
        ...

    async def all_tokens(self) -> Sequence[TokenListing]:
        """Return every token, by id."""
        ...

    async def revoke(self, token_id: int) -> bool:
        """Let a token expire now; False: no such token. Repeating it changes nothing."""
        ...


class TokenDraft(Protocol):
    """A file of new tokens that is not in its place yet."""

    def keep(self) -> None:
        """Put the file in its place; a draft that is left without it disappears."""
        ...


class TokenOutlet(Protocol):
    """Where new tokens are handed out."""

    def draft(self, tokens: Sequence[str], *, replace: bool) -> AbstractAsyncContextManager[TokenDraft]:
        """Write the tokens beside their place, readable for the owner only.

        Raises:
            ConfigurationError: The file cannot be written, or exists and is not to be replaced.
        """
        ...
