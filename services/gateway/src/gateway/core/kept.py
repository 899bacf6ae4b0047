"""One answer that is dear to make, kept for a while; of many who ask at once, one makes it and all get it."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from common.clock import Clock
from gateway.core.shared import shared

T = TypeVar("T")


class Kept(Generic[T]):
    """What `load` returned, while it is made and for `kept_s` seconds from the moment it was asked.

    What it raises is not kept. With 0 seconds, nothing is: those who ask meanwhile get one answer.
    """

    def __init__(self, load: Callable[[], Awaitable[T]], *, clock: Clock, kept_s: float) -> None:
        self._load = load
        self._clock = clock
        self._kept_s = kept_s
        self._until = float("-inf")
        self._answer: asyncio.Future[T] | None = None

    async def get(self) -> T:
        """Return the answer; raises what `load` raises, to all who wait."""
        now = self._clock.monotonic()
        answer = self._answer
        if answer is None or (answer.done() and (now >= self._until or _has_failed(answer))):
            answer = self._answer = shared(self._load())
            self._until = now + self._kept_s
        return await asyncio.shield(answer)


def _has_failed(answer: "asyncio.Future[T]") -> bool:
    return answer.cancelled() or answer.exception() is not None
