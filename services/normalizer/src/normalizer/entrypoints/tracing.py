"""Spans of the normalizer: each message until it is settled, each batch, its transactions.

A message's span goes on with the trace that its headers name. A batch is made of many messages, so it is a trace of its
own: it is linked to their spans, and they to it. A batch that is tried again is a span for each try.
"""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from aio_pika.abc import AbstractIncomingMessage
from faststream import BaseMiddleware

from common import topology
from common.events import PageFetched
from normalizer.core.diary import Landing
from normalizer.core.ports import Key, Store, Transaction

if TYPE_CHECKING:
    from collections import Counter

    from opentelemetry.trace import Span

    from common.spans import Spans

_SYSTEM: Final = {"messaging.system": "rabbitmq"}
_TOLD: Final = ("records", "inserted", "updated", "unchanged", "quarantined", "errors")
"""Counts of a batch that its span shows."""


@dataclass(slots=True)
class _InHand:
    """A message that is not settled yet, and when its batch was committed."""

    span: "Span"
    landed_ns: int | None = None


class ConsumerTracing:
    """Makes the spans of what this process consumes."""

    def __init__(self, spans: "Spans") -> None:
        self._spans = spans
        self._in_hand: dict[str, list[_InHand]] = {}

    def middleware(self, message: Any, /, *, context: Any) -> BaseMiddleware[Any, Any]:
        """Return what FastStream puts around the handling of a message."""
        return _AroundMessage(self, message, context=context)

    @contextmanager
    def received(self, message: AbstractIncomingMessage) -> Iterator[None]:
        """Be inside the span of a message, from its delivery until it is settled or given back."""
        spans, name = self._spans, message.message_id or ""
        parent = spans.remote({key: value for key, value in message.headers.items() if isinstance(value, str)})
        span_name = f"receive {topology.RAW_QUEUE}"
        with spans.span(
            span_name, "consumer", attributes=_said_of(message), parent=parent, is_root=parent is None
        ) as span:
            waiting = _InHand(span)
            self._in_hand.setdefault(name, []).append(waiting)
            try:
                yield
            finally:
                self._let_go(name, waiting)
            if not message.processed:
                spans.fail(span, "given back")
            elif waiting.landed_ns is not None:
                ack = _operation("settle", "ack")
                spans.add(f"ack {topology.RAW_QUEUE}", "client", attributes=ack, since_ns=waiting.landed_ns)

    def landing(self, landing: Landing) -> Landing:
        """Return a landing whose batches are spans."""
        return _TracedLanding(self, landing)

    def store(self, store: Store) -> Store:
        """Return a store whose transactions are spans, from BEGIN to COMMIT."""
        return _TracedStore(self._spans, store)

    async def landed(self, landing: Landing, pages: Sequence[PageFetched]) -> "Counter[str]":
        """Land a batch inside its span."""
        names = dict.fromkeys(page.message_id for page in pages)
        waiting = [one for name in names for one in self._in_hand.get(name, ())]
        with self._spans.span(
            f"process {topology.RAW_QUEUE}",
            "consumer",
            attributes=_operation("process", "land") | {"messaging.batch.message_count": len(pages)},
            is_root=True,
            links=[one.span.get_span_context() for one in waiting],
        ) as span:
            for one in waiting:
                one.span.add_link(span.get_span_context())
            counts = await landing.land(pages)
            span.set_attributes({f"feedmill.{name}": counts[name] for name in _TOLD})
        for one in waiting:
            one.landed_ns = self._spans.now_ns()
        return counts

    def _let_go(self, name: str, waiting: _InHand) -> None:
        others = [one for one in self._in_hand[name] if one is not waiting]
        if others:
            self._in_hand[name] = others
        else:
            del self._in_hand[name]


class _AroundMessage(BaseMiddleware[Any, Any]):
    def __init__(self, tracing: ConsumerTracing, message: Any, /, *, context: Any) -> None:
        super().__init__(message, context=context)
        self._tracing = tracing

    async def consume_scope(self, call_next: Any, msg: Any) -> Any:
        """Handle a message inside its span."""
        with self._tracing.received(msg.raw_message):
            return await call_next(msg)


class _TracedLanding:
    def __init__(self, tracing: ConsumerTracing, landing: Landing) -> None:
        self._tracing = tracing
        self._landing = landing

    async def land(self, pages: Sequence[PageFetched], /) -> "Counter[str]":
        """Land pages inside a span."""
        return await self._tracing.landed(self._landing, pages)


class _TracedStore:
    def __init__(self, spans: "Spans", store: Store) -> None:
        self._spans = spans
        self._store = store

    def transaction(self) -> AbstractAsyncContextManager[Transaction]:
        """Open a transaction inside a span."""
        return self._transaction()

    async def pending(self, *, limit: int, after: int) -> tuple[list[Key], int]:
        """Return what waits."""
        return await self._store.pending(limit=limit, after=after)

    async def ping(self) -> None:
        """Return when the database answers."""
        await self._store.ping()

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[Transaction]:
        attributes = {"db.system.name": "postgresql"}
        with self._spans.span("transaction", "client", attributes=attributes):
            async with self._store.transaction() as transaction:
                yield transaction


def _operation(kind: str, name: str) -> dict[str, str | int]:
    return {**_SYSTEM, "messaging.operation.type": kind, "messaging.operation.name": name}


def _said_of(message: AbstractIncomingMessage) -> Mapping[str, str | int | bool]:
    key = message.routing_key or ""
    return {
        **_operation("receive", "consume"),
        "messaging.destination.name": f"{message.exchange or ''}:{key}:{topology.RAW_QUEUE}",
        "messaging.rabbitmq.destination.routing_key": key,
        "messaging.rabbitmq.message.delivery_tag": message.delivery_tag or 0,
        "messaging.message.id": message.message_id or "",
        "messaging.message.conversation_id": message.correlation_id or "",
        "messaging.message.body.size": len(message.body),
        "feedmill.redelivered": bool(message.redelivered),
    }
