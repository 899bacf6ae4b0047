"""Spans of requests: whose trace they go on with, what they show, and what each source took."""

import asyncio
from collections.abc import Awaitable, Callable

import httpx
import pytest
from fastapi import FastAPI
from opentelemetry.trace import SpanKind, StatusCode
from starlette.types import ASGIApp
from tests.contract.gateway.fakes import some_parts

from common.testing.clock import VirtualClock
from common.testing.spans import KeptSpans
from gateway.core.aggregate import GRACE_S, Reason
from gateway.entrypoints.http.api import build_api
from gateway.entrypoints.http.tracing import TracedFanOut, TracedRequests, traced

pytestmark = pytest.mark.unit

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = {"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}


async def asked(spans: KeptSpans, path: str, **headers: str) -> httpx.Response:
    """Return the answer of a traced gateway to somebody without a token."""
    transport = httpx.ASGITransport(TracedRequests(build_api(await some_parts()), spans))
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway", headers=headers) as client:
        return await client.get(path)


async def test_a_request_goes_on_with_the_trace_of_its_client_and_has_the_name_of_its_route() -> None:
    spans = KeptSpans()
    answer = await asked(spans, "/docs", **PARENT)
    span = spans.named("GET /docs")
    assert span.parent is not None
    assert (f"{span.parent.trace_id:032x}", span.kind) == (TRACE, SpanKind.SERVER)
    assert span.attributes == {
        "http.request.method": "GET",
        "url.path": "/docs",
        "url.scheme": "http",
        "http.response.status_code": answer.status_code,
        "http.route": "/docs",
        "feedmill.request_id": answer.headers["x-request-id"],
    }


async def test_a_request_without_a_trace_begins_one_and_its_query_is_not_shown() -> None:
    spans = KeptSpans()
    assert (await asked(spans, "/api/v2/che168/offer?api_key=k3y&inner_id=77777")).status_code == 401
    (span,) = spans.ended
    assert span.parent is None
    assert "k3y" not in span.to_json()
    assert "77777" not in span.to_json()
    assert span.status.status_code is StatusCode.UNSET


async def test_probes_are_no_spans() -> None:
    spans = KeptSpans()
    for path in ("/health/live", "/health/ready", "/metrics"):
        await asked(spans, path)
    assert spans.ended == ()


async def test_a_server_error_is_an_error() -> None:
    spans = KeptSpans()

    async def broken(_scope: object, _receive: object, send: Callable[[object], Awaitable[None]]) -> None:
        await send({"type": "http.response.start", "status": 503, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async with httpx.AsyncClient(transport=httpx.ASGITransport(TracedRequests(as_app(broken), spans))) as client:
        await client.get("http://gateway/offers")
    (span,) = spans.ended
    assert (span.name, span.status.status_code) == ("GET", StatusCode.ERROR)
    assert (span.attributes or {})["error.type"] == "503"


def as_app(app: object) -> ASGIApp:
    """Return it as an ASGI application."""
    assert callable(app)
    return app


async def test_each_source_is_a_span_of_its_request_and_the_late_one_an_error() -> None:
    spans, clock = KeptSpans(), VirtualClock()
    fan_out = TracedFanOut(spans, clock=clock, timeout_s=2)

    async def soon() -> list[str]:
        return ["found"]

    async def broken() -> list[str]:
        raise OSError("no such host")

    async def late() -> list[str]:
        await asyncio.Event().wait()
        return []

    with spans.span("GET /search"):
        gathered = await fan_out.ask({"1": soon, "2": broken, "3": late})
    await clock.advance(GRACE_S)  # the late one ends
    assert gathered.answers == {"1": ["found"]}
    assert gathered.missing == {"2": Reason.ERROR, "3": Reason.TIMEOUT}
    request = spans.named("GET /search").context
    found = {span.name: span for span in spans.ended if span.name.startswith("source")}
    assert {name: (span.attributes or {}).get("error.type") for name, span in found.items()} == {
        "source 1": None,
        "source 2": "OSError",
        "source 3": "CancelledError",
    }
    assert all(span.parent == request for span in found.values())


async def test_without_spans_an_application_stays_as_it_is() -> None:
    app = FastAPI()
    assert traced(app) is app
