"""One limit for every token, right across processes: the generic cell rate algorithm (GCRA, ITU-T I.371).

A token may spend `burst` requests at once and earns one back each `interval_s`. What is spent and not earned back yet
is its backlog, in seconds: one number, kept in a store that all gateways share. So that not each request asks the
store, a process that is asked much takes a few requests in advance (a lease), at most a twentieth of the burst, for a
second at most, and gives back what it did not need. While the store is away each process allows its share of the limit.
"""

import asyncio
import logging
import math
from dataclasses import dataclass, field
from typing import Final, Protocol

from common.clock import Clock
from common.errors import UnavailableError
from common.log import fields
from gateway.core.errors import LimitedError, QueryTimeoutError

LEASE_S: Final = 1.0
"""How long requests that were taken in advance may be spent."""
LEASED_PART: Final = 20
"""A lease is at most the burst divided by this."""
STORE_PAUSE_S: Final = 1.0
"""How long the store is left alone after it failed."""
_ROUNDING: Final = 1e-6
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Quota:
    """What a token may spend: `burst` requests at once, and one more each `interval_s`."""

    burst: int
    interval_s: float

    @property
    def window_s(self) -> float:
        """Seconds in which the whole burst is earned back."""
        return self.burst * self.interval_s

    @property
    def policy(self) -> str:
        """The quota as the header RateLimit-Policy (draft-ietf-httpapi-ratelimit-headers)."""
        return f'"token";q={self.burst};w={math.ceil(self.window_s)}'

    def share(self, processes: int) -> "Quota":
        """Return what one of several processes may allow on its own, at least one request."""
        burst = max(1, self.burst // processes)
        return Quota(burst, self.window_s * processes / self.burst)


@dataclass(frozen=True, slots=True)
class Grant:
    """What was granted, and the backlog with it."""

    granted: int
    backlog_s: float


def decide(quota: Quota, backlog_s: float, *, give_back: int, wanted: int) -> Grant:
    """Return how many of the wanted requests are granted: what the store does, as a pure function.

    No decision makes a backlog longer than the window; a longer one comes from a clock that was set back since.
    """
    backlog_s = max(0.0, min(backlog_s, quota.window_s) - give_back * quota.interval_s)
    available = math.floor((quota.window_s - backlog_s) / quota.interval_s + _ROUNDING)
    granted = max(0, min(wanted, available))
    return Grant(granted, backlog_s + granted * quota.interval_s)


class QuotaStore(Protocol):
    """Keeps the backlog of each token for all processes."""

    async def take(self, token_id: int, quota: Quota, *, give_back: int, wanted: int) -> Grant:
        """Give back what was not spent, and take up to `wanted` requests.

        Raises:
            UnavailableError: The store does not answer.
            QueryTimeoutError: It took longer than it may.
        """
        ...


@dataclass(frozen=True, slots=True)
class Standing:
    """How much a token may still spend, and in how many seconds it has earned everything back."""

    remaining: int
    reset_s: int

    @property
    def header(self) -> str:
        """The standing as the header RateLimit."""
        return f'"token";r={self.remaining};t={self.reset_s}'


@dataclass(slots=True)
class _Lease:
    """Requests of one token that this process may spend; `backlog_s` was the backlog when it was `taken_at`."""

    left: int = 0
    size: int = 0
    taken_at: float = -math.inf
    backlog_s: float = 0.0
    refused_until: float = -math.inf
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    def usable(self, now: float) -> bool:
        """Return whether the next request can be decided without the store."""
        return now < self.refused_until or (self.left > 0 and now - self.taken_at < LEASE_S)

    def wanted_next(self, now: float) -> int:
        """Return how many requests to take: twice as many where they were too few, otherwise what was needed."""
        age_s = now - self.taken_at
        if age_s < LEASE_S:
            return max(1, 2 * self.size)
        return max(1, self.size - self.left) if age_s < 2 * LEASE_S else 1


class RateLimiter:
    """Decides whether a token may make one more request.

    Args:
        store: What all processes share.
        quota: The same for every token.
        processes: How many gateways share the store; each allows its share while the store is away.
        clock: For durations.
    """

    def __init__(self, store: QuotaStore, *, quota: Quota, processes: int, clock: Clock) -> None:
        self.quota = quota
        self._store = store
        self._share = quota.share(processes)
        self._most_leased = max(1, quota.burst // LEASED_PART)
        self._clock = clock
        self._leases: dict[int, _Lease] = {}
        self._local_full_at: dict[int, float] = {}
        self._store_back_at = -math.inf

    async def spend(self, token_id: int) -> None:
        """Spend one request.

        Raises:
            LimitedError: There is none left.
        """
        lease = self._leases.setdefault(token_id, _Lease())
        if not lease.usable(self._clock.monotonic()):
            async with lease.lock:
                if not lease.usable(self._clock.monotonic()):
                    await self._renew(token_id, lease)
        now = self._clock.monotonic()
        if lease.left == 0 or now < lease.refused_until:
            raise LimitedError(max(lease.refused_until - now, 0.0))
        lease.left -= 1

    def standing(self, token_id: int) -> Standing:
        """Return what this process knows of a token's quota."""
        lease = self._leases.get(token_id, _Lease())
        backlog_s = max(0.0, lease.backlog_s - (self._clock.monotonic() - lease.taken_at))
        free = math.floor((self.quota.window_s - backlog_s) / self.quota.interval_s + _ROUNDING)
        return Standing(min(self.quota.burst, max(0, free) + lease.left), math.ceil(backlog_s))

    async def _renew(self, token_id: int, lease: _Lease) -> None:
        wanted = min(lease.wanted_next(self._clock.monotonic()), self._most_leased)
        quota, grant = await self._take(token_id, give_back=lease.left, wanted=wanted)
        now = self._clock.monotonic()
        lease.left = lease.size = grant.granted
        lease.taken_at, lease.backlog_s = now, grant.backlog_s
        if not grant.granted:
            lease.refused_until = now + grant.backlog_s + quota.interval_s - quota.window_s

    async def _take(self, token_id: int, *, give_back: int, wanted: int) -> tuple[Quota, Grant]:
        now = self._clock.monotonic()
        if now >= self._store_back_at:
            try:
                return self.quota, await self._store.take(token_id, self.quota, give_back=give_back, wanted=wanted)
            except (UnavailableError, QueryTimeoutError) as error:
                _log.warning(fields("limits are kept by each gateway alone for now", error=error))
                self._store_back_at = self._clock.monotonic() + STORE_PAUSE_S
        now = self._clock.monotonic()
        backlog_s = self._local_full_at.get(token_id, now) - now
        grant = decide(self._share, backlog_s, give_back=0, wanted=1)
        self._local_full_at[token_id] = now + grant.backlog_s
        return self._share, grant
