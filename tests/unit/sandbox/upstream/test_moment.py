"""The moment of a stand-in moves, and every answer moves with it."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from tests.unit.sandbox.upstream.conftest import NOW, Upstream

from common.testing.clock import VirtualClock
from sandbox.upstream.app import UpstreamOptions, create_app
from sandbox.upstream.errors import BadOptionError
from sandbox.upstream.feed import ChangeFeed
from sandbox.upstream.filters import OfferFilter
from sandbox.upstream.generated import GeneratedSource, World
from sandbox.upstream.keys import Family, Key
from sandbox.upstream.listing import Listing
from sandbox.upstream.moment import Moment
from sandbox.upstream.quirks import NO_QUIRKS, Quirks

CLOCK = "http://upstream/_sandbox/clock"
EVERYTHING = OfferFilter()
ODD_HOURS = (1, 26, 23, 24, 7 * 24 + 11, 13, 40 * 24)


class _Reader:
    """The plainest client: what it knows is what it was told, and nothing is asked twice."""

    def __init__(self, source: GeneratedSource) -> None:
        self._source = source
        self.state: dict[str, Any] = {}
        self.active: set[str] = set()
        self.cursor = 0

    def crawl(self) -> None:
        """Walk the list from the first page to the last."""
        number, has_next = 1, True
        while has_next:
            rows, has_next = self._source.offers("che168", number, EVERYTHING)
            for row in map(json.loads, rows):
                self.state.setdefault(row["inner_id"], row["data"])
                self.active.add(row["inner_id"])
            number += 1

    def follow(self) -> int:
        """Apply the changes up to the head; return how many there were."""
        count, has_next = 0, True
        while has_next:
            rows, next_id, has_next = self._source.changes("che168", self.cursor)
            for event in map(json.loads, rows):
                self._apply(event)
            count += len(rows)
            self.cursor = next_id or self.cursor
        return count

    def _apply(self, event: dict[str, Any]) -> None:
        inner_id = event["inner_id"]
        if event["change_type"] == "removed":
            self.active.discard(inner_id)
            return
        if event["change_type"] == "added":
            self.state[inner_id] = event["data"]
            self.active.add(inner_id)
        elif inner_id in self.state:
            self.state[inner_id] = self.state[inner_id] | {"price": event["data"]["new_price"]}


def _truth(source: GeneratedSource) -> dict[str, Any]:
    rows = source.truth("che168", "", 1_000_000).rows
    return {row["inner_id"]: row for row in map(json.loads, rows)}


def _source(offers: int, per_day: int, quirks: Quirks, moment: Moment) -> GeneratedSource:
    return GeneratedSource(World(offers, 1, "che168", per_day, 7, NOW, quirks), moment)


def test_at_any_moment_the_list_is_that_of_before_without_who_went_and_with_who_came() -> None:
    feed = ChangeFeed(offers=137, events=500, seed=3)
    before: list[Key] = []
    for end in range(500, 1_500):
        listing = Listing(feed, end, NO_QUIRKS)
        now = [listing.row(number).key for number in range(listing.rows)]
        everyone = [Key(Family.LISTED, number) for number in range(feed.known(Family.LISTED, end))]
        assert now == [key for key in everyone if feed.is_active(key, end)]
        stayed = set(before) & set(now)
        assert [key for key in before if key in stayed] == [key for key in now if key in stayed]
        before = now


def test_rows_are_the_same_in_whatever_order_they_are_asked_for() -> None:
    listing = Listing(ChangeFeed(offers=1_000, events=3_000, seed=3), 3_000, NO_QUIRKS)
    forward = [listing.row(number) for number in range(listing.rows)]
    assert [listing.row(number) for number in reversed(range(listing.rows))] == forward[::-1]
    assert [listing.row(number) for number in [5, 5, 6, 3, 4, 900, 0, 1]] == [
        forward[number] for number in [5, 5, 6, 3, 4, 900, 0, 1]
    ]


def test_a_reader_of_the_changes_holds_the_truth_through_four_hundred_days() -> None:
    moment = Moment(NOW)
    source = _source(150, 24, NO_QUIRKS.with_rate("ghost_events", 1), moment)
    reader = _Reader(source)
    reader.crawl()
    reader.cursor = source.change_id("che168", NOW.date() + timedelta(days=1)) + 1
    silent_runs = step = 0
    while moment.now < NOW + timedelta(days=400):
        moment.move_to(moment.now + timedelta(hours=ODD_HOURS[step % len(ODD_HOURS)]))
        step += 1
        silent_runs += reader.follow() == 0
        if step % 9:
            continue
        truth = _truth(source)
        active = {inner_id for inner_id, row in truth.items() if row["active"]}
        ghosts = {inner_id for inner_id in active - reader.active if not truth[inner_id]["listed"]}
        assert reader.active == active - ghosts
        assert all(reader.state[inner_id] == truth[inner_id]["data"] for inner_id in reader.active)
        assert len(reader.active) == pytest.approx(150, abs=10)
    assert silent_runs > 0
    assert len(ghosts) > 100


def test_an_active_ghost_is_looked_up_in_full() -> None:
    moment = Moment(NOW)
    source = _source(300, 60, Quirks(), moment)
    moment.move_to(NOW + timedelta(days=100))
    ghosts = [inner_id for inner_id, row in _truth(source).items() if row["active"] and not row["listed"]]
    for inner_id in ghosts[-20:]:
        body = json.loads(source.offer("che168", inner_id) or b"null")
        assert body.get("data", body)["url"].endswith(f"{inner_id}.html")


def test_the_anchor_of_a_silent_day_lies_below_the_cursor_of_a_reader() -> None:
    moment = Moment(NOW)
    source = _source(300, 60, Quirks(), moment)
    reader = _Reader(source)
    below = []
    for _ in range(28):
        moment.move_to(moment.now + timedelta(days=1))
        reader.follow()
        below.append(source.change_id("che168", moment.now.date()) < reader.cursor - 30 * 3)
    assert below.count(False) == 4
    assert all(source.change_id("che168", moment.now.date() + timedelta(days=n)) == reader.cursor - 1 for n in (1, 9))


def test_late_offers_keep_their_place_while_the_world_goes_on() -> None:
    moment = Moment(NOW)
    source = _source(300, 60, NO_QUIRKS, moment)
    reader = _Reader(source)
    reader.crawl()
    reader.cursor = source.change_id("che168", NOW.date() + timedelta(days=1)) + 1
    for hours in (5, 0, 70, 30):
        source.shift("che168", 3)
        moment.move_to(moment.now + timedelta(hours=hours))
        reader.follow()
        truth = _truth(source)
        assert reader.active == {inner_id for inner_id, row in truth.items() if row["active"]}
        assert all(reader.state[inner_id] == truth[inner_id]["data"] for inner_id in reader.active)
    shown = [json.loads(row) for row in source.offers("che168", 1, EVERYTHING).rows[:13]]
    assert [int(row["inner_id"]) % 16 for row in shown[:12]] == [(43_510_784 + 15) % 16] * 12
    assert [row["created_at"] for row in shown[:12]] == sorted((row["created_at"] for row in shown[:12]), reverse=True)


def _shown(source: GeneratedSource, moment: Moment) -> set[bytes]:
    """Walk the list page by page while the world lives on, and return the ids that were seen."""
    seen: set[bytes] = set()
    number, has_next = 1, True
    while has_next:
        source.advance("che168", moment.events_due())
        rows, has_next = source.offers("che168", number, EVERYTHING)
        seen.update(row.split(b'"', 6)[5] for row in rows)
        number += 1
    return seen


def _listed(source: GeneratedSource) -> set[bytes]:
    """Return the ids of the offers that are truly in the list now."""
    rows = source.truth("che168", "", 1_000_000).rows
    return {row.split(b'"', 4)[3] for row in rows if b'"active":true,"listed":true' in row[:60]}


def test_a_plain_crawl_of_a_living_world_misses_offers_and_the_truth_knows_which() -> None:
    moment = Moment(NOW)
    moment.events_per_request = 2.0
    source = GeneratedSource(World(5_000, 1, "che168", 10_000, 1, NOW, NO_QUIRKS), moment)
    start = source.summary("che168").events
    reader = _Reader(source)
    reader.cursor = source.change_id("che168", NOW.date() + timedelta(days=1)) + 1
    seen = _shown(source, moment)
    assert source.summary("che168").events - start == pytest.approx(500, abs=10)
    assert reader.follow() == source.summary("che168").events - start
    listed = _listed(source)
    assert 10 < len(listed - seen - {inner_id.encode() for inner_id in reader.state}) < 200
    moment.events_per_request = 0
    assert _shown(source, moment) == listed


def test_events_stop_at_the_horizon_while_time_goes_on() -> None:
    moment = Moment(NOW, horizon_days=2)
    source = _source(300, 60, NO_QUIRKS, moment)
    counts = []
    for _ in range(5):
        counts.append(source.summary("che168").events)
        moment.move_to(moment.now + timedelta(days=1))
    assert [count - counts[0] for count in counts] == [0, 60, 120, 120, 120]


async def test_a_live_world_follows_the_clock_from_wherever_it_was_moved(clock: VirtualClock) -> None:
    app = create_app(UpstreamOptions(offers=300, live=True), clock=clock)
    await clock.sleep(3_600)
    assert app.moment.now == NOW + timedelta(hours=1)
    app.moment.move_to(NOW + timedelta(days=9))
    await clock.sleep(60)
    assert app.moment.now == NOW + timedelta(days=9, minutes=1)
    with pytest.raises(BadOptionError):
        app.moment.move_to(NOW + timedelta(days=9))


async def test_a_live_world_that_starts_again_later_has_the_same_events(
    upstream: Upstream, clock: VirtualClock
) -> None:
    settings: dict[str, Any] = {"offers": 300, "changes_per_day": 240, "quirks": NO_QUIRKS, "live": True, "now": NOW}
    first = upstream(**settings)
    await clock.sleep(2 * 86_400)
    again = upstream(**settings)
    for url in ("/changes?change_id=0", "/offers?page=3", "/change_id?date=2026-11-22", "/changes?change_id=8356000"):
        assert (await first.get(url)).json() == (await again.get(url)).json()
    assert (await again.get("/changes?change_id=8356000")).json()["result"]


async def test_changes_come_as_time_goes_on(upstream: Upstream, clock: VirtualClock) -> None:
    client = upstream(offers=300, changes_per_day=240, quirks=NO_QUIRKS, live=True)
    head = (await client.get("/change_id?date=2027-01-01")).json()["change_id"]
    counts = []
    for _ in range(3):
        counts.append(len((await client.get(f"/changes?change_id={head + 1}")).json()["result"]))
        await clock.sleep(1_800)
    assert counts == [0, 5, 10]


def test_too_few_offers_stand_still() -> None:
    moment = Moment(NOW)
    source = _source(49, 60, Quirks(), moment)
    moment.move_to(NOW + timedelta(days=9))
    source.advance("che168", 7)
    assert source.summary("che168").events == 0


def test_kept_pages_are_those_of_the_moment() -> None:
    moments = [Moment(NOW), Moment(NOW)]
    kept, plain = (
        GeneratedSource(World(300, 1, "che168", 60, 7, NOW, Quirks(), cache_pages=cache), moment)
        for cache, moment in zip((4, 0), moments, strict=True)
    )
    for _ in range(3):
        for page in (1, 2, 1, 9, 1, 99):
            assert kept.offers("che168", page, EVERYTHING) == plain.offers("che168", page, EVERYTHING)
        assert kept.offers("che168", 1, EVERYTHING) is kept.offers("che168", 1, EVERYTHING)
        kept.shift("che168", 1)
        plain.shift("che168", 1)
        for moment in moments:
            moment.move_to(moment.now + timedelta(days=3))


async def test_the_clock_is_told_and_moved(upstream: Upstream) -> None:
    client = upstream(now=NOW)
    assert (await client.get(CLOCK)).json() == {"now": "2026-11-20T12:00:00+00:00", "events_per_request": 0.0}
    head = (await client.get("/change_id?date=2026-12-31")).json()["change_id"]
    moved = await client.post(CLOCK, json={"now": "2026-11-22T02:00:00+03:00"})
    assert moved.json() == {"now": "2026-11-21T23:00:00+00:00", "events_per_request": 0.0}
    events = (await client.get(f"/changes?change_id={head + 1}")).json()["result"]
    assert events[0]["id"] > head


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        pytest.param({"now": "2026-11-20T11:59:59Z"}, "forward", id="back"),
        pytest.param({"now": "2026-11-21T12:00:00"}, "offset", id="no offset"),
        pytest.param({"now": "tomorrow"}, "isoformat", id="no moment"),
        pytest.param({"events_per_request": -1}, "events_per_request", id="negative pace"),
        pytest.param({"events_per_request": True}, "events_per_request", id="no number"),
        pytest.param({"now": "2026-11-21T12:00:00Z", "events_per_request": "2"}, "events_per_request", id="a text"),
        pytest.param({"then": 1}, "object of now", id="unknown key"),
        pytest.param([1], "object of now", id="no object"),
    ],
)
async def test_a_clock_without_meaning_is_refused_and_nothing_moves(
    upstream: Upstream, asked: object, said: str
) -> None:
    client = upstream(now=NOW)
    before = (await client.get(CLOCK)).json()
    answer = await client.post(CLOCK, json=asked)
    assert answer.status_code == 422
    assert said in answer.json()["message"]
    assert (await client.get(CLOCK)).json() == before


@pytest.fixture(name="living")
async def _living(clock: VirtualClock) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(UpstreamOptions(offers=300, changes_per_day=1_440, quirks=NO_QUIRKS), clock=clock)
    base_url = "http://upstream/api/v2/che168"
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url=base_url, headers={"x-api-key": "sandbox-key"}
    ) as client:
        yield client


async def test_each_request_for_a_page_lets_events_happen(living: httpx.AsyncClient) -> None:
    async def events() -> int:
        return int((await living.get("http://upstream/_sandbox/truth/summary")).json()["events"])

    start = await events()
    await living.get("/offers?page=1")
    assert await events() == start
    await living.post(CLOCK, json={"events_per_request": 0.4})
    counts = []
    for page in range(1, 6):
        await living.get(f"/offers?page={page}")
        await living.get("/filters")
        counts.append(await events() - start)
    assert counts == [0, 0, 1, 1, 2]
    await living.post(CLOCK, json={"events_per_request": 0})
    await living.get("/offers?page=1")
    assert await events() == start + 2


def test_the_moment_of_a_process_can_be_moved_from_inside() -> None:
    app = create_app(UpstreamOptions(offers=300, now=NOW))
    app.moment.move_to(datetime(2026, 12, 1, tzinfo=UTC))
    assert app.moment.now == datetime(2026, 12, 1, tzinfo=UTC)
    with pytest.raises(BadOptionError):
        app.moment.move_to(NOW)
