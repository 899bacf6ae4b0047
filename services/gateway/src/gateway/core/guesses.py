"""Guessing tokens: an address with many failures in a minute is not listened to for a while."""

import math
from ipaddress import IPv6Address, ip_address
from typing import Final

from common.clock import Clock
from gateway.core.errors import LimitedError
from gateway.core.rate_limit import Quota, decide

FAILURES: Final = Quota(burst=20, interval_s=3.0)
"""Twenty failures at once, and twenty a minute."""
MOST_NETWORKS: Final = 10_000
IPV6_NETWORK_BITS: Final = 64


def network_of(address: str) -> str:
    """Return what one person has: an IPv4 address, or the /64 of an IPv6 address."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if not isinstance(parsed, IPv6Address):
        return address
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(int(parsed) >> (128 - IPV6_NETWORK_BITS))


class GuessLimit:
    """Counts failures by network, in memory; of too many networks the one that failed first is forgotten."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._forgiven_at: dict[str, float] = {}

    def check(self, address: str) -> None:
        """Let an address try.

        Raises:
            LimitedError: It failed too often.
        """
        backlog_s = self._backlog_s(network_of(address))
        if not decide(FAILURES, backlog_s, give_back=0, wanted=1).granted:
            raise LimitedError(backlog_s + FAILURES.interval_s - FAILURES.window_s)

    def failed(self, address: str) -> None:
        """Count a failure."""
        network = network_of(address)
        grant = decide(FAILURES, self._backlog_s(network), give_back=0, wanted=1)
        self._forgiven_at.pop(network, None)
        if len(self._forgiven_at) >= MOST_NETWORKS:
            del self._forgiven_at[next(iter(self._forgiven_at))]
        self._forgiven_at[network] = self._clock.monotonic() + grant.backlog_s

    def _backlog_s(self, network: str) -> float:
        return max(0.0, self._forgiven_at.get(network, -math.inf) - self._clock.monotonic())
