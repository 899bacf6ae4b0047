"""Spans of requests and of the sources that one request asks. While traces are off nothing here is made.

A request goes on with the trace that its `traceparent` names (W3C Trace Context). Its query is in no span: it may hold
a token, and what people look for.
"""

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

from fastapi import FastAPI
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from common.clock import Clock
from common.tracing import current
from gateway.core.aggregate import FanOut, Gathered, Question
from gateway.entrypoints.http.frame import PROBES

if TYPE_CHECKING:
    from opentelemetry.trace import Span

    from common.spans import Spans

T = TypeVar("T")
SERVER_ERROR: Final = 500
_CONTEXT: Final = frozenset({b"traceparent", b"tracestate"})


class TracedRequests:
    """ASGI middleware around everything that the gateway answers, probes excepted."""

    def __init__(self, app: ASGIApp, spans: "Spans") -> None:
        self._app = app
        self._spans = spans

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request inside a span."""
        if scope["type"] != "http" or scope["path"] in PROBES:
            await self._app(scope, receive, send)
            return
        parent = self._spans.remote(
            {name.decode(): value.decode("latin-1") for name, value in scope["headers"] if name in _CONTEXT}
        )
        method: str = scope["method"]
        known = {"http.request.method": method, "url.path": scope["path"], "url.scheme": scope["scheme"]}
        with self._spans.span(method, "server", attributes=known, parent=parent, is_root=parent is None) as span:
            await self._app(scope, receive, partial(self._sent, span, send))
            route = getattr(scope.get("route"), "path", None)
            if route is not None:
                span.update_name(f"{method} {route}")
                span.set_attribute("http.route", route)

    async def _sent(self, span: "Span", send: Send, message: Message) -> None:
        if message["type"] == "http.response.start":
            status: int = message["status"]
            headers = dict(message["headers"])
            span.set_attribute("http.response.status_code", status)
            span.set_attribute("feedmill.request_id", headers.get(b"x-request-id", b"").decode())
            if status >= SERVER_ERROR:
                span.set_attribute("error.type", str(status))
                self._spans.fail(span, None)
        await send(message)


class TracedFanOut(FanOut):
    """A fan-out whose questions are spans; that of a source that is late ends when the source does."""

    def __init__(self, spans: "Spans", **known: Any) -> None:
        super().__init__(**known)
        self._spans = spans

    async def ask(self, questions: Mapping[str, Question[T]]) -> Gathered[T]:
        """Return what the sources answered before the deadline; see `FanOut.ask`."""
        return await super().ask({name: partial(self._answer, name, ask) for name, ask in questions.items()})

    async def _answer(self, name: str, ask: Question[T]) -> T:
        with self._spans.span(f"source {name}", attributes={"feedmill.source": name}):
            return await ask()


def new_fan_out(clock: Clock, *, timeout_s: float) -> FanOut:
    """Return what asks sources at once, with spans where there are any."""
    spans = current()
    if spans is None:
        return FanOut(clock=clock, timeout_s=timeout_s)
    return TracedFanOut(spans, clock=clock, timeout_s=timeout_s)


def traced(app: FastAPI) -> ASGIApp:
    """Return an application whose requests are spans, where there are any."""
    spans = current()
    return app if spans is None else TracedRequests(app, spans)
