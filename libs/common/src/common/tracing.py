"""Traces of OpenTelemetry, off unless an endpoint is set: then nothing of it is imported, and nobody pays for it.

The trace of a page of an upstream is named by what the page is, not by chance. So whoever knows the page of a row can
name its trace, although nobody has stored it, and every try of the page is in one trace, whichever process makes it.
"""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from hashlib import sha256
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from common.errors import ConfigurationError
from common.events import PageKind, message_id
from common.settings import TracingSettings

if TYPE_CHECKING:
    from common.spans import Spans

ID_DIGITS: Final = 32
"""Hexadecimal digits of a trace id."""

_BOUND_DIGITS: Final = 16
_ABOVE_ALL: Final = "g"
_current: ContextVar["Spans | None"] = ContextVar("spans", default=None)


@contextmanager
def opened(settings: TracingSettings, *, service: str) -> Iterator["Spans | None"]:
    """Send the spans of this process meanwhile; None: no endpoint is set, so there are none.

    A collector that does not answer costs one warning and the spans; nothing else waits for it.

    Raises:
        ConfigurationError: An endpoint is set, and OpenTelemetry is not installed.
    """
    if not settings.endpoint:
        yield None
        return
    with _spans_module().sent(settings.endpoint, ratio=settings.ratio, service=service) as spans:
        token = _current.set(spans)
        try:
            yield spans
        finally:
            _current.reset(token)


def current() -> "Spans | None":
    """Return what `opened` gave to the work that this is part of."""
    return _current.get()


def root_span(name: str, attributes: Mapping[str, str]) -> AbstractContextManager[object]:
    """Return a span that begins a trace of its own, around a piece of work; nothing where there are no traces."""
    spans = current()
    return nullcontext() if spans is None else spans.span(name, attributes=attributes, is_root=True)


def trace_id_of(platform: str, kind: PageKind, position: int, run_id: str) -> str:
    """Return the id of the trace of a page, as 32 hexadecimal digits. `gateway.adapters.provenance` says it in SQL."""
    return sha256(message_id(platform, kind, position, run_id).encode()).hexdigest()[:ID_DIGITS]


def sampled_below(settings: TracingSettings) -> str | None:
    """Return a text above the last 16 digits of the trace ids that are sampled; None: there are no traces."""
    if not settings.endpoint:
        return None
    bound = f"{round(settings.ratio * 2**64):0{_BOUND_DIGITS}x}"
    return bound if len(bound) == _BOUND_DIGITS else _ABOVE_ALL


def _spans_module() -> Any:
    try:
        return import_module("common.spans")
    except ModuleNotFoundError as error:
        if not (error.name or "").startswith("opentelemetry"):
            raise
        raise ConfigurationError(
            "tracing.endpoint (OTEL_EXPORTER_OTLP_ENDPOINT) is set, but OpenTelemetry is not installed:"
            " pip install 'feedmill-common[tracing]'"
        ) from error
