"""The names of all samples that the three services export, as their own code makes them."""

import re

from common import metrics
from common.clock import SystemClock
from fetcher.adapters.metrics import FetcherMetrics
from gateway.core.metrics import FeedNumbers
from gateway.core.reads import ReadRoute
from gateway.entrypoints.http.metrics import RequestMetrics, Tables, text
from normalizer.entrypoints.metrics import ConsumerMetrics

BROKER = frozenset(
    {
        "rabbitmq_detailed_queue_messages_ready",
        "rabbitmq_detailed_queue_messages_unacked",
        "rabbitmq_detailed_queue_consumers",
        "rabbitmq_alarms_memory_used_watermark",
        "rabbitmq_alarms_free_disk_space_watermark",
    }
)
"""What rules and dashboard use of RabbitMQ's plugin; a test looks whether a broker has them."""

_TYPE = re.compile(r"^# TYPE (\w+) (\w+)$", flags=re.MULTILINE)
_NAME = re.compile(r"\b(?:feedmill|rabbitmq|process)_\w+")


def of_services() -> set[str]:
    """Return the names of samples of fetcher, normalizer and gateway."""
    registry = metrics.new_registry("fetcher")
    FetcherMetrics(registry, sources=())
    ConsumerMetrics(registry)
    nothing = FeedNumbers(findings=(), records={}, sources=(), quarantined={}, drift={})
    route = ReadRoute(clock=SystemClock(), most_lag_s=10)
    body = text(RequestMetrics().registry, Tables((), nothing, {}, route)) + metrics.text(registry)
    return {name for family, kind in _TYPE.findall(body.decode()) for name in _samples(family, kind)}


def named(expression: str) -> set[str]:
    """Return the names of metrics in an expression; of `ALERTS` and `up` Prometheus itself has samples."""
    return set(_NAME.findall(expression))


def _samples(family: str, kind: str) -> list[str]:
    return [f"{family}_{part}" for part in ("bucket", "sum", "count")] if kind == "histogram" else [family]
