"""Spans of the fetcher: a page, the requests for it, and its messages.

A run may take hours and thousands of pages, so each page is a trace of its own, linked to the run's span. Its id
follows from what the page is (`common.tracing.trace_id_of`). A slice of a snapshot or of look-ups is made of several
requests; these are in the trace of the run, and its own begins with its message.

Each of these does what its plain form does. While traces are off none of them is made.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode, urlsplit

import aio_pika

from common import topology
from common.events import PageFetched, PageKind, message_id
from common.log import scrub
from common.tracing import current, trace_id_of
from fetcher.adapters.autoapi import Http
from fetcher.adapters.rabbit import RabbitPublisher
from fetcher.core.errors import UpstreamError
from fetcher.core.ports import FailedPage, Run
from fetcher.core.reading import PatientReader, ReadPage

if TYPE_CHECKING:
    from common.spans import Spans

_PORTS: Final = {"http": 80, "https": 443}
_OK: Final = 200


class TracedReader(PatientReader):
    """A reader that makes a span of each page: from the first try, waits included, to the answer that can be used."""

    def __init__(self, spans: "Spans", **known: Any) -> None:
        super().__init__(**known)
        self._spans = spans

    async def page(self, ask: Any, run: Run, position: int, **known: Any) -> ReadPage | FailedPage:
        """Return a page, or what is known of its failure; see `PatientReader.page`."""
        spans, kind = self._spans, run.kind.page_kind
        trace_id = trace_id_of(run.platform, kind, position, run.run_id)
        attributes = _said_of(run.platform, kind, position, run.run_id)
        with spans.span("fetch page", attributes=attributes, trace_id=trace_id, links=[spans.here()]) as span:
            spans.remember(message_id(run.platform, kind, position, run.run_id), span.get_span_context())
            found = await super().page(ask, run, position, **known)
            if isinstance(found, FailedPage):
                spans.fail(span, found.error)
            else:
                span.set_attributes({"feedmill.page.rows": len(found.page.rows), "feedmill.page.tries": found.attempts})
        return found


class TracedHttp:
    """Http whose requests are spans. The key stands among the parameters that the other one adds, so in no span."""

    def __init__(self, spans: "Spans", http: Http, base_url: str) -> None:
        self._spans = spans
        self._http = http
        self._base_url = base_url.rstrip("/")
        parts = urlsplit(base_url)
        self._server: dict[str, str | int] = {
            "server.address": parts.hostname or "",
            "server.port": parts.port or _PORTS[parts.scheme],
        }

    async def get(self, path: str, parameters: Mapping[str, str]) -> bytes:
        """Return the body of a 200 answer.

        Raises:
            UpstreamError: Any other answer, or none in time.
        """
        url = f"{self._base_url}{path}?{urlencode(parameters)}".rstrip("?")
        known = self._server | {"http.request.method": "GET", "url.full": scrub(url)}
        with self._spans.span(f"GET {path}".rstrip(), "client", attributes=known) as span:
            try:
                body = await self._http.get(path, parameters)
            except UpstreamError as error:
                if error.status is not None:
                    span.set_attribute("http.response.status_code", error.status)
                raise
            span.set_attributes({"http.response.status_code": _OK, "http.response.body.size": len(body)})
        return body


class TracedPublisher(RabbitPublisher):
    """A publisher that makes a span of each message and names it in the message's headers."""

    def __init__(self, spans: "Spans", url: str, **known: Any) -> None:
        super().__init__(url, **known)
        self._spans = spans

    async def publish(self, page: PageFetched) -> None:
        """Return once the broker has taken the message on disk; see `RabbitPublisher.publish`."""
        spans, of_page = self._spans, (page.platform, page.kind, page.position, page.run_id)
        begun, key = spans.remembered(message_id(*of_page)), topology.routing_key(page.platform, page.kind)
        attributes = _said_of(*of_page) | {
            "messaging.system": "rabbitmq",
            "messaging.operation.type": "send",
            "messaging.operation.name": "publish",
            "messaging.destination.name": f"{topology.RAW_EXCHANGE}:{key}",
            "messaging.rabbitmq.destination.routing_key": key,
            "messaging.message.id": page.message_id,
            "messaging.message.conversation_id": page.run_id,
            "feedmill.records": len(page.records),
        }
        name = f"publish {topology.RAW_EXCHANGE}"
        where: dict[str, Any] = {"parent": begun} if begun else {"trace_id": trace_id_of(*of_page)}
        with spans.span(name, "producer", attributes=attributes, **where, links=[] if begun else [spans.here()]):
            await super().publish(page)

    async def send(self, message: aio_pika.Message, key: str, *, mandatory: bool) -> None:
        """Return once the broker has taken the message; see `RabbitPublisher.send`."""
        message.headers.update(self._spans.headers())
        await super().send(message, key, mandatory=mandatory)


def traced_http(http: Http, base_url: str) -> Http:
    """Return it with spans, where there are any."""
    spans = current()
    return http if spans is None else TracedHttp(spans, http, base_url)


def _said_of(platform: str, kind: PageKind, position: int, run_id: str) -> dict[str, str | int]:
    return {
        "feedmill.platform": platform,
        "feedmill.page.kind": kind.value,
        "feedmill.page.position": position,
        "feedmill.run_id": run_id,
    }
