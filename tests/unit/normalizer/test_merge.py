"""The traps of `new_` and the shells, one by one (notes: reliability §2.1); the laws are in test_merge_laws.py."""

import json
from itertools import permutations
from typing import Any

import pytest
from msgspec.structs import replace

from common.events import FeedRecord
from common.testing.pages import a_change, a_page, a_record, a_removal
from normalizer.core.merge import MAX_ADDITION, RawRow, fields_said, merge
from normalizer.core.offers.record import PlatformProfile
from normalizer.core.records import read

RENAMES = {"new_price": "price"}


def after(*records: FeedRecord) -> RawRow:
    row: RawRow | None = None
    for _, update in read(a_page(records), {"che168": PlatformProfile(renames=RENAMES)}).updates:
        row = merge(row, update, platform="che168")
    assert row is not None
    return row


def a_base(seq: int = 10, **data: Any) -> FeedRecord:
    return a_record("7", {"inner_id": "7"} | data, seq=seq)


def data_after(*records: FeedRecord) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(after(*records).data)
    found.pop("inner_id", None)
    return found


@pytest.mark.parametrize(
    ("base", "changed", "expected"),
    [
        pytest.param({"price": 1}, {"new_price": 2}, {"price": 2}, id="a configured name"),
        pytest.param({"mark": "A"}, {"new_price": 2}, {"mark": "A", "price": 2}, id="configured, and not in the base"),
        pytest.param({"price": 1}, {"price": 3}, {"price": 3}, id="the full name itself"),
        pytest.param({"price": 1}, {"price": 3, "new_price": 2}, {"price": 2}, id="both: the prefixed one is the news"),
        pytest.param({"price": 1}, {"new_price": 2, "price": 3}, {"price": 2}, id="both, the other way round"),
        pytest.param({"price": 1}, {"new_": 5}, {"price": 1, "new_": 5}, id="the prefix alone is a name"),
        pytest.param(
            {"km_age": 1}, {"new_km_age": 2}, {"km_age": 2}, id="not configured, but its field is in the base"
        ),
        pytest.param({"mark": "A"}, {"new_km_age": 2}, {"mark": "A", "new_km_age": 2}, id="its field is nowhere"),
        pytest.param(
            {"energy_type": 1, "new_energy_type": 2},
            {"new_energy_type": 3},
            {"energy_type": 1, "new_energy_type": 3},
            id="a field that is really called new_",
        ),
        pytest.param({"price": 1}, {"new_new_price": 2}, {"price": 1, "new_new_price": 2}, id="the prefix twice"),
        pytest.param({"price": 1}, {"new_price": None}, {"price": None}, id="null is a value: now empty"),
        pytest.param({"price": 1}, {}, {"price": 1}, id="nothing said"),
        pytest.param({"price": 1, "x": 2}, {"new_price": 3}, {"price": 3, "x": 2}, id="other fields stay"),
    ],
)
def test_a_partial_record_in_order_and_before_its_base(
    base: dict[str, Any], changed: dict[str, Any], expected: dict[str, Any]
) -> None:
    records = [a_base(**base), a_change("7", 20, **changed)]
    assert data_after(*records) == expected
    assert data_after(*reversed(records)) == expected


def test_the_prefix_is_stripped_in_changed_records_only() -> None:
    assert data_after(a_base(price=1, new_price=2)) == {"price": 1, "new_price": 2}


def test_a_partial_record_before_any_full_one_makes_an_incomplete_row() -> None:
    row = after(a_change("7", 20, new_price=2))
    assert (json.loads(row.data), row.is_complete, row.active) == ({"price": 2}, False, True)


def test_a_removal_before_any_full_record_makes_an_incomplete_inactive_row() -> None:
    row = after(a_removal("7", 20))
    assert (row.data, row.is_complete, row.active) == (b"{}", False, False)


def test_a_full_record_fills_what_a_newer_partial_one_left_open() -> None:
    row = after(a_change("7", 20, new_price=2), a_base(price=1, mark="A"))
    assert (json.loads(row.data), row.is_complete) == ({"inner_id": "7", "price": 2, "mark": "A"}, True)


def test_a_newer_full_record_replaces_older_partial_ones() -> None:
    records = [a_base(price=1), a_change("7", 20, new_price=2), a_base(30, price=3)]
    assert data_after(*records) == data_after(*reversed(records)) == {"price": 3}


def test_two_partial_records_each_keep_the_field_they_are_newest_for() -> None:
    records = [a_change("7", 20, new_price=2, km_age=5), a_change("7", 30, new_price=3)]
    assert data_after(*records) == data_after(*reversed(records)) == {"price": 3, "km_age": 5}


@pytest.mark.parametrize("names", [("new_x", "new_new_x"), ("new_new_x", "new_x")], ids=str)
def test_of_two_names_that_mean_one_field_the_newest_counts_in_any_order(names: tuple[str, str]) -> None:
    older, newer = names
    history = [a_base(new_x=0), a_change("7", 20, **{older: 1}), a_change("7", 30, **{newer: 2})]
    assert all(data_after(*records) == {"new_x": 2} for records in permutations(history))


@pytest.mark.parametrize("seq", [10, 9])
def test_a_partial_record_as_old_as_the_base_says_nothing(seq: int) -> None:
    assert data_after(a_base(price=1), a_change("7", seq, new_price=2)) == {"price": 1}


def test_removed_and_added_again_is_active_and_the_same_history_replayed_stays_so() -> None:
    history = [a_base(price=1), a_removal("7", 20), a_base(30, price=3)]
    assert after(*history).active
    assert after(*history, *history[:2]).active


def test_an_added_record_replayed_after_its_removal_stays_removed_and_keeps_its_fields() -> None:
    row = after(a_base(price=1), a_removal("7", 20), a_base(price=1))
    assert not row.active
    assert json.loads(row.data)["price"] == 1


def test_an_older_removal_that_comes_late_removes_nothing() -> None:
    assert after(a_base(30, price=1), a_removal("7", 20)).active


def test_a_shell_never_overwrites_a_good_row_but_brings_it_back() -> None:
    row = after(a_base(price=1), a_removal("7", 20), a_base(30, price="", mark="", images=[]))
    assert row.active
    assert json.loads(row.data)["price"] == 1


def test_a_shell_alone_is_no_full_record() -> None:
    assert not after(a_base(price="")).is_complete


def test_the_second_sight_of_one_walk_is_ignored() -> None:
    assert data_after(a_base(price=1), a_base(price=2)) == {"price": 1}


def test_numbers_and_keys_are_kept_to_the_last_digit() -> None:
    exact = b'{"inner_id":"7","n":1.10,"big":18446744073709551616,"e":1E2,"price":98000.50}'
    assert after(a_record("7", exact, seq=10), a_change("7", 20, km_age=1)).data == exact[:-1] + b',"km_age":1}'


@pytest.mark.parametrize("base_first", [True, False])
@pytest.mark.parametrize(
    "more", [b"", b',"new_loose":1', b',"long":"%b"' % (b"x" * MAX_ADDITION)], ids=["few", "loose", "long"]
)
def test_numbers_are_kept_to_the_last_digit_where_documents_are_cut_and_joined(
    more: bytes, *, base_first: bool
) -> None:
    old, new = (
        b'"id":9007199254740993,"n":1.10,"big":18446744073709551616,"e":1E2',
        b'"seller":9007199254740995,"m":2.50',
    )
    base = a_record("7", b'{"inner_id":"7",%b}' % old, seq=10)
    change = a_record("7", b"{%b%b}" % (new, more), change_type="changed", seq=20)
    data = after(base, change).data if base_first else after(change, base).data
    assert old in data
    assert new in data


def test_news_of_any_length_replace_what_was_there_and_stay_the_last() -> None:
    long = "x" * MAX_ADDITION
    changes = [a_change("7", 20, a=1, b=long), a_change("7", 30, a=long), a_change("7", 40, a=2, c=3)]
    for records in ([a_base(a=0)], []):
        assert data_after(*records, *changes) == {"a": 2, "b": long, "c": 3}


@pytest.mark.parametrize(
    "data", [b"{}", b"{ }", b"{\n\t}", b" { }\r\n", b'{"price":1 } ', b'{"price":{}}', b'{"price":"{"}\n']
)
def test_news_stand_behind_a_document_whatever_space_is_in_it(data: bytes) -> None:
    (_, update), *_ = read(a_page([a_change("7", 20, price=2)]), {"che168": PlatformProfile()}).updates
    row = merge(replace(after(a_base()), data=data), update, platform="che168")
    assert json.loads(row.data) == {"price": 2}


def test_a_document_grows_by_its_news_only_if_they_are_short() -> None:
    changes = [a_change("7", seq, a="x" * MAX_ADDITION) for seq in range(20, 40)]
    assert len(after(a_base(a=0), *changes).data) < 2 * MAX_ADDITION


@pytest.mark.parametrize(
    ("record", "fields"),
    [
        pytest.param(a_change("7", 11, new_price=1), {"price"}, id="a configured name"),
        pytest.param(a_change("7", 11, new_price=1, km_age=2), {"price", "km_age"}, id="two"),
        pytest.param(a_change("7", 11, new_=1), {"new_"}, id="the prefix alone"),
        pytest.param(a_change("7", 11, price=1, new_km_age=2), None, id="a prefix that nobody configured"),
        pytest.param(a_change("7", 11), set(), id="nothing"),
        pytest.param(a_removal("7", 11), set(), id="gone"),
        pytest.param(a_record("7", {"inner_id": "7"}), None, id="a full record"),
    ],
)
def test_a_record_says_of_which_fields_it_speaks_where_it_can_without_its_row(
    record: FeedRecord, fields: set[str] | None
) -> None:
    ((_, update),) = read(a_page([record]), {"che168": PlatformProfile(renames=RENAMES)}).updates
    assert fields_said(update) == fields


def test_what_is_known_already_gives_the_very_same_row() -> None:
    row = after(a_base(price=1), a_change("7", 20, new_price=2), a_removal("7", 30))
    updates = read(
        a_page([a_base(price=1), a_change("7", 20, new_price=2), a_removal("7", 30)]),
        {"che168": PlatformProfile(renames=RENAMES)},
    ).updates
    assert all(merge(row, update, platform="che168") is row for _, update in updates)


def test_of_two_records_with_one_version_that_say_the_same_the_one_with_an_identity_is_named_in_any_order() -> None:
    said = [FeedRecord(inner_id="7", change_type="removed", seq=20, source_id=name) for name in (None, "5")]
    assert [after(*records).source_id for records in permutations(said)] == ["5", "5"]


TIES = [
    pytest.param(
        [a_base(20, price=1), a_removal("7", 20)], False, "added", id="an event added it, a look-up finds it gone"
    ),
    pytest.param([a_removal("7", 20), a_change("7", 20, new_price=2)], False, "removed", id="changed, then gone"),
    pytest.param([a_base(20, price=1), a_change("7", 20, new_price=2)], True, "added", id="changed, then seen whole"),
    pytest.param([a_record("7", {"price": ""}, seq=20), a_removal("7", 20)], False, "removed", id="a shell, and gone"),
]


@pytest.mark.parametrize(("records", "active", "change_type"), TIES)
def test_an_event_and_what_was_seen_right_after_it_end_the_same_in_both_orders(
    records: list[FeedRecord], *, active: bool, change_type: str
) -> None:
    for row in (after(*records), after(*reversed(records))):
        assert (row.active, row.change_type) == (active, change_type)
        assert not row.is_complete or json.loads(row.data)["price"] == 1
