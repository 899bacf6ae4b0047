"""Recorded payloads served as they are: which file becomes which offer.

| file in the folder | becomes |
|---|---|
| `autoapi_<platform>_observed_row.json` | the offer of `row`; event fields that it lacks are filled in beside `data` |
| `autoapi_<platform>_offers_docs_*.json` | the offers of `result`, in the order of the file names |
| `autoapi_<platform>_offer_flat_docs_*.json` | the flat answer of `/offer`; listed only if no other file shows it |
| `<platform>_configuration_*.json` | one offer each, with ids 90000001, 90000002 … in the order of the file names |
| `autoapi_<platform>_filters_docs_*.json` | `/filters`: the first by file name |
| `autoapi_<platform>_changes_docs_*.json` | the events of `/changes`, joined and sorted by id |
| `autoapi_<platform>_change_id_docs_*.json` | `/change_id` for any date: the largest |

The `configuration` of such a file (the whole file, where it has none) is `data.extra.configuration`, or
`data.configuration` for a flat table of names and texts. Otherwise `data` is never touched: numbers, order of keys and
markers of left-out parts (`__docs_elided__`) stay. Keys that start with an underscore on the top level of a file are
about the file and are not served. The truth is the listed offers,
all active: the documented events are older than the documented change id, so a first load does not replay them.
"""

import json
import re
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from sandbox.upstream.errors import BadRecordingError
from sandbox.upstream.filters import NUMBERS, PLATFORM_WORDS, WORDS, Facts, OfferFilter
from sandbox.upstream.source import PAGE_SIZE, ChangePage, OfferPage, Summary, TruthPage
from sandbox.upstream.specs import to_json

FIRST_COMPOSED_ID = 90_000_001
_EVENT_CREATED_AT = "2026-01-01T00:00:00.000Z"
_NAME = re.compile(
    r"autoapi_(?P<platform>[a-z0-9]+)_(?P<kind>observed_row|offers|offer_flat|filters|changes|change_id)(_docs_\w+)?\.json"
    r"|(?P<maker>[a-z0-9]+)_configuration_\w+\.json"
)
Event = dict[str, Any]


@dataclass(slots=True)
class Recording:
    """Everything recorded of one platform; events as in the files."""

    listed: dict[str, Event] = field(default_factory=dict)
    flat: dict[str, Any] = field(default_factory=dict)
    filters: dict[str, Any] = field(default_factory=dict)
    changes: list[Event] = field(default_factory=list)
    change_id: int = 0
    composed: int = 0

    def add(self, kind: str, content: dict[str, Any]) -> None:
        """Take in one file."""
        if kind == "observed_row":
            self._list(content["row"])
        elif kind == "offers":
            for event in content["result"]:
                self._list(event)
        elif kind == "offer_flat":
            self.flat[content["inner_id"]] = content
        elif kind == "filters":
            self.filters = self.filters or content
        elif kind == "changes":
            self.changes += content["result"]
        elif kind == "change_id":
            self.change_id = max(self.change_id, content["change_id"])
        else:
            self._list(_composed(str(FIRST_COMPOSED_ID + self.composed), content))
            self.composed += 1

    def finish(self) -> None:
        """Put what the files say in its final order."""
        for inner_id, data in self.flat.items():
            if inner_id not in self.listed:
                self._list({"inner_id": inner_id, "data": data})
        self.changes.sort(key=lambda event: int(event["id"]))

    def _list(self, event: Event) -> None:
        """Fill in what an event of `/offers` must have."""
        missing = {"id": len(self.listed) + 1, "change_type": "added", "created_at": _EVENT_CREATED_AT}
        self.listed.setdefault(event["inner_id"], missing | event)


def _composed(inner_id: str, table: dict[str, Any]) -> Event:
    """Return an offer around a parameter table; a flat table has text values only."""
    is_flat = all(isinstance(value, str) for value in table.values())
    place = {"configuration": table} if is_flat else {"extra": {"configuration": table}}
    url = f"https://www.che168.com/dealer/1/{inner_id}.html"
    known = {"mark": "Recorded", "model": "Recorded", "year": 2022, "price": 100_000, "km_age": 1_000, "images": []}
    return {"inner_id": inner_id, "data": {"inner_id": inner_id, "url": url, **known, **place}}


def _content(kind: str, content: dict[str, Any]) -> dict[str, Any]:
    bare = {name: value for name, value in content.items() if not name.startswith("_")}
    table = bare.get("configuration")
    return table if kind == "configuration" and isinstance(table, dict) else bare


def read_recordings(folder: Path) -> dict[str, Recording]:
    """Read every file of a folder whose name says what it is.

    Raises:
        BadRecordingError: no such folder, nothing in it to serve, or a file that is not what its name says.
    """
    found: dict[str, Recording] = {}
    for path in sorted(folder.glob("*.json")):
        name = _NAME.fullmatch(path.name)
        if name is None:
            continue
        platform, kind = name["platform"] or name["maker"], name["kind"] or "configuration"
        try:
            content = _content(kind, json.loads(path.read_text("utf-8")))
            found.setdefault(platform, Recording()).add(kind, content)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise BadRecordingError(f"{path.name}: not the shape of {kind}: {error!r}") from error
    for recording in found.values():
        recording.finish()
    if not any(recording.listed for recording in found.values()):
        raise BadRecordingError(f"{folder}: no recorded offers there")
    return found


class RecordedSource:
    """The recordings of a folder, all platforms in it."""

    def __init__(self, recordings: dict[str, Recording]) -> None:
        self._recordings = recordings

    @property
    def platforms(self) -> frozenset[str]:
        """The platforms that the file names speak of."""
        return frozenset(self._recordings)

    def filters(self, platform: str) -> bytes:
        """Return the documented example."""
        return to_json(self._recordings[platform].filters)

    def offers(self, platform: str, page: int, wish: OfferFilter) -> OfferPage:
        """Return a page of the recorded offers."""
        wanted = [
            event
            for event in self._recordings[platform].listed.values()
            if wish.is_empty or wish.matches(_facts(event["data"], platform))
        ]
        first, end = (page - 1) * PAGE_SIZE, page * PAGE_SIZE
        return OfferPage([to_json(event) for event in wanted[first:end]], len(wanted) > end)

    def offer(self, platform: str, inner_id: str) -> bytes | None:
        """Return the recorded flat answer, or the `data` of the list."""
        recording = self._recordings[platform]
        if inner_id in recording.flat:
            return to_json(recording.flat[inner_id])
        return to_json(recording.listed[inner_id]["data"]) if inner_id in recording.listed else None

    def change_id(self, platform: str, _day: date) -> int:
        """Return the documented id, whatever the date."""
        return self._recordings[platform].change_id

    def changes(self, platform: str, change_id: int) -> ChangePage:
        """Return the documented events from `change_id` on."""
        events = [event for event in self._recordings[platform].changes if event["id"] >= change_id]
        page = events[:PAGE_SIZE]
        next_id = page[-1]["id"] + 1 if page else None
        return ChangePage([to_json(event) for event in page], next_id, len(events) > PAGE_SIZE)

    def shift(self, _platform: str, _count: int) -> None:
        """Do nothing: a recording has no new offers."""

    def advance(self, _platform: str, _events: int) -> None:
        """Do nothing: a recording stands still."""

    def truth(self, platform: str, after: str, limit: int) -> TruthPage:
        """Return the listed offers in the order of their ids as text."""
        listed = self._recordings[platform].listed
        ids = sorted(inner_id for inner_id in listed if inner_id > after)
        rows = [
            to_json({"inner_id": i, "active": True, "listed": True, "data": listed[i]["data"]}) for i in ids[:limit]
        ]
        return TruthPage(rows, ids[limit - 1] if len(ids) > limit else None)

    def summary(self, platform: str) -> Summary:
        """Return the counts."""
        recording = self._recordings[platform]
        count = len(recording.listed)
        return Summary(known=count, active=count, listed=count, list_rows=count, events=len(recording.changes))


def _facts(data: dict[str, Any], platform: str) -> Facts:
    names = (*WORDS, *PLATFORM_WORDS.get(platform, ()))
    return Facts(
        words={name: frozenset({str(data[name]).casefold()}) for name in names if name in data},
        numbers={name: int(data[name]) for name in NUMBERS if str(data.get(name, "")).isdecimal()},
    )
