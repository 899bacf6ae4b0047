"""Records as they came, and where they came from, in memory."""

import json
from collections.abc import Sequence

from gateway.core.autoapi import Event
from gateway.core.ports import StoredItem
from gateway.core.query import Condition


class FakeRecords:
    """RecordReader on lists of events."""

    def __init__(self, offers: Sequence[Event] = (), changes: Sequence[Event] = ()) -> None:
        self._offers = offers
        self._changes = changes
        self.asked: list[Sequence[Condition]] = []

    async def offers(self, platform: str, page: int, conditions: Sequence[Condition]) -> Sequence[Event]:
        """Return a page and one row more."""
        del platform
        self.asked.append(conditions)
        return self._offers[(page - 1) * 20 : page * 20 + 1]

    async def offer(self, platform: str, inner_id: str) -> str | None:
        """Return a record."""
        del platform
        return next((event.data for event in self._offers if event.inner_id == inner_id), None)

    async def changes(self, platform: str, start: int) -> Sequence[Event]:
        """Return a page of events."""
        del platform
        return [event for event in self._changes if event.id >= start][:20]

    async def filters(self, platform: str) -> str | None:
        """Return nothing."""
        del platform
        return None


class FakeProvenance:
    """ProvenanceReader that knows the offer `1` of the platforms that it is given."""

    def __init__(self, *platforms: str) -> None:
        self._platforms = platforms

    async def provenance(self, inner_id: str, platform: str | None) -> Sequence[StoredItem]:
        """Return who has this offer."""
        return [
            StoredItem(known, json.dumps({"platform": known, "inner_id": inner_id}))
            for known in sorted(self._platforms)
            if inner_id == "1" and platform in {None, known}
        ]
