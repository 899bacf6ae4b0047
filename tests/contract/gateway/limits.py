"""The limit's outside in memory."""

import asyncio

from common.clock import Clock
from common.errors import FeedmillError
from gateway.core.rate_limit import Grant, Quota, RateLimiter, decide


class FakeQuota:
    """QuotaStore in memory."""

    def __init__(self, clock: Clock, *, failure: FeedmillError | None = None) -> None:
        self._clock = clock
        self._full_at: dict[int, float] = {}
        self.failure = failure
        self.asked = 0

    async def take(self, token_id: int, quota: Quota, *, give_back: int, wanted: int) -> Grant:
        """Decide, after others had a turn."""
        self.asked += 1
        await asyncio.sleep(0)  # noqa: TID251 - lets other tasks run, takes no time
        if self.failure is not None:
            raise self.failure
        now = self._clock.monotonic()
        grant = decide(quota, self._full_at.get(token_id, now) - now, give_back=give_back, wanted=wanted)
        self._full_at[token_id] = now + grant.backlog_s
        return grant


def a_limiter(clock: Clock, burst: int = 100_000, interval_s: float = 0.01) -> RateLimiter:
    """Return a limiter of its own, a generous one where nothing is said."""
    return RateLimiter(FakeQuota(clock), quota=Quota(burst, interval_s), processes=1, clock=clock)
