"""A clock for tests, which moves only when it is told to."""

import asyncio
import heapq
from datetime import UTC, datetime, timedelta


class VirtualClock:
    """A clock that moves only when it is told to, or when somebody sleeps on it.

    With `auto_advance` a sleep returns at once and moves the clock by its length;
    without it, sleepers wait until `advance` passes their moment.
    """

    def __init__(self, start: datetime | None = None, *, auto_advance: bool = True) -> None:
        self._start = start or datetime(2026, 1, 1, tzinfo=UTC)
        self._elapsed = 0.0
        self._auto_advance = auto_advance
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._count = 0
        self.slept: list[float] = []

    def now(self) -> datetime:
        """Return the virtual wall-clock time."""
        return self._start + timedelta(seconds=self._elapsed)

    def monotonic(self) -> float:
        """Return the virtual seconds since the start."""
        return self._elapsed

    async def sleep(self, seconds: float) -> None:
        """Record the wait; move on at once or wait for `advance`."""
        self.slept.append(seconds)
        if self._auto_advance:
            self._elapsed += max(0.0, seconds)
            await asyncio.sleep(0)  # noqa: TID251 - lets other tasks run, takes no time
            return
        self._count += 1
        future = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._elapsed + seconds, self._count, future))
        await future

    async def advance(self, seconds: float) -> None:
        """Let tasks that were just started fall asleep; then move the clock and wake, in order, whoever is due."""
        await _let_others_run()
        end = self._elapsed + seconds
        while self._sleepers and self._sleepers[0][0] <= end:
            moment, _, future = heapq.heappop(self._sleepers)
            self._elapsed = max(self._elapsed, moment)
            if not future.done():
                future.set_result(None)
            await _let_others_run()
        self._elapsed = end
        await _let_others_run()


async def _let_others_run() -> None:
    for _ in range(10):
        await asyncio.sleep(0)  # noqa: TID251 - takes no time
