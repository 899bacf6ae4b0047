"""The fetcher's commands on a clock of the test's own, with a stand-in upstream in step and real servers.

Connections stay open from run to run, which saves their making; everything else is what the commands do.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta, timezone
from math import ceil
from typing import Any

import asyncpg
import httpx
import pytest
from tests.e2e.road import Road, until

from common.settings import load
from common.testing.clock import VirtualClock
from fetcher.commands import daily_update, initial_load, parts
from fetcher.core.errors import LoadStoppedError
from fetcher.entrypoints.cli import Exit
from fetcher.settings import FetcherServiceSettings
from sandbox.upstream.generated import FIRST_CHANGE_ID

MOSCOW = timezone(timedelta(hours=3), "MSK")
PLATFORM = "che168"
STEP_S = 0.005
"""Real seconds of each sleep of the fetcher's."""
ROWS_OF_A_PAGE = 20
ID_SPACING = 3
"""Between the ids of two events of the stand-in."""
ON_THE_WAY = "SELECT count(*) FROM feed_pages WHERE status = 'fetched' AND kind = 'lookup'"
CURSOR = "SELECT last_change_id FROM sync_state WHERE platform = $1"
COMPARED = """
SELECT inner_id, raw.data::text AS data, raw.active_status, raw.base_seq IS NOT NULL AS is_complete,
       processed.active_status AS shown_status, processed.is_complete AS shown_complete, price, km_age
FROM raw_data AS raw LEFT JOIN processed_data AS processed USING (platform, inner_id) WHERE platform = 'che168'
"""


class HurriedClock(VirtualClock):
    """A virtual clock that lets the servers, which live in real time, come along."""

    async def sleep(self, seconds: float) -> None:
        """Move on by so many seconds, and wait for a moment."""
        await super().sleep(seconds)
        await asyncio.sleep(STEP_S)  # noqa: TID251 - time for the normalizer


@dataclass(frozen=True, slots=True)
class Held:
    """What feedmill holds of an offer: its document, whether it is for sale, and the same as readers see it."""

    data: Mapping[str, Any]
    is_active: bool
    is_complete: bool
    shown: tuple[bool, bool, float | None, int | None]


@dataclass
class VirtualYear:
    """A road on which months pass in seconds.

    Attributes:
        unseen: Offers that are for sale and that neither the list nor any change since the first cursor names.
        failed: The days on which an update said that it could not be finished.
        feed_pages: The pages that the walks of all updates need, the one that shows the end included.
        own_requests: How often this driver has asked what the fetcher asks as well.
        below: Updates that found the anchor of their day below the cursor, which lies behind all events before.
    """

    road: Road
    clock: HurriedClock
    settings: FetcherServiceSettings
    upstream: httpx.AsyncClient
    database: "asyncpg.Connection[Any]"
    unseen: set[str] = field(default_factory=set)
    failed: list[date] = field(default_factory=list)
    feed_pages: int = 0
    below: int = 0
    own_requests: int = 0

    async def load(self) -> None:
        """Run the first load, which begins at yesterday's anchor."""
        anchor = await self._anchor((self.clock.now().astimezone(MOSCOW) - timedelta(days=1)).date())
        code = await initial_load.perform(self.settings, PLATFORM, asyncio.Event())
        assert code is Exit.DONE
        unlisted = {
            inner_id for inner_id, true in (await self.truth()).items() if true["active"] and not true["listed"]
        }
        self.unseen = unlisted - await self._named_from(anchor)

    async def update(self, moment: datetime, *, since: date | None = None) -> None:
        """Run a daily update at a moment; what the last one has looked up has landed by then, as in real life."""
        await until(self._looked_up, within_s=30, what="landing of what was looked up")
        await self.go_to(moment)
        cursor, today = await self._cursor(), await self._anchor(moment.astimezone(MOSCOW).date())
        self.below += cursor is not None and today < cursor
        start = today if cursor is None else cursor
        if cursor is None or since is not None:
            yesterday = (moment.astimezone(MOSCOW) - timedelta(days=1)).date()
            start = min(start, await self._anchor(since or yesterday))
        head = FIRST_CHANGE_ID + ID_SPACING * int((await self.told("GET", "truth/summary"))["events"])
        self.feed_pages += ceil((head - start) / ID_SPACING / ROWS_OF_A_PAGE) + 1
        try:
            code = await daily_update.perform(self.settings, PLATFORM, asyncio.Event(), since=since)
        except LoadStoppedError:
            self.failed.append(moment.astimezone(MOSCOW).date())
        else:
            assert code is Exit.DONE

    async def go_to(self, moment: datetime) -> None:
        """Let the time come, here and there."""
        await self.clock.sleep(max(0.0, (moment - self.clock.now()).total_seconds()))
        await self.told("POST", "clock", {"now": moment.isoformat()})

    async def told(self, method: str, path: str, body: object = None) -> Any:
        """Ask or tell the stand-in itself."""
        answer = await self.upstream.request(method, f"{self.road.upstream.admin}/{path}", json=body)
        return answer.raise_for_status().json()

    async def _asked(self, path: str, **query: str) -> Any:
        self.own_requests += 1
        key = {"api_key": self.road.upstream.api_key}
        answer = await self.upstream.get(f"{self.road.upstream.base_url}/{path}", params=query | key)
        return answer.raise_for_status().json()

    async def _anchor(self, day: date) -> int:
        return int((await self._asked("change_id", date=day.isoformat()))["change_id"])

    async def _cursor(self) -> int | None:
        cursor: int | None = await self.database.fetchval(CURSOR, PLATFORM)
        return cursor

    async def _looked_up(self) -> bool:
        return not await self.database.fetchval(ON_THE_WAY)

    async def _named_from(self, cursor: int) -> set[str]:
        """Return the offers that the changes name from an id on."""
        named: set[str] = set()
        while rows := (await self._asked("changes", change_id=str(cursor)))["result"]:
            named |= {row["inner_id"] for row in rows}
            cursor = rows[-1]["id"] + 1
        return named

    async def held(self) -> dict[str, Held]:
        """Return everything that has landed, by inner id."""
        return {row["inner_id"]: _held(row) for row in await self.database.fetch(COMPARED)}

    async def truth(self) -> dict[str, dict[str, Any]]:
        """Return the true state of every offer that the feed ever named, by inner id."""
        known: dict[str, dict[str, Any]] = {}
        after: str | None = ""
        while after is not None:
            page = await self.told("GET", f"truth?limit=1000&after={after}")
            known |= {item["inner_id"]: item for item in page["result"]}
            after = page["next_after"]
        return known


def _held(row: Mapping[str, Any]) -> Held:
    price = None if row["price"] is None else float(row["price"])
    shown = (row["shown_status"] == 0, bool(row["shown_complete"]), price, row["km_age"])
    return Held(json.loads(row["data"]), row["active_status"] == 0, row["is_complete"], shown)


@asynccontextmanager
async def virtual_year(road: Road, start: datetime, patch: pytest.MonkeyPatch) -> AsyncIterator[VirtualYear]:
    """Open the connections of a fetcher whose clock stands at `start`."""
    for name, value in replace(road, day_zone="Europe/Moscow").environment("fetcher").items():
        patch.setenv(name, value)
    patch.chdir(road.folder)
    clock = HurriedClock(start)
    settings = load(FetcherServiceSettings)
    patch.setattr(parts, "SystemClock", lambda: clock)
    async with (
        parts.opened(settings, PLATFORM) as shared,
        httpx.AsyncClient(timeout=30) as upstream,
        road.connection() as database,
    ):
        for command in (initial_load, daily_update):
            patch.setattr(command, "opened", lambda *_: nullcontext(shared))
        yield VirtualYear(road, clock, settings, upstream, database)
