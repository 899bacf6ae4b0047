"""Facets: how often each value of a field occurs among the offers that meet the filters, kept for a short while."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from common.clock import Clock
from gateway.core.query import Condition
from gateway.core.shared import shared

FACETS: Final = (
    *("platform", "mark", "model", "year", "engine_type", "transmission_type", "body_type", "drive_type"),
    *("color", "city", "is_dealer"),
)
"""The fields whose values are counted."""
MOST_VALUES: Final = 50
"""How many values of a field are given, the most frequent first."""
KEPT_S: Final = 30.0
MOST_KEPT: Final = 500


@dataclass(frozen=True, slots=True)
class ValueCount:
    """A value and how many offers have it."""

    value: str | int
    count: int


@dataclass(frozen=True, slots=True)
class Facets:
    """How many offers there are, and the values of each of `FACETS`; a missing value is not counted as one."""

    total: int
    values: Mapping[str, Sequence[ValueCount]]


def most_frequent(counts: Sequence[ValueCount]) -> Sequence[ValueCount]:
    """Return the first `MOST_VALUES`: by count, greatest first, and by value where counts are equal."""
    return sorted(counts, key=lambda found: (-found.count, str(found.value)))[:MOST_VALUES]


@dataclass(slots=True)
class _Kept:
    until: float
    facets: "asyncio.Future[Facets]"


class FacetCache:
    """Keeps facets for `KEPT_S`; of many who ask for the same at once, one counts and all get the answer."""

    def __init__(self, load: Callable[[Sequence[Condition]], Awaitable[Facets]], *, clock: Clock) -> None:
        self._load = load
        self._clock = clock
        self._kept: dict[tuple[Condition, ...], _Kept] = {}

    async def get(self, conditions: tuple[Condition, ...]) -> Facets:
        """Return the facets; what is raised while counting is raised to all who wait, and not kept.

        Raises:
            UnavailableError: The database does not answer.
            QueryTimeoutError: Counting took longer than it may.
        """
        now = self._clock.monotonic()
        kept = self._kept.get(conditions)
        if kept is None or kept.until <= now:
            self._drop(now)
            kept = _Kept(now + KEPT_S, shared(self._counted(conditions)))
            self._kept[conditions] = kept
        return await asyncio.shield(kept.facets)

    async def _counted(self, conditions: tuple[Condition, ...]) -> Facets:
        try:
            return await self._load(conditions)
        except BaseException:
            self._kept.pop(conditions, None)
            raise

    def _drop(self, now: float) -> None:
        """Forget what is old, and the oldest where there is too much."""
        for conditions in [known for known, kept in self._kept.items() if kept.until <= now]:
            del self._kept[conditions]
        while len(self._kept) >= MOST_KEPT:
            del self._kept[next(iter(self._kept))]
