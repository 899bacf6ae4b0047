"""The gateway's outside in memory, and its application put together with it.

The fakes are the meaning of the ports in plain Python; the contract suites hold the real adapters against them.
"""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from itertools import accumulate, count
from typing import Any, Final

import httpx
from tests.contract.gateway.exports import FakeExports
from tests.contract.gateway.limits import a_limiter
from tests.contract.gateway.operation import MOMENT, FakeQueues, FakeStats, some_moments
from tests.contract.gateway.records import FakeProvenance, FakeRecords
from tests.contract.gateway.shop import FakeProducts

from common.clock import Clock
from common.db.revision import HEAD
from common.db.tables import ACTIVE
from common.errors import FeedmillError
from common.testing.clock import VirtualClock
from gateway.core import tokens
from gateway.core.access import Access
from gateway.core.aggregate import FanOut
from gateway.core.as_of import DataAsOf
from gateway.core.autoapi import Dialect
from gateway.core.change_feed import READING_BYTES, ChangeFeed, StoredChange
from gateway.core.cursor import CursorSigner
from gateway.core.errors import PositionGoneError
from gateway.core.facets import FACETS, Facets, ValueCount, most_frequent
from gateway.core.metrics import FeedNumbers
from gateway.core.ports import KnownToken, OfferPage, StoredItem, TokenListing, Total
from gateway.core.query import SEARCHED, SEARCHED_CHARACTERS, Condition, OfferQuery, Position, matches
from gateway.core.reference import ReferenceRecord
from gateway.core.search import Search, offers_asked
from gateway.entrypoints.http.api import Parts, build_api
from gateway.entrypoints.http.models import OfferDetail, OfferItem

KEY: Final = b"0123456789abcdef0123456789abcdef"
TOKEN: Final = tokens.new_token(lambda alphabet: alphabet[7])
OTHER_TOKEN: Final = tokens.new_token(lambda alphabet: alphabet[8])


class FakeOffers:
    """OfferReader on a list of rows as `a_processed_offer` builds them; ids are their places, from 1."""

    def __init__(self, rows: Sequence[Mapping[str, Any]] = (), *, failure: FeedmillError | None = None) -> None:
        self._rows = [{"id": number, **row} for number, row in enumerate(rows, start=1)]
        self.failure = failure
        self.counted = 0

    async def page(self, query: OfferQuery, after: Position | None) -> OfferPage:
        """Return one page."""
        self._fail()
        met = self._met(query.conditions)
        ordered = sorted(met, key=lambda row: _rank(query, row["id"], row.get(query.sort.field or "")))
        if after is not None:
            start = _rank(query, after.id, None if after.key is None else Decimal(after.key))
            ordered = [r for r in ordered if _rank(query, r["id"], r.get(query.sort.field or "")) > start]
        ordered = ordered[query.skip :]
        shown = ordered[: query.limit]
        last = _position(query, shown[-1]) if len(ordered) > len(shown) else None
        items = [json.loads(_json(row, OfferItem)) for row in shown]
        return OfferPage([json.dumps({name: item[name] for name in query.fields}) for item in items], last)

    async def total(self, conditions: Sequence[Condition], *, exact: bool) -> Total:
        """Return the count, always exactly."""
        self._fail()
        return Total(len(self._met(conditions)), exact=exact)

    async def facets(self, conditions: Sequence[Condition]) -> Facets:
        """Return the counts of all values."""
        self._fail()
        self.counted += 1
        met = self._met(conditions)
        counts = {name: Counter(row[name] for row in met if row.get(name) is not None) for name in FACETS}
        values = {name: [ValueCount(*item) for item in found.items()] for name, found in counts.items()}
        return Facets(len(met), {name: most_frequent(found) for name, found in values.items()})

    async def filters(self, platform: str | None) -> Sequence[str]:
        """Return the filters of two marketplaces."""
        known: list[dict[str, Any]] = [
            {"platform": name, "fetched_at": MOMENT, "filters": {"mark": {}}} for name in ("che168", "encar")
        ]
        return [json.dumps(one, default=_plain) for one in known if platform in {None, one["platform"]}]

    def _met(self, conditions: Sequence[Condition]) -> list[dict[str, Any]]:
        listed = [row for row in self._rows if row["active_status"] == ACTIVE and row["is_complete"]]
        return [
            row for row in listed if all(matches(c, (_searched(row) | row).get(c.filter.field)) for c in conditions)
        ]

    async def find(self, inner_id: str, platform: str | None) -> Sequence[StoredItem]:
        """Return what has this id."""
        self._fail()
        same = [row for row in self._rows if row["inner_id"] == inner_id and platform in {None, row["platform"]}]
        return [
            StoredItem(r["platform"], _json(r, OfferDetail)) for r in sorted(same, key=lambda r: str(r["platform"]))
        ]

    async def search(self, search: Search) -> Sequence[str]:
        """Return the newest with beginnings of all words."""
        self._fail()
        query = offers_asked(search)
        return [] if query is None else (await self.page(query, None)).items

    def _fail(self) -> None:
        if self.failure is not None:
            raise self.failure


def _searched(row: Mapping[str, Any]) -> dict[str, Any]:
    return {"words": " ".join(row.get(name) or "" for name in SEARCHED)[:SEARCHED_CHARACTERS]}


def _rank(query: OfferQuery, number: int, value: Decimal | None) -> tuple[bool, Decimal, int]:
    sign = -1 if query.sort.descending else 1
    return value is None and query.sort.field is not None, sign * Decimal(value or 0), sign * number


def _position(query: OfferQuery, row: Mapping[str, Any]) -> Position:
    value = None if query.sort.field is None else row.get(query.sort.field)
    return Position(None if value is None else str(value), row["id"])


def _json(row: Mapping[str, Any], model: type[OfferItem]) -> str:
    url = row.get("url") or ""
    made = {"active": row["active_status"] == ACTIVE, "complete": row["is_complete"]}
    made["url"] = url if url.startswith(("http://", "https://")) else None
    moments = {"updated_at": MOMENT, "created_at": MOMENT}
    known = {**moments, **row, **made}
    return json.dumps({name: known.get(name) for name in model.model_fields}, default=_plain)


def _plain(value: object) -> object:
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return str(value)


class FakeChanges:
    """ChangeReader on a list that grows; `moments` says when each happened."""

    def __init__(self) -> None:
        self.rows: list[StoredChange] = []
        self.moments: dict[int, datetime] = {}
        self.failure: FeedmillError | None = None
        self.reads = 0
        self.removed_to = 0

    def add(
        self,
        change_id: int,
        platform: str = "che168",
        *,
        moment: datetime = MOMENT,
        kind: str = "changed",
        letters: int = 0,
    ) -> None:
        """Append a change, with so many letters in it."""
        body = {"change_id": change_id, "platform": platform, "inner_id": f"offer {change_id}", "change_type": kind}
        body |= {"changed_at": moment.isoformat(), "diff": {"price": [1, change_id]}}
        if letters:
            body["diff"] = {"section": [None, "x" * letters]}
        self.rows.append(StoredChange(change_id, platform, kind, json.dumps(body)))
        self.moments[change_id] = moment

    async def changes(self, start: int, *, limit: int, platform: str | None) -> Sequence[StoredChange]:
        """Return changes in order."""
        self.reads += 1
        if self.failure is not None:
            raise self.failure
        await self.ensure_kept(start)
        met = [row for row in self.rows if row.change_id >= start and platform in {None, row.platform}]
        before = accumulate((len(row.body.encode()) for row in met), initial=0)
        return [row for row, read in zip(met[:limit], before, strict=False) if read < READING_BYTES]

    def remove_to(self, change_id: int) -> None:
        """Keep no change up to an id."""
        self.removed_to = change_id
        self.rows = [row for row in self.rows if row.change_id > change_id]

    async def ensure_kept(self, start: int) -> None:
        """Refuse a position before which changes are kept no longer."""
        if 0 < start <= self.removed_to:
            raise PositionGoneError(f"changes are kept from {self.removed_to + 1} on")

    async def last_id(self) -> int:
        """Return the newest id."""
        if self.failure is not None:
            raise self.failure
        return self.rows[-1].change_id if self.rows else self.removed_to

    async def first_id_since(self, moment: datetime, platform: str | None) -> int | None:
        """Return the least id since a moment."""
        if any(self.moments[number] >= moment for number in self.moments if number <= self.removed_to):
            await self.ensure_kept(self.removed_to)
        met = (r for r in self.rows if self.moments[r.change_id] >= moment and platform in {None, r.platform})
        return min((row.change_id for row in met), default=None)


@dataclass
class FakeSource:
    """RecordSource that answers after `delay_s` of its clock, or fails; `deaf`: it goes on when it is cancelled."""

    name: str
    ids: Sequence[int] = ()
    clock: Clock = field(default_factory=VirtualClock)
    delay_s: float = 0
    failure: BaseException | None = None
    deaf: bool = False
    asked: int = 0

    async def records(self) -> Sequence[ReferenceRecord]:
        """Return the records."""
        self.asked += 1
        if self.delay_s:
            waiting = asyncio.ensure_future(self.clock.sleep(self.delay_s))
            while not waiting.done():
                try:
                    await asyncio.shield(waiting)
                except asyncio.CancelledError:
                    if not self.deaf:
                        waiting.cancel()
                        raise
        if self.failure is not None:
            raise self.failure
        return [ReferenceRecord(number, f"Test {number}") for number in self.ids]


@dataclass
class FakeTokens:
    """TokenLookup and TokenRegistry on a list; `clock` is the database's clock."""

    clock: Clock = field(default_factory=VirtualClock)
    rows: list[TokenListing] = field(default_factory=list)
    digests: dict[str, int] = field(default_factory=dict)
    failure: FeedmillError | None = None
    lookups: int = 0
    _ids: "count[int]" = field(default_factory=lambda: count(1))

    async def find(self, digest: str) -> KnownToken | None:
        """Return the valid token with this digest."""
        self.lookups += 1
        await asyncio.sleep(0)  # noqa: TID251 - lets other tasks run, takes no time
        if self.failure is not None:
            raise self.failure
        found = next((row for row in self.rows if row.id == self.digests.get(digest)), None)
        return KnownToken(found.id, found.expires_at) if found is not None and self._is_active(found) else None

    async def mark_used(self, used_at: Mapping[int, datetime]) -> None:
        """Write when each token was last used."""
        if self.failure is not None:
            raise self.failure
        for place, row in enumerate(self.rows):
            moment = used_at.get(row.id)
            if moment is not None and (row.last_used_at is None or row.last_used_at < moment):
                self.rows[place] = replace(row, last_used_at=moment)

    @asynccontextmanager
    async def transaction(self) -> "AsyncIterator[FakeTokens]":
        """Open a transaction; an error undoes it."""
        before = list(self.rows), dict(self.digests)
        try:
            yield self
        except BaseException:
            self.rows, self.digests = before
            raise

    async def any_exist(self) -> bool:
        """Return whether any token was ever made."""
        return bool(self.rows)

    async def add(self, digests: Sequence[str], *, description: str | None, expires_at: datetime | None) -> None:
        """Add tokens."""
        for digest in digests:
            number = next(self._ids)
            self.digests[digest] = number
            self.rows.append(TokenListing(number, description, self.clock.now(), expires_at, None, active=True))

    async def all_tokens(self) -> Sequence[TokenListing]:
        """Return every token, by id."""
        return [replace(row, active=self._is_active(row)) for row in self.rows]

    async def revoke(self, token_id: int) -> bool:
        """Let a token expire now."""
        for place, row in enumerate(self.rows):
            if row.id == token_id:
                now = self.clock.now()
                self.rows[place] = replace(row, expires_at=min(row.expires_at or now, now))
                return True
        return False

    def _is_active(self, row: TokenListing) -> bool:
        return row.expires_at is None or row.expires_at > self.clock.now()


def some_numbers(**known: Any) -> FeedNumbers:
    """Return numbers of an installation in which nothing has happened, apart from what `known` says."""
    nothing: dict[str, Any] = {"findings": (), "records": {}, "sources": (), "quarantined": {}, "drift": {}}
    return FeedNumbers(**(nothing | known))


class FakeStatus:
    """StatusReader that knows what it is told."""

    def __init__(self, revision: str | None = HEAD, *, failure: FeedmillError | None = None) -> None:
        self.revision = revision
        self.failure = failure

    async def status(self) -> str:
        """Return an empty installation."""
        names = ("sources", "offers", "gaps", "sync_state", "findings", "days", "runs", "operations")
        empty: dict[str, list[object]] = {name: [] for name in names}
        zero = dict.fromkeys(("unprocessed", "quarantined", "pages_open", "gaps_open"), 0)
        return json.dumps({"now": MOMENT.isoformat(), **empty, **zero})

    async def feed_numbers(self) -> FeedNumbers:
        """Return one finding and a few records."""
        records = {("che168", "change", "added"): 7, ("che168", "change", "removed"): 0}
        if self.failure is not None:
            raise self.failure
        return some_numbers(findings=[("che168", "no_added")], records=records)

    async def schema_revision(self) -> str | None:
        """Return the revision."""
        if self.failure is not None:
            raise self.failure
        return self.revision


async def some_tokens(clock: Clock, *plain: str) -> FakeTokens:
    """Return a store that knows these tokens."""
    store = FakeTokens(clock)
    await store.add([tokens.digest(token, KEY) for token in plain], description=None, expires_at=None)
    return store


async def some_parts(**known: Any) -> Parts:
    """Return the parts of an application on fakes, with `TOKEN` valid, apart from what `known` says."""
    clock = known.get("clock") or VirtualClock()
    access = known.get("access") or Access(await some_tokens(clock, TOKEN), key=KEY, clock=clock, cache_ttl_s=4)
    changes = known.get("changes") or FakeChanges()
    parts: dict[str, Any] = {
        "offers": FakeOffers(),
        "provenance": FakeProvenance(),
        "exports": FakeExports(),
        "most_exports": 2,
        "products": FakeProducts(),
        "changes": changes,
        "records": FakeRecords(),
        "dialects": {"che168": Dialect(UTC, {"new_price": "price"})},
        "feed": ChangeFeed(changes, clock=clock, most_listeners=3),
        "sources": (FakeSource("1", [1, 31]), FakeSource("2", [11]), FakeSource("3", [21])),
        "fan_out": FanOut(clock=clock, timeout_s=2),
        "status": FakeStatus(),
        "stats": FakeStats(),
        "queues": FakeQueues({"normalizer.raw": 3}),
        "as_of": DataAsOf(some_moments, clock=clock, platforms=("che168",), shops=("bot_igor",)),
        "access": access,
        "limiter": a_limiter(clock),
        "cursors": CursorSigner(KEY),
        "clock": clock,
        "new_id": lambda: "id-1",
        "schema_head": HEAD,
        "version": "0.1.0",
        "docs_open": True,
        "info_open": False,
        "info_only_local": False,
        "followed": {"che168"},
    }
    return Parts(**(parts | known))


def a_client(parts: Parts, *, token: str | None = TOKEN) -> httpx.AsyncClient:
    """Return a client of the application; it raises nothing that the application should have answered."""
    transport = httpx.ASGITransport(app=build_api(parts), raise_app_exceptions=True)
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    return httpx.AsyncClient(transport=transport, base_url="http://gateway", headers=headers)
