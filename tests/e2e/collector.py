"""A small collector of OTLP over HTTP: keeps every span that it is sent."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

PATH = "/v1/traces"


@dataclass(frozen=True)
class SentSpan:
    """A span as it came; ids as hexadecimal digits, `parent` empty for a root."""

    service: str
    name: str
    trace_id: str
    span_id: str
    parent: str
    attributes: Mapping[str, Any]
    links: frozenset[tuple[str, str]]
    """Trace and span."""
    is_error: bool
    took_ns: int


class Collector:
    """Listens on a port of the loopback address, by default a free one."""

    def __init__(self, port: int = 0) -> None:
        self.spans: list[SentSpan] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", port), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})

    @property
    def endpoint(self) -> str:
        """What OTEL_EXPORTER_OTLP_ENDPOINT is set to."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        """Begin to listen."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Listen no more."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def named(self, name: str, **attributes: object) -> list[SentSpan]:
        """Return the spans of a name that have these attributes, dots written as double underscores."""
        wanted = {key.replace("__", "."): value for key, value in attributes.items()}
        return [span for span in self.spans if span.name == name and wanted.items() <= span.attributes.items()]

    def trace(self, trace_id: str) -> set[str]:
        """Return the names of the spans of a trace."""
        return {span.name for span in self.spans if span.trace_id == trace_id}

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                request = ExportTraceServiceRequest()
                request.ParseFromString(self.rfile.read(int(self.headers["Content-Length"])))
                collector.spans += [] if self.path != PATH else spans_of(request)
                body = ExportTraceServiceResponse().SerializeToString()
                self.send_response(200)
                self.send_header("Content-Type", "application/x-protobuf")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        return Handler


def spans_of(request: ExportTraceServiceRequest) -> list[SentSpan]:
    """Return the spans of a request."""
    return [
        SentSpan(
            service=attributes_of(of_resource.resource)["service.name"],
            name=span.name,
            trace_id=span.trace_id.hex(),
            span_id=span.span_id.hex(),
            parent=span.parent_span_id.hex(),
            attributes=attributes_of(span),
            links=frozenset((link.trace_id.hex(), link.span_id.hex()) for link in span.links),
            is_error=span.status.code == span.status.STATUS_CODE_ERROR,
            took_ns=span.end_time_unix_nano - span.start_time_unix_nano,
        )
        for of_resource in request.resource_spans
        for of_scope in of_resource.scope_spans
        for span in of_scope.spans
    ]


def attributes_of(holder: Any) -> dict[str, Any]:
    """Return attributes by name."""
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in holder.attributes}
