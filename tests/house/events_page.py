"""Writes docs/events.md from the message's own classes: `python -m tests.house.events_page` (`make docs`)."""

import inspect
import re
import types
import typing
from collections.abc import Iterator
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec

from common import events, topology
from common.events import ChangeType, FeedRecord, PageFetched, PageKind

PAGE: Final = Path("docs/events.md")

TYPES: Final[dict[object, str]] = {
    str: "text",
    int: "whole number",
    datetime: "RFC 3339 time",
    msgspec.Raw: "any JSON",
    types.NoneType: "null",
    list[FeedRecord]: "list of records",
}

REASONS: Final = {
    "not_json": "the body is no JSON text; escaped lone surrogates alone cost only the records that have them",
    "not_an_event": "JSON, but a field is missing, of another type or out of bounds; `x-detail` names it",
    "unknown_version": f"`schema_version` is another than {events.SCHEMA_VERSION}",
    "too_many_records": f"more than {events.MAX_RECORDS} records",
    "too_large": f"more than {events.MAX_BODY_BYTES // 1024**2} MB",
    "unknown_platform": "the normalizer has no settings for this platform",
}
"""`x-reason` of a dead letter, with its meaning."""

TEMPLATE: Final = """\
# Events

<!-- Written by `make docs` from libs/common/src/common/events.py; a test compares the two. Do not edit. -->

{module}

## On the wire

| what | value |
|---|---|
| exchange | `{exchange}` (topic) |
| routing key | `raw.<platform>.<kind>`, such as `{key}` |
| queue | `{queue}` (quorum), bound with `raw.#` |
| `message_id` | `<platform>:<kind>:<position>:<run_id>`, parts after the first with `:<part>`; the ledger's key |
| `content_type` | `{content_type}`, UTF-8 |
| delivery | persistent, `mandatory`, confirmed before the position is saved |
| bounds | {bytes} KB a message as sent ({most} MB are read), {records} records |

The order of messages does not matter: what a record says is decided by its `seq` (docs/adr/0003-the-merge.md).
All messages, those of orders and notices too, are described for programs in [asyncapi.json](asyncapi.json).

## `PageFetched`

{page}

## A record

{record}

### `kind`

{kinds}

### `change_type`

{changes}

## Example

```json
{example}
```

## What is no event

A message that cannot be read is moved to `{dead}` with its body as it was and the headers `x-reason`, `x-detail`,
`x-original-exchange` and `x-original-routing-key`.

| `x-reason` | meaning |
|---|---|
{reasons}

## What may change

A message may wait in a queue, or among the dead letters, while feedmill is upgraded, and during an upgrade fetchers and
normalizers of two releases run side by side. So a release reads what the release before it sends, and, within one
`schema_version`, the other way round.

| change | within version {version} | why |
|---|---|---|
| a new field that may be left out | yes | a field that is not known is ignored; absent, it means what was true before |
| more that a field may hold (a wider bound, a `change_type`) | readers first | an older reader refuses it |
| a new `kind` | readers first | as above; the queue's binding `raw.#` and the ledger need nothing new |
| a narrower bound, a field that must be there now | no | messages that wait would be refused |
| a field that is gone, renamed, of another type, unit or meaning | no | an older reader would refuse or misread it |
| the form of `message_id` | no | it is the ledger's key: a page delivered again would be counted as another one |
| what `data` holds | it is the upstream's | the normalizer takes every form that was ever met |

What is not possible within a version needs the next one, in two releases:

1. The first release reads both versions and still sends {version}. Normalizers are upgraded before fetchers, as always.
2. The second sends the new version. Once no message of the old one waits in `{queue}` or
   `{dead}`, a later release may stop reading it.

A normalizer that gets a version from the future moves the message to `{dead}` with `unknown_version`
and loses nothing: after its upgrade, `make replay-dead` lands it. Going back a release is safe for the same reason.

`tests/data/events_v1` holds messages as the first release sent them, and tests decode and land them with today's code,
with fields of a later release put in as well; a file there is never changed. Other messages follow the same rules, with
one exception: an order with a field that its command does not know is refused, because it comes from people.
"""


def render() -> str:
    """Return the whole page."""
    module = inspect.getdoc(events) or ""
    return TEMPLATE.format(
        module=module.partition("\n\n")[2],
        exchange=topology.RAW_EXCHANGE,
        queue=topology.RAW_QUEUE,
        dead=topology.DEAD_QUEUE,
        key=topology.routing_key("che168", PageKind.PAGE),
        content_type=events.CONTENT_TYPE,
        bytes=events.MAX_MESSAGE_BYTES // 1024,
        most=events.MAX_BODY_BYTES // 1024**2,
        records=events.MAX_RECORDS,
        version=events.SCHEMA_VERSION,
        reasons="\n".join(f"| `{reason}` | {meaning} |" for reason, meaning in REASONS.items()),
        page="\n".join(_fields(PageFetched)),
        record="\n".join(_fields(FeedRecord)),
        kinds="\n".join(_kinds()),
        changes="\n".join(_values(ChangeType)),
        example=msgspec.json.format(events.encode(example()), indent=2).decode(),
    )


def _fields(struct: type[msgspec.Struct]) -> Iterator[str]:
    meanings = attributes(inspect.getdoc(struct) or "")
    hints = typing.get_type_hints(struct, include_extras=True)
    yield "| field | type | if absent | meaning |"
    yield "|---|---|---|---|"
    for field in msgspec.structs.fields(struct):
        absent = "refused" if field.required else _plain(field.default)
        yield f"| `{field.name}` | {type_name(hints[field.name])} | {absent} | {meanings[field.name]} |"


def attributes(docstring: str) -> dict[str, str]:
    """Return name → text of the section `Attributes:`, each text on one line."""
    found: dict[str, str] = {}
    name = ""
    for line in docstring.partition("Attributes:\n")[2].splitlines():
        start = re.match(r" {4}(\w+): (.*)", line)
        if start:
            name, found[start[1]] = start[1], start[2]
        elif name and line.strip():
            found[name] += f" {line.strip()}"
    return found


def type_name(hint: Any) -> str:
    """Return how people name the JSON type of an annotation."""
    if typing.get_origin(hint) is Annotated:
        return type_name(typing.get_args(hint)[0])
    if isinstance(hint, types.UnionType):
        return " or ".join(type_name(part) for part in typing.get_args(hint) if part is not msgspec.UnsetType)
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return ", ".join(f"`{value}`" for value in hint)
    return TYPES[hint]


def _kinds() -> Iterator[str]:
    yield "| kind | routing key | `raw_data.source` |"
    yield "|---|---|---|"
    for kind in PageKind:
        yield f"| `{kind}` | `{topology.routing_key('<platform>', kind)}` | `{events.SOURCE_OF_KIND[kind]}` |"


def _values(values: type[StrEnum]) -> Iterator[str]:
    yield (inspect.getdoc(values) or "") + "\n"
    for value in values:
        yield f"* `{value}`"


def _plain(value: object) -> str:
    if value is msgspec.UNSET:
        return "as a rule"
    return f"`{bytes(value if isinstance(value, msgspec.Raw) else msgspec.json.encode(value)).decode()}`"


def example() -> PageFetched:
    """Return the page that the documents show."""
    record = FeedRecord(
        inner_id="50417111",
        change_type=ChangeType.ADDED,
        seq=8_350_683,
        source_id="41",
        source_created_at="2026-11-20 08:15:00",
        data=msgspec.Raw(b'{"mark": "Audi", "model": "A4L", "price": "98000", "km_age": 0}'),
    )
    return PageFetched(
        platform="che168",
        kind=PageKind.PAGE,
        run_id="20261121T100000-4f1c22",
        position=3,
        fetched_at=datetime(2026, 11, 21, 10, 0, 5, tzinfo=UTC),
        records=[record],
    )


if __name__ == "__main__":
    PAGE.write_text(render(), encoding="utf-8")
