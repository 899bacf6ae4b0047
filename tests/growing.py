"""How the time of pure code grows with its input: what comes from outside may cost no more than its size."""

from collections.abc import Callable
from time import process_time
from typing import Final, TypeVar

T = TypeVar("T")

TIMES: Final = 4
"""How much larger the second input is."""
TRIES: Final = 3
LINEAR: Final = 8.0
"""Growth that is still taken for linear, which is 4; the square is 16."""


def growth(work: Callable[[T], object], make: Callable[[int], T], size: int) -> float:
    """Return how many times as long `work` takes for `make(4 * size)` as for `make(size)`; the least of a few tries.

    No input is given twice: what was read once may be kept.

    Args:
        work: Does the same for any input.
        make: Makes an input of so many parts.
        size: So many that the work on them takes milliseconds at least; less is counted as one.
    """
    small, large = (min(_seconds(work, make(times * size + n)) for n in range(TRIES)) for times in (1, TIMES))
    return large / max(small, 0.001)


def _seconds(work: Callable[[T], object], given: T) -> float:
    start = process_time()
    work(given)
    return process_time() - start
