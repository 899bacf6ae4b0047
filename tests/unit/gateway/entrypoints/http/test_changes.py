"""The change feed over HTTP, on fakes."""

import asyncio
import json
from datetime import UTC, datetime

import httpx
import pytest
from tests.contract.gateway.fakes import TOKEN, FakeChanges, a_client, some_parts, some_tokens

from common.errors import UnavailableError
from common.testing.clock import VirtualClock
from gateway.core.access import Access
from gateway.core.change_feed import ChangeFeed
from gateway.entrypoints.http.api import Parts
from gateway.entrypoints.http.models import ChangeList

pytestmark = pytest.mark.unit

KEY = b"0123456789abcdef0123456789abcdef"


def some_changes(*ids: int) -> FakeChanges:
    """Return changes, every third of a shop."""
    changes = FakeChanges()
    for number in ids:
        changes.add(number, "bot_igor" if number % 3 == 0 else "che168")
    return changes


async def get(path: str, changes: FakeChanges) -> httpx.Response:
    """Ask once."""
    async with a_client(await some_parts(changes=changes)) as client:
        return await client.get(path)


async def streamed(parts: Parts, path: str, *, seconds: int, headers: dict[str, str] | None = None) -> httpx.Response:
    """Follow for so many virtual seconds; the feed's second passes between two looks."""
    async with a_client(parts) as client:
        answer = asyncio.create_task(client.get(path, headers=headers))
        for _ in range(seconds):
            for _ in range(20):
                await asyncio.sleep(0)  # noqa: TID251 - takes no time
            await parts.clock.sleep(1)
            await parts.feed.read_on()
            parts.feed._wake()  # noqa: SLF001 - the second that has passed
        parts.feed.stop()
        return await answer


def ids_of(answer: httpx.Response) -> list[int]:
    """Return the ids of the events."""
    return [int(line.removeprefix("id: ")) for line in answer.text.splitlines() if line.startswith("id: ")]


async def test_pages_of_changes_follow_one_another() -> None:
    changes, seen, position = some_changes(1, 2, 5, 6, 9), list[int](), 0
    for _ in range(4):
        body = (await get(f"/changes?change_id={position}&limit=2", changes)).content
        page = ChangeList.model_validate_json(body)
        seen += [change.change_id for change in page.items]
        position = page.next_change_id
    assert (seen, position) == ([1, 2, 5, 6, 9], 10)


async def test_changes_of_one_platform() -> None:
    answer = await get("/changes?platform=bot_igor", some_changes(1, 3, 4, 6))
    assert [change["change_id"] for change in answer.json()["items"]] == [3, 6]


async def test_a_day_leads_to_its_first_change() -> None:
    changes = FakeChanges()
    for number, day in ((3, 18), (4, 19), (7, 20), (8, 20)):
        changes.add(number, moment=datetime(2026, 11, day, tzinfo=UTC))
    for day, first in ((1, 3), (19, 4), (20, 7), (21, 9)):
        assert (await get(f"/change_id?date=2026-11-{day:02}", changes)).json() == {"change_id": first}
    assert (await get("/change_id?date=2026-11-20", FakeChanges())).json() == {"change_id": 1}
    assert (await get("/change_id?date=0001-01-01", changes)).json() == {"change_id": 3}
    assert (await get("/change_id?date=9999-12-31", changes)).json() == {"change_id": 9}


@pytest.mark.parametrize(
    "path",
    [
        "/change_id",
        "/change_id?date=",
        "/change_id?date=20261120",
        "/change_id?date=2026-02-30",
        "/change_id?date=10000-01-01",
        "/change_id?date=2026-W01-1",
        "/changes?change_id=-1",
        "/changes?limit=1001",
        "/changes?change_id=9223372036854775808",
        "/changes?since=1",
        "/offers/stream?change_id=x",
    ],
)
async def test_wrong_parameters_are_refused(path: str) -> None:
    assert (await get(path, FakeChanges())).status_code == 422


async def test_a_stream_begins_where_it_is_told_and_says_what_happens() -> None:
    answer = await streamed(await some_parts(changes=some_changes(1, 2, 5)), "/offers/stream?change_id=2", seconds=2)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/event-stream; charset=utf-8")
    assert ids_of(answer) == [2, 5]
    first = answer.text.split("\n\n")[1].splitlines()
    assert first[:2] == ["id: 2", "event: changed"]
    assert json.loads(first[2].removeprefix("data: "))["inner_id"] == "offer 2"


async def test_a_stream_resumes_after_the_last_event_and_without_one_begins_now() -> None:
    parts = await some_parts(changes=some_changes(1, 2, 5))
    assert ids_of(await streamed(parts, "/offers/stream", seconds=2, headers={"Last-Event-ID": "2"})) == [5]
    parts = await some_parts(changes=some_changes(1, 2, 5))
    assert ids_of(await streamed(parts, "/offers/stream", seconds=2)) == []
    answer = await streamed(parts, "/offers/stream", seconds=2, headers={"Last-Event-ID": "x"})
    assert answer.status_code == 422


async def test_a_stream_of_one_platform_leaves_the_others_out() -> None:
    parts = await some_parts(changes=some_changes(1, 3, 4))
    assert ids_of(await streamed(parts, "/offers/stream?change_id=0&platform=bot_igor", seconds=2)) == [3]


async def test_silence_is_broken_now_and_then() -> None:
    answer = await streamed(await some_parts(), "/offers/stream", seconds=40)
    assert 2 <= answer.text.count(": still here\n\n") <= 3


async def test_the_headers_alone_end_at_once() -> None:
    parts = await some_parts(changes=some_changes(1))
    async with a_client(parts) as client:
        answer = await client.head("/offers/stream?change_id=0")
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/event-stream; charset=utf-8")
    assert parts.feed.listeners == 0


async def test_one_stream_too_many_is_told_to_come_back() -> None:
    parts = await some_parts()
    with parts.feed.place(), parts.feed.place(), parts.feed.place():
        async with a_client(parts) as client:
            answer = await client.get("/offers/stream")
    assert (answer.status_code, answer.json()["type"], answer.headers["Retry-After"]) == (
        503,
        "/docs#problem-too-many-streams",
        "30",
    )
    assert parts.feed.listeners == 0


async def test_a_stream_ends_with_its_token() -> None:
    clock = VirtualClock()
    tokens = await some_tokens(clock, TOKEN)
    parts = await some_parts(
        clock=clock, changes=some_changes(1), access=Access(tokens, key=KEY, clock=clock, cache_ttl_s=4)
    )
    async with a_client(parts) as client:
        answer = asyncio.create_task(client.get("/offers/stream?change_id=1"))
        for second in range(8):
            for _ in range(20):
                await asyncio.sleep(0)  # noqa: TID251 - takes no time
            if second == 2:
                await tokens.revoke(1)
            await clock.advance(1)
            parts.feed._wake()  # noqa: SLF001 - the second that has passed
        assert answer.done()
        assert ids_of(await answer) == [1]


async def test_a_stream_outlives_a_database_that_is_away_for_a_while() -> None:
    clock, changes = VirtualClock(auto_advance=False), some_changes(1)
    tokens = await some_tokens(clock, TOKEN)
    access = Access(tokens, key=KEY, clock=clock, cache_ttl_s=4)
    parts = await some_parts(clock=clock, changes=changes, access=access)
    async with a_client(parts) as client:
        answer = asyncio.create_task(client.get("/offers/stream?change_id=1"))
        for second in range(40):
            for _ in range(20):
                await asyncio.sleep(0)  # noqa: TID251 - takes no time
            tokens.failure = UnavailableError("away") if 3 <= second < 20 or second > 30 else None
            if second == 5:
                changes.add(2)
            await clock.advance(1)
            parts.feed._wake()  # noqa: SLF001 - the second that has passed
        assert not answer.done()
        parts.feed.stop()
        assert ids_of(await answer) == [1, 2]


@pytest.mark.parametrize(
    "path", ["/changes?change_id=4", "/offers/stream?change_id=4", "/change_id?date=2026-11-18", "/changes?change_id=1"]
)
async def test_a_reader_whose_position_is_kept_no_longer_is_told_so(path: str) -> None:
    changes = FakeChanges()
    for number in (3, 4, 7):
        changes.add(number, moment=datetime(2026, 11, 15 + number, tzinfo=UTC))
    changes.remove_to(4)
    answer = await get(path, changes)
    assert answer.status_code == 410
    assert answer.json()["type"].endswith("position-gone")
    assert answer.json()["detail"] == "changes are kept from 5 on"
    assert [item["change_id"] for item in (await get("/changes", changes)).json()["items"]] == [7]
    assert (await get("/changes?change_id=5", changes)).status_code == 200


async def test_a_browser_that_was_away_too_long_is_told_so() -> None:
    changes = some_changes(1, 2, 5)
    changes.remove_to(2)
    async with a_client(await some_parts(changes=changes)) as client:
        answer = await client.get("/offers/stream", headers={"Last-Event-ID": "1"})
    assert answer.status_code == 410


async def test_a_listener_that_is_overtaken_is_let_go() -> None:
    changes, clock = some_changes(1, 2, 5), VirtualClock()
    feed = ChangeFeed(changes, clock=clock, most_listeners=1)
    listening = feed.listen(1)
    assert [change.change_id for change in await anext(listening)] == [1, 2, 5]
    changes.remove_to(9)
    async with asyncio.timeout(60):
        assert [batch async for batch in listening] == []
