"""`up` waits as long as pages land, and no longer than 60 s without one."""

from collections.abc import Callable, Iterable

import pytest

from common.testing.clock import VirtualClock
from sandbox.local.errors import LocalError
from sandbox.local.landing import PATIENCE_S, Holdings, landed


def holdings(pages_open: int = 0, **other: int) -> Holdings:
    counts = {"gaps_open": 0, "unprocessed": 0, "quarantined": 0} | other
    return Holdings(pages_open=pages_open, offers={"che168": (1990, 2000)}, **counts)


def answering(pages: Iterable[int]) -> Callable[[], Holdings]:
    remaining = list(pages)
    return lambda: holdings(remaining.pop(0) if len(remaining) > 1 else remaining[0])


async def test_without_an_open_page_nobody_waits() -> None:
    clock = VirtualClock()
    assert await landed(answering([0]), clock=clock) == holdings()
    assert clock.slept == []


async def test_slow_landing_is_waited_for(capsys: pytest.CaptureFixture[str]) -> None:
    clock = VirtualClock()
    steps = [pages for pages in range(9, 0, -1) for _ in range(200)]  # 50 s for each page, 450 s in all
    assert (await landed(answering([*steps, 0]), clock=clock)).pages_open == 0
    assert clock.monotonic() > 5 * PATIENCE_S
    assert "[INFO] 9 pages on their way into the database\n" in capsys.readouterr().out


async def test_when_nothing_lands_the_wait_ends_with_the_count() -> None:
    clock = VirtualClock()
    with pytest.raises(LocalError, match="no page landed for 60 s, 7 are open"):
        await landed(answering([9, 7]), clock=clock)
    assert PATIENCE_S < clock.monotonic() < PATIENCE_S + 2


def test_the_status_of_the_gateway_is_understood() -> None:
    status = {
        "pages_open": 1,
        "gaps_open": 2,
        "unprocessed": 3,
        "quarantined": 4,
        "offers": [{"platform": "che168", "active": 1990, "total": 2000}],
        "runs": [],
    }
    read = Holdings.read(status)
    assert read == holdings(1, gaps_open=2, unprocessed=3, quarantined=4)
    assert read.lines() == [
        ("INFO", "che168: 1,990 offers served, 2,000 in the catalogue with those removed"),
        ("WARNING", "2 pages could not be fetched: make retry-gaps"),
        ("WARNING", "3 records are landed but not normalised: make normalize"),
        ("WARNING", "4 records are in quarantine: make psql, SELECT reason, count(*) FROM quarantine GROUP BY reason"),
    ]
