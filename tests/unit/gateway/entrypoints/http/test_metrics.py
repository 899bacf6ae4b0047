"""The gateway's metrics: what it answered, and what the tables say."""

from collections.abc import Mapping

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families
from tests.contract.gateway.fakes import FakeStatus, a_client, some_numbers, some_parts

from common.errors import UnavailableError
from common.testing.clock import VirtualClock
from gateway.core.metrics import FINDINGS, FeedNumbers, SourceNumbers
from gateway.core.reads import ReadRoute, Reason, ServerState
from gateway.entrypoints.http.metrics import Tables, text

pytestmark = pytest.mark.unit

SOURCE = SourceNumbers(
    "che168", pages_open=3, oldest_open_s=61.5, gaps_open=1, data_age_s=None, is_paused=True, unprocessed=2
)


def samples(body: bytes | str, name: str) -> dict[tuple[tuple[str, str], ...], float]:
    """Return the samples of a name by their labels."""
    said = body if isinstance(body, str) else body.decode()
    found = (sample for family in text_string_to_metric_families(said) for sample in family.samples)
    return {tuple(sample.labels.items()): sample.value for sample in found if sample.name == name}


def told(numbers: FeedNumbers | None, *followed: str, asked: Mapping[tuple[str, str], int] | None = None) -> bytes:
    """Return the text of a gateway that has answered nothing yet."""
    return text(CollectorRegistry(), Tables(followed, numbers, asked or {}))


def test_each_finding_of_each_platform_has_a_sample_whether_it_holds_or_not() -> None:
    body = told(some_numbers(findings=[("che168", "no_run"), ("gone", "no_run")]), "encar", "che168")
    found = samples(body, "feedmill_feed_findings")
    assert len(found) == 2 * len(FINDINGS)
    assert [labels for labels, value in found.items() if value] == [(("finding", "no_run"), ("platform", "che168"))]


def test_records_and_sources_asked_are_counters() -> None:
    records = {("che168", "change", "added"): 7, ("bot_igor", "snapshot", "removed"): 0}
    body = told(some_numbers(records=records), asked={("1", "ok"): 2, ("1", "timeout"): 1})
    assert list(samples(body, "feedmill_feed_records_total").values()) == [0, 7]
    assert list(samples(body, "feedmill_source_requests_total").values()) == [2, 1]
    assert b"# TYPE feedmill_feed_records_total counter\n" in body


def test_each_source_tells_what_waits_and_one_that_was_never_complete_has_no_age() -> None:
    body = told(some_numbers(sources=[SOURCE]))
    names = ("pages_open", "oldest_open_page_seconds", "gaps_open", "source_paused", "unprocessed_records")
    found = {name: samples(body, f"feedmill_{name}")[(("platform", "che168"),)] for name in names}
    assert list(found.values()) == [3, 61.5, 1, 1, 2]
    assert samples(body, "feedmill_data_age_seconds") == {}


def test_what_is_refused_or_not_known_is_told_by_reason() -> None:
    body = told(some_numbers(quarantined={("che168", "nul"): 4}, drift={("che168", "unmapped"): 9}))
    assert samples(body, "feedmill_quarantined_records") == {(("platform", "che168"), ("reason", "nul")): 4}
    assert samples(body, "feedmill_drift_words") == {(("platform", "che168"), ("reason", "unmapped")): 9}


@pytest.mark.parametrize("name", ['quo"te', "back\\slash", "new\nline", "обычное"])
def test_no_label_breaks_a_line(name: str) -> None:
    body = told(some_numbers(records={(name, "page", "added"): 1}))
    assert [labels[-1] for labels in samples(body, "feedmill_feed_records_total")] == [("platform", name)]


async def test_answers_are_counted_by_route_and_status_whoever_asks() -> None:
    parts = await some_parts()
    async with a_client(parts) as client, a_client(parts, token=None):
        for path in ("/offers/1", "/offers/2", "/nothing", "/offers?typo=1"):
            await client.get(path)
        body = (await client.get("/metrics")).text
    found = samples(body, "feedmill_http_requests_total")
    assert found[(("route", "/offers/{inner_id}"), ("status", "404"))] == 2
    assert found[(("route", "-"), ("status", "404"))] == 1
    assert found[(("route", "/offers"), ("status", "422"))] == 1
    assert samples(body, "feedmill_http_request_seconds_count")[(("route", "/offers/{inner_id}"),)] == 2


@pytest.mark.parametrize(("failure", "up"), [(None, 1.0), (UnavailableError("away"), 0.0)])
async def test_without_its_database_the_gateway_still_tells_of_itself(
    failure: UnavailableError | None, up: int
) -> None:
    async with a_client(await some_parts(status=FakeStatus(failure=failure))) as client:
        answer = await client.get("/metrics")
    assert answer.status_code == 200
    assert samples(answer.text, "feedmill_database_up") == {(): up}
    assert bool(samples(answer.text, "feedmill_feed_findings")) == bool(up)
    assert samples(answer.text, "feedmill_build_info")


async def test_who_answers_reads_is_told_where_there_is_a_replica() -> None:
    clock = VirtualClock(auto_advance=False)
    route = ReadRoute(clock=clock, most_lag_s=10)
    async with a_client(await some_parts(reads=route)) as client:
        waiting = (await client.get("/metrics")).text
        for position in (500, 600, 700):
            await clock.advance(1)
            route.looked(clock.monotonic(), ServerState(False, 1, 1, position), ServerState(True, 1, 1, 600))  # noqa: FBT003 - whether in recovery
        await clock.advance(0.5)
        route.fell_back(Reason.CONFLICT, "")
        reading = (await client.get("/metrics")).text
    assert samples(waiting, "feedmill_reads_from_replica") == {(): 0}
    assert samples(waiting, "feedmill_replica_lag_seconds") == {}
    told = [samples(reading, f"feedmill_{name}")[()] for name in ("reads_from_replica", "replica_lag_seconds")]
    assert told == [1, 1]
    assert samples(reading, "feedmill_replica_lag_bytes") == {(): 100}
    assert samples(reading, "feedmill_replica_fallbacks_total")[(("reason", "conflict"),)] == 1


async def test_without_a_replica_nothing_is_told_of_one() -> None:
    async with a_client(await some_parts()) as client:
        assert "replica" not in (await client.get("/metrics")).text
