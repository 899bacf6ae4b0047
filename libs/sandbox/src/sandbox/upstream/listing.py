"""The order of `/offers`: which offer stands in which row of the list at one moment of the history."""

from bisect import bisect_right
from typing import NamedTuple

from sandbox.upstream.feed import ChangeFeed
from sandbox.upstream.keys import Family, Key
from sandbox.upstream.quirks import Quirks, every

_REPEAT_DISTANCE = 25
"""How many rows away a repeated offer was seen: more than a page."""


class Row(NamedTuple):
    """One row of the list; a shell is the offer with all fields empty."""

    key: Key
    is_shell: bool


class Listing:
    """Random access to the list of active offers just before event number `end`.

    The `late` arrivals stand first, newest on top. Then come the offers by their number, oldest first: who goes leaves
    a gap that those behind close up, who comes back takes the old place, and new ones stand last.
    With quirks, one row in so many repeats an offer of a neighbouring page, in full or as an empty shell.

    Only the oldest block has lost some of its offers for good; the `nth_from` of its order tells which are left.
    """

    def __init__(self, feed: ChangeFeed, end: int, quirks: Quirks, *, late: int = 0) -> None:
        self._late = late
        self._block = feed.block
        size = feed.block.size
        block, self._gone = divmod(feed.removed(end), size)
        self._first = block * size
        self._head = size - self._gone
        self._tail = self._first + size
        self._last_found = (-1, -1)
        away = sorted(self._head + number - self._tail for number in feed.parked(end))
        self._gaps = [rank - index for index, rank in enumerate(away)]
        self._settled = feed.known(Family.LISTED, end) - feed.removed(end) - len(away)
        self._repeat_every = every(quirks.repeated_inner_id)
        self._shell_every = every(quirks.empty_shell)

    @property
    def offers(self) -> int:
        """How many different offers the list shows."""
        return self._settled + self._late

    @property
    def rows(self) -> int:
        """How many rows the list has, repeats included."""
        repeats = self.offers // (self._repeat_every - 1) if self._repeat_every > 1 else 0
        return self.offers + repeats

    def key(self, rank: int) -> Key:
        """Return the `rank`-th different offer (from 0)."""
        if rank < self._late:
            return Key(Family.LATE, self._late - 1 - rank)
        rank -= self._late
        rank += bisect_right(self._gaps, rank)
        if rank < self._head:
            return Key(Family.LISTED, self._first + self._in_head(rank))
        return Key(Family.LISTED, self._tail + rank - self._head)

    def _in_head(self, rank: int) -> int:
        """Return which offer of the oldest block is the `rank`-th left; walking along, a step needs no search."""
        last_rank, offset = self._last_found
        if rank == last_rank + 1:
            offset += 1
            while self._block.position_of(offset) < self._gone:
                offset += 1
        elif rank != last_rank:
            offset = self._block.nth_from(self._gone, rank)
        self._last_found = (rank, offset)
        return offset

    def row(self, number: int) -> Row:
        """Return row `number` (from 0, below `rows`)."""
        if self._repeat_every < 2:  # noqa: PLR2004 - 0 means that no row is a repeat
            return Row(self.key(number), is_shell=False)
        chunk, place = divmod(number, self._repeat_every)
        rank = number - chunk
        if place != self._repeat_every - 1:
            return Row(self.key(rank), is_shell=False)
        return self._repeat(rank, chunk)

    def _repeat(self, rank: int, chunk: int) -> Row:
        shells = max(1, self._shell_every // self._repeat_every) if self._shell_every else 0
        is_shell = bool(shells) and chunk % shells == 0
        ahead = rank + _REPEAT_DISTANCE
        if is_shell and ahead < self.offers:
            return Row(self.key(ahead), is_shell=True)
        return Row(self.key(max(0, rank - _REPEAT_DISTANCE)), is_shell)
