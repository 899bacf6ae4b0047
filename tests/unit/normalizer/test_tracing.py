"""Spans of the normalizer: messages, the batch that they are linked with, its transaction, and what was given back."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from aio_pika.abc import AbstractIncomingMessage
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import StatusCode

from common.events import PageFetched
from common.testing.pages import a_page, a_record
from common.testing.spans import KeptSpans
from normalizer.core.errors import TransientError
from normalizer.entrypoints.tracing import ConsumerTracing

pytestmark = pytest.mark.unit

PAGES = [a_page([a_record(str(number))], position=number) for number in (1, 2)]
TRACES = ["0af7651916cd43dd8448eb211c80319c", "4bf92f3577b34da6a3ce929d0e0e4736"]


@dataclass
class Message:
    """A delivery, as far as its span looks at it."""

    message_id: str | None
    headers: dict[str, Any] = field(default_factory=dict)
    body: bytes = b"12345"
    exchange: str = "feedmill.raw"
    routing_key: str = "raw.che168.page"
    correlation_id: str = "run1"
    delivery_tag: int = 7
    redelivered: bool = False
    processed: bool = False


class Landing:
    """Lands a batch, or fails."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error

    async def land(self, pages: Sequence[PageFetched], /) -> Counter[str]:
        """Return counts."""
        if self.error is not None:
            raise self.error
        return Counter(pages=len(pages), records=2, inserted=2)


def messages(*flags: str) -> list[Message]:
    """Return a message for each page, in a trace of its own that is sampled (01) or not (00)."""
    return [
        Message(page.message_id, {"traceparent": f"00-{trace}-b7ad6b7169203331-{flag}", "x-page": page.position})
        for page, trace, flag in zip(PAGES, TRACES, flags, strict=True)
    ]


async def handled(tracing: ConsumerTracing, delivered: Sequence[Message], landing: Landing) -> None:
    """Deliver messages, land them as one batch in a task of its own, and acknowledge them."""
    is_landed = asyncio.Event()

    async def handle(message: Message) -> None:
        with tracing.received(cast("AbstractIncomingMessage", message)):
            await is_landed.wait()
            message.processed = landing.error is None

    handlers = [asyncio.create_task(handle(message)) for message in delivered]
    await asyncio.sleep(0)  # noqa: TID251 - takes no time: each comes as far as it can
    try:
        await tracing.landing(landing).land(PAGES)
    finally:
        is_landed.set()
        await asyncio.gather(*handlers)


def received(spans: KeptSpans) -> list[ReadableSpan]:
    """Return the spans of messages, in the order of their pages."""
    found = [span for span in spans.ended if span.name == "receive normalizer.raw"]
    return sorted(found, key=lambda span: str((span.attributes or {})["messaging.message.id"]))


def trace_of(span: ReadableSpan) -> str:
    """Return the id of a span's trace."""
    assert span.context is not None
    return f"{span.context.trace_id:032x}"


async def test_messages_go_on_with_their_traces_and_are_linked_with_their_batch() -> None:
    spans = KeptSpans()
    await handled(ConsumerTracing(spans), messages("01", "01"), Landing())
    batch, both = spans.named("process normalizer.raw"), received(spans)
    assert [trace_of(span) for span in both] == TRACES
    assert batch.parent is None
    assert [link.context for link in batch.links] == [span.context for span in both]
    assert [[link.context for link in span.links] for span in both] == [[batch.context]] * 2
    attributes = batch.attributes or {}
    assert (attributes["messaging.batch.message_count"], attributes["feedmill.inserted"]) == (2, 2)


async def test_an_acknowledgement_is_a_span_from_the_commit_on() -> None:
    spans = KeptSpans()
    await handled(ConsumerTracing(spans), messages("01", "01"), Landing())
    acks = [span for span in spans.ended if span.name == "ack normalizer.raw"]
    assert [ack.parent for ack in acks] == [span.context for span in received(spans)]
    committed = spans.named("process normalizer.raw").end_time or 0
    assert all(0 < committed <= (ack.start_time or 0) <= (ack.end_time or 0) for ack in acks)


async def test_a_batch_that_fails_is_an_error_and_its_messages_are_given_back() -> None:
    spans = KeptSpans()
    with pytest.raises(TransientError):
        await handled(ConsumerTracing(spans), messages("01", "01"), Landing(TransientError("connection lost")))
    batch = spans.named("process normalizer.raw")
    assert (batch.status.status_code, batch.status.description) == (StatusCode.ERROR, "connection lost")
    assert {span.status.description for span in received(spans)} == {"given back"}
    assert [span for span in spans.ended if span.name.startswith("ack")] == []


async def test_a_batch_is_sampled_if_one_of_its_messages_is() -> None:
    spans = KeptSpans(ratio=0.0)
    await handled(ConsumerTracing(spans), messages("00", "01"), Landing())
    assert [trace_of(span) for span in received(spans)] == TRACES[1:]
    assert len(spans.named("process normalizer.raw").links) == 2
    spans = KeptSpans(ratio=1.0)
    await handled(ConsumerTracing(spans), messages("00", "00"), Landing())
    assert spans.ended == ()


async def test_a_message_without_a_trace_begins_one() -> None:
    spans = KeptSpans()
    await handled(ConsumerTracing(spans), [Message(page.message_id) for page in PAGES], Landing())
    assert len({trace_of(span) for span in received(spans)} - set(TRACES)) == 2


async def test_nothing_is_kept_of_messages_that_were_settled() -> None:
    tracing = ConsumerTracing(KeptSpans())
    first, again = messages("01", "01")[0], messages("01", "01")[0]
    with tracing.received(cast("AbstractIncomingMessage", first)):
        with tracing.received(cast("AbstractIncomingMessage", again)):
            pass
        assert len(tracing._in_hand) == 1  # noqa: SLF001 - its length is what this is about
    assert tracing._in_hand == {}  # noqa: SLF001 - as above


class Store:
    """A store whose transactions are their names."""

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[str]:
        """Open one."""
        yield "transaction"


async def test_a_transaction_is_a_span_of_its_batch() -> None:
    spans = KeptSpans()
    store = ConsumerTracing(spans).store(cast("Any", Store()))
    with spans.span("process normalizer.raw"):
        async with store.transaction() as transaction:
            assert cast("str", transaction) == "transaction"
    assert spans.named("transaction").parent == spans.named("process normalizer.raw").context
    assert (spans.named("transaction").attributes or {})["db.system.name"] == "postgresql"
