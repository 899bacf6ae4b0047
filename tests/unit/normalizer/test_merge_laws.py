"""The laws of the merge, for any history of one offer, against an in-order oracle that shares no code with it."""

import json
from dataclasses import dataclass
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from common.events import ChangeType, InnerId
from normalizer.core.merge import RawRow, Update, is_shell, merge, split

RENAMES = {"new_price": "price"}
NAMES = ["price", "km_age", "energy_type", "new_energy_type", "new_price", "new_", "new_new_energy_type", "x", "new_x"]


@dataclass(frozen=True)
class Event:
    """One record as a test writes it; `data` is a plain dict."""

    seq: int
    change_type: str
    data: dict[str, Any]
    sight: int = 0


def an_update(event: Event) -> Update:
    body = json.dumps(event.data).encode()
    fields = split(body)
    return Update(
        inner_id=InnerId("1"),
        change_type=ChangeType(event.change_type),
        seq=event.seq,
        sight=event.sight,
        data=body,
        fields=fields,
        is_shell=event.change_type == "added" and is_shell(fields),
        source="daily_update",
        source_id=str(event.seq),
        created_at=None,
        renames=RENAMES,
    )


def merged(events: list[Event]) -> RawRow | None:
    row: RawRow | None = None
    for event in events:
        row = merge(row, an_update(event), platform="che168")
    return row


def seen(row: RawRow | None) -> dict[str, Any] | None:
    if row is None:
        return None
    return {
        "data": json.loads(row.data),
        "active": row.active,
        "change_type": row.change_type,
        "source_id": row.source_id,
        "complete": row.is_complete,
        "versions": (row.base_seq, row.base_sight, row.field_seq, row.active_seq, row.max_seq, row.loose),
    }


def oracle(events: list[Event]) -> dict[str, Any]:
    """Read the history in the order of its versions, as the vendor's documentation describes it."""
    base: dict[str, Any] = {}
    news: list[tuple[str, Any]] = []
    active = True
    for event in sorted(events, key=lambda e: (e.seq, -e.sight)):
        full = {name: value for name, value in event.data.items() if name != "inner_id"}
        if event.change_type == "added":
            active = True
            if any(value not in ("", None) for value in full.values()):
                base, news = event.data, []
        elif event.change_type == "removed":
            active = False
        else:
            named = {k: v for k, v in event.data.items() if k not in RENAMES}
            named |= {RENAMES[k]: v for k, v in event.data.items() if k in RENAMES}
            news.extend(sorted(named.items(), key=lambda item: (item[0].startswith("new_"), item[0])))

    def exact(name: str) -> bool:
        return not name.startswith("new_") or name == "new_" or name in base

    known = set(base) | {name for name, _ in news if exact(name)}
    data = dict(base)
    for name, value in news:
        bare = name[len("new_") :]
        data[name if exact(name) or bare not in known else bare] = value
    return {"data": data, "active": active, "change_type": max(events, key=lambda e: e.seq).change_type}


VALUES = st.one_of(st.none(), st.integers(0, 9), st.just(""), st.text("ab", max_size=2))
PARTIAL = st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=4)
FULL = st.dictionaries(st.sampled_from([name for name in NAMES if name != "new_price"]), VALUES, min_size=1, max_size=5)
BODY = {
    "added": FULL.map(lambda data: {"inner_id": "1"} | data),
    "changed": PARTIAL,
    "removed": st.just({}),
}


@st.composite
def histories(draw: st.DrawFn) -> list[Event]:
    """Draw up to 8 events with distinct ids, and a first load's sights that share one version."""
    kinds = draw(st.lists(st.sampled_from(["added", "changed", "changed", "removed"]), max_size=8))
    events = [Event(10 + 10 * i, kind, draw(BODY[kind]), sight=i) for i, kind in enumerate(kinds)]
    sights = draw(st.lists(FULL, min_size=0 if events else 1, max_size=3))
    whole = [{"inner_id": "1", "price": 1} | data for data in sights]
    return events + [Event(5, "added", data, sight=100 + i) for i, data in enumerate(whole)]


@settings(max_examples=800, deadline=None)
@given(histories(), st.data())
def test_any_order_and_any_duplication_equal_the_oracle_in_order(events: list[Event], data: st.DataObject) -> None:
    arrived = data.draw(st.permutations(events + data.draw(st.lists(st.sampled_from(events), max_size=4))))
    row = seen(merged(arrived))
    assert row is not None
    assert {key: row[key] for key in ("data", "active", "change_type")} == oracle(events)


@settings(max_examples=500, deadline=None)
@given(histories(), st.data())
def test_any_order_ends_in_the_same_versions(events: list[Event], data: st.DataObject) -> None:
    assert seen(merged(data.draw(st.permutations(events)))) == seen(merged(events))


@settings(max_examples=500, deadline=None)
@given(histories())
def test_a_record_seen_twice_says_nothing_new(events: list[Event]) -> None:
    row = merged(events)
    for event in events:
        assert merge(row, an_update(event), platform="che168") is row
