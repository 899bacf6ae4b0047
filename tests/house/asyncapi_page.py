"""Writes docs/asyncapi.json from the messages' own classes: `python -m tests.house.asyncapi_page` (`make docs`)."""

import json
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import msgspec
from tests.house import events_page
from tests.house.asyncapi_schemas import schemas

from common import events, topology
from common.events import PageKind
from fetcher.adapters import notices, rabbit
from fetcher.core.orders import CommandName
from fetcher.core.service_ports import Happening

PAGE: Final = Path("docs/asyncapi.json")

Part = dict[str, Any]

AMQP: Final = "0.3.0"
"""Version of the bindings: https://github.com/asyncapi/bindings/tree/master/amqp."""
DESCRIPTION: Final = """What travels over RabbitMQ. `docs/events.md` says the same of pages for people, and what may
change within a version.

A receiver ignores fields that it does not know, but for orders, where a field too many may be a typing error."""

PARAMETERS: Final[dict[str, Part]] = {
    "platform": {"description": "Platform or shop", "examples": ["che168", "bot_igor"]},
    "kind": {"description": "Where the page came from", "enum": [kind.value for kind in PageKind]},
    "target": {"description": "The platform, or `command` for all whom it concerns", "examples": ["command", "che168"]},
    "command": {"description": "What was ordered", "examples": [name.value for name in CommandName]},
    "happening": {"description": "What became of it", "enum": [happening.value for happening in Happening]},
    "instance": {"description": "One connection of one gateway process"},
}


def render() -> str:
    """Return the whole document."""
    return json.dumps(document(), indent=2, ensure_ascii=False) + "\n"


def document() -> Part:
    """Return the document as an object."""
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "feedmill", "version": version("feedmill-common"), "description": DESCRIPTION},
        "defaultContentType": events.CONTENT_TYPE,
        "servers": {
            "broker": {"host": "127.0.0.1:5672", "pathname": f"/{topology.VHOST}", "protocol": "amqp"},
        },
        "channels": _channels(),
        "operations": _operations(),
        "components": {"messages": _messages(), "schemas": schemas()},
    }


def _channels() -> dict[str, Part]:
    kind = PageKind.PAGE
    raw = topology.routing_key("{platform}", kind).replace(kind.value, "{kind}")
    page, order, dead = ("pageFetched",), ("order", "orderInAWord"), ("deadLetter",)
    return {
        "raw": _exchange(topology.RAW_EXCHANGE, raw, page),
        "rawQueue": _queue(topology.RAW_QUEUE, page),
        "dead": _exchange(topology.DEAD_EXCHANGE, topology.DEAD_KEY, dead),
        "deadQueue": _queue(topology.DEAD_QUEUE, dead),
        "catalog": _exchange(topology.CATALOG_EXCHANGE, topology.catalog_key("{platform}"), ("catalogChanged",)),
        "catalogQueue": _queue(topology.catalog_queue("{instance}"), ("catalogChanged",), lasting=False),
        "commands": _exchange(topology.COMMANDS_EXCHANGE, "fetcher.{target}", order),
        "commandsQueue": _queue(topology.COMMANDS_QUEUE, order),
        "events": _exchange(topology.EVENTS_EXCHANGE, "fetcher.{command}.{happening}", ("notice",)),
        "eventsQueue": _queue(topology.EVENTS_QUEUE, ("notice",)),
    }


def _exchange(name: str, key: str, messages: Sequence[str]) -> Part:
    exchange = {"name": name, "type": "topic", "durable": True, "autoDelete": False, "vhost": topology.VHOST}
    return _channel(key, messages, {"is": "routingKey", "exchange": exchange})


def _queue(name: str, messages: Sequence[str], *, lasting: bool = True) -> Part:
    kept = {"durable": lasting, "exclusive": not lasting, "autoDelete": not lasting}
    return _channel(name, messages, {"is": "queue", "queue": {"name": name, **kept, "vhost": topology.VHOST}})


def _channel(address: str, messages: Sequence[str], binding: Part) -> Part:
    channel: Part = {
        "address": address,
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in messages},
    }
    parameters = {name: meaning for name, meaning in PARAMETERS.items() if f"{{{name}}}" in address}
    if parameters:
        channel["parameters"] = parameters
    return {**channel, "bindings": {"amqp": {**binding, "bindingVersion": AMQP}}}


def _operations() -> dict[str, Part]:
    kept, lost = {"deliveryMode": 2, "mandatory": True}, {"mandatory": False}
    return {
        "sendPage": _operation("send", "raw", "fetcher", "Confirmed before the position is saved.", kept),
        "landPage": _operation("receive", "rawQueue", "normalizer", "Acknowledged after the commit.", {"ack": True}),
        "buryMessage": _operation("send", "dead", "normalizer", "A message that cannot be read.", kept),
        "replayDeadLetter": _operation(
            "receive", "deadQueue", "normalizer", "`normalizer replay-dead`, when somebody says so.", {"ack": True}
        ),
        "announceChanges": _operation("send", "catalog", "normalizer", "After a commit; may be lost.", lost),
        "hearOfChanges": _operation(
            "receive", "catalogQueue", "gateway", "Wakes those who follow the changes.", {"ack": False}
        ),
        "order": _operation("send", "commands", "operator", "From the management console.", {"deliveryMode": 2}),
        "obey": _operation("receive", "commandsQueue", "fetcher", "Acknowledged once accepted.", {"ack": True}),
        "tell": _operation(
            "send", "events", "fetcher", "What became of an order or of a job.", {"deliveryMode": 2, "mandatory": False}
        ),
        "readNotices": _operation("receive", "eventsQueue", "operator", "In the management console.", {"ack": False}),
    }


def _operation(action: str, channel: str, who: str, summary: str, binding: Part) -> Part:
    return {
        "action": action,
        "channel": {"$ref": f"#/channels/{channel}"},
        "summary": summary,
        "tags": [{"name": who}],
        "bindings": {"amqp": {**binding, "bindingVersion": AMQP}},
    }


def _messages() -> dict[str, Part]:
    return {
        "pageFetched": _message(
            "One upstream page.", "PageFetched", _page_example(), headers="PageHeaders", kind=rabbit.MESSAGE_TYPE
        ),
        "deadLetter": {
            "summary": "A message that is no event, with its body as it was.",
            "headers": {"$ref": "#/components/schemas/DeadLetterHeaders"},
            "payload": {},
            "examples": [{"headers": _dead_example(), "payload": {"platform": "che168"}}],
        },
        "catalogChanged": _message(
            "News for those who follow `catalog_changes`.",
            "CatalogChanged",
            {"payload": {"platform": "che168", "changes": 200, "committed_at": "2026-11-21T10:00:06.120000+00:00"}},
        ),
        "order": _message(
            "An order to the fetcher.",
            "Order",
            *({"payload": {"command": name.value, **more}} for name, more in _ORDERS.items()),
        ),
        "orderInAWord": {
            "summary": "An order that needs nothing but its name; the platform may stand in the routing key.",
            "contentType": "text/plain",
            "payload": {"enum": [name.value for name in CommandName]},
            "examples": [{"payload": CommandName.PAUSE.value}],
        },
        "notice": _message("What became of a command.", "Notice", {"payload": _NOTICE}, kind=notices.MESSAGE_TYPE),
    }


_ORDERS: Final[dict[CommandName, Part]] = {
    CommandName.PAUSE: {},
    CommandName.DAILY_UPDATE: {"platform": "che168", "since": "2026-11-20"},
    CommandName.SHOP_SYNC: {"platform": "bot_igor", "force": True},
    CommandName.INITIAL_LOAD: {"platform": "che168", "max_pages": 100},
}
_NOTICE: Final[Part] = {
    "command": "daily-update",
    "happening": "done",
    "platform": "che168",
    "time": "2026-11-21T04:41:35.120+00:00",
    "text": "che168: 15,204 records",
    "counts": {"records": 15_204},
}


def _message(summary: str, schema: str, *examples: Part, headers: str | None = None, kind: str | None = None) -> Part:
    message: Part = {"summary": summary, "payload": {"$ref": f"#/components/schemas/{schema}"}}
    if headers is not None:
        message["headers"] = {"$ref": f"#/components/schemas/{headers}"}
    if kind is not None:
        message["bindings"] = {
            "amqp": {"contentEncoding": "utf-8", "messageType": kind, "bindingVersion": AMQP},
        }
    return {**message, "examples": list(examples)}


def _page_example() -> Part:
    page = events_page.example()
    headers = {"x-platform": page.platform, "x-run-id": page.run_id, "x-page": page.position, "x-records": 1}
    return {"headers": headers, "payload": msgspec.json.decode(events.encode(page))}


def _dead_example() -> Part:
    return {
        "x-reason": "not_an_event",
        "x-detail": "Object missing required field `kind`",
        "x-original-exchange": topology.RAW_EXCHANGE,
        "x-original-routing-key": topology.routing_key("che168", PageKind.PAGE),
    }


if __name__ == "__main__":
    PAGE.write_text(render(), encoding="utf-8")
