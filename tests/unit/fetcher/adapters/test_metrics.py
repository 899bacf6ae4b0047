"""What the fetcher counts of its requests, through the reader that makes them."""

import random

from prometheus_client import CollectorRegistry

from common.testing.clock import VirtualClock
from fetcher.adapters.metrics import FetcherMetrics
from fetcher.core.errors import Cause, UpstreamError
from fetcher.core.reading import PatientReader
from fetcher.core.retry import RetryPolicy
from fetcher.core.service_ports import Happening


def sample(registry: CollectorRegistry, name: str, **labels: str) -> float | None:
    """Return the value of a sample; None: there is none."""
    return registry.get_sample_value(name, labels)


async def test_each_request_is_counted_by_its_outcome_with_its_time_and_each_repetition() -> None:
    registry, clock = CollectorRegistry(), VirtualClock()
    answers = [UpstreamError(Cause.BAD_GATEWAY), UpstreamError(Cause.TIMEOUT), None]

    async def ask() -> int:
        await clock.sleep(2)
        failure = answers.pop(0)
        if failure is not None:
            raise failure
        return 7

    reader = PatientReader(
        platform="che168",
        policy=RetryPolicy(),
        min_interval_s=0,
        clock=clock,
        chance=random.Random(1),  # noqa: S311 - spreads tries
        watch=FetcherMetrics(registry, sources=["che168"]),
    )
    assert await reader.value(ask, "the change id") == 7
    requests = {
        outcome: sample(registry, "feedmill_upstream_requests_total", platform="che168", outcome=outcome)
        for outcome in ("ok", "http_502", "timeout", "connection")
    }
    assert requests == {"ok": 1, "http_502": 1, "timeout": 1, "connection": 0}
    assert sample(registry, "feedmill_upstream_request_seconds_sum", platform="che168") == 6
    assert sample(registry, "feedmill_upstream_retries_total", platform="che168") == 2


def test_what_is_scheduled_stands_at_zero_before_anything_happens() -> None:
    registry = CollectorRegistry()
    metrics = FetcherMetrics(registry, sources=["che168"])
    metrics.job_ended("che168", Happening.FAILED)
    assert sample(registry, "feedmill_upstream_requests_total", platform="che168", outcome="ok") == 0
    jobs = [
        sample(registry, "feedmill_jobs_total", platform="che168", end=end) for end in ("done", "failed", "refused")
    ]
    assert jobs == [0, 1, 0]
