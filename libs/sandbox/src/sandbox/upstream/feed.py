"""The history of a marketplace as arithmetic: any event and any state at any event, without memory.

Events are numbered 0, 1, 2 … and come in cycles of 40 with a fixed mix of kinds. Who an event is about follows
from its ordinal among its kind, in both directions, so the state of an offer after event `n` is a computation, not
a replay. The mix keeps the number of active offers constant: what a cycle adds, it also removes.
"""

import random
from dataclasses import dataclass
from enum import StrEnum

from sandbox.upstream.keys import Family, Key
from sandbox.upstream.rotation import AffinePermutation, Rotation

CYCLE = 40
SMALLEST_HISTORY = 50
"""Fewer offers than this have no history: a cycle would touch most of them."""


class Kind(StrEnum):
    """What happens at one place of the cycle."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"
    PARKED = "parked"
    RELISTED = "relisted"
    FLASH_ADDED = "flash added"
    FLASH_CHANGED = "flash changed"
    FLASH_REMOVED = "flash removed"
    GHOST_CHANGED = "ghost changed"
    GHOST_REMOVED = "ghost removed"


CHANGE_TYPES = {
    Kind.ADDED: "added",
    Kind.RELISTED: "added",
    Kind.FLASH_ADDED: "added",
    Kind.CHANGED: "changed",
    Kind.FLASH_CHANGED: "changed",
    Kind.GHOST_CHANGED: "changed",
    Kind.REMOVED: "removed",
    Kind.PARKED: "removed",
    Kind.FLASH_REMOVED: "removed",
    Kind.GHOST_REMOVED: "removed",
}


class Cycle:
    """The mix of 40 events that repeats for ever, and its counting rules."""

    def __init__(self, seed: int, *, ghosts: bool) -> None:
        singles = [Kind.ADDED] * 6 + [Kind.REMOVED] * 6 + [Kind.PARKED, Kind.RELISTED]
        singles += [Kind.GHOST_CHANGED, Kind.GHOST_REMOVED] if ghosts else []
        singles += [Kind.CHANGED] * (CYCLE - 3 - len(singles))
        dice = random.Random(seed)  # noqa: S311 - test data, not a secret
        dice.shuffle(singles)
        place = dice.randrange(len(singles))
        flash = [Kind.FLASH_ADDED, Kind.FLASH_CHANGED, Kind.FLASH_REMOVED]
        self.kinds = (*singles[:place], *flash, *singles[place:])
        self._slots = {kind: [i for i, k in enumerate(self.kinds) if k is kind] for kind in Kind}
        self._before = {kind: [self.kinds[:i].count(kind) for i in range(CYCLE)] for kind in Kind}

    def per_cycle(self, kind: Kind) -> int:
        """Return how many events of `kind` a cycle has."""
        return len(self._slots[kind])

    def count(self, kind: Kind, end: int) -> int:
        """Return how many events of `kind` have a number below `end`."""
        cycle, slot = divmod(end, CYCLE)
        return cycle * self.per_cycle(kind) + self._before[kind][slot]

    def number(self, kind: Kind, ordinal: int) -> int:
        """Return the event number of the `ordinal`-th event of `kind`."""
        slots = self._slots[kind]
        cycle, index = divmod(ordinal, len(slots))
        return cycle * CYCLE + slots[index]


@dataclass(frozen=True, slots=True)
class Event:
    """One event: its number in the history, its kind and whom it is about."""

    number: int
    kind: Kind
    key: Key

    @property
    def change_type(self) -> str:
        """Return the word for it in the feed: `added`, `changed` or `removed`."""
        return CHANGE_TYPES[self.kind]


_OWN_FAMILY = {
    Kind.FLASH_ADDED: Family.FLASH,
    Kind.FLASH_CHANGED: Family.FLASH,
    Kind.FLASH_REMOVED: Family.FLASH,
    Kind.GHOST_CHANGED: Family.GHOST_CHANGED,
    Kind.GHOST_REMOVED: Family.GHOST_REMOVED,
}


class ChangeFeed:
    """The endless history of a marketplace that lists exactly `offers` offers after its first `events` events.

    From then on the number of offers stays the same but for a few.

    Families: *listed* offers appear in lists while they are active; a *flash* is added, changed and removed in three
    events in a row; *ghosts* are known to the feed only (one event each), as if they were older than any list.
    A *parked* offer is removed and comes back about `lag` cycles later.
    """

    def __init__(self, *, offers: int, events: int, seed: int, ghosts: bool = True) -> None:
        self.is_still = offers < SMALLEST_HISTORY
        self.total = 0 if self.is_still else events
        self.cycle = Cycle(seed, ghosts=ghosts)
        self._lag = 0 if self.is_still else max(2, offers // 1000)
        grown = self._count(Kind.ADDED, self.total) - self._count(Kind.REMOVED, self.total)
        away = self._lag + self._count(Kind.PARKED, self.total) - self._count(Kind.RELISTED, self.total)
        self.initial = offers - grown + away
        self.block = AffinePermutation.of(max(1, self.initial // 10))
        self._changes = self._rotation(self.cycle.per_cycle(Kind.CHANGED), lag=0)
        self._parking = self._rotation(1, lag=self._lag)

    def _count(self, kind: Kind, end: int) -> int:
        return self.cycle.count(kind, end)

    def _rotation(self, per_cycle: int, *, lag: int) -> Rotation:
        """Make a window that holds, for a whole round, only offers that exist and are not due for removal.

        During a round of m cycles, removals reach at most `drift * m + block` numbers up, while the offers there
        at its start end at `initial` (both relative to the round), so m is what fits between.
        """
        drift = self.cycle.per_cycle(Kind.REMOVED)
        room = self.initial - self.block.size - drift * lag
        cycles = max(1, room // (drift + per_cycle))
        return Rotation(drift * cycles + self.block.size, drift * cycles, AffinePermutation.of(per_cycle * cycles))

    def event(self, number: int) -> Event:
        """Return the event with this number (from 0); a marketplace that stands still has none."""
        kind = self.cycle.kinds[number % CYCLE]
        ordinal = self._count(kind, number)
        family = _OWN_FAMILY.get(kind, Family.LISTED)
        return Event(number, kind, Key(family, self._subject(kind, ordinal)))

    def _subject(self, kind: Kind, ordinal: int) -> int:
        if kind is Kind.ADDED:
            return self.initial + ordinal
        if kind is Kind.REMOVED:
            block, position = divmod(ordinal, self.block.size)
            return block * self.block.size + self.block.at(position)
        if kind is Kind.CHANGED:
            return self._changes.target(ordinal)
        if kind is Kind.PARKED:
            return self._parking.target(ordinal + self._lag)
        if kind is Kind.RELISTED:
            return self._parking.target(ordinal)
        return ordinal

    def known(self, family: Family, end: int) -> int:
        """Return how many offers of `family` have come up before event number `end`; their numbers start at 0."""
        if family is Family.LISTED:
            return self.initial + self._count(Kind.ADDED, end)
        kinds = {
            Family.FLASH: Kind.FLASH_ADDED,
            Family.GHOST_CHANGED: Kind.GHOST_CHANGED,
            Family.GHOST_REMOVED: Kind.GHOST_REMOVED,
        }
        return self._count(kinds[family], end) if family in kinds else 0

    def added_by(self, key: Key) -> int | None:
        """Return the number of the first `added` event of the offer; None if it is older than the history."""
        if key.family is Family.FLASH:
            return self.cycle.number(Kind.FLASH_ADDED, key.number)
        if key.family is Family.LISTED and key.number >= self.initial:
            return self.cycle.number(Kind.ADDED, key.number - self.initial)
        return None

    def price_event(self, key: Key, end: int) -> int | None:
        """Return the number of the latest price change of the offer before event number `end`, if any."""
        if key.family is Family.LISTED:
            changed = self._count(Kind.CHANGED, end)
            latest = next((o for o in self._changes.ordinals(key.number) if o < changed), None)
            return None if latest is None else self.cycle.number(Kind.CHANGED, latest)
        kind = {Family.FLASH: Kind.FLASH_CHANGED, Family.GHOST_CHANGED: Kind.GHOST_CHANGED}.get(key.family)
        if kind is None or key.number >= self._count(kind, end):
            return None
        return self.cycle.number(kind, key.number)

    def is_active(self, key: Key, end: int) -> bool:
        """Tell whether the offer is for sale just before event number `end`."""
        if key.number >= self.known(key.family, end):
            return False
        if key.family is Family.LISTED:
            return self.removal_order(key.number) >= self._count(Kind.REMOVED, end) and not self._is_parked(key, end)
        if key.family is Family.FLASH:
            return key.number >= self._count(Kind.FLASH_REMOVED, end)
        return key.family is Family.GHOST_CHANGED

    def removal_order(self, number: int) -> int:
        """Return as which removal (from 0) the listed offer `number` goes for good."""
        block, offset = divmod(number, self.block.size)
        return block * self.block.size + self.block.position_of(offset)

    def removed_by(self, key: Key) -> int | None:
        """Return the number of the event with which a listed offer goes for good; other offers have none."""
        if key.family is not Family.LISTED:
            return None
        return self.cycle.number(Kind.REMOVED, self.removal_order(key.number))

    def _is_parked(self, key: Key, end: int) -> bool:
        return any(
            ordinal < self._count(Kind.PARKED, end) + self._lag and ordinal >= self._count(Kind.RELISTED, end)
            for ordinal in self._parking.ordinals(key.number)
        )

    def parked(self, end: int) -> list[int]:
        """Return the numbers of the listed offers that are away just before event number `end`."""
        first, last = self._count(Kind.RELISTED, end), self._count(Kind.PARKED, end) + self._lag
        return [self._parking.target(ordinal) for ordinal in range(first, last)]

    def removed(self, end: int) -> int:
        """Return how many listed offers have gone for good before event number `end`."""
        return self._count(Kind.REMOVED, end)
