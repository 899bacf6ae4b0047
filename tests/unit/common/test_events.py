"""The message between services keeps every byte of the upstream's records and refuses what is no event."""

from datetime import UTC, datetime, timedelta, timezone

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common import events
from common.errors import InvalidEventError
from common.events import FeedRecord, PageFetched, PageKind

MOMENT = datetime(2026, 11, 21, 10, 30, tzinfo=UTC)


def a_record(data: bytes = b'{"price":"98000"}', *, inner_id: str | None = "50417111") -> FeedRecord:
    """Return one full record."""
    return FeedRecord(inner_id=inner_id, change_type="added", seq=41, source_id="7", data=msgspec.Raw(data))


def a_page(*records: FeedRecord, platform: str = "che168", position: int = 3) -> PageFetched:
    """Return one page of a first load."""
    return PageFetched(
        platform=platform,
        kind=PageKind.PAGE,
        run_id="r1",
        position=position,
        fetched_at=MOMENT,
        records=list(records),
    )


ODD_DATA = {
    "a number above 2^53": b'{"id":9007199254740993}',
    "2 to the 64": b'{"id":18446744073709551616}',
    "a float beyond double": b'{"v":1e400}',
    "a float with trailing zeros": b'{"v":1.10}',
    "negative zero": b'{"v":-0.0}',
    "duplicate keys": b'{"a":1,"a":2}',
    "unicode escapes": rb'{"a":"\u4f60\u597d"}',
    "an escaped NUL": rb'{"a":"\u0000"}',
    "chinese text": '{"a":"奥迪A4L"}'.encode(),
    "inner blanks": b'{ "a" :\t[ 1 ,\n2 ] }',
    "no object": b"[1,2]",
    "null": b"null",
}


@pytest.mark.parametrize("data", ODD_DATA.values(), ids=ODD_DATA.keys())
def test_data_travels_byte_for_byte(data: bytes) -> None:
    received = events.decode(events.encode(a_page(a_record(data))))
    assert bytes(received.records[0].data) == data


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
        max_leaves=12,
    )
)
def test_any_json_travels_byte_for_byte(value: object) -> None:
    data = msgspec.json.encode(value)
    assert bytes(events.decode(events.encode(a_page(a_record(data)))).records[0].data) == data


def test_a_page_survives_the_round_trip() -> None:
    page = a_page(a_record(), a_record(b"{}", inner_id=None))
    received = events.decode(events.encode(page))
    assert received == page
    assert received.records[1].inner_id is None


def test_a_record_without_data_carries_null() -> None:
    page = a_page(FeedRecord(inner_id="1", change_type="removed", seq=9))
    assert bytes(events.decode(events.encode(page)).records[0].data) == b"null"


def test_the_body_is_json_that_a_person_can_read() -> None:
    body = msgspec.json.decode(events.encode(a_page(a_record())))
    assert body == {
        "platform": "che168",
        "kind": "page",
        "run_id": "r1",
        "position": 3,
        "fetched_at": "2026-11-21T10:30:00Z",
        "records": [
            {
                "inner_id": "50417111",
                "change_type": "added",
                "seq": 41,
                "source_id": "7",
                "source_created_at": None,
                "data": {"price": "98000"},
            }
        ],
        "schema_version": 1,
        "part": 0,
    }


def test_a_field_that_a_newer_sender_adds_is_ignored() -> None:
    body = events.encode(a_page(a_record())).replace(b'"run_id"', b'"added_later":[1],"run_id"')
    assert events.decode(body) == a_page(a_record())


def a_body(**changes: object) -> bytes:
    """Return the body of a good page with some fields replaced; a value of `...` leaves the field out."""
    content = msgspec.json.decode(events.encode(a_page(a_record())))
    content.update(changes)
    return msgspec.json.encode({name: value for name, value in content.items() if value is not ...})


INVALID = {
    "empty": (b"", "not_json"),
    "html": (b"<html>502 Bad Gateway</html>", "not_json"),
    "cut off": (a_body()[:-5], "not_json"),
    "two documents": (a_body() + a_body(), "not_json"),
    "not utf-8": (b'{"platform":"\xff"}', "not_json"),
    "nan": (b'{"records":[{"seq":NaN}]}', "not_json"),
    "deep nesting": (b"[" * 200_000, "not_an_event"),
    "deep nesting in data": (a_body(records=[]).replace(b"[]", b'[{"data":' + b"[" * 200_000), "not_json"),
    "a lone surrogate in data": (a_body(records=[]).replace(b"[]", rb'[{"data":{"a":"\ud800"}}]'), "not_json"),
    "a list": (b"[]", "not_an_event"),
    "a number": (b"1", "not_an_event"),
    "an empty object": (b"{}", "not_an_event"),
    "no platform": (a_body(platform=...), "not_an_event"),
    "no records": (a_body(records=...), "not_an_event"),
    "records null": (a_body(records=None), "not_an_event"),
    "a record that is no object": (a_body(records=[1]), "not_an_event"),
    "a record without seq": (a_body(records=[{"inner_id": "1", "change_type": "added"}]), "not_an_event"),
    "a seq that is text": (a_body(records=[{"inner_id": "1", "change_type": "added", "seq": "4"}]), "not_an_event"),
    "a seq beyond bigint": (
        a_body(records=[{"inner_id": "1", "change_type": "added", "seq": 2**63}]),
        "not_an_event",
    ),
    "a position beyond bigint": (a_body(position=2**63), "not_an_event"),
    "a platform with capitals": (a_body(platform="Che168"), "not_an_event"),
    "a platform with a path": (a_body(platform="../etc"), "not_an_event"),
    "an empty platform": (a_body(platform=""), "not_an_event"),
    "a platform with a line break": (a_body(platform="che168\n"), "not_an_event"),
    "a platform with NUL": (a_body(platform="che\0"), "not_an_event"),
    "a run id with NUL": (a_body(run_id="a\0b"), "not_an_event"),
    "a negative part": (a_body(part=-1), "not_an_event"),
    "an empty run id": (a_body(run_id=""), "not_an_event"),
    "a long run id": (a_body(run_id="a" * 65), "not_an_event"),
    "a run id with a line break": (a_body(run_id="a\n"), "not_an_event"),
    "an unknown kind": (a_body(kind="rumour"), "not_an_event"),
    "a moment without offset": (a_body(fetched_at="2026-11-21T10:30:00"), "not_an_event"),
    "a moment beyond bigint": (a_body(fetched_at="9999-12-31T23:59:59Z"), "not_an_event"),
    "a moment before the web": (a_body(fetched_at="0001-01-01T00:00:00Z"), "not_an_event"),
    "a moment that is no date": (a_body(fetched_at="soon"), "not_an_event"),
    "a newer version": (a_body(schema_version=2), "unknown_version"),
    "version zero": (a_body(schema_version=0), "unknown_version"),
    "too many records": (
        a_body(records=[{"inner_id": "1", "change_type": "added", "seq": 1}] * 201),
        "too_many_records",
    ),
    "too large": (b" " * (events.MAX_BODY_BYTES + 1), "too_large"),
}


@pytest.mark.parametrize(("body", "reason"), INVALID.values(), ids=INVALID.keys())
def test_what_is_no_event_is_refused_with_its_reason(body: bytes, reason: str) -> None:
    with pytest.raises(InvalidEventError) as caught:
        events.decode(body)
    assert caught.value.reason == reason
    assert caught.value.detail


@pytest.mark.parametrize(
    "body",
    [
        a_body(records=[{"inner_id": "1", "change_type": "added", "seq": 1}] * 200),
        a_body(fetched_at="2000-01-01T00:00:00Z"),
        a_body(fetched_at="2200-12-31T23:59:59Z"),
        a_body().ljust(events.MAX_BODY_BYTES),
    ],
    ids=["as many records", "as early", "as late", "as large"],
)
def test_what_is_just_within_the_bounds_is_an_event(body: bytes) -> None:
    assert verdict(body) == "fine"


def verdict(body: bytes) -> str:
    """Return why `body` is refused, or `fine`."""
    try:
        events.decode(body)
    except InvalidEventError as error:
        return error.reason
    return "fine"


@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_else(body: bytes) -> None:
    assert verdict(body) in {"not_json", "not_an_event"}


def test_the_message_id_names_platform_kind_position_and_run() -> None:
    assert a_page(position=12).message_id == "che168:page:12:r1"
    assert events.message_id("bot_igor", PageKind.SNAPSHOT, 0, "x") == "bot_igor:snapshot:0:x"
    assert events.message_id("bot_igor", PageKind.SNAPSHOT, 0, "x", 2) == "bot_igor:snapshot:0:x:2"


def test_the_longest_message_id_fits_an_amqp_short_string() -> None:
    longest = events.message_id("p" * 32, PageKind.SNAPSHOT, -(2**62) + 1, "r" * 64, 10**6)
    assert len(longest.encode()) <= 255


def test_every_kind_has_a_source() -> None:
    assert set(events.SOURCE_OF_KIND) == set(PageKind)
    assert set(events.SOURCE_OF_KIND.values()) == {"initial_load", "daily_update", "snapshot", "lookup"}


def test_utc_keeps_the_moment() -> None:
    moscow = MOMENT.astimezone(timezone(timedelta(hours=3)))
    assert events.utc(moscow) == MOMENT
    assert events.utc(moscow).utcoffset() == timedelta(0)
