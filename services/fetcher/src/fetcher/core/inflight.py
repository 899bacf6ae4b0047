"""Work that is on its way while the next step is taken: cancelled, awaited or left behind in order."""

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, Final, TypeVar

T = TypeVar("T")
TURNS: Final = 6
"""Turns of the event loop that a request takes from its begin to the wire, and one or two more."""


async def unless_stopped(pending: "asyncio.Task[T]", stop: asyncio.Event) -> T | None:
    """Return the result of a task; None as soon as `stop` is set. The task is left as it is."""
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({pending, stopping}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopping.cancel()
    return None if stop.is_set() else await pending


async def under_way() -> None:
    """Let a request that was begun just now reach the wire, before other work takes the processor from it."""
    for _ in range(TURNS):
        await asyncio.sleep(0)  # noqa: TID251 - takes no time: other tasks have their turn


async def dropped(pending: "asyncio.Task[T] | None") -> None:
    """Cancel a task, if there is one, and return when it has ended; its error is nobody's any more."""
    if pending is not None:
        pending.cancel()
        with suppress(asyncio.CancelledError, Exception):
            await pending


class OneBehind:
    """A step that is done while the next one is prepared, and always before the next one of its kind."""

    def __init__(self) -> None:
        self._task: asyncio.Task[None] | None = None

    async def then(self, step: Coroutine[Any, Any, None]) -> None:
        """Wait for the step before, then start this one.

        Raises:
            Exception: What the step before raised; this one is then not started.
        """
        try:
            await self.settled()
        except BaseException:
            step.close()
            raise
        self._task = asyncio.create_task(step)

    async def settled(self) -> None:
        """Return when no step is on its way; raises what the last one raised."""
        task, self._task = self._task, None
        if task is not None:
            await task

    async def dropped(self) -> None:
        """Cancel the step that is on its way."""
        task, self._task = self._task, None
        await dropped(task)
