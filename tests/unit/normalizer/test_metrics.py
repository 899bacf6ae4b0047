"""What a normalizer counts of its batches."""

from datetime import timedelta

from prometheus_client import CollectorRegistry

from common.testing.pages import FETCHED_AT, a_page
from normalizer.entrypoints.metrics import ENDS, OUTCOMES, ConsumerMetrics


def test_every_label_stands_at_zero_before_anything_happens() -> None:
    registry = CollectorRegistry()
    ConsumerMetrics(registry)
    assert [registry.get_sample_value("feedmill_records_total", {"outcome": name}) for name in OUTCOMES] == [0] * 5
    assert [registry.get_sample_value("feedmill_batches_total", {"end": name}) for name in ENDS] == [0] * 5


def test_a_batch_is_counted_by_outcome_size_time_and_age_of_its_oldest_page() -> None:
    registry = CollectorRegistry()
    metrics = ConsumerMetrics(registry)
    counts = {"records": 40, "inserted": 30, "unchanged": 9, "quarantined": 1, "odd.color:unmapped": 2, "odd.x:y": 1}
    pages = [a_page([], fetched_at=FETCHED_AT + timedelta(seconds=late)) for late in (3, 1, 2)]
    metrics.landed(pages, counts, took_s=0.07, now=FETCHED_AT + timedelta(seconds=8))
    metrics.landed(pages, {"records": 5, "updated": 5}, took_s=0.01, now=FETCHED_AT)  # a clock that is behind
    found = {
        sample.name: sample.value for family in registry.collect() for sample in family.samples if not sample.labels
    }
    by_outcome = {name: registry.get_sample_value("feedmill_records_total", {"outcome": name}) for name in OUTCOMES}
    assert by_outcome == {"inserted": 30, "updated": 5, "unchanged": 9, "quarantined": 1, "errors": 0}
    assert registry.get_sample_value("feedmill_batches_total", {"end": "landed"}) == 2
    assert found["feedmill_oddities_total"] == 3
    assert (found["feedmill_batch_records_count"], found["feedmill_batch_records_sum"]) == (2, 45)
    assert found["feedmill_batch_seconds_sum"] == 0.08
    assert found["feedmill_page_age_seconds_sum"] == 7


def test_tries_ends_and_dead_letters_are_counted() -> None:
    registry = CollectorRegistry()
    metrics = ConsumerMetrics(registry)
    metrics.retried()
    metrics.not_landed("away")
    metrics.dead_lettered("not_json")
    assert registry.get_sample_value("feedmill_batch_retries_total") == 1
    assert registry.get_sample_value("feedmill_batches_total", {"end": "away"}) == 1
    assert registry.get_sample_value("feedmill_dead_letters_total", {"reason": "not_json"}) == 1
