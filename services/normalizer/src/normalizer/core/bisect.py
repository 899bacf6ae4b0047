"""Find the members of a batch that cannot be stored, so that their neighbours can be."""

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from normalizer.core.errors import PoisonError

ItemT = TypeVar("ItemT")


async def culprits(
    items: Sequence[ItemT], attempt: Callable[[Sequence[ItemT]], Awaitable[None]]
) -> list[tuple[ItemT, PoisonError]]:
    """Attempt all items; narrow down what fails until each culprit stands alone.

    As a rule there is one: it is sought by halves, and what was passed over on the way is attempted in one piece. If
    that fails too there are several, and every part that fails is halved.

    Args:
        items: In the order in which their rows are locked.
        attempt: Stores a part, given in that order, all-or-nothing, or raises `PoisonError`.

    Returns:
        The culprits with their errors; every other item was stored. One culprit of 200 costs at most 11 attempts, 200
        culprits cost 407.
    """

    async def is_stored(part: Sequence[ItemT]) -> bool:
        try:
            await attempt(part)
        except PoisonError as error:
            if len(part) == 1:
                found.append((part[0], error))
            return False
        return True

    async def search(part: Sequence[ItemT]) -> None:
        if part and not await is_stored(part) and len(part) > 1:
            middle = len(part) // 2
            await search(part[:middle])
            await search(part[middle:])

    found: list[tuple[ItemT, PoisonError]] = []
    if not items or await is_stored(items):
        return []
    suspects, unseen = items, list[ItemT]()
    while len(suspects) > 1:
        middle = (len(suspects) + 1) // 2
        if await is_stored(suspects[:middle]):
            suspects = suspects[middle:]
        else:
            suspects, unseen = suspects[:middle], [*suspects[middle:], *unseen]
    if not found:
        await is_stored(suspects)
    await search(unseen)
    return found
