"""Work that is on its way while the next step is taken: cancelled, awaited or left behind in order."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from contextlib import suppress
from typing import Any, Final, Generic, TypeVar

from common.clock import Clock

T = TypeVar("T")
TURNS: Final = 6
"""Turns of the event loop that a request takes from its begin to the wire, and one or two more."""


async def unless_stopped(pending: "asyncio.Task[T]", *stops: asyncio.Event) -> T | None:
    """Return the result of a task; None as soon as one of `stops` is set. The task is left as it is."""
    stopping = [asyncio.create_task(stop.wait()) for stop in stops]
    try:
        await asyncio.wait({pending, *stopping}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in stopping:
            task.cancel()
    return None if any(stop.is_set() for stop in stops) else await pending


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


async def within_grace(work: Coroutine[Any, Any, T], stop: asyncio.Event, *, clock: Clock, grace_s: float) -> T | None:
    """Return what work returns; None where it was cut off, for it had not ended `grace_s` seconds after `stop`."""

    async def over() -> None:
        await stop.wait()
        await clock.sleep(grace_s)

    working, grace = asyncio.create_task(work), asyncio.create_task(over())
    try:
        await asyncio.wait({working, grace}, return_when=asyncio.FIRST_COMPLETED)
        return working.result() if working.done() else None
    finally:
        for task in (working, grace):
            task.cancel()
        await asyncio.gather(working, grace, return_exceptions=True)


async def together(calls: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Begin calls in their order and return when all have ended; the first that fails is raised and ends the others."""
    tasks = [asyncio.create_task(call) for call in calls]
    try:
        for task in tasks:
            await task
    finally:
        for task in tasks:
            await dropped(task)


class Gathering(Generic[T]):
    """Takes what is added a step further, in order and while other work goes on: all that came since the last time.

    Args:
        step: Takes what was gathered, such as pages to save.
        interval_s: Seconds from the begin of a step to that of the next one, at least.
        most: What has not taken the step yet, at most; whoever adds more waits.

    Attributes:
        broken: Set when a step has failed; the next call here raises its error.
    """

    def __init__(
        self, step: Callable[[Sequence[T]], Awaitable[None]], *, clock: Clock, interval_s: float, most: int
    ) -> None:
        self._step = step
        self._clock = clock
        self._interval_s = interval_s
        self._most = most
        self._waiting: list[T] = []
        self._task: asyncio.Task[None] | None = None
        self._hurry = asyncio.Event()
        self._next_at_s = clock.monotonic()
        self.broken = asyncio.Event()

    async def add(self, item: T) -> None:
        """Take one more.

        Raises:
            Exception: What a step raised; this one then takes none.
        """
        if self._task is not None and (self._task.done() or len(self._waiting) >= self._most):
            await self.settled()
        self._waiting.append(item)
        if self._task is None:
            self._task = asyncio.create_task(self._step_by_step())

    async def settled(self) -> None:
        """Return when all have taken the step, at once; raises what it raised."""
        task, self._task = self._task, None
        if task is not None:
            self._hurry.set()
            try:
                await task
            finally:
                self._hurry.clear()
                self.broken.clear()
                self._waiting.clear()

    async def dropped(self) -> None:
        """Take no step more."""
        task, self._task = self._task, None
        await dropped(task)
        self._waiting.clear()

    async def _step_by_step(self) -> None:
        while self._waiting:
            await self._pause(self._next_at_s - self._clock.monotonic())
            self._next_at_s = self._clock.monotonic() + self._interval_s
            gathered = tuple(self._waiting)
            try:
                await self._step(gathered)
            except Exception:
                self.broken.set()
                raise
            del self._waiting[: len(gathered)]

    async def _pause(self, pause_s: float) -> None:
        if pause_s > 0 and not self._hurry.is_set():
            pausing = asyncio.create_task(self._clock.sleep(pause_s))
            await unless_stopped(pausing, self._hurry)
            await dropped(pausing)
