"""Histories of several offers in any order, any duplication and any cut into batches: the rows are the oracle's.

The catalogue is what the rows say, however much of them was read to write it.
"""

import json
from collections.abc import Iterator
from datetime import timedelta
from itertools import count
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.contract.normalizer.shelves import Shelf
from tests.contract.normalizer.test_landing import a_lander
from tests.unit.normalizer.histories import FEED, LOAD, LOOKUP, SNAPSHOT, Event, arrivals, histories, oracle

from common.events import PageFetched, PageKind
from common.testing.pages import FETCHED_AT, a_page, a_record
from normalizer.core.offers.normalise import normalise
from normalizer.core.offers.record import PlatformProfile

pytestmark = pytest.mark.contract

KINDS = {FEED: PageKind.CHANGE, LOAD: PageKind.PAGE, LOOKUP: PageKind.LOOKUP, SNAPSHOT: PageKind.SNAPSHOT}
Numbers = Iterator[int]


@pytest.fixture(scope="module")
def numbers() -> Numbers:
    """Offers of one example are new ones for the next."""
    return count(1)


def a_message(inner_id: str, event: Event, place: int) -> PageFetched:
    """Return the event as a page of its own; the same event again is the same message again."""
    data: dict[str, Any] | bytes = event.data | ({"inner_id": inner_id} if "inner_id" in event.data else {})
    record = a_record(
        inner_id, b"null" if event.change_type == "removed" else data, change_type=event.change_type, seq=event.seq
    )
    fetched_at = FETCHED_AT + timedelta(seconds=event.sight)
    return a_page([record], kind=KINDS[event.source], position=place, fetched_at=fetched_at, run_id=f"run-{inner_id}")


def cut(messages: list[PageFetched], borders: list[int]) -> list[list[PageFetched]]:
    ends = sorted(border % (len(messages) + 1) for border in borders)
    return [messages[start:end] for start, end in zip([0, *ends], [*ends, len(messages)], strict=True)]


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(histories(), min_size=1, max_size=4), st.lists(st.integers(0, 60), max_size=6), st.data())
async def test_any_order_duplication_and_cut_into_batches_ends_in_the_oracles_rows(
    shelf: Shelf, numbers: Numbers, offers: list[list[Event]], borders: list[int], data: st.DataObject
) -> None:
    expected, messages = {}, []
    for events in offers:
        inner_id = f"{next(numbers)}"
        end = oracle(events)
        if "inner_id" in end["data"]:
            end["data"] = end["data"] | {"inner_id": inner_id}
        expected[inner_id] = end
        places = {id(event): place for place, event in enumerate(events)}
        messages += [a_message(inner_id, event, places[id(event)]) for event in data.draw(arrivals(events))]
    lander = a_lander(shelf.store)
    for batch in cut(data.draw(st.permutations(messages)), borders):
        await lander.land(batch)
    raw = await shelf.raw()
    found = {
        inner_id: {
            "data": raw[inner_id].data,
            "active": raw[inner_id].active,
            "complete": raw[inner_id].complete,
            "head": raw[inner_id].head,
        }
        for inner_id in expected
    }
    assert found == expected
    assert all(raw[inner_id].processed for inner_id in expected)
    told = {inner_id: kind for inner_id, kind, _ in await shelf.changes()}
    visible = {inner_id for inner_id, end in expected.items() if end["active"] and end["complete"]}
    assert {inner_id for inner_id in expected if told.get(inner_id, "removed") != "removed"} == visible
    listed = await shelf.listed()
    for inner_id in expected:
        offer, _ = normalise(json.dumps(raw[inner_id].data).encode(), PlatformProfile())
        assert listed[inner_id] == msgspec.to_builtins(offer)
