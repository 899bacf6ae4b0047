"""Reading a page's records: which become updates, which are rejected and why, what is repaired."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from common.events import ChangeType, FeedRecord, PageKind
from common.testing.pages import FETCHED_AT, a_change, a_page, a_record, a_removal
from normalizer.core.drift import Drift
from normalizer.core.offers.record import PlatformProfile
from normalizer.core.records import ReadPage, moment, read

PROFILES = {"che168": PlatformProfile(renames={"new_price": "price"})}


@pytest.fixture
def _away_from_greenwich(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let the clock on the wall be 8 hours ahead."""
    with monkeypatch.context() as there:
        there.setenv("TZ", "CST-8")
        time.tzset()
        yield
    time.tzset()


def reading(*records: FeedRecord, **page: Any) -> ReadPage:
    return read(a_page(records, **page), PROFILES)


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        pytest.param(a_record(None), "no_inner_id", id="no id"),
        pytest.param(a_record(""), "no_inner_id", id="empty id"),
        pytest.param(a_record("1" * 201), "bad_inner_id", id="id too long for an index"),
        pytest.param(a_record("1\n2"), "bad_inner_id", id="line break in the id"),
        pytest.param(a_record("1\x002"), "bad_inner_id", id="NUL in the id"),
        pytest.param(a_record("1\ufffd2"), "bad_inner_id", id="what was no character in the id"),
        pytest.param(a_record(change_type="renamed"), "unknown_change_type", id="unknown change type"),
        pytest.param(a_record(change_type=""), "unknown_change_type", id="empty change type"),
        pytest.param(a_record(data=b"[1]"), "data_not_object", id="array"),
        pytest.param(a_record(data=b'"text"'), "data_not_object", id="string"),
        pytest.param(a_record(data=b"7"), "data_not_object", id="number"),
        pytest.param(a_record(data=b"null"), "data_not_object", id="added without data"),
        pytest.param(a_record(change_type="changed", data=b"null"), "data_not_object", id="changed without data"),
        pytest.param(a_record(data=b"{" * 3000), "data_not_object", id="cut"),
        pytest.param(a_record(data=b'{"\xff":1}'), "data_not_object", id="a key that is no UTF-8"),
        pytest.param(a_record(data=b'{"a":' * 7000 + b"1" + b"}" * 7000), "data_not_object", id="7,000 levels deep"),
        pytest.param(a_record(data=b'"' + b"x" * 2**20 + b'"'), "too_large", id="more than a megabyte"),
        pytest.param(a_record("1", {"inner_id": "2"}), "identity_mismatch", id="another offer's data"),
        pytest.param(a_record("1", {"inner_id": "2", "mark": "BMW"}), "identity_mismatch", id="another offer as usual"),
        pytest.param(a_record("1", {"inner_id": 12}), "identity_mismatch", id="another offer's data, as a number"),
        pytest.param(a_record("1", {"inner_id": ["1"]}), "identity_mismatch", id="a list as identity"),
    ],
)
def test_what_cannot_be_a_row_is_rejected_with_its_reason_and_its_bytes(record: FeedRecord, reason: str) -> None:
    result = reading(a_record("7"), record)
    assert [index for index, _ in result.updates] == [0]
    (reject,) = result.rejected
    assert (reject.reason, reject.index, reject.message_id) == (reason, 1, result.page.message_id)
    assert reject.inner_id is None or (reject.inner_id.isprintable() and len(reject.inner_id) <= 200)
    assert bytes(record.data) in reject.body
    assert result.repaired == []


@pytest.mark.parametrize("own", ["50837332", 50837332, "", None])
def test_the_identity_in_data_may_be_the_same_as_text_or_number_or_be_missing(own: object) -> None:
    assert len(reading(a_record(data={"inner_id": own, "mark": "BMW"})).updates) == 1


def test_the_identity_is_compared_as_text_and_not_by_its_escapes() -> None:
    assert len(reading(a_record("7", b'{"inner_id":"\\u0037","mark":"BMW"}')).updates) == 1


def test_a_partial_record_needs_no_identity_in_its_data() -> None:
    (_, update), *_ = reading(a_record("7", {"inner_id": "8", "new_price": 1}, change_type="changed", seq=456)).updates
    assert (update.change_type, update.seq) == (ChangeType.CHANGED, 456)


def test_a_partial_record_that_looks_like_a_full_one_is_read_as_a_partial_one() -> None:
    result = reading(a_change("7", 1, inner_id="7", mark="BMW", price=5))
    assert [update.fields for _, update in result.updates] == [{"inner_id": b'"7"', "mark": b'"BMW"', "price": b"5"}]
    assert result.readings == {}


def test_a_removal_says_nothing_of_the_fields_whatever_its_data_holds() -> None:
    for data in (b"null", b"{}", b'{"price":1}', b"[]", b'{"inner_id":"8"}', b'"' + b"x" * 2**20 + b'"'):
        result = reading(a_record("7", data, change_type="removed"))
        assert [update.data for _, update in result.updates] == [b"{}"]
        assert result.repaired == []


def test_a_repaired_record_is_a_row_and_its_original_is_kept() -> None:
    original = rb'{"inner_id":"7","mark":"A\u0000B"}'
    result = reading(a_record("7", original))
    (index, update), *_ = result.updates
    assert (index, update.data) == (0, rb'{"inner_id":"7","mark":"A\ufffdB"}')
    (kept,) = result.repaired
    assert (kept.reason, kept.inner_id, kept.index, kept.body) == ("repaired", "7", 0, original)
    assert result.rejected == []


def test_what_the_fetcher_has_repaired_is_kept_as_it_came_once() -> None:
    came = '{"inner_id":"7","price":NaN,"mark":"A\\u0000B"}'
    record = replace(a_record("7", rb'{"inner_id":"7","price":"NaN","mark":"A\u0000B"}'), original=came)
    result = reading(record)
    assert [update.data for _, update in result.updates] == [rb'{"inner_id":"7","price":"NaN","mark":"A\ufffdB"}']
    assert [(kept.reason, kept.body) for kept in result.repaired] == [("repaired", came.encode())]


def test_data_without_anything_to_repair_is_taken_byte_for_byte() -> None:
    body = '{"b" : 1.50,"a":[1e400,18446744073709551616],"b":"西安"}'.encode()
    (_, update), *_ = reading(a_record("7", body)).updates
    assert update.data == body
    (_, partial), *_ = reading(a_record("7", body, change_type="changed")).updates
    assert partial.fields == {
        "b": '"西安"'.encode(),
        "a": b"[1e400,18446744073709551616]",
    }


@pytest.mark.parametrize(
    ("data", "shell"),
    [
        ({"inner_id": "7", "id": 5, "mark": "", "price": "", "images": [], "extra": {}}, True),
        ({"inner_id": "7", "mark": None, "images": "[]"}, True),
        ({"inner_id": "7"}, True),
        ({"inner_id": "7", "km_age": 0}, False),
        ({"inner_id": "7", "price": "0"}, False),
        ({"inner_id": "7", "is_dealer": False}, False),
    ],
)
def test_a_shell_is_a_full_record_whose_fields_are_all_empty(data: dict[str, Any], *, shell: bool) -> None:
    (_, update), *_ = reading(a_record("7", data)).updates
    assert update.is_shell is shell


@pytest.mark.parametrize(
    ("data", "passed_over"),
    [
        ({"new_price": 95, "price": "98000"}, [("price", "98000")]),
        ({"price": None, "new_price": 95}, [("price", "null")]),
        ({"new_km_age": 7, "km_age": 8, "new_price": 1}, [("km_age", "8")]),
        ({"new_price": [1], "price": "x\n" * 200}, [("price", "x\\n" * 33 + "x")]),
        ({"new_price": 95, "price": 95}, []),
        ({"new_price": 95, "year": 2020}, []),
        ({"new_": 1, "price": 2}, []),
    ],
    ids=["the brief's field", "null", "a field nobody configured", "long", "the same", "no rival", "the prefix alone"],
)
def test_what_a_prefixed_field_of_the_same_event_overrules_is_counted(
    data: dict[str, Any], passed_over: list[tuple[str, str]]
) -> None:
    drift = reading(a_change("7", 1, **data)).drift
    found = {met: times for met, times in drift.items() if met.reason == "conflict"}
    assert found == {Drift("che168", field, "conflict", word): 1 for field, word in passed_over}


def test_of_one_record_20_unknown_keys_are_counted_and_all_their_characters_can_be_seen() -> None:
    drift = reading(a_change("7", 1, **{f"k\x07{n:02}": n for n in range(30)})).drift
    assert drift == {Drift("che168", "", "unknown_key", f"k\ufffd{n:02}"): 1 for n in range(20)}


def test_a_full_record_contradicts_itself_with_no_prefix() -> None:
    assert not reading(a_record("7", {"inner_id": "7", "price": 1, "new_price": 2})).drift


def test_a_partial_record_is_never_a_shell() -> None:
    (_, update), *_ = reading(a_change("7", 1, new_price=None)).updates
    assert not update.is_shell


def test_of_two_sights_the_earlier_fetched_page_and_then_the_earlier_place_counts_less() -> None:
    first = [update.sight for _, update in reading(a_record("1"), a_record("2")).updates]
    later = reading(a_record("1"), fetched_at=FETCHED_AT + timedelta(microseconds=1)).updates[0][1].sight
    part = reading(a_record("1"), a_record("2"), part=1).updates[0][1].sight
    assert first[0] < first[1] < part < later
    assert later - first[0] == 1000


def test_places_in_a_page_that_was_cut_into_parts_keep_their_order() -> None:
    parts = [reading(*map(a_record, "abc"[:size]), part=part).updates for part, size in enumerate((2, 3, 1))]
    sights = [update.sight for updates in parts for _, update in updates]
    assert sights == sorted(set(sights))


def test_the_latest_possible_sight_fits_a_bigint() -> None:
    latest = datetime(2200, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)
    assert reading(a_record("1"), fetched_at=latest, part=999_999).updates[0][1].sight < 2**63


@pytest.mark.parametrize(
    ("kind", "source"),
    [
        (PageKind.PAGE, "initial_load"),
        (PageKind.CHANGE, "daily_update"),
        (PageKind.SNAPSHOT, "snapshot"),
        (PageKind.LOOKUP, "lookup"),
    ],
)
def test_the_kind_of_the_page_is_the_source_of_the_row(kind: PageKind, source: str) -> None:
    assert reading(a_record("1"), kind=kind).updates[0][1].source == source


def test_odd_characters_of_the_source_id_are_replaced() -> None:
    (_, update), *_ = reading(a_record("1", source_id="5\x00\n" + "x" * 500)).updates
    assert update.source_id == "5\ufffd\ufffd" + "x" * 197


@pytest.mark.usefixtures("_away_from_greenwich")
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2025-08-05T08:18:10.679Z", datetime(2025, 8, 5, 8, 18, 10, 679000, tzinfo=UTC)),
        ("2025-08-05T08:18:10Z", datetime(2025, 8, 5, 8, 18, 10, tzinfo=UTC)),
        ("2025-08-05T01:00:00+03:00", datetime(2025, 8, 4, 22, tzinfo=UTC)),
        ("2025-08-05T01:00:00", datetime(2025, 8, 5, 1, tzinfo=UTC)),
        ("2025-08-05", datetime(2025, 8, 5, tzinfo=UTC)),
        ("Wed, 10 Sep 2025 22:32:32 GMT", datetime(2025, 9, 10, 22, 32, 32, tzinfo=UTC)),
        ("Wed, 10 Sep", None),
        ("0001-01-01T00:00:00+14:00", None),
        ("9999-12-31T23:59:59-14:00", None),
        ("yesterday", None),
        ("2025-08-05\x00", None),
        ("", None),
        (None, None),
    ],
)
def test_the_sources_time_is_read_with_its_offset(text: str | None, expected: datetime | None) -> None:
    assert moment(text) == expected


def test_no_record_is_dropped() -> None:
    records = [a_record("1"), a_record(None), a_removal("2", 5), a_record("3", b"[]"), a_change("4", 6, x=1)]
    result = reading(*records)
    assert sorted([index for index, _ in result.updates] + [reject.index for reject in result.rejected]) == [*range(5)]
    assert all(msgspec.json.decode(reject.body) for reject in result.rejected)
