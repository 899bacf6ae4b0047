"""Messages that earlier releases sent are read today, and what they said is still sent: tests/data/events_v1."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from common import events
from common.events import FeedRecord, PageKind

RECORDED = Path(__file__).parents[2] / "data" / "events_v1"
MOMENT = datetime(2026, 11, 21, 4, 41, 35, 120_000, tzinfo=UTC)
BODIES = {path.stem: path.read_bytes() for path in sorted(RECORDED.glob("*.json"))}
IDS = {
    "change": "che168:change:7000010:20261122T020000-0d4e5f",
    "lookup": "che168:lookup:7000020:20261122T021000-0f6a7b",
    "page": "che168:page:2:20261121T044100-0a1b2c",
    "snapshot": "bot_igor:snapshot:1763700000:20261121T050000-0c8d9e:1",
    "sparse": "che168:page:3:20261121T044100-0a1b2c",
}
"""Each file with the `message_id` under which the ledger knows it."""


def has_all_of(new: Any, old: Any) -> bool:
    """Return whether `new` says everything that `old` says; it may have more fields."""
    if isinstance(old, dict):
        return isinstance(new, dict) and all(name in new and has_all_of(new[name], old[name]) for name in old)
    if isinstance(old, list):
        return isinstance(new, list) and len(new) == len(old) and all(map(has_all_of, new, old))
    return bool(new == old)


def said(record: FeedRecord) -> list[Any]:
    """Return all that a record says, however its data are written."""
    return [
        json.loads(bytes(value)) if isinstance(value, msgspec.Raw) else value
        for value in msgspec.structs.astuple(record)
    ]


def test_a_message_of_each_kind_is_recorded_and_is_the_same_page_to_the_ledger() -> None:
    assert {name: events.decode(body).message_id for name, body in BODIES.items()} == IDS
    assert {events.decode(body).kind for body in BODIES.values()} == set(PageKind)


def test_every_field_of_a_recorded_page_is_read() -> None:
    page = events.decode(BODIES["page"])
    assert (page.platform, page.kind, page.position, page.fetched_at) == ("che168", PageKind.PAGE, 2, MOMENT)
    assert (page.schema_version, page.part, events.decode(BODIES["snapshot"]).part) == (1, 0, 1)
    record, *_, nobody = page.records
    assert (record.inner_id, record.change_type, record.seq) == ("90000001", "added", 6_999_999)
    assert (record.source_id, record.source_created_at) == ("501", "2026-11-20 08:15:00")
    assert bytes(record.data).startswith(b'{"inner_id": "90000001", "mark": "Toyota"')
    assert bytes(record.data).endswith(b'"score": 4.50, "serial": 9007199254740993}')
    assert nobody.inner_id is None


def test_what_may_be_left_out_has_the_value_that_it_always_had() -> None:
    page = events.decode(BODIES["sparse"])
    assert (page.schema_version, page.part) == (1, 0)
    removal = page.records[1]
    assert (removal.source_id, removal.source_created_at, bytes(removal.data)) == (None, None, b"null")


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_whatever_was_sent_is_still_sent(body: bytes) -> None:
    assert has_all_of(json.loads(events.encode(events.decode(body))), json.loads(body))


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_fields_of_a_later_release_change_nothing(body: bytes) -> None:
    content = json.loads(body)
    content["tenant"] = {"name": "later"}
    for record in content["records"]:
        record["checksum"] = "c0ffee"
    later, now = events.decode(json.dumps(content).encode()), events.decode(body)
    assert later.message_id == now.message_id
    assert [said(record) for record in later.records] == [said(record) for record in now.records]


def test_a_field_that_is_gone_or_another_would_be_seen() -> None:
    assert has_all_of({"a": [{"b": 1, "c": 2}]}, {"a": [{"b": 1}]})
    assert not has_all_of({"a": [{"c": 2}]}, {"a": [{"b": 1}]})
    assert not has_all_of({"a": [{"b": 2}]}, {"a": [{"b": 1}]})
