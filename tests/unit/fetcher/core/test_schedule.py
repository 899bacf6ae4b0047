"""A job is due once a day, also over the nights in which clocks are changed, or once an interval."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from fetcher.core.schedule import Daily, Every

MOSCOW, BERLIN = ZoneInfo("Europe/Moscow"), ZoneInfo("Europe/Berlin")


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("last", "now", "due"),
    [
        pytest.param("2026-11-20T23:00:01", "2026-11-21T07:00", "2026-11-21T23:00", id="done tonight"),
        pytest.param("2026-11-20T23:00", "2026-11-21T07:00", "2026-11-21T23:00", id="done at the slot itself"),
        pytest.param("2026-11-19T23:00:01", "2026-11-21T07:00", "2026-11-20T23:00", id="a missed slot is in the past"),
        pytest.param("2026-11-01T12:00", "2026-11-21T07:00", "2026-11-01T23:00", id="many missed slots are one"),
        pytest.param(None, "2026-11-21T22:59:59", "2026-11-21T23:00", id="never done waits for the next"),
        pytest.param(None, "2026-11-21T23:00", "2026-11-22T23:00", id="never done, at the very slot"),
    ],
)
def test_two_in_the_morning_in_moscow(last: str | None, now: str, due: str) -> None:
    assert Daily(time(2), MOSCOW).due(utc(last) if last else None, utc(now)) == utc(due)


def slots(schedule: Daily, first: str, count: int) -> list[datetime]:
    """Return the slots after `first`, each found from the one before."""
    found = [utc(first)]
    for _ in range(count):
        found.append(schedule.due(found[-1], found[-1]))
    return found[1:]


def test_an_hour_that_is_leapt_over_comes_when_the_clocks_have_leapt() -> None:
    assert slots(Daily(time(2, 30), BERLIN), "2026-03-27T12:00", 3) == [
        utc("2026-03-28T01:30"),
        utc("2026-03-29T01:30"),  # 03:30 in summer time; 02:30 does not exist
        utc("2026-03-30T00:30"),
    ]


def test_an_hour_that_comes_twice_counts_once() -> None:
    assert slots(Daily(time(2, 30), BERLIN), "2026-10-24T12:00", 2) == [
        utc("2026-10-25T00:30"),
        utc("2026-10-26T01:30"),
    ]


@pytest.mark.parametrize("zone", ["Europe/Moscow", "Europe/Berlin", "America/Sao_Paulo", "Asia/Shanghai", "UTC"])
@pytest.mark.parametrize("at", [time(0), time(2), time(2, 30), time(23, 59)], ids=str)
def test_every_local_day_of_two_years_has_exactly_one_slot(zone: str, at: time) -> None:
    place = ZoneInfo(zone)
    found = slots(Daily(at, place), "2026-01-01T12:00", 730)
    days = {slot.astimezone(place).date() for slot in found}
    assert len(days) == 730
    assert max(days) - min(days) == timedelta(days=729)


@pytest.mark.parametrize("last", [0, 59, 60, 61, 100_000])
def test_an_interval_counts_from_the_last_start(last: int) -> None:
    now = utc("2026-11-21T07:00")
    started = now - timedelta(seconds=last)
    assert Every(60).due(started, now) == started + timedelta(seconds=60)


def test_what_was_never_done_is_due_at_once() -> None:
    now = utc("2026-11-21T07:00")
    assert Every(60).due(None, now) == now
