"""What was asked of the stand-in."""

from collections import Counter, deque
from typing import Any

_RECENT = 200


class Stats:
    """Counters of requests to the API; questions to the stand-in itself are not counted."""

    def __init__(self) -> None:
        self._endpoints: Counter[str] = Counter()
        self._paths: Counter[str] = Counter()
        self._statuses: Counter[str] = Counter()
        self._recent: deque[tuple[str, int | None]] = deque(maxlen=_RECENT)
        self._in_flight = 0
        self._most_in_flight = 0

    def enter(self, endpoint: str, path: str, position: int | None) -> None:
        """Note the begin of a request."""
        self._endpoints[endpoint] += 1
        self._paths[path] += 1
        self._recent.append((endpoint, position))
        self._in_flight += 1
        self._most_in_flight = max(self._most_in_flight, self._in_flight)

    def leave(self) -> None:
        """Note the end of a request, whatever came of it."""
        self._in_flight -= 1

    def answered(self, status: int) -> None:
        """Note the status of an answer that was sent in whole."""
        self._statuses[str(status)] += 1

    def clear(self) -> None:
        """Start counting again; requests in flight stay in flight."""
        for counter in (self._endpoints, self._paths, self._statuses):
            counter.clear()
        self._recent.clear()
        self._most_in_flight = self._in_flight

    def as_json(self) -> dict[str, Any]:
        """Return `{total, endpoints, paths, statuses, in_flight, max_in_flight, recent}`.

        `recent` holds the last 200 requests as `[endpoint, page or change id]`, oldest first.
        """
        return {
            "total": self._endpoints.total(),
            "endpoints": dict(self._endpoints),
            "paths": dict(self._paths),
            "statuses": dict(self._statuses),
            "in_flight": self._in_flight,
            "max_in_flight": self._most_in_flight,
            "recent": [list(request) for request in self._recent],
        }
