"""What a normalizer counts, once for each batch."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram

from common.events import PageFetched
from common.metrics import SECONDS

OUTCOMES: Final = ("inserted", "updated", "unchanged", "quarantined", "errors")
"""What may become of a record; `errors`: landed, and not normalised."""

ENDS: Final = ("landed", "away", "unfit", "failed", "held")
"""How a batch may end; `held`: it has not, and the database that answers does not take it. The others that are not
`landed` give the deliveries back."""

RECORDS: Final = (1, 10, 20, 50, 100, 150, 200, 220, 300, 500, 1000, 5000)
AGE_S: Final = (0.5, 1, 2, 5, 10, 30, 60, 300, 900, 3600, 14_400, 86_400)
_ODD: Final = "odd."


class ConsumerMetrics:
    """The normalizer's numbers; every label is there from the beginning, at 0."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._records = Counter(
            "feedmill_records_total", "Records that were landed, by outcome.", ["outcome"], registry=registry
        )
        self._batches = Counter("feedmill_batches_total", "Batches, by their end.", ["end"], registry=registry)
        self._retries = Counter(
            "feedmill_batch_retries_total", "Transactions begun again: lost connections, deadlocks.", registry=registry
        )
        self._size = Histogram(
            "feedmill_batch_records", "Records in a batch that was landed.", buckets=RECORDS, registry=registry
        )
        self._took = Histogram(
            "feedmill_batch_seconds", "Time to land a batch, tries included.", buckets=SECONDS, registry=registry
        )
        self._age = Histogram(
            "feedmill_page_age_seconds",
            "From the fetch to the commit of the oldest page of a batch.",
            buckets=AGE_S,
            registry=registry,
        )
        self._oddities = Counter(
            "feedmill_oddities_total", "Values that the mapping does not know or cannot read.", registry=registry
        )
        self._dead = Counter(
            "feedmill_dead_letters_total", "Messages that are no event.", ["reason"], registry=registry
        )
        for outcome in OUTCOMES:
            self._records.labels(outcome)
        for end in ENDS:
            self._batches.labels(end)

    def landed(self, pages: Sequence[PageFetched], counts: Mapping[str, int], *, took_s: float, now: datetime) -> None:
        """Count a batch that was committed at `now`."""
        self._batches.labels("landed").inc()
        for outcome in OUTCOMES:
            if number := counts.get(outcome):
                self._records.labels(outcome).inc(number)
        self._oddities.inc(sum(number for name, number in counts.items() if name.startswith(_ODD)))
        self._size.observe(counts.get("records", 0))
        self._took.observe(took_s)
        self._age.observe(max(0.0, (now - min(page.fetched_at for page in pages)).total_seconds()))

    def not_landed(self, end: str) -> None:
        """Count a batch that could not be landed; `end` is one of `ENDS`."""
        self._batches.labels(end).inc()

    def retried(self) -> None:
        """Count one more try of a batch."""
        self._retries.inc()

    def dead_lettered(self, reason: str) -> None:
        """Count a message that was dead-lettered."""
        self._dead.labels(reason).inc()
