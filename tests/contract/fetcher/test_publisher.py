"""What every `PagePublisher` promises: on the fake, and on RabbitMQ."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlsplit

import aio_pika
import pytest
from aio_pika.abc import AbstractConnection, AbstractIncomingMessage
from tests.contract.fetcher.fakes import FakePublisher, a_row
from tests.integration.normalizer.proxy import alarmed

from common import topology
from common.amqp import connected
from common.broker_nodes import Nodes
from common.errors import UnavailableError
from common.events import CONTENT_TYPE, PageFetched, PageKind, decode
from fetcher.adapters import rabbit
from fetcher.adapters.rabbit import MESSAGE_TYPE, RabbitPublisher
from fetcher.core.errors import TopologyError
from fetcher.core.feed import UpstreamPage, events_of
from fetcher.core.inflight import together
from fetcher.core.ports import PagePublisher
from sandbox.stack import Stack, Vhost

pytestmark = pytest.mark.contract

FETCHED_AT = datetime(2026, 11, 21, 7, 28, tzinfo=UTC)


def an_event(position: int = 1) -> PageFetched:
    """Return a page of one record."""
    page = UpstreamPage(position, position + 1, [a_row()], FETCHED_AT)
    return events_of(page, platform="che168", run_id="r1", kind=PageKind.PAGE, seq=lambda _: 999)[0]


async def received(vhost: Vhost) -> list[AbstractIncomingMessage]:
    """Take everything out of the normalizer's queue."""
    async with await aio_pika.connect(vhost.urls["normalizer"]) as connection:
        queue = await (await connection.channel()).get_queue(topology.RAW_QUEUE, ensure=False)
        found: list[AbstractIncomingMessage] = []
        while message := await queue.get(no_ack=True, fail=False):
            found.append(message)
        return found


@dataclass
class Bench:
    """A publisher, and where its messages arrive."""

    publisher: PagePublisher
    vhost: Vhost | None

    async def arrived(self) -> list[PageFetched]:
        """Return the events that arrived."""
        if self.vhost is None:
            assert isinstance(self.publisher, FakePublisher)
            return self.publisher.messages
        return [decode(message.body) for message in await received(self.vhost)]


@pytest.fixture(params=["fake", "rabbitmq"])
def place(request: pytest.FixtureRequest) -> Vhost | None:
    """Where messages go: into a list, or to a virtual host of the test's own."""
    own: Vhost | None = None if request.param == "fake" else request.getfixturevalue("vhost")
    return own


@pytest.fixture
async def bench(place: Vhost | None) -> AsyncIterator[Bench]:
    """Both implementations, one after the other."""
    if place is None:
        yield Bench(FakePublisher(), None)
        return
    async with RabbitPublisher(place.urls["fetcher"], connection_name="fetcher@test", publish_timeout_s=10) as opened:
        yield Bench(opened, place)


async def test_what_is_published_arrives_as_it_was(bench: Bench) -> None:
    await bench.publisher.publish(an_event(1))
    await bench.publisher.publish(an_event(2))
    assert [(event.message_id, bytes(event.records[0].data)) for event in await bench.arrived()] == [
        ("che168:page:1:r1", b'{"price":1}'),
        ("che168:page:2:r1", b'{"price":1}'),
    ]


async def test_the_same_page_twice_has_the_same_identity(bench: Bench) -> None:
    await bench.publisher.publish(an_event())
    await bench.publisher.publish(an_event())
    assert len({event.message_id for event in await bench.arrived()}) == 1


async def test_what_is_published_at_once_arrives_in_the_order_of_the_calls(bench: Bench) -> None:
    await together(bench.publisher.publish(an_event(position)) for position in range(1, 21))
    assert [event.position for event in await bench.arrived()] == list(range(1, 21))


@pytest.fixture
async def publisher(vhost: Vhost) -> AsyncIterator[RabbitPublisher]:
    """The real one."""
    async with RabbitPublisher(vhost.urls["fetcher"], connection_name="fetcher@test", publish_timeout_s=10) as opened:
        yield opened


async def test_a_message_survives_the_broker_and_says_what_it_is(publisher: RabbitPublisher, vhost: Vhost) -> None:
    await publisher.publish(an_event())
    (message,) = await received(vhost)
    assert message.delivery_mode == aio_pika.DeliveryMode.PERSISTENT
    assert (message.exchange, message.routing_key) == ("feedmill.raw", "raw.che168.page")
    assert (message.content_type, message.type, message.app_id) == (CONTENT_TYPE, MESSAGE_TYPE, "fetcher")
    assert (message.message_id, message.correlation_id) == ("che168:page:1:r1", "r1")
    assert message.timestamp == FETCHED_AT
    own = {name: value for name, value in message.headers.items() if name != "x-delivery-count"}
    assert own == {"x-platform": "che168", "x-run-id": "r1", "x-page": 1, "x-records": 1}


async def test_a_message_that_no_queue_takes_is_an_error(stack: Stack, vhost: Vhost) -> None:
    """`feedmill.raw` has an alternate exchange, which takes everything; `feedmill.events` has one queue only."""
    await asyncio.to_thread(stack.broker.management().delete, "queues", vhost.name, topology.EVENTS_QUEUE)
    publisher = RabbitPublisher(
        vhost.urls["fetcher"], connection_name="f@t", publish_timeout_s=10, exchange=topology.EVENTS_EXCHANGE
    )
    async with publisher:
        with pytest.raises(TopologyError, match=r"no queue takes messages for feedmill\.events raw\.che168\.page"):
            await publisher.publish(an_event())


async def test_a_missing_exchange_is_named(vhost: Vhost) -> None:
    publisher = RabbitPublisher(
        vhost.urls["fetcher"], connection_name="fetcher@test", publish_timeout_s=10, exchange="feedmill.missing"
    )
    with pytest.raises(TopologyError, match=r"no exchange feedmill\.missing"):
        await publisher.__aenter__()


async def test_a_user_who_may_not_write_is_told_so(vhost: Vhost) -> None:
    async with RabbitPublisher(
        vhost.urls["gateway"], connection_name="gateway@test", publish_timeout_s=10
    ) as publisher:
        with pytest.raises(TopologyError, match="this user may not write"):
            await publisher.publish(an_event())


async def test_nobody_at_the_address_is_unavailable() -> None:
    publisher = RabbitPublisher("amqp://u:secretpw@127.0.0.1:9/v", connection_name="f@t", publish_timeout_s=2)
    with pytest.raises(UnavailableError, match=r"broker 127\.0\.0\.1:9") as failure:
        await publisher.publish(an_event())
    assert "secretpw" not in str(failure.value)


async def test_a_broker_that_holds_publishers_back_is_unavailable_and_said_to_lack_memory_or_disk(vhost: Vhost) -> None:
    port = urlsplit(vhost.urls["fetcher"]).port or 0
    async with alarmed(port) as broker:
        url = vhost.urls["fetcher"].replace(f":{port}", f":{broker.port}")
        async with RabbitPublisher(url, connection_name="f@t", publish_timeout_s=1) as publisher:
            with pytest.raises(UnavailableError, match="takes no messages: it lacks memory or disk"):
                await publisher.publish(an_event())
            broker.end_alarm()
            await publisher.publish(an_event())
    assert {message.message_id for message in await received(vhost)} == {an_event().message_id}


async def test_a_wrong_password_is_unavailable_and_not_shown(vhost: Vhost) -> None:
    url = vhost.urls["fetcher"].partition("@")
    publisher = RabbitPublisher(f"amqp://fetcher:wrongpw@{url[2]}", connection_name="f@t", publish_timeout_s=5)
    with pytest.raises(UnavailableError) as failure:
        await publisher.publish(an_event())
    assert "wrongpw" not in str(failure.value)


async def test_a_lost_connection_is_unavailable_once_and_then_made_anew(
    publisher: RabbitPublisher, vhost: Vhost
) -> None:
    await publisher.publish(an_event(1))
    assert publisher._connection is not None  # noqa: SLF001 - the loss itself cannot be asked for from outside
    transport = publisher._connection.transport  # noqa: SLF001 - as above
    assert transport is not None
    await transport.connection.close()
    with pytest.raises(UnavailableError):
        await publisher.publish(an_event(2))
    await publisher.publish(an_event(2))
    assert [decode(message.body).position for message in await received(vhost)] == [1, 2]


async def test_publishes_that_lose_their_connection_together_make_one_anew(
    publisher: RabbitPublisher, vhost: Vhost, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[AbstractConnection] = []

    async def counted(nodes: Nodes, *, timeout_s: float) -> AbstractConnection:
        made.append(await connected(nodes, timeout_s=timeout_s))
        return made[-1]

    monkeypatch.setattr(rabbit, "connected", counted)
    assert publisher._connection is not None  # noqa: SLF001 - the loss itself cannot be asked for from outside
    transport = publisher._connection.transport  # noqa: SLF001 - as above
    assert transport is not None
    await transport.connection.close()
    events = [an_event(position) for position in range(1, 9)]
    first = await asyncio.gather(*map(publisher.publish, events), return_exceptions=True)
    assert all(failure is None or isinstance(failure, UnavailableError) for failure in first)
    lost = [event for event, failure in zip(events, first, strict=True) if failure is not None]
    await together(map(publisher.publish, lost))
    assert len(made) == 1
    assert sorted({decode(message.body).position for message in await received(vhost)}) == list(range(1, 9))
