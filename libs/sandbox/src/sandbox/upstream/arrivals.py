"""Offers that arrive beside the schedule, and how they push the places of later events up."""

from bisect import bisect_left, bisect_right
from typing import NamedTuple


class Place(NamedTuple):
    """What stands at one place of the feed: a scheduled event, or the arrival of a late offer."""

    number: int
    is_late: bool


class Arrivals:
    """Groups of late offers in the order in which they came; memory grows with the groups only.

    A *place* counts all events of the feed, a *scheduled number* those of the history only.
    """

    def __init__(self) -> None:
        self.total = 0
        self._firsts: list[int] = []
        self._places: list[int] = []
        self._moments: list[int] = []

    def add(self, count: int, *, after: int, moment_ms: int) -> None:
        """Let `count` offers arrive after the first `after` scheduled events."""
        self._firsts.append(self.total)
        self._places.append(after + self.total)
        self._moments.append(moment_ms)
        self.total += count

    def at(self, place: int) -> Place:
        """Return what stands at a place."""
        group = bisect_right(self._places, place) - 1
        if group < 0:
            return Place(place, is_late=False)
        late = self._firsts[group] + place - self._places[group]
        end = self._first(group + 1)
        return Place(late, is_late=True) if late < end else Place(place - end, is_late=False)

    def before(self, moment_ms: int) -> int:
        """Return how many offers arrived before a moment."""
        return self._first(bisect_left(self._moments, moment_ms))

    def moment_ms(self, late: int) -> int:
        """Return when late offer number `late` arrived."""
        return self._moments[bisect_right(self._firsts, late) - 1]

    def _first(self, group: int) -> int:
        return self._firsts[group] if group < len(self._firsts) else self.total
