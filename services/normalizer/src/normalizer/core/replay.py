"""Replay: normalise landed rows anew after a mapping was changed, while live traffic goes on.

Each batch is one transaction that locks its rows, so a change that lands at the same moment is either seen or comes
after. A rehearsal does exactly the same and rolls back.
"""

import logging
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from common.log import fields
from normalizer.core.bisect import culprits
from normalizer.core.catalogue import write_catalogue
from normalizer.core.ports import CatalogueChange, Key, ReplayStore, Selection, Transaction
from normalizer.core.profiles import Profiles

EXAMPLES: Final = 3
"""Offers shown for each field."""

_log = logging.getLogger(__name__)
_decode: Final = msgspec.json.Decoder(dict[str, list[Any]]).decode


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
        batch_size: Rows in one transaction.
    """

    def __init__(self, store: ReplayStore, profiles: Profiles, wanted: Selection, *, batch_size: int) -> None:
        self._store = store
        self._profiles = profiles
        self._wanted = wanted
        self._batch_size = batch_size
        self.counts: Counter[str] = Counter()

    async def position(self) -> int:
        """Return the last row id of a replay of the same rows that did not end; 0: begin at the first row."""
        return await self._store.replayed_to(self._wanted)

    async def step(self, after: int) -> int | None:
        """Normalise the next rows; return where to go on, None at the end. A culprit is flagged, the others commit.

        Raises:
            TransientError: What was committed stays; the next replay goes on there.
        """
        keys, last = await self._store.landed(self._wanted, limit=self._batch_size, after=after)
        if not keys:
            await self._store.end_replay(self._wanted)
            return None

        async def attempt(part: Sequence[Key]) -> None:
            found: Counter[str] = Counter()
            async with self._store.transaction() as transaction:
                changes = await self._normalised(transaction, part, found)
                await transaction.save_replay(self._wanted, last if part is keys else after)
                await transaction.log_changes(changes)
            self.counts.update(found)

        keys.sort()
        for key, error in await culprits(keys, attempt):
            who = {"platform": key.platform, "inner_id": key.inner_id}
            _log.error(fields("record cannot be normalised", **who, error=error))
            self.counts["errors"] += 1
        return last

    async def rehearse(self, after: int, rehearsal: Rehearsal) -> int | None:
        """Find out what `step` would change, and change nothing; return where to go on, None at the end."""
        keys, last = await self._store.landed(self._wanted, limit=self._batch_size, after=after)
        if not keys:
            return None

        async def attempt(part: Sequence[Key]) -> None:
            found: Counter[str] = Counter()
            changes: list[CatalogueChange] = []
            with suppress(_RolledBack):
                async with self._store.transaction() as transaction:
                    changes = await self._normalised(transaction, part, found)
                    raise _RolledBack
            rehearsal.note(changes)
            self.counts.update(found)

        for key, error in await culprits(sorted(keys), attempt):
            _log.warning(
                fields("record could not be normalised", platform=key.platform, inner_id=key.inner_id, error=error)
            )
            self.counts["errors"] += 1
        return last

    async def _normalised(
        self, transaction: Transaction, part: Sequence[Key], found: Counter[str]
    ) -> list[CatalogueChange]:
        stored = await transaction.lock_rows(part)
        known = [stored[key].row for key in part if key in stored]
        # What a replay meets was counted when it landed.
        changes = await write_catalogue(
            transaction, self._profiles, new=[], known=known, counts=found, drift=Counter(), only_news=True
        )
        waiting = await transaction.lock_unprocessed(part)  # flagged culprits among them, which are healed now
        if waiting:
            await transaction.mark_processed(list(waiting))
        found["records"] += len(known)
        found["changed"] += len(changes)
        return changes


def _pairs(diff: bytes) -> Mapping[str, list[Any]]:
    return _decode(diff)


def _short(value: object) -> str:
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= 60 else text[:57] + "..."  # noqa: PLR2004 - what fits beside another on a line
