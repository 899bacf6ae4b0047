"""Traces of real processes, as a collector gets them: one page from its request over the batch to the answer."""

from collections.abc import Iterator
from random import choice

import httpx
import pytest
from tests.e2e.collector import Collector, SentSpan
from tests.e2e.conftest import MakeRoad
from tests.e2e.road import Road, until
from tests.e2e.test_alarms import free_ports

from common.events import PageKind
from common.tracing import trace_id_of
from gateway.core.tokens import digest, new_token

KEY = "key-that-no-span-may-show"
CALLER = "0af7651916cd43dd8448eb211c80319c"
"""The trace of a client of the gateway."""


@pytest.fixture
def collector() -> Iterator[Collector]:
    """A collector that listens."""
    with Collector() as listening:
        yield listening


@pytest.fixture
def road(make_road: MakeRoad) -> Road:
    """An upstream of two pages."""
    return make_road("--offers", "30", "--api-key", KEY)


def traced(collector: Collector) -> dict[str, str]:
    """Return what turns traces on, sent at once."""
    return {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint, "OTEL_BSP_SCHEDULE_DELAY": "100"}


async def answered(port: str, path: str, token: str) -> httpx.Response:
    """Return the answer of a gateway that is on its way up."""
    headers = {"Authorization": f"Bearer {token}", "traceparent": f"00-{CALLER}-b7ad6b7169203331-01"}
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers=headers) as client:

        async def is_up() -> bool:
            try:
                return (await client.get("/health/ready")).status_code == httpx.codes.OK
            except httpx.HTTPError:
                return False

        await until(is_up, within_s=60, what="the gateway is ready")
        return await client.get(path)


async def admitted(road: Road) -> str:
    """Return a token that the gateway of a road knows."""
    token, key = new_token(choice), road.environment("gateway")["SECRET_KEY"]
    async with road.connection() as connection:
        await connection.execute("INSERT INTO api_tokens (token) VALUES ($1)", digest(token, key.encode()))
    return token


async def test_a_page_is_followed_from_its_request_over_its_batch_to_the_answer(
    road: Road, collector: Collector
) -> None:
    on, (port,) = traced(collector), free_ports(1)
    normalizer = road.start("normalizer", "run", **on)
    gateway = road.start("gateway", "run", API_PORT=port, **on)
    fetcher = road.start("fetcher", "initial-load", **on)
    await until(lambda: fetcher.process.poll() is not None, within_s=60, what="the first load")
    await road.landed()
    async with road.connection() as connection:
        row = await connection.fetchrow(
            "SELECT inner_id, page.run_id FROM raw_data JOIN feed_pages AS page ON page.id = page_id"
            " WHERE page.position = 2 LIMIT 1"
        )
    assert row is not None
    answer = await answered(port, f"/offers/{row['inner_id']}/provenance", await admitted(road))
    page = answer.raise_for_status().json()["page"]
    assert page["trace_id"] == trace_id_of("che168", PageKind.PAGE, 2, row["run_id"])
    assert (normalizer.stop(), gateway.stop()) == (0, 0)

    assert_the_page_is_whole(collector, page["trace_id"], row["run_id"])
    assert_the_request_is_the_clients(collector, answer, gateway.said())
    assert not [span for span in collector.spans if KEY in str(span)]
    assert {span.service for span in collector.spans} == {
        f"feedmill-{of}" for of in ("fetcher", "normalizer", "gateway")
    }


def assert_the_page_is_whole(collector: Collector, trace_id: str, run_id: str) -> None:
    """Follow a page of the list through the fetcher and the normalizer."""
    (run,) = collector.named("fetcher initial-load")
    (fetched,) = collector.named("fetch page", feedmill__page__position=2)
    (asked,) = [span for span in collector.named("GET /offers") if span.parent == fetched.span_id]
    (published,) = collector.named("publish feedmill.raw", feedmill__page__position=2)
    (received,) = collector.named("receive normalizer.raw", messaging__message__id=f"che168:page:2:{run_id}")
    (acked,) = [span for span in collector.named("ack normalizer.raw") if span.parent == received.span_id]
    assert {span.trace_id for span in (fetched, asked, published, received, acked)} == {trace_id}
    assert (fetched.parent, published.parent, received.parent) == ("", fetched.span_id, published.span_id)
    assert fetched.links == {(run.trace_id, run.span_id)}
    assert asked.attributes["http.response.status_code"] == 200
    assert asked.attributes["url.full"].endswith("/api/v2/che168/offers?page=2")

    (batch,) = batches_of(collector, received)
    assert (received.trace_id, received.span_id) in batch.links
    assert (batch.parent, batch.attributes["feedmill.inserted"] > 0) == ("", True)
    (transaction,) = [span for span in collector.named("transaction") if span.parent == batch.span_id]
    assert 0 < transaction.took_ns <= batch.took_ns <= received.took_ns


def batches_of(collector: Collector, received: SentSpan) -> list[SentSpan]:
    """Return the batches that a message names."""
    batches = collector.named("process normalizer.raw")
    return [batch for batch in batches if (batch.trace_id, batch.span_id) in received.links]


def assert_the_request_is_the_clients(collector: Collector, answer: httpx.Response, said: str) -> None:
    """Find the request in the client's own trace, with what it asked of the database, and in the gateway's log."""
    (request,) = collector.named("GET /offers/{inner_id}/provenance")
    assert (request.trace_id, request.parent) == (CALLER, "b7ad6b7169203331")
    request_id = answer.headers["x-request-id"]
    assert request.attributes["feedmill.request_id"] == request_id
    assert f"id={request_id}" in said
    assert [span for span in collector.named("postgresql") if span.parent == request.span_id]
    assert {span.trace_id for span in collector.spans if span.service == "feedmill-gateway"} == {CALLER}
