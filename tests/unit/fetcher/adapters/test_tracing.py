"""Spans of the fetcher: what a page, its requests and its messages show, and what is in a message's headers."""

import random
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import aio_pika
import pytest
from opentelemetry.trace import StatusCode

from common.events import ChangeId, PageFetched, PageKind
from common.testing.clock import VirtualClock
from common.testing.pages import a_page, a_record
from common.testing.spans import KeptSpans
from common.tracing import trace_id_of
from fetcher.adapters.tracing import TracedHttp, TracedPublisher, TracedReader
from fetcher.core.errors import Cause, UpstreamError
from fetcher.core.feed import UpstreamPage
from fetcher.core.ports import FailedPage, Run, RunKind
from fetcher.core.reading import ReadPage
from fetcher.core.retry import RetryPolicy

pytestmark = pytest.mark.unit

RUN = Run(
    "20261121T020000-4f1c22",
    "che168",
    ChangeId(100),
    RunKind.DAILY_UPDATE,
    started_at=datetime(2026, 11, 21, 2, tzinfo=UTC),
)
PAGE = ("che168", PageKind.CHANGE, 104, RUN.run_id)
POLICY = RetryPolicy(quick_retries=1, quick_delay_s=1, interval_s=720, max_retries=1, window_s=14_400)


class Upstream:
    """An Http that gives one answer after another."""

    def __init__(self, *answers: bytes | UpstreamError) -> None:
        self._answers = list(answers)

    async def get(self, path: str, parameters: Mapping[str, str]) -> bytes:
        """Return the next answer, or raise it."""
        assert (path, parameters) == ("/changes", {"change_id": "104"})
        answer = self._answers.pop(0)
        if isinstance(answer, UpstreamError):
            raise answer
        return answer


class Sent:
    """An exchange that keeps what it is given."""

    def __init__(self) -> None:
        self.messages: list[aio_pika.Message] = []

    async def publish(self, message: aio_pika.Message, *_: Any, **__: Any) -> None:
        """Keep it."""
        self.messages.append(message)


class Publisher(TracedPublisher):
    """One whose exchange is at hand."""

    def __init__(self, spans: KeptSpans) -> None:
        super().__init__(spans, "amqp://127.0.0.1/feedmill", connection_name="test", publish_timeout_s=1)
        self.sent = Sent()

    async def _opened(self) -> Any:
        return self.sent


async def read(spans: KeptSpans, *answers: bytes | UpstreamError) -> ReadPage | FailedPage:
    """Read the page of an upstream that gives these answers."""
    clock = VirtualClock()
    http = TracedHttp(spans, Upstream(*answers), "http://127.0.0.1:8168/api/v2/che168/")
    chance = random.Random(1)  # noqa: S311 - spreads retries
    reader = TracedReader(spans, platform="che168", policy=POLICY, min_interval_s=0, clock=clock, chance=chance)

    async def ask() -> UpstreamPage:
        await http.get("/changes", {"change_id": "104"})
        return UpstreamPage(104, 105, [], clock.now())

    async def on_wait(_: FailedPage) -> None:
        """Leave no trace."""

    with spans.span("fetcher daily-update"):
        return await reader.page(ask, RUN, 104, on_wait=on_wait)


def ids(spans: KeptSpans, name: str) -> tuple[str, str]:
    """Return trace and span of the only one of a name."""
    context = spans.named(name).context
    assert context is not None
    return f"{context.trace_id:032x}", f"{context.span_id:016x}"


async def test_a_page_is_a_trace_of_its_own_with_every_try_and_linked_to_its_run() -> None:
    spans = KeptSpans()
    refused = UpstreamError(Cause.BAD_GATEWAY, "status 502", status=502)
    found = await read(spans, refused, refused, b"{}")
    assert isinstance(found, ReadPage)
    page, run = spans.named("fetch page"), spans.named("fetcher daily-update")
    assert ids(spans, "fetch page")[0] == trace_id_of(*PAGE)
    assert page.parent is None
    assert [link.context for link in page.links] == [run.context]
    assert page.attributes == {
        "feedmill.platform": "che168",
        "feedmill.page.kind": "change",
        "feedmill.page.position": 104,
        "feedmill.run_id": RUN.run_id,
        "feedmill.page.rows": 0,
        "feedmill.page.tries": 2,
    }
    requests = [span for span in spans.ended if span.name == "GET /changes"]
    assert [span.parent for span in requests] == [page.context] * 3
    assert [dict(span.attributes or {}).get("http.response.status_code") for span in requests] == [502, 502, 200]
    assert [dict(span.attributes or {}).get("error.type") for span in requests] == ["http_502", "http_502", None]


async def test_a_page_that_stays_dead_is_an_error() -> None:
    spans = KeptSpans()
    dead = [UpstreamError(Cause.TIMEOUT, "no whole answer within 30 s") for _ in range(3)]
    assert isinstance(await read(spans, *dead), FailedPage)
    status = spans.named("fetch page").status
    assert (status.status_code, status.description) == (StatusCode.ERROR, "timeout: no whole answer within 30 s")


async def test_a_request_shows_where_it_went_and_no_secret() -> None:
    spans = KeptSpans()
    http = TracedHttp(spans, Upstream(b"12345"), "https://user:password-of-it@upstream.example/api")
    await http.get("/changes", {"change_id": "104"})
    assert spans.named("GET /changes").attributes == {
        "http.request.method": "GET",
        "server.address": "upstream.example",
        "server.port": 443,
        "url.full": "https://user:***@upstream.example/api/changes?change_id=104",
        "http.response.status_code": 200,
        "http.response.body.size": 5,
    }


async def test_a_message_names_its_span_which_goes_on_with_the_pages() -> None:
    spans = KeptSpans()
    await read(spans, b"{}")
    page = a_page([a_record("1")], kind=PageKind.CHANGE, position=104, run_id=RUN.run_id)
    publisher = Publisher(spans)
    await publisher.publish(page)
    published, trace = spans.named("publish feedmill.raw"), trace_id_of(*PAGE)
    assert published.parent == spans.named("fetch page").context
    (message,) = publisher.sent.messages
    assert message.headers["traceparent"] == f"00-{trace}-{ids(spans, 'publish feedmill.raw')[1]}-01"
    assert message.headers["x-page"] == 104
    attributes = published.attributes or {}
    assert attributes["messaging.message.id"] == page.message_id
    assert attributes["messaging.destination.name"] == "feedmill.raw:raw.che168.change"


async def test_a_message_that_no_single_page_made_begins_its_trace_and_is_linked_to_the_run() -> None:
    spans = KeptSpans()
    page = a_page([a_record("1")], kind=PageKind.SNAPSHOT, position=3, run_id="run9")
    with spans.span("fetcher shop-sync"):
        await Publisher(spans).publish(page)
    published = spans.named("publish feedmill.raw")
    assert published.parent is None
    assert ids(spans, "publish feedmill.raw")[0] == trace_of(page)
    assert [link.context for link in published.links] == [spans.named("fetcher shop-sync").context]


async def test_what_is_not_sampled_is_not_shown_but_says_so_to_who_comes_next() -> None:
    spans = KeptSpans(ratio=0.0)
    await read(spans, b"{}")
    publisher = Publisher(spans)
    await publisher.publish(a_page([a_record("1")], kind=PageKind.CHANGE, position=104, run_id=RUN.run_id))
    assert spans.ended == ()
    assert str(publisher.sent.messages[0].headers["traceparent"]).endswith("-00")


def trace_of(page: PageFetched) -> str:
    """Return the id of a page's trace."""
    return trace_id_of(page.platform, page.kind, page.position, page.run_id)
