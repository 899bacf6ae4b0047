"""What `fetcher run` counts: requests to upstreams, tries, and jobs."""

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Histogram

from common.metrics import SECONDS
from fetcher.core.errors import Cause
from fetcher.core.reading import OK
from fetcher.core.service_ports import Happening

ENDS = (Happening.DONE, Happening.FAILED, Happening.REFUSED)
"""How a job may end."""


class FetcherMetrics:
    """The fetcher's numbers; RequestWatch.

    Args:
        registry: Where they stand.
        sources: Platforms and shops that have samples from the beginning, at 0.
    """

    def __init__(self, registry: CollectorRegistry, *, sources: Iterable[str]) -> None:
        self._requests = Counter(
            "feedmill_upstream_requests_total",
            "Requests to an upstream; outcome: ok, or why the answer could not be used.",
            ["platform", "outcome"],
            registry=registry,
        )
        self._took = Histogram(
            "feedmill_upstream_request_seconds",
            "Time for a request to an upstream, connecting to last byte.",
            ["platform"],
            buckets=SECONDS,
            registry=registry,
        )
        self._retries = Counter(
            "feedmill_upstream_retries_total", "Requests that repeat a failed one.", ["platform"], registry=registry
        )
        self._jobs = Counter("feedmill_jobs_total", "Jobs by platform and end.", ["platform", "end"], registry=registry)
        for name in sources:
            for outcome in (OK, *Cause):
                self._requests.labels(name, outcome)
            self._took.labels(name)
            self._retries.labels(name)
            for end in ENDS:
                self._jobs.labels(name, end)

    def asked(self, platform: str, outcome: str, *, took_s: float) -> None:
        """Count a request that ended."""
        self._requests.labels(platform, outcome).inc()
        self._took.labels(platform).observe(took_s)

    def tried_again(self, platform: str) -> None:
        """Count one more try."""
        self._retries.labels(platform).inc()

    def job_ended(self, platform: str, end: Happening) -> None:
        """Count a job."""
        self._jobs.labels(platform, end).inc()
