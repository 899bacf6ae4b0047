"""Orders that can be computed in both directions, so that a history needs no memory."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import gcd


@dataclass(frozen=True, slots=True)
class AffinePermutation:
    """A reordering of `range(size)` that looks mixed and is invertible in one multiplication."""

    size: int
    stride: int
    inverse: int

    @classmethod
    def of(cls, size: int) -> "AffinePermutation":
        """Choose a stride near the golden section that has no factor in common with `size` (at least 1)."""
        stride = max(1, round(size * 0.618))
        while gcd(stride, size) != 1:
            stride += 1
        return cls(size, stride, pow(stride, -1, size) if size > 1 else 0)

    def at(self, position: int) -> int:
        """Return what stands at `position`."""
        return position * self.stride % self.size

    def position_of(self, value: int) -> int:
        """Return where `value` stands."""
        return value * self.inverse % self.size


@dataclass(frozen=True, slots=True)
class Rotation:
    """An endless sequence of offer numbers out of a window that moves up by `step` each round.

    One round visits each number of the window once; the window is as wide as a round is long.
    """

    start: int
    step: int
    order: AffinePermutation

    def target(self, ordinal: int) -> int:
        """Return the offer number that the `ordinal`-th element (from 0) names."""
        turn, position = divmod(ordinal, self.order.size)
        return self.start + self.step * turn + self.order.at(position)

    def ordinals(self, number: int) -> Iterator[int]:
        """Yield, latest first, all ordinals that name the offer `number`."""
        turn = (number - self.start) // self.step
        while turn >= 0:
            offset = number - self.start - self.step * turn
            if offset >= self.order.size:
                return
            yield turn * self.order.size + self.order.position_of(offset)
            turn -= 1
