"""Histories of one offer, drawn at random, and what they must end in: an oracle that shares no code with the merge."""

import json
from dataclasses import dataclass, replace
from typing import Any

from hypothesis import strategies as st

RENAMES = {"new_price": "price"}
NAMES = ["price", "km_age", "energy_type", "new_energy_type", "new_price", "new_", "new_new_energy_type", "x", "new_x"]
FEED, LOAD, LOOKUP, SNAPSHOT = "daily_update", "initial_load", "lookup", "snapshot"


@dataclass(frozen=True)
class Event:
    """One record as a test writes it; `data` is a plain dict, `sight` the moment at which it was fetched."""

    seq: int
    change_type: str
    data: dict[str, Any]
    source: str = FEED
    sight: int = 0

    @property
    def body(self) -> bytes:
        """The document as it travels."""
        return json.dumps(self.data).encode()

    @property
    def says(self) -> bool:
        """Whether a full record says more than who it is about."""
        return any(value not in ("", None) for name, value in self.data.items() if name != "inner_id")


def oracle(events: list[Event]) -> dict[str, Any]:
    """Read the history in the order of its versions, as the vendor's documentation describes it.

    What shares a version: of full records the one seen first counts, and before a partial one; gone beats there.
    """
    base: dict[str, Any] = {}
    news: list[tuple[str, Any]] = []
    active, complete = True, False
    head = events[0]
    for seq in sorted({event.seq for event in events}):
        same = [event for event in events if event.seq == seq]
        kinds = {event.change_type for event in same}
        full = sorted((e for e in same if e.change_type == "added" and e.says), key=lambda event: event.sight)
        if full:
            base, news, complete = full[0].data, [], True
        else:
            for event in same:
                news += _named(event) if event.change_type == "changed" else []
        active = False if "removed" in kinds else active or "added" in kinds
        head = full[0] if full else max(same, key=lambda event: (event.change_type, event.source))
    return {
        "data": _written(base, news),
        "active": active,
        "complete": complete,
        "head": (head.seq, head.change_type, head.source),
    }


def _named(event: Event) -> list[tuple[str, Any]]:
    named = {name: value for name, value in event.data.items() if name not in RENAMES}
    named |= {RENAMES[name]: value for name, value in event.data.items() if name in RENAMES}
    return sorted(named.items(), key=lambda item: (item[0].startswith("new_"), item[0]))


def _written(base: dict[str, Any], news: list[tuple[str, Any]]) -> dict[str, Any]:
    def exact(name: str) -> bool:
        return not name.startswith("new_") or name == "new_" or name in base

    known = set(base) | {name for name, _ in news if exact(name)}
    data = dict(base)
    for name, value in news:
        bare = name.removeprefix("new_")
        data[name if exact(name) or bare not in known else bare] = value
    return data


VALUES = st.one_of(st.none(), st.integers(0, 9), st.just(""), st.text("ab", max_size=2))
PARTIAL = st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=4)
FULL = st.dictionaries(st.sampled_from([name for name in NAMES if name != "new_price"]), VALUES, min_size=1, max_size=5)


def _body(draw: st.DrawFn, kind: str, inner_id: str) -> dict[str, Any]:
    if kind == "added":
        return {"inner_id": inner_id} | draw(FULL)
    return draw(PARTIAL) if kind == "changed" else {}


@st.composite
def histories(draw: st.DrawFn, inner_id: str = "1") -> list[Event]:
    """Draw up to 7 events of the feed with ids 10, 20, …, and up to 4 sights of lists, snapshots and look-ups.

    A sight has a version between two events, or that of the event before it. Everything was fetched at a moment of
    its own, in any order.
    """
    kinds = draw(st.lists(st.sampled_from(["added", "changed", "changed", "removed"]), max_size=7))
    events = [Event(10 + 10 * i, kind, _body(draw, kind, inner_id)) for i, kind in enumerate(kinds)]
    least = 0 if events else 1
    sights = draw(
        st.lists(
            st.tuples(
                st.sampled_from([(LOAD, "added"), (LOAD, "added"), (LOOKUP, "added"), (LOOKUP, "removed")]),
                st.integers(1, 2 * len(events) + 1),
            ),
            min_size=least,
            max_size=4,
        )
    )
    for (source, kind), place in sights:
        said_by = SNAPSHOT if source == LOAD and place > 1 else source
        events.append(Event(5 * place, kind, _body(draw, kind, inner_id), said_by))
    moments = draw(st.permutations(range(len(events))))
    return [replace(event, sight=moment) for event, moment in zip(events, moments, strict=True)]


@st.composite
def arrivals(draw: st.DrawFn, events: list[Event]) -> list[Event]:
    """Draw an order in which a history may arrive, some of it twice."""
    return draw(st.permutations(events + draw(st.lists(st.sampled_from(events), max_size=4))))
