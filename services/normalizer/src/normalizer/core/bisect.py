"""Find the members of a batch that cannot be stored, so that their neighbours can be."""

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from normalizer.core.errors import PoisonError

ItemT = TypeVar("ItemT")


async def culprits(
    items: Sequence[ItemT], attempt: Callable[[Sequence[ItemT]], Awaitable[None]]
) -> list[tuple[ItemT, PoisonError]]:
    """Attempt all items; halve what fails until each culprit stands alone.

    Args:
        items: In the order in which their rows are locked.
        attempt: Stores a part all-or-nothing, or raises `PoisonError`.

    Returns:
        The culprits with their errors; every other item was stored. One culprit of 200 costs at most 17 attempts.
    """
    if not items:
        return []
    try:
        await attempt(items)
    except PoisonError as error:
        if len(items) == 1:
            return [(items[0], error)]
    else:
        return []
    middle = len(items) // 2
    return await culprits(items[:middle], attempt) + await culprits(items[middle:], attempt)
