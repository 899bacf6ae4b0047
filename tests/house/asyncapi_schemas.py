"""JSON Schemas of the messages, made from the classes and tables that the services read and write them by."""

import typing
from collections.abc import Mapping
from datetime import date, datetime
from typing import Annotated, Any, Final

import msgspec
from tests.house.events_page import REASONS, attributes

from common import events
from common.events import FeedRecord, PageFetched
from fetcher.core.orders import OPTIONS, CommandName
from fetcher.core.service_ports import Notice

Schema = dict[str, Any]

REF: Final = "#/components/schemas/{name}"
LONGEST_DETAIL: Final = 500
_OF_OPTION: Final[Mapping[type, Schema]] = {
    int: {"type": "integer", "minimum": 1},
    bool: {"type": "boolean"},
    date: {"type": "string", "format": "date"},
}
_SENT_AS: Final = {"at": "time"}
"""Attributes of a notice that have another name on the wire."""
_PLATFORM: Final[Schema] = {"type": "string", "pattern": f"^{events.PLATFORM_PATTERN}$"}
_TEXT: Final[Schema] = {"type": "string"}


def schemas() -> dict[str, Schema]:
    """Return every schema by its name."""
    return {
        **_pages(),
        "PageHeaders": _page_headers(),
        "Notice": _notice(),
        "Order": _order(),
        "CatalogChanged": _catalog_changed(),
        "DeadLetterHeaders": _dead_letter_headers(),
    }


def _pages() -> dict[str, Schema]:
    """Return the two of a page, with the bounds that `events.decode` checks by hand."""
    record = _twin(FeedRecord, {msgspec.Raw: typing.Any})
    with_offset = Annotated[datetime, msgspec.Meta(tz=True)]
    page = _twin(PageFetched, {list[FeedRecord]: list[record], datetime: with_offset})  # type: ignore[valid-type]  # made just now
    _, found = msgspec.json.schema_components([page], ref_template=REF)
    _inline(found[PageFetched.__name__]["properties"]["kind"], found)
    for struct in (PageFetched, FeedRecord):
        _describe(found[struct.__name__], struct)
    properties = found[PageFetched.__name__]["properties"]
    properties["platform"].update(_PLATFORM)
    properties["records"]["maxItems"] = events.MAX_RECORDS
    properties["schema_version"]["const"] = events.SCHEMA_VERSION
    properties["run_id"]["pattern"] = properties["run_id"]["pattern"].replace(r"\A", "^").replace(r"\Z", "$")
    return {name: found[name] for name in (PageFetched.__name__, FeedRecord.__name__)}


def _twin(struct: type[msgspec.Struct], replaced: Mapping[object, object]) -> type[msgspec.Struct]:
    """Return a struct with the same fields, some of other types: msgspec describes no default of type Raw."""
    hints = typing.get_type_hints(struct, include_extras=True)
    fields: list[Any] = []
    for field in msgspec.structs.fields(struct):
        hint = replaced.get(hints[field.name], hints[field.name])
        default = None if isinstance(field.default, msgspec.Raw) else field.default
        fields.append((field.name, hint) if field.required else (field.name, hint, default))
    return msgspec.defstruct(struct.__name__, fields)


def _describe(schema: Schema, documented: type) -> None:
    """Put in what the docstring says of the class and of its fields."""
    text = documented.__doc__ or ""
    meanings = attributes("\n".join(line.removeprefix("    ") for line in text.splitlines()))
    schema["description"] = text.partition("\n")[0]
    for name, field in schema["properties"].items():
        field["description"] = meanings[name].replace("None:", "null:")


def _inline(field: Schema, found: Mapping[str, Schema]) -> None:
    """Put an enumeration where it is used: beside a reference, nothing else counts."""
    field["enum"] = found[field.pop("$ref").rsplit("/", 1)[1]]["enum"]


def _page_headers() -> Schema:
    """Return the headers that help people in the console, and those of a trace, which are there while one is sent."""
    schema = _object(
        {
            "x-platform": _PLATFORM,
            "x-run-id": _TEXT,
            "x-page": {"type": "integer", "description": "`position`"},
            "x-records": {"type": "integer", "description": "How many records"},
        }
    )
    for name in ("traceparent", "tracestate"):
        schema["properties"][name] = {"type": "string", "description": "W3C Trace Context, where traces are sent"}
    return schema


def _notice() -> Schema:
    _, found = msgspec.json.schema_components([Notice], ref_template=REF)
    schema: Schema = found[Notice.__name__]
    _inline(schema["properties"]["happening"], found)
    _describe(schema, Notice)
    schema["properties"]["at"]["format"] = "date-time"
    schema["properties"] = {_SENT_AS.get(name, name): field for name, field in schema["properties"].items()}
    schema["properties"]["counts"].pop("default", None)
    schema["required"] = list(schema["properties"])
    return schema


def _order() -> Schema:
    """Return what an order may be; unlike other messages, one with a field too many is refused."""
    return {
        "title": "Order",
        "description": "What people order from the console; a field that its command does not know is refused.",
        "oneOf": [_order_of(command) for command in CommandName],
    }


def _order_of(command: CommandName) -> Schema:
    options = {
        name: _OF_OPTION[typing.get_type_hints(read)["return"]] for name, read in OPTIONS.get(command, {}).items()
    }
    schema = _object({"command": {"const": command.value}, "platform": _PLATFORM, **options})
    return schema | {"title": command.value, "required": ["command"], "additionalProperties": False}


def _catalog_changed() -> Schema:
    return _object(
        {
            "platform": _PLATFORM,
            "changes": {"type": "integer", "minimum": 1, "description": "Lines added to `catalog_changes`"},
            "committed_at": {"type": "string", "format": "date-time"},
        },
        title="CatalogChanged",
        description="The catalogue of a platform has changed; what changed is read from the table.",
    )


def _dead_letter_headers() -> Schema:
    return _object(
        {
            "x-reason": {"enum": list(REASONS), "description": "Why it is no event"},
            "x-detail": {"type": "string", "maxLength": LONGEST_DETAIL},
            "x-original-exchange": _TEXT,
            "x-original-routing-key": _TEXT,
        },
        description="Beside the headers that the message had. What the broker itself moves here, at the queue's "
        "delivery limit, has its `x-first-death-reason` and `x-death` instead.",
    )


def _object(properties: Mapping[str, Schema], **more: Any) -> Schema:
    return {**more, "type": "object", "properties": dict(properties), "required": list(properties)}
