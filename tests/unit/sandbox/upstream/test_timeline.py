"""Event numbers and moments map onto each other in both directions."""

from datetime import date, timedelta

import pytest

from sandbox.upstream.timeline import Timeline, moscow_text, utc_text

FIRST_DAY = date(2026, 11, 13)


@pytest.mark.parametrize("per_day", [1, 7, 120, 15_000])
@pytest.mark.parametrize("silent", [True, False], ids=["silent days", "no silent days"])
def test_an_event_is_counted_from_its_moment_on(per_day: int, *, silent: bool) -> None:
    timeline = Timeline(FIRST_DAY, per_day, has_silent_days=silent)
    for number in range(0, per_day * 20, max(1, per_day // 50)):
        moment_ms = timeline.at_ms(number)
        assert timeline.events_before(moment_ms) == number
        assert timeline.events_before(moment_ms + 1) == number + 1


@pytest.mark.parametrize("hour", [0, 6, 12, 23])
def test_the_count_stands_still_on_a_silent_day_only(hour: int) -> None:
    timeline = Timeline(FIRST_DAY, 240, has_silent_days=True)
    moments = [timeline.start_ms + (24 * day + hour) * 3_600_000 for day in range(22)]
    counts = [timeline.events_before(moment) for moment in moments]
    midnights = [timeline.events_before_day(FIRST_DAY + timedelta(days=day)) for day in range(22)]
    silent = [day for day in range(21) if midnights[day] == midnights[day + 1]]
    assert silent == [3, 10, 17]
    assert [count - midnight for count, midnight in zip(counts, midnights, strict=True)] == [
        0 if day in silent else hour * 10 for day in range(22)
    ]


def test_nothing_happens_before_the_history_or_without_events() -> None:
    assert Timeline(FIRST_DAY, 100, has_silent_days=True).events_before_day(date(2026, 1, 1)) == 0
    assert Timeline(FIRST_DAY, 0, has_silent_days=True).events_before_day(date(2027, 1, 1)) == 0


def test_both_texts_name_the_same_moment() -> None:
    start_ms = Timeline(FIRST_DAY, 1, has_silent_days=False).start_ms
    assert moscow_text(start_ms + 5) == b"2026-11-13T00:00:00.005+03:00"
    assert utc_text(start_ms + 5) == b"2026-11-12T21:00:00.005Z"
