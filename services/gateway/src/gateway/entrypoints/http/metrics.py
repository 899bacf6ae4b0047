"""Metrics of the gateway: its requests, counted here, and what the tables say at the moment of asking.

Fetcher and normalizer may be down when the tables matter most, so the gateway tells of them; of several gateways each
tells the same, and rules take the largest.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from common import metrics
from gateway.core.metrics import FINDINGS, FeedNumbers, SourceNumbers
from gateway.core.reads import ReadRoute, Server

OF_SOURCES: Final[Sequence[tuple[str, str, Callable[[SourceNumbers], float | None]]]] = (
    ("feedmill_pages_open", "Pages that were sent and have not landed.", lambda source: source.pages_open),
    ("feedmill_oldest_open_page_seconds", "Age of the oldest of them.", lambda source: source.oldest_open_s),
    ("feedmill_gaps_open", "Pages that are missing.", lambda source: source.gaps_open),
    (
        "feedmill_data_age_seconds",
        "Time since the moment up to which the catalogue is complete.",
        lambda source: source.data_age_s,
    ),
    ("feedmill_source_paused", "1: an operator has paused it.", lambda source: source.is_paused),
    ("feedmill_unprocessed_records", "Records landed and not normalised.", lambda source: source.unprocessed),
)
"""Name, meaning and value of what is told of each source; None: there is no sample."""


class RequestMetrics:
    """Counts what was answered."""

    def __init__(self) -> None:
        self.registry = metrics.new_registry("gateway")
        self._answers = Counter(
            "feedmill_http_requests_total",
            "Answers by route and status; route -: refused before one was found.",
            ["route", "status"],
            registry=self.registry,
        )
        self._took = Histogram(
            "feedmill_http_request_seconds",
            "Time to answer a request, body included.",
            ["route"],
            buckets=metrics.SECONDS,
            registry=self.registry,
        )
        self._known: dict[tuple[str, int | None], tuple[Counter, Histogram]] = {}

    def answered(self, route: str, status: int | None, *, took_s: float) -> None:
        """Count an answer; None: the client went before there was one."""
        known = self._known.get((route, status))
        if known is None:  # looking labels up costs more than counting
            known = self._known[route, status] = self._answers.labels(route, status or "-"), self._took.labels(route)
        answers, took = known
        answers.inc()
        took.observe(took_s)


@dataclass(frozen=True, slots=True, eq=False)
class Tables(Collector):
    """What is told at one moment.

    Attributes:
        followed: Platforms and shops; each finding has a sample for each of them, 1 where it holds, 0 where not.
        numbers: What the tables say; None: the database does not answer.
        asked: How often this process asked a reference source, by its name and what came of it.
        reads: Who answers reads; None: there is no replica, and nothing is told of one.
    """

    followed: Collection[str]
    numbers: FeedNumbers | None
    asked: Mapping[tuple[str, str], int]
    reads: ReadRoute | None = None

    def collect(self) -> Iterator[Metric]:
        """Give the families."""
        yield _counter("feedmill_source_requests", "Sources asked at once.", ("source", "outcome"), self.asked.items())
        up = GaugeMetricFamily("feedmill_database_up", "1: the database answers.", value=self.numbers is not None)
        yield up
        if self.reads is not None:
            yield from _of_reads(self.reads)
        if self.numbers is not None:
            yield from self._of_feeds(self.numbers)
            yield from _of_sources(self.numbers)
            yield from _of_the_refused(self.numbers)

    def _of_feeds(self, numbers: FeedNumbers) -> Iterator[Metric]:
        found = frozenset(numbers.findings)
        pairs = [(platform, finding) for platform in sorted(self.followed) for finding in FINDINGS]
        yield _gauge(
            "feedmill_feed_findings",
            "1: the watchdog finds this wrong with the feed.",
            ("platform", "finding"),
            [(pair, int(pair in found)) for pair in pairs],
        )
        yield _counter(
            "feedmill_feed_records",
            "Records of the feed that were sent to be landed.",
            ("platform", "kind", "change_type"),
            numbers.records.items(),
        )


def text(requests: CollectorRegistry, tables: Tables) -> bytes:
    """Return all samples."""
    told = CollectorRegistry()
    told.register(tables)
    return metrics.text(requests, told)


def _of_sources(numbers: FeedNumbers) -> Iterator[Metric]:
    for name, meaning, value in OF_SOURCES:
        samples = [((source.platform,), number) for source in numbers.sources if (number := value(source)) is not None]
        yield _gauge(name, meaning, ("platform",), samples)


def _of_reads(route: ReadRoute) -> Iterator[Metric]:
    now = route.standing()
    meaning = "1: the replica answers reads, 0: the primary does."
    yield GaugeMetricFamily("feedmill_reads_from_replica", meaning, value=now.database is Server.REPLICA)
    meaning = "How old what the replica shows is; no sample: nobody knows."
    yield _gauge("feedmill_replica_lag_seconds", meaning, (), [] if now.lag_s is None else [((), now.lag_s)])
    meaning = "How much of the primary's log the replica has not replayed."
    yield _gauge("feedmill_replica_lag_bytes", meaning, (), [] if now.lag_bytes is None else [((), now.lag_bytes)])
    repeated = [((reason.value,), number) for reason, number in route.fallbacks.items()]
    yield _counter("feedmill_replica_fallbacks", "Reads of the replica repeated on the primary.", ("reason",), repeated)


def _of_the_refused(numbers: FeedNumbers) -> Iterator[Metric]:
    labels = ("platform", "reason")
    yield _gauge("feedmill_quarantined_records", "Records in quarantine.", labels, numbers.quarantined.items())
    meaning = "Different words of a source that the mapping does not know or cannot read."
    yield _gauge("feedmill_drift_words", meaning, labels, numbers.drift.items())


def _gauge(name: str, meaning: str, labels: Sequence[str], samples: Iterable[tuple[tuple[str, ...], float]]) -> Metric:
    family = GaugeMetricFamily(name, meaning, labels=labels)
    for values, value in samples:
        family.add_metric(values, value)
    return family


def _counter(
    name: str, meaning: str, labels: Sequence[str], samples: Iterable[tuple[tuple[str, ...], float]]
) -> Metric:
    family = CounterMetricFamily(name, meaning, labels=labels)
    for values, value in sorted(samples):
        family.add_metric(values, value)
    return family
