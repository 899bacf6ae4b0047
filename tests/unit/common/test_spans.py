"""Spans: what they show, which are sampled, and what a collector that does not answer costs."""

import logging
import threading
import time
from collections.abc import Sequence

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import StatusCode

from common import spans as module
from common.errors import FeedmillError
from common.spans import REMEMBERED, SaidOnce, Spans
from common.testing.spans import KeptSpans

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = {"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}


def trace_of(span: ReadableSpan) -> str:
    """Return the id of a span's trace."""
    context = span.get_span_context()
    assert context is not None
    return f"{context.trace_id:032x}"


def test_a_trace_has_the_id_that_is_known_and_the_next_one_has_another() -> None:
    spans = KeptSpans()
    with spans.span("outside"), spans.span("page", trace_id=TRACE), spans.span("request"):
        pass
    with spans.span("another", is_root=True):
        pass
    assert (trace_of(spans.named("page")), spans.named("page").parent) == (TRACE, None)
    assert trace_of(spans.named("request")) == TRACE
    assert len({trace_of(span) for span in spans.ended}) == 3


def test_a_span_goes_on_with_what_the_headers_name() -> None:
    spans = KeptSpans()
    with spans.span("receive", "consumer", parent=spans.remote(PARENT)):
        assert spans.headers()["traceparent"].startswith(f"00-{TRACE}-")
    assert spans.headers() == {}
    parent = spans.named("receive").parent
    assert parent is not None
    assert f"{parent.span_id:016x}" == "b7ad6b7169203331"


@pytest.mark.parametrize(
    "header", ["", "nonsense", f"00-{'0' * 32}-b7ad6b7169203331-01", f"ff-{TRACE}-b7ad6b7169203331-01"]
)
def test_headers_that_name_no_trace_begin_none(header: str) -> None:
    assert KeptSpans().remote({"traceparent": header}) is None
    assert KeptSpans().remote({}) is None


def test_an_error_of_ours_is_said_without_secrets_and_a_librarys_only_by_its_type() -> None:
    spans = KeptSpans()
    with pytest.raises(FeedmillError), spans.span("ours"):
        raise FeedmillError("asked with api_key=abcdefgh")
    with pytest.raises(ValueError, match="row"), spans.span("theirs"):
        raise ValueError("row (50837332, secret) violates")
    ours, theirs = spans.named("ours"), spans.named("theirs")
    assert (ours.status.status_code, ours.status.description) == (StatusCode.ERROR, "asked with api_key=***")
    assert (theirs.status.status_code, theirs.status.description) == (StatusCode.ERROR, None)
    assert theirs.attributes == {"error.type": "ValueError"}
    assert theirs.events == ()


def test_work_on_messages_is_sampled_if_one_of_them_is() -> None:
    spans = KeptSpans(ratio=0.0)
    unsampled = spans.remote({"traceparent": PARENT["traceparent"].removesuffix("1") + "0"})
    sampled = spans.remote(PARENT)
    with spans.span("without", "consumer", is_root=True, links=[unsampled]):
        pass
    with spans.span("with", "consumer", is_root=True, links=[unsampled, sampled]):
        pass
    with spans.span("page", is_root=True, links=[sampled]):
        pass
    assert [span.name for span in spans.ended] == ["with"]


def test_a_span_goes_on_with_the_decision_of_its_parent() -> None:
    spans = KeptSpans(ratio=1.0)
    with spans.span("receive", "consumer", parent=spans.remote({"traceparent": PARENT["traceparent"][:-1] + "0"})):
        assert spans.headers()["traceparent"].endswith("-00")
    assert spans.ended == ()


def test_contexts_are_remembered_for_a_while() -> None:
    spans = KeptSpans()
    with spans.span("page") as span:
        context = span.get_span_context()
    for number in range(REMEMBERED + 1):
        spans.remember(str(number), context)
    assert (spans.remembered("0"), spans.remembered("1")) == (None, context)


def test_the_service_has_the_name_of_the_standard_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    assert name_of_service() == "feedmill-fetcher"
    monkeypatch.setenv("OTEL_SERVICE_NAME", "loader")
    assert name_of_service() == "loader"


def name_of_service() -> object:
    """Return what a span says of its service."""
    spans = KeptSpans()
    with spans.span("any"):
        pass
    return spans.named("any").resource.attributes["service.name"]


class Collector(SpanExporter):
    """A way to a collector that may be away."""

    def __init__(self) -> None:
        self.is_away = True
        self.may_answer = threading.Event()
        self.may_answer.set()

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Take spans, or not."""
        del spans
        self.may_answer.wait()
        return SpanExportResult.FAILURE if self.is_away else SpanExportResult.SUCCESS


def test_a_collector_that_is_away_is_one_warning_until_it_is_back(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    collector = Collector()
    exporter = SaidOnce(collector, "http://127.0.0.1:4318")
    for is_away in (True, True, True, False, False, True):
        collector.is_away = is_away
        exporter.export([])
    assert [(record.levelname, record.message.partition(" endpoint")[0]) for record in caplog.records] == [
        ("WARNING", "Traces cannot be sent and are lost meanwhile"),
        ("INFO", "Traces are sent again"),
        ("WARNING", "Traces cannot be sent and are lost meanwhile"),
    ]


def test_a_collector_that_hangs_holds_up_neither_the_work_nor_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LAST_SPANS_S", 0.1)
    collector = Collector()
    collector.may_answer.clear()
    processor = BatchSpanProcessor(SaidOnce(collector, ""), max_queue_size=64, max_export_batch_size=32)
    spans = Spans(service="fetcher", ratio=1.0, processor=processor)
    began_s = time.monotonic()  # noqa: TID251 - measures real threads
    for _ in range(1000):
        with spans.span("page"):
            pass
    spans.end()
    assert time.monotonic() - began_s < 20  # noqa: TID251 - as above
    collector.may_answer.set()
