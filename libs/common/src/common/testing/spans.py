"""Spans that are kept instead of sent."""

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from common.spans import Spans


class KeptSpans(Spans):
    """Spans of a service named fetcher; those that are sampled are kept when they end.

    Args:
        ratio: Share of traces that are sampled.
    """

    def __init__(self, ratio: float = 1.0) -> None:
        self._kept = InMemorySpanExporter()
        super().__init__(service="fetcher", ratio=ratio, processor=SimpleSpanProcessor(self._kept))

    @property
    def ended(self) -> tuple[ReadableSpan, ...]:
        """Those that have ended, in that order."""
        return self._kept.get_finished_spans()

    def named(self, name: str) -> ReadableSpan:
        """Return the only one of a name that has ended."""
        (found,) = [span for span in self.ended if span.name == name]
        return found
