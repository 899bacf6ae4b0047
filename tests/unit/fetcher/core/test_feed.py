"""From an upstream page to events."""

from datetime import UTC, datetime

import msgspec
import pytest
from tests.contract.fetcher.fakes import a_row

from common.events import MAX_MESSAGE_BYTES, ChangeId, PageFetched, PageKind, decode, encode
from fetcher.core.feed import SourceRow, UpstreamPage, event_id, events_of, seq_before

pytestmark = pytest.mark.unit


def events(*rows: SourceRow) -> list[PageFetched]:
    """Return the events of a page with these rows."""
    page = UpstreamPage(7, 8, rows, datetime(2026, 1, 1, tzinfo=UTC))
    return events_of(page, platform="che168", run_id="r1", kind=PageKind.PAGE, seq=lambda _: 999)


def big(size: int) -> msgspec.Raw:
    """Return a JSON string of `size` bytes."""
    return msgspec.Raw(b'"' + b"x" * (size - 2) + b'"')


def test_a_page_is_one_event() -> None:
    (event,) = events(a_row("a"), a_row("b"))
    assert event.message_id == "che168:page:7:r1"
    assert [(record.inner_id, record.seq, record.change_type) for record in event.records] == [
        ("a", 999, "added"),
        ("b", 999, "added"),
    ]


def test_rows_of_a_first_load_stand_just_below_the_change_id() -> None:
    assert seq_before(ChangeId(8_355_004)) == 8_355_003
    assert seq_before(ChangeId(0)) == -1


def test_data_stays_byte_for_byte() -> None:
    data = b'{ "price": 1.10, "id": 18446744073709551616, "a": 1, "a": 2, "e": 1e400, "t": "\\u0041" }'
    (event,) = events(a_row(data=msgspec.Raw(data)))
    assert data in encode(event)
    assert bytes(decode(encode(event)).records[0].data) == data


def test_a_page_over_256_kb_is_split_into_parts_with_ids_of_their_own() -> None:
    parts = events(*(a_row(str(number), data=big(100_000)) for number in range(5)))
    assert [len(part.records) for part in parts] == [2, 2, 1]
    assert [part.message_id for part in parts] == [
        "che168:page:7:r1",
        "che168:page:7:r1:1",
        "che168:page:7:r1:2",
    ]
    assert all(len(encode(part)) <= MAX_MESSAGE_BYTES for part in parts)
    assert [record.inner_id for part in parts for record in part.records] == ["0", "1", "2", "3", "4"]


def test_many_small_rows_are_split_at_twenty() -> None:
    assert [len(part.records) for part in events(*(a_row(str(number)) for number in range(45)))] == [20, 20, 5]


def test_a_row_that_is_too_large_travels_alone() -> None:
    parts = events(a_row("a"), a_row("b", data=big(300_000)), a_row("c"))
    assert [[record.inner_id for record in part.records] for part in parts] == [["a"], ["b"], ["c"]]


def test_an_empty_page_makes_no_event() -> None:
    assert events() == []


def test_no_row_makes_a_message_that_is_too_large_by_its_names() -> None:
    rows = [a_row("\x01" * 5000, data=big(5_000)) for _ in range(20)]
    assert all(len(encode(part)) <= MAX_MESSAGE_BYTES for part in events(*rows))


@pytest.mark.parametrize(
    ("source_id", "found"),
    [
        ("0", 0),
        ("9" * 18, 10**18 - 1),
        ("9" * 19, None),
        ("-1", None),
        ("1.0", None),
        ("\u0661", None),
        ("x", None),
        ("", None),
        (None, None),
    ],
    ids=["nought", "the longest", "one too long", "negative", "a fraction", "no ASCII", "a word", "empty", "none"],
)
def test_the_id_of_an_event_is_a_version_or_none(source_id: str | None, found: int | None) -> None:
    assert event_id(SourceRow("7", "changed", source_id, None, msgspec.Raw(b"{}"))) == found
