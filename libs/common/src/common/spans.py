"""Spans of OpenTelemetry and how they leave the process: by OTLP over HTTP, in batches, from a thread.

Only `common.tracing` imports this, and only where an endpoint is set. Names are those of the semantic conventions.
What an exception says is written to a span only where it is ours: a library's may quote data.
"""

import logging
import os
import socket
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from typing import Final, Literal

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import Decision, ParentBased, Sampler, SamplingResult, TraceIdRatioBased
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    get_current_span,
    set_span_in_context,
    use_span,
)
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.trace.span import TraceState
from opentelemetry.util.types import Attributes

from common.errors import FeedmillError
from common.log import fields, scrub

Kind = Literal["internal", "client", "server", "producer", "consumer"]
PATH: Final = "/v1/traces"
LAST_SPANS_S: Final = 2.0
"""Seconds to send what is left when the process ends."""
REMEMBERED: Final = 256
"""Contexts that are kept for work which goes on elsewhere; many more than pages are on their way at once."""

_NOWHERE: Final = Context()
_w3c: Final = TraceContextTextMapPropagator()
_log = logging.getLogger(__name__)


class Spans:
    """Begins and ends the spans of one process.

    Args:
        service: Which of ours; `OTEL_SERVICE_NAME` names it otherwise.
        ratio: Share of the traces that begin here which are sampled, 0 to 1.
        processor: Takes spans that have ended.
    """

    def __init__(self, *, service: str, ratio: float, processor: SpanProcessor) -> None:
        self._ids = _Ids()
        self._provider = TracerProvider(
            sampler=ParentBased(_RootSampler(ratio)),
            resource=_resource(service),
            id_generator=self._ids,
            shutdown_on_exit=False,
        )
        self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer("feedmill", version("feedmill-common"))
        self._remembered: OrderedDict[str, SpanContext] = OrderedDict()

    @contextmanager
    def span(
        self,
        name: str,
        kind: Kind = "internal",
        *,
        attributes: Attributes = None,
        parent: SpanContext | None = None,
        is_root: bool = False,
        trace_id: str | None = None,
        links: Sequence[SpanContext | None] = (),
    ) -> Iterator[Span]:
        """Begin a span, be inside it, and end it; an exception makes it an error and goes on.

        Args:
            name: One of few; what varies belongs into attributes.
            kind: What the span is to the work around it.
            attributes: What is known at the begin; the sampler sees it.
            parent: In place of the span that is current.
            is_root: Whether it begins a trace although there is a span that is current.
            trace_id: Of the trace that it begins, as 32 hexadecimal digits; it has no parent then.
            links: Spans of other traces; None is no span.
        """
        started = self._started(name, kind, attributes, links, parent=parent, is_root=is_root, trace_id=trace_id)
        with use_span(started, end_on_exit=True, record_exception=False, set_status_on_exception=False):
            try:
                yield started
            except BaseException as error:
                started.set_attribute("error.type", str(getattr(error, "cause", type(error).__name__)))
                self.fail(started, str(error) if isinstance(error, FeedmillError) else None)
                raise

    def add(self, name: str, kind: Kind, *, attributes: Attributes = None, since_ns: int) -> None:
        """Add a span below the current one that lasted from a moment of `now_ns` until now."""
        span = self._tracer.start_span(name, kind=SpanKind[kind.upper()], attributes=attributes, start_time=since_ns)
        span.end()

    def fail(self, span: Span, description: str | None) -> None:
        """Make a span an error."""
        span.set_status(Status(StatusCode.ERROR, None if description is None else scrub(description)))

    def here(self) -> SpanContext | None:
        """Return the context of the current span; None outside of any."""
        context = get_current_span().get_span_context()
        return context if context.is_valid else None

    def headers(self) -> dict[str, str]:
        """Return the headers of W3C Trace Context for the current span; none outside of any."""
        headers: dict[str, str] = {}
        _w3c.inject(headers)
        return headers

    def remote(self, headers: Mapping[str, str]) -> SpanContext | None:
        """Return what the headers of W3C Trace Context say, names in small letters; None: nothing that is valid."""
        context = get_current_span(_w3c.extract(headers, _NOWHERE)).get_span_context()
        return context if context.is_valid else None

    def remember(self, key: str, context: SpanContext) -> None:
        """Keep a context for work that goes on in another task; the oldest are forgotten."""
        self._remembered[key] = context
        while len(self._remembered) > REMEMBERED:
            self._remembered.popitem(last=False)

    def remembered(self, key: str) -> SpanContext | None:
        """Return the context that was kept last under this key."""
        return self._remembered.get(key)

    def now_ns(self) -> int:
        """Return the time as spans have it."""
        return time.time_ns()

    def end(self) -> None:
        """Send what is left, for `LAST_SPANS_S` seconds at most."""
        sending = threading.Thread(target=self._provider.shutdown, daemon=True)
        sending.start()
        sending.join(LAST_SPANS_S)

    def _started(
        self,
        name: str,
        kind: Kind,
        attributes: Attributes,
        links: Sequence[SpanContext | None],
        *,
        parent: SpanContext | None,
        is_root: bool,
        trace_id: str | None,
    ) -> Span:
        context = None
        if is_root or trace_id is not None:
            context = _NOWHERE
            self._ids.next_trace_id = None if trace_id is None else int(trace_id, 16)
        elif parent is not None:
            context = set_span_in_context(NonRecordingSpan(parent), _NOWHERE)
        linked = [Link(link) for link in links if link is not None]
        return self._tracer.start_span(name, context, kind=SpanKind[kind.upper()], attributes=attributes, links=linked)


@contextmanager
def sent(endpoint: str, *, ratio: float, service: str) -> Iterator[Spans]:
    """Send the spans of this process meanwhile to a collector.

    Args:
        endpoint: Base address of its OTLP over HTTP. Headers, time limit and the rest are the standard variables.
        ratio: Share of traces.
        service: Which of ours.
    """
    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)  # at each try it says what SaidOnce says once
    logging.getLogger("urllib3").setLevel(logging.WARNING)
    exporter = SaidOnce(OTLPSpanExporter(endpoint=endpoint.rstrip("/") + PATH), endpoint)
    spans = Spans(service=service, ratio=ratio, processor=BatchSpanProcessor(exporter))
    _log.info(fields("Sending traces", endpoint=endpoint, ratio=ratio))
    try:
        yield spans
    finally:
        spans.end()


class SaidOnce(SpanExporter):
    """Sends spans by another exporter and says when that begins to fail, and when it ends to."""

    def __init__(self, exporter: SpanExporter, endpoint: str) -> None:
        self._exporter = exporter
        self._endpoint = endpoint
        self._fails = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send spans; those that cannot be sent are lost."""
        result = self._exporter.export(spans)
        fails = result is not SpanExportResult.SUCCESS
        if fails != self._fails:
            self._fails = fails
            if fails:
                _log.warning(fields("Traces cannot be sent and are lost meanwhile", endpoint=self._endpoint))
            else:
                _log.info(fields("Traces are sent again", endpoint=self._endpoint))
        return result

    def shutdown(self) -> None:
        """Give up on what is being sent."""
        self._exporter.shutdown()


class _Ids(RandomIdGenerator):
    """Chance, but for a trace whose id is known before it begins."""

    next_trace_id: int | None = None

    def generate_trace_id(self) -> int:
        """Return the id that is known, once, or any."""
        known, self.next_trace_id = self.next_trace_id, None
        return known or super().generate_trace_id()

    def is_trace_id_random(self) -> bool:
        """Say no: some are known before."""
        return False


class _RootSampler(Sampler):
    """Samples a share of the traces, by their id, and of the work on several messages what one of them is part of."""

    def __init__(self, ratio: float) -> None:
        self._by_id = TraceIdRatioBased(ratio)

    def should_sample(
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        """Decide about the first span of a trace."""
        if kind is SpanKind.CONSUMER and links:
            is_sampled = any(link.context.trace_flags.sampled for link in links)
            return SamplingResult(Decision.RECORD_AND_SAMPLE if is_sampled else Decision.DROP, attributes)
        return self._by_id.should_sample(parent_context, trace_id, name, kind, attributes, links, trace_state)

    def get_description(self) -> str:
        """Return its name."""
        return f"LinkedOr{self._by_id.get_description()}"


def _resource(service: str) -> Resource:
    host = socket.gethostname()
    known = {
        "service.name": os.environ.get("OTEL_SERVICE_NAME") or f"feedmill-{service}",
        "service.version": version(f"feedmill-{service}"),
        "service.instance.id": f"{host}-{os.getpid()}",
        "host.name": host,
    }
    return Resource.create(known)
