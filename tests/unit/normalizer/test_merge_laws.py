"""The laws of the merge, for any history of one offer (`--merge-examples`: how many; `make chaos` takes 10,000)."""

import json
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.normalizer.histories import RENAMES, Event, arrivals, histories, oracle

from common.events import ChangeType, InnerId
from normalizer.core.merge import RawRow, Update, is_shell, merge, split


@pytest.fixture
def laws(request: pytest.FixtureRequest) -> settings:
    """How many examples a law is tried with."""
    return settings(max_examples=request.config.getoption("--merge-examples"))


def an_update(event: Event) -> Update:
    fields = split(event.body)
    return Update(
        inner_id=InnerId("1"),
        change_type=ChangeType(event.change_type),
        seq=event.seq,
        sight=event.sight,
        data=event.body,
        fields=fields,
        is_shell=event.change_type == "added" and is_shell(fields),
        source=event.source,
        source_id=None,
        created_at=None,
        renames=RENAMES,
    )


def merged(events: list[Event], row: RawRow | None = None) -> RawRow:
    for event in events:
        row = merge(row, an_update(event), platform="che168")
    assert row is not None
    return row


def seen(row: RawRow) -> dict[str, Any]:
    return {
        "data": json.loads(row.data),
        "active": row.active,
        "complete": row.is_complete,
        "head": (row.max_seq, row.change_type, row.source),
    }


def versions(row: RawRow) -> tuple[Any, ...]:
    return seen(row), row.base_seq, row.base_sight, row.field_seq, row.active_seq, row.loose


@pytest.mark.timeout(1800)
def test_any_order_and_any_duplication_equal_the_oracle_in_order(laws: settings) -> None:
    @laws
    @given(histories(), st.data())
    def law(events: list[Event], data: st.DataObject) -> None:
        row = merged(data.draw(arrivals(events)))
        assert seen(row) == oracle(events)
        assert versions(row) == versions(merged(events))

    law()


@pytest.mark.timeout(1800)
def test_three_records_in_any_order_and_grouping_end_in_the_same_row(laws: settings) -> None:
    """Associativity and commutativity on their own: after any history, six orders of three more records."""

    @laws
    @given(histories(), st.data())
    def law(events: list[Event], data: st.DataObject) -> None:
        size = min(3, len(events))
        chosen = data.draw(st.lists(st.sampled_from(events), min_size=size, max_size=size, unique_by=id))
        before = [event for event in events if event not in chosen]
        row = merged(before) if before else None
        ends = [versions(merged(list(order), row)) for order in permutations(chosen)]
        assert all(end == ends[0] for end in ends)

    law()


@pytest.mark.timeout(1800)
def test_a_record_seen_twice_says_nothing_new(laws: settings) -> None:
    """Idempotence on its own: at once, and at the end, the very same row."""

    @laws
    @given(histories())
    def law(events: list[Event]) -> None:
        row: RawRow | None = None
        for event in events:
            row = merged([event], row)
            assert merged([event], row) is row
        assert row is not None
        assert merged(events, row) is row

    law()
