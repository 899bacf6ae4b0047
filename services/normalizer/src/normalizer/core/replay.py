"""Replay: normalise landed rows anew after a mapping was changed, while live traffic goes on.

Rows are read without a lock, and those that the catalogue holds just as the mapping has them are left alone. The others
are normalised in a transaction that locks them, so a change that lands at the same moment is either seen or comes
after. A rehearsal does exactly the same and rolls back.
"""

import asyncio
import logging
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from operator import attrgetter
from typing import Any, Final

import msgspec

from common.log import fields
from normalizer.core.bisect import culprits
from normalizer.core.catalogue import write_catalogue
from normalizer.core.errors import PoisonError
from normalizer.core.land import MAX_ERROR_TEXT
from normalizer.core.offers.normalise import normalise
from normalizer.core.offers.record import PlatformProfile
from normalizer.core.ports import CatalogueChange, Key, LandedRow, ReplayStore, Selection, Transaction
from normalizer.core.profiles import Profiles

EXAMPLES: Final = 3
"""Offers shown for each field."""
SLICE: Final = 20
"""Rows looked at before the replies of the database, which reads the next ones, have their turn."""

_log = logging.getLogger(__name__)
_decode: Final = msgspec.json.Decoder(dict[str, list[Any]]).decode
_document: Final = msgspec.json.Decoder(dict[str, Any]).decode

_Page = tuple[list[LandedRow], int]
"""Rows, and the last id looked at."""


class _RolledBack(Exception):  # noqa: N818 - ends a rehearsal, no error
    """Leaves a transaction without its effects."""


@dataclass(frozen=True, slots=True)
class Example:
    """What one field of one offer was, and what it becomes."""

    key: Key
    old: Any
    new: Any


@dataclass(slots=True)
class Rehearsal:
    """What a replay would change.

    Attributes:
        changes: `added`, `changed`, `removed`, as readers of the catalogue would see them.
        fields: Field → offers in which it would change.
        examples: Field → the first few of them.
    """

    changes: Counter[str] = field(default_factory=Counter)
    fields: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[Example]] = field(default_factory=lambda: defaultdict(list))

    def note(self, changes: Sequence[CatalogueChange]) -> None:
        """Add changes."""
        for change in changes:
            self.changes[change.change_type] += 1
            for name, (old, new) in _pairs(change.diff).items():
                self.fields[name] += 1
                if len(self.examples[name]) < EXAMPLES:
                    self.examples[name].append(Example(change.key, old, new))

    def lines(self) -> list[str]:
        """Return the report for people: each field with its count, the most frequent first, and examples."""
        said = [f"{kind}: {number:,} records" for kind, number in sorted(self.changes.items())]
        for name, number in self.fields.most_common():
            said.append(f"{name}: {number:,} records")
            said += [
                f"    {shown.key.platform}/{shown.key.inner_id}: {_short(shown.old)} -> {_short(shown.new)}"
                for shown in self.examples[name]
            ]
        return said or ["nothing would change"]


class Replay:
    """Normalises landed rows anew.

    Args:
        store: Where rows are kept.
        profiles: Platform → what its fields mean.
        wanted: Which rows.
        batch_size: Rows looked at in one step, and at most in one transaction.
        mapping: A digest of the mapping: what was interrupted under another one begins at the first row again.
    """

    def __init__(
        self, store: ReplayStore, profiles: Profiles, wanted: Selection, *, batch_size: int, mapping: str = ""
    ) -> None:
        self._store = store
        self._profiles = profiles
        self._wanted = wanted
        self._batch_size = batch_size
        self._mapping = mapping
        self._ahead: tuple[int, _Page] | None = None
        self.counts: Counter[str] = Counter()

    async def position(self) -> int:
        """Return the last row id of a replay of the same rows that did not end; 0: begin at the first row."""
        return await self._store.replayed_to(self._wanted, mapping=self._mapping)

    async def step(self, after: int) -> int | None:
        """Normalise the next rows; return where to go on, None at the end. A culprit is flagged, the others commit.

        Raises:
            TransientError: What was committed stays; the next replay goes on there.
        """
        rows, last = await self._page(after)
        if not rows:
            await self._store.end_replay(self._wanted)
            return None
        await asyncio.gather(self._read_ahead(last), self._replayed(rows, after, last))
        return last

    async def rehearse(self, after: int, rehearsal: Rehearsal) -> int | None:
        """Find out what `step` would change, and change nothing; return where to go on, None at the end."""
        rows, last = await self._page(after)
        if not rows:
            return None
        await asyncio.gather(self._read_ahead(last), self._rehearsed(rows, rehearsal))
        return last

    async def _page(self, after: int) -> _Page:
        ahead, self._ahead = self._ahead, None
        if ahead is not None and ahead[0] == after:
            return ahead[1]
        return await self._store.landed(self._wanted, limit=self._batch_size, after=after)

    async def _read_ahead(self, after: int) -> None:
        self._ahead = after, await self._store.landed(self._wanted, limit=self._batch_size, after=after)

    async def _replayed(self, rows: Sequence[LandedRow], after: int, last: int) -> None:
        news = await self._news(rows)

        async def attempt(part: Sequence[LandedRow]) -> None:
            found: Counter[str] = Counter()
            async with self._store.transaction() as transaction:
                changes = await self._normalised(transaction, part, found)
                await transaction.save_replay(self._wanted, last if part is news else after, mapping=self._mapping)
                await transaction.log_changes(changes)
            self.counts.update(found)

        if not news:
            async with self._store.transaction() as transaction:
                await transaction.save_replay(self._wanted, last, mapping=self._mapping)
        for row, error in await culprits(news, attempt):
            _log.error(fields("record cannot be normalised", **_who(row), error=error))
            self.counts["errors"] += 1
            await self._flag(row, error)

    async def _flag(self, row: LandedRow, error: PoisonError) -> None:
        """Let a culprit wait to be normalised, unless it is another row by now; the catalogue keeps what it has."""
        async with self._store.transaction() as transaction:
            stored = (await transaction.lock_rows([row.key])).get(row.key)
            if stored is None or stored.row.data != row.data:
                return
            if row.is_processed:
                await transaction.update_rows([replace(stored, news=b"{}")], processed=False)
            await transaction.mark_error(row.key, str(error)[:MAX_ERROR_TEXT])

    async def _rehearsed(self, rows: Sequence[LandedRow], rehearsal: Rehearsal) -> None:
        async def attempt(part: Sequence[LandedRow]) -> None:
            found: Counter[str] = Counter()
            changes: list[CatalogueChange] = []
            with suppress(_RolledBack):
                async with self._store.transaction() as transaction:
                    changes = await self._normalised(transaction, part, found)
                    raise _RolledBack
            rehearsal.note(changes)
            self.counts.update(found)

        for row, error in await culprits(await self._news(rows), attempt):
            _log.warning(fields("record could not be normalised", **_who(row), error=error))
            self.counts["errors"] += 1

    async def _news(self, rows: Sequence[LandedRow]) -> list[LandedRow]:
        """Return, in the order of locks, the rows that the catalogue does not hold as the mapping has them."""
        news: list[LandedRow] = []
        for place in range(0, len(rows), SLICE):
            news += [row for row in rows[place : place + SLICE] if not self._is_held(row)]
            await asyncio.sleep(0)  # noqa: TID251 - takes no time: what was read ahead is taken from the socket
        self.counts["records"] += len(rows) - len(news)
        return sorted(news, key=attrgetter("key"))

    def _is_held(self, row: LandedRow) -> bool:
        profile, shown = self._profiles.get(row.key.platform), row.listed
        if not isinstance(profile, PlatformProfile) or not row.is_processed:
            return False
        if shown is None or shown.is_visible != row.is_visible:
            return False
        try:
            offer, odd = normalise(row.data, profile)
        except Exception:  # noqa: BLE001 - the transaction of this row meets it again and says whose it is
            return False
        if msgspec.to_builtins(offer) != _document(shown.document):
            return False
        for oddity in odd:
            self.counts[f"odd.{oddity.field}:{oddity.reason}"] += 1
        return True

    async def _normalised(
        self, transaction: Transaction, part: Sequence[LandedRow], found: Counter[str]
    ) -> list[CatalogueChange]:
        stored = await transaction.lock_rows([row.key for row in part])
        known = [stored[row.key].row for row in part if row.key in stored]
        # What a replay meets was counted when it landed.
        changes = await write_catalogue(transaction, self._profiles, new=[], known=known, counts=found, drift=Counter())
        # Flagged culprits are among them, which are healed now.
        waiting = [row.key for row in part if not row.is_processed and row.key in stored]
        if waiting:
            await transaction.mark_processed(waiting)
        found["records"] += len(known)
        found["changed"] += len(changes)
        return changes


def _who(row: LandedRow) -> dict[str, str]:
    return {"platform": row.key.platform, "inner_id": row.key.inner_id}


def _pairs(diff: bytes) -> Mapping[str, list[Any]]:
    return _decode(diff)


def _short(value: object) -> str:
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= 60 else text[:57] + "..."  # noqa: PLR2004 - what fits beside another on a line
