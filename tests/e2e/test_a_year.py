"""Four hundred days of a platform: whatever happens to the feed and to the schedule, what is held is the truth."""

from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest
from tests.e2e.conftest import MakeRoad
from tests.e2e.virtual_year import MOSCOW, Held, VirtualYear, virtual_year

START = datetime(2026, 1, 10, 9, tzinfo=UTC)
DAYS = 400
MISSED = {30, 61, *range(100, 107), *range(150, 190), 260, *range(300, 307)}
"""Days without an update: one, seven and forty in a row."""
DEAD = 80
DEAD_DAYS = 2
REPLAYED = 250
HOURS = (time(0, 1), time(2), time(12), time(23, 54), time(5, 37))
TWICE = 9
"""Every so many days there is a second update in the evening."""
UPSTREAM = (
    *("--offers", "160", "--changes-per-day", "16", "--seed", "7"),
    *("--now", START.isoformat(), "--changes-end", "rotate"),
)


def moments() -> Iterator[tuple[int, datetime]]:
    """Give the day and the moment of each update."""
    first = START.astimezone(MOSCOW).date()
    for day in range(1, DAYS + 1):
        if day in MISSED:
            continue
        date = first + timedelta(days=day)
        hour = HOURS[day % len(HOURS)]
        yield day, datetime.combine(date, hour, MOSCOW)
        if day % TWICE == 0 and hour < time(18):
            yield day, datetime.combine(date, time(18, 30), MOSCOW)


def differences(held: dict[str, Held], truth: dict[str, dict[str, Any]], *, unseen: set[str]) -> list[str]:
    """Name what is missing, and what is held otherwise than it is."""
    active = {inner_id for inner_id, true in truth.items() if true["active"]}
    found = [f"{inner_id}: active and not held" for inner_id in active - held.keys() - unseen]
    for inner_id, ours in held.items():
        true = truth[inner_id]
        shown = (true["active"], ours.is_complete, _number(true["data"]["price"]), _number(true["data"]["km_age"]))
        if ours.is_active != true["active"]:
            found.append(f"{inner_id}: active {ours.is_active}")
        elif ours.is_complete and {name: ours.data[name] for name in ours.data if name != "vin"} != true["data"]:
            found.append(f"{inner_id}: other data")
        elif ours.is_complete and ours.shown != shown:
            found.append(f"{inner_id}: shown as {ours.shown}, not {shown}")
        elif true["active"] and not ours.is_complete:
            found.append(f"{inner_id}: active and incomplete")
    return found


def _number(value: int | str) -> float:
    return float(value)


async def test_after_four_hundred_days_of_any_kind_the_catalogue_is_the_truth(
    make_road: MakeRoad, monkeypatch: pytest.MonkeyPatch
) -> None:
    road = make_road(*UPSTREAM)
    road.start("normalizer", "run", FEEDMILL__NORMALIZER__LINGER_S="0.01")
    async with virtual_year(road, START, monkeypatch) as year:
        await year.load()
        await road.landed()
        await live_through(year)
        held, truth = await year.held(), await year.truth()
        stats = await year.told("GET", "stats")
    assert differences(held, truth, unseen=year.unseen) == []
    asked = stats["endpoints"]
    ghosts = sum(true["active"] and not true["listed"] for true in truth.values())
    assert asked["offer"] <= ghosts
    assert stats["total"] - year.own_requests <= year.feed_pages + DAYS + asked["offer"]
    assert len(held) > 1_200
    assert ghosts > 100
    assert year.below > DAYS / 14
    assert len(year.failed) >= 1


async def live_through(year: VirtualYear) -> None:
    """Update through all days; then let what is incomplete be completed."""
    await year.told("DELETE", "stats")
    year.own_requests = 0
    for day, moment in moments():
        if day == DEAD:
            await year.told("POST", "faults", [{"kind": "feed_dead", "seconds": DEAD_DAYS * 86_400}])
        await year.update(moment, since=moment.date() - timedelta(days=3) if day == REPLAYED else None)
    await year.road.landed()
    await year.update(moment + timedelta(minutes=10))
    await year.road.landed()
