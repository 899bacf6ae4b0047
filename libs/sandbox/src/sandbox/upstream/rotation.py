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

    def stood_before(self, position: int, below: int) -> int:
        """Return how many of the values 0 … `below` - 1 stand before `position` (at most `size`)."""
        if not position:
            return 0
        whole = _floor_sum(below, self.size, self.inverse, self.size)
        return whole - _floor_sum(below, self.size, self.inverse, self.size - position)

    def nth_from(self, position: int, index: int) -> int:
        """Return the `index`-th smallest (from 0) of the values that stand at `position` or behind."""
        low, high = index, self.size - 1
        while low < high:
            middle = (low + high) // 2
            if middle + 1 - self.stood_before(position, middle + 1) > index:
                high = middle
            else:
                low = middle + 1
        return low


def _floor_sum(count: int, divisor: int, factor: int, offset: int) -> int:
    """Return the sum of `(factor * i + offset) // divisor` over `i` in `range(count)`, as Euclid would."""
    total = 0
    while True:
        total += (count - 1) * count // 2 * (factor // divisor) + count * (offset // divisor)
        factor, offset = factor % divisor, offset % divisor
        last = factor * count + offset
        if last < divisor:
            return total
        count, offset, divisor, factor = last // divisor, last % divisor, factor, divisor


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
