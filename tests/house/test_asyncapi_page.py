"""docs/asyncapi.json says what the services send and read, and is right about it."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import aio_pika
import jsonschema_rs
import pytest
from aio_pika.abc import AbstractIncomingMessage
from tests.house import asyncapi_page, events_page
from tests.house.tree import ROOT, text

from common import events, topology
from common.errors import InvalidEventError
from common.testing.clock import VirtualClock
from fetcher.adapters.notices import RabbitNotices
from fetcher.adapters.rabbit import RabbitPublisher
from fetcher.core.errors import OrderError
from fetcher.core.orders import CommandName, read_order
from fetcher.core.service_ports import Happening, Notice
from normalizer.entrypoints.messages import catalog_news, dead_letter

DOCUMENT: dict[str, Any] = json.loads(text(asyncapi_page.PAGE))
MESSAGES: dict[str, Any] = DOCUMENT["components"]["messages"]
DEFINITIONS: dict[str, Any] = json.loads(text(Path("deploy/rabbitmq/definitions.json")))


def allows(schema: dict[str, Any], value: object) -> bool:
    """Return whether a value is what a schema of the document describes."""
    return jsonschema_rs.Draft7Validator(
        {"components": DOCUMENT["components"], "allOf": [schema]}, validate_formats=True
    ).is_valid(value)


def references(part: object) -> Iterator[str]:
    """Yield every reference below a part of the document."""
    if isinstance(part, dict):
        yield from (value for name, value in part.items() if name == "$ref")
        part = list(part.values())
    if isinstance(part, list):
        for item in part:
            yield from references(item)


def resolved(reference: str) -> Any:
    """Return what a reference names."""
    found: Any = DOCUMENT
    for name in reference.removeprefix("#/").split("/"):
        found = found[name]
    return found


class FakePublisher(RabbitPublisher):
    """Keeps what would be sent."""

    def __init__(self) -> None:
        super().__init__("amqp://127.0.0.1/feedmill", connection_name="test", publish_timeout_s=1)
        self.sent: list[tuple[str, aio_pika.Message]] = []

    async def send(self, message: aio_pika.Message, key: str, *, mandatory: bool) -> None:
        """Keep a message."""
        assert isinstance(mandatory, bool)
        self.sent.append((key, message))


def test_the_page_is_what_make_docs_writes() -> None:
    assert text(asyncapi_page.PAGE) == asyncapi_page.render(), "docs/asyncapi.json is stale: run `make docs`"


def test_every_reference_names_something_and_every_channel_is_used() -> None:
    assert all(resolved(reference) for reference in references(DOCUMENT))
    used = {operation["channel"]["$ref"].rsplit("/", 1)[1] for operation in DOCUMENT["operations"].values()}
    assert used == set(DOCUMENT["channels"])


def test_every_exchange_and_queue_of_the_broker_is_there_but_those_for_what_nobody_takes() -> None:
    bindings = [channel["bindings"]["amqp"] for channel in DOCUMENT["channels"].values()]
    exchanges = {binding["exchange"]["name"] for binding in bindings if "exchange" in binding}
    queues = {binding["queue"]["name"] for binding in bindings if "queue" in binding}
    assert exchanges == set(topology.EXCHANGES) - {topology.UNROUTED_EXCHANGE}
    assert queues == {*topology.QUEUES, topology.catalog_queue("{instance}")} - {topology.UNROUTED_QUEUE}


def test_whoever_sends_and_receives_has_the_right_to() -> None:
    rights = {(right["user"], verb): right[verb] for right in DEFINITIONS["permissions"] for verb in ("write", "read")}
    for name, operation in DOCUMENT["operations"].items():
        binding = resolved(operation["channel"]["$ref"])["bindings"]["amqp"]
        (user,) = (tag["name"] for tag in operation["tags"])
        verb = "write" if operation["action"] == "send" else "read"
        target = binding["exchange" if verb == "write" else "queue"]["name"].replace("{instance}", "1")
        is_allowed = jsonschema_rs.Draft7Validator({"pattern": rights[user, verb]}).is_valid(target)
        assert is_allowed, name


@pytest.mark.parametrize("name", MESSAGES)
def test_each_message_has_examples_that_are_right(name: str) -> None:
    message = MESSAGES[name]
    assert message["examples"]
    for example in message["examples"]:
        assert allows(message["payload"], example["payload"])
        assert allows(message.get("headers", {}), example.get("headers", {}))


async def test_a_page_as_it_is_sent_is_what_the_document_says() -> None:
    publisher = FakePublisher()
    await publisher.publish(events_page.example())
    ((key, sent),) = publisher.sent
    described = MESSAGES["pageFetched"]
    assert allows(described["payload"], json.loads(sent.body))
    assert allows(described["headers"], dict(sent.headers))
    headers = DOCUMENT["components"]["schemas"]["PageHeaders"]
    assert set(sent.headers) == set(headers["required"])
    assert set(headers["properties"]) - set(sent.headers) == {"traceparent", "tracestate"}  # where traces are sent
    assert described["examples"][0] == {"headers": sent.headers, "payload": json.loads(sent.body)}
    binding = described["bindings"]["amqp"]
    assert (binding["messageType"], binding["contentEncoding"]) == (sent.type, sent.content_encoding)
    assert sent.content_type == DOCUMENT["defaultContentType"]
    assert key == DOCUMENT["channels"]["raw"]["address"].format(platform="che168", kind="page")


@pytest.mark.parametrize("happening", Happening)
async def test_a_notice_as_it_is_sent_is_what_the_document_says(happening: Happening) -> None:
    publisher = FakePublisher()
    notices = RabbitNotices(publisher, clock=VirtualClock(), pause_s=1)
    at = datetime(2026, 11, 21, 4, 41, 35, 120_000, tzinfo=UTC)
    notices.tell(Notice(command="pause", happening=happening, platform=None, at=at, text="all is well"))
    task = asyncio.create_task(notices.keep_sending())
    await notices.sent()
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    ((key, sent),) = publisher.sent
    body = json.loads(sent.body)
    assert allows(MESSAGES["notice"]["payload"], body)
    assert set(body) == set(DOCUMENT["components"]["schemas"]["Notice"]["properties"])
    assert MESSAGES["notice"]["bindings"]["amqp"]["messageType"] == sent.type
    assert key == DOCUMENT["channels"]["events"]["address"].format(command="pause", happening=happening)


@pytest.mark.parametrize("body", [b"<html>", b"{}", b'{"platform":"x"}'])
def test_a_dead_letter_as_it_is_sent_is_what_the_document_says(body: bytes) -> None:
    with pytest.raises(InvalidEventError) as caught:
        events.decode(body)
    message = SimpleNamespace(
        body=body,
        headers={"x-run-id": "r1"},
        exchange=topology.RAW_EXCHANGE,
        routing_key="raw.che168.page",
        **dict.fromkeys(("content_type", "message_id", "correlation_id", "timestamp", "type", "app_id")),
    )
    sent = dead_letter(cast("AbstractIncomingMessage", message), caught.value)
    described = DOCUMENT["components"]["schemas"]["DeadLetterHeaders"]
    assert allows(described, dict(sent.headers))
    assert set(sent.headers) - {"x-run-id"} == set(described["properties"])


def test_news_of_the_catalogue_as_they_are_sent_are_what_the_document_says() -> None:
    news = catalog_news("che168", 200, datetime(2026, 11, 21, 10, 0, 6, 120_000, tzinfo=UTC))
    assert MESSAGES["catalogChanged"]["examples"] == [{"payload": news}]
    assert set(news) == set(DOCUMENT["components"]["schemas"]["CatalogChanged"]["properties"])


def a_body(**changes: object) -> dict[str, Any]:
    """Return a good page with some fields replaced; a value of `...` leaves the field out."""
    content = json.loads(events.encode(events_page.example()))
    content.update(changes)
    return {name: value for name, value in content.items() if value is not ...}


def a_record(**changes: object) -> dict[str, Any]:
    """Return a page whose only record has some fields replaced, or left out."""
    record = a_body()["records"][0] | changes
    return a_body(records=[{name: value for name, value in record.items() if value is not ...}])


BODIES = {
    "as sent": (a_body(), True),
    "a field of a later version": (a_body(tenant="x"), True),
    "a field of a later version in a record": (a_record(weight=[1]), True),
    "no schema_version": (a_body(schema_version=...), True),
    "another schema_version": (a_body(schema_version=2), False),
    "no kind": (a_body(kind=...), False),
    "an unknown kind": (a_body(kind="guess"), False),
    "a capital in the platform": (a_body(platform="Che168"), False),
    "a long run": (a_body(run_id="r" * 65), False),
    "a time without an offset": (a_body(fetched_at="2026-11-21T10:00:05"), False),
    "the most records": (a_body(records=a_body()["records"] * events.MAX_RECORDS), True),
    "too many records": (a_body(records=a_body()["records"] * (events.MAX_RECORDS + 1)), False),
    "a position out of bounds": (a_body(position=2**62), False),
    "a negative part": (a_body(part=-1), False),
    "no record at all": (a_body(records=[]), True),
    "a record without id": (a_record(inner_id=None), True),
    "a record with a number for an id": (a_record(inner_id=7), False),
    "a record without seq": (a_record(seq=...), False),
    "a record without data": (a_record(data=...), True),
    "a record with any data": (a_record(data=[1, None]), True),
}


@pytest.mark.parametrize(("body", "good"), BODIES.values(), ids=BODIES)
def test_the_schema_of_a_page_allows_what_is_read_and_nothing_else(body: dict[str, Any], *, good: bool) -> None:
    try:
        events.decode(json.dumps(body).encode())
        is_read = True
    except InvalidEventError:
        is_read = False
    assert (allows(MESSAGES["pageFetched"]["payload"], body), is_read) == (good, good)


@pytest.mark.parametrize("path", sorted((ROOT / "tests/data/events_v1").glob("*.json")), ids=lambda path: path.stem)
def test_messages_of_the_first_release_are_what_the_document_says(path: Path) -> None:
    assert allows(MESSAGES["pageFetched"]["payload"], json.loads(path.read_bytes()))


ORDERS: list[tuple[dict[str, Any], bool]] = [
    *(({"command": name.value, "platform": "che168"}, True) for name in CommandName),
    ({"command": "initial-load", "max_pages": 3, "again": True}, True),
    ({"command": "initial-load", "max_pages": 0}, False),
    ({"command": "initial-load", "again": "yes"}, False),
    ({"command": "daily-update", "since": "2026-11-20", "max_dates": 2}, True),
    ({"command": "daily-update", "since": "yesterday"}, False),
    ({"command": "daily-update", "force": True}, False),
    ({"command": "reconcile", "force": True}, True),
    ({"command": "pause", "since": "2026-11-20"}, False),
    ({"command": "dance"}, False),
    ({"platform": "che168"}, False),
]


@pytest.mark.parametrize(("order", "good"), ORDERS, ids=json.dumps)
def test_the_schema_of_an_order_allows_what_is_obeyed_and_nothing_else(order: dict[str, Any], *, good: bool) -> None:
    try:
        read_order(json.dumps(order).encode(), "fetcher.command")
        is_obeyed = True
    except OrderError:
        is_obeyed = False
    assert (allows(MESSAGES["order"]["payload"], order), is_obeyed) == (good, good)


@pytest.mark.parametrize("word", cast("list[str]", MESSAGES["orderInAWord"]["payload"]["enum"]))
def test_an_order_may_be_a_word(word: str) -> None:
    assert read_order(word.encode(), "fetcher.che168").platform == "che168"
