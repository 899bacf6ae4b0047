"""The service keeps its schedule, obeys orders and stays paused."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from tests.contract.fetcher.service_fakes import (
    CHE168,
    ENCAR,
    HOUR,
    NIGHT,
    SHOP,
    Bench,
    FakeServiceStore,
)

from common.errors import UnavailableError
from fetcher.core.service_ports import Finding, Happening, JobResult


def at(hours: float) -> datetime:
    return NIGHT + timedelta(hours=hours)


async def test_each_night_has_one_update_and_each_hour_one_sync() -> None:
    async with Bench(CHE168, SHOP) as bench:
        await bench.clock.advance(72 * HOUR)
        nights = [moment for name, _, moment in bench.jobs.started if name == "che168"]
        hours = [moment for name, _, moment in bench.jobs.started if name == "bot_igor"]
    assert nights == [at(1), at(25), at(49)]
    assert len(hours) == 72
    assert hours[:2] == [at(0), at(1) + timedelta(seconds=10)]
    assert {(name, command) for name, command, _ in bench.jobs.started} == {
        ("che168", "daily-update"),
        ("bot_igor", "shop-sync"),
    }


@pytest.mark.parametrize(("last_success_h", "runs"), [(-30, 1), (-100, 1), (-20, 0)])
async def test_a_missed_night_is_made_up_for_once_at_the_start(last_success_h: float, runs: int) -> None:
    store = FakeServiceStore(done={"che168": at(last_success_h)})
    async with Bench(CHE168, store=store) as bench:
        await bench.clock.advance(0.9 * HOUR)
        assert len(bench.jobs.started) == runs


async def test_a_job_that_was_done_while_a_clock_was_ahead_does_not_keep_the_next_ones_from_starting() -> None:
    store = FakeServiceStore(done={"che168": at(1000), "bot_igor": at(1000)})
    async with Bench(CHE168, SHOP, store=store) as bench:
        await bench.clock.advance(2 * HOUR)
        assert {name: moment for name, _, moment in bench.jobs.started} == {"bot_igor": at(1), "che168": at(1)}


@pytest.mark.parametrize("done", [{}, {"che168": at(-23)}], ids=["never", "last night"])
async def test_a_job_that_failed_waits_for_the_next_slot(done: dict[str, datetime]) -> None:
    async with Bench(CHE168, store=FakeServiceStore(done=done)) as bench:
        bench.jobs.ends.append(JobResult(Happening.FAILED, "3 pages in a row are dead"))
        await bench.clock.advance(24 * HOUR)
        assert [moment for *_, moment in bench.jobs.started] == [at(1)]
        assert bench.notices.keys() == ["daily-update.started che168", "daily-update.failed che168"]


async def test_a_job_whose_servers_are_away_is_begun_again_until_they_are_back() -> None:
    async with Bench(CHE168) as bench:
        bench.jobs.ends += [UnavailableError("broker away")] * 5
        await bench.clock.advance(HOUR + 30)
        assert len(bench.jobs.started) == 6
        assert bench.notices.keys() == ["daily-update.started che168", "daily-update.done che168"]


async def test_a_defect_in_one_job_is_said_and_the_service_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    async with Bench(CHE168) as bench:
        bench.jobs.ends.append(ZeroDivisionError())
        await bench.clock.advance(25 * HOUR + 60)
        keys = bench.notices.keys()
    assert keys[1::2] == ["daily-update.failed che168", "daily-update.done che168"]
    assert "daily-update ended by a defect" in caplog.text


async def test_a_service_waits_for_a_database_that_is_away_at_its_start() -> None:
    async with Bench(SHOP, store=FakeServiceStore(outages=10)) as bench:
        await bench.clock.advance(9)
        assert bench.jobs.started == []
        await bench.clock.advance(5)
        assert len(bench.jobs.started) == 1


async def test_jobs_of_different_targets_run_at_once_and_of_one_never() -> None:
    async with Bench(CHE168, SHOP, takes_s=2 * HOUR) as bench:
        told = await bench.order('{"command": "daily-update", "platform": "che168"}')
        assert told[-2:] == ["daily-update.accepted che168", "daily-update.started che168"]
        assert await bench.order("initial-load") == ["initial-load.refused che168"]
        assert bench.notices.last[0].text.startswith("busy: daily-update since 2026-11-20 22:00:00")
        await bench.clock.advance(20 * HOUR)
        assert bench.jobs.most_at_once == 2


async def test_the_nightly_update_waits_for_a_long_load_that_makes_it_needless() -> None:
    async with Bench(CHE168, takes_s=5 * HOUR) as bench:
        await bench.order("initial-load")
        await bench.clock.advance(23 * HOUR)
        assert [command for _, command, _ in bench.jobs.started] == ["initial-load"]
        await bench.clock.advance(3 * HOUR)
        assert [command for _, command, _ in bench.jobs.started] == ["initial-load", "daily-update"]


async def test_an_update_that_a_load_held_up_starts_when_the_load_has_failed() -> None:
    store = FakeServiceStore(done={"che168": at(-23)})
    async with Bench(CHE168, store=store, takes_s=5 * HOUR + 7) as bench:
        bench.jobs.ends.append(JobResult(Happening.FAILED, "3 pages in a row are dead"))
        await bench.order("initial-load")
        await bench.clock.advance(5 * HOUR + 7)
        await bench.clock.advance(0)  # at once: not at the next look at the clock
        assert [command for _, command, _ in bench.jobs.started] == ["initial-load", "daily-update"]


async def test_options_reach_the_job_and_the_result_the_answer() -> None:
    async with Bench(CHE168) as bench:
        await bench.order('{"command": "initial-load", "platform": "che168", "max_pages": 10}')
        await bench.clock.advance(20)
        assert bench.notices.keys() == ["initial-load.done che168"]
        (done,) = bench.notices.last
        assert (done.text, done.counts, done.at) == ("finished", {"records": 20}, NIGHT + timedelta(seconds=10))
        assert bench.jobs.options == [{"max_pages": 10}]


async def test_a_disabled_platform_works_only_when_it_is_named() -> None:
    async with Bench(CHE168, ENCAR) as bench:
        assert await bench.order("daily-update") == ["daily-update.accepted che168", "daily-update.started che168"]
        await bench.clock.advance(30 * HOUR)
        assert {name for name, *_ in bench.jobs.started} == {"che168"}
        bench.notices.keys()
        assert await bench.order("status") == ["status.done che168"]
        await bench.order("daily-update", "fetcher.encar")
        assert bench.jobs.started[-1][0] == "encar"
        await bench.order("pause")
        assert set(bench.store.paused_since) == {"che168", "encar"}


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("dance", "unknown command"),
        ('{"command": "pause", "platform": "nosuch"}', "nosuch: not configured; known: che168, bot_igor"),
        ('{"command": "shop-sync", "platform": "che168"}', "shop-sync is not for che168"),
        ("retry-gaps", "retry-gaps: nothing that is enabled knows it"),
    ],
)
async def test_what_cannot_be_followed_is_answered(text: str, answer: str) -> None:
    async with Bench(CHE168, SHOP) as bench:
        bench.notices.keys()
        assert await bench.order(text) == ["command.refused None"]
        assert answer in bench.notices.last[0].text


async def test_a_pause_stops_what_runs_and_lets_nothing_start() -> None:
    async with Bench(CHE168, SHOP, takes_s=HOUR) as bench:
        await bench.order("initial-load")
        assert await bench.order("pause", "fetcher.che168") == [
            "pause.accepted che168",
            "initial-load.stopped che168",
            "pause.done che168",
        ]
        assert bench.store.paused_since == {"che168": NIGHT}
        assert await bench.order("daily-update") == ["daily-update.refused che168"]
        await bench.clock.advance(30 * HOUR)
        assert [command for name, command, _ in bench.jobs.started if name == "che168"] == ["initial-load"]
        assert len(bench.jobs.started) > 10, "the shop goes on"


async def test_resume_goes_on_with_what_the_pause_has_interrupted() -> None:
    async with Bench(CHE168) as bench:
        await bench.order('{"command": "initial-load", "max_pages": 10}')
        await bench.order("pause")
        await bench.clock.advance(HOUR / 2)
        assert await bench.order("resume") == ["resume.done che168", "initial-load.started che168"]
        assert bench.store.paused_since == {}
        assert bench.jobs.options == [{"max_pages": 10}] * 2
        assert await bench.order("resume") == ["resume.done che168"]
        assert bench.notices.last[0].text == "was not paused"


async def test_what_goes_on_is_not_begun_anew_once_more() -> None:
    async with Bench(CHE168) as bench:
        ordered_at = bench.clock.now()
        await bench.order('{"command": "initial-load", "platform": "che168", "again": true}')
        await bench.order("pause")
        await bench.clock.advance(HOUR / 2)
        await bench.order("resume")
        assert bench.jobs.options == [{"again": ordered_at}] * 2


async def test_resume_before_the_job_has_stopped_starts_it_again() -> None:
    async with Bench(CHE168, takes_s=5) as bench:
        bench.jobs.is_deaf = True
        await bench.order("initial-load")
        await bench.order("pause")
        assert (await bench.order("resume")) == ["resume.done che168"]
        await bench.clock.advance(6)
        assert bench.notices.keys() == ["initial-load.stopped che168", "initial-load.started che168"]


async def test_a_restart_stays_paused_and_a_missed_night_comes_with_resume() -> None:
    store = FakeServiceStore(paused_since={"che168": at(-50)}, done={"che168": at(-60)})
    async with Bench(CHE168, store=store) as bench:
        await bench.clock.advance(30 * HOUR)
        assert bench.jobs.started == []
        assert await bench.order("resume") == ["resume.done che168", "daily-update.started che168"]


async def test_a_second_pause_keeps_the_time_of_the_first() -> None:
    async with Bench(CHE168) as bench:
        await bench.order("pause")
        await bench.clock.advance(60)
        assert await bench.order("pause") == ["pause.done che168"]
        assert bench.store.paused_since == {"che168": NIGHT}


async def test_an_order_is_accepted_only_when_its_pause_is_saved() -> None:
    async with Bench(CHE168) as bench:
        bench.store.outages = 3
        obeying = asyncio.create_task(bench.service.obey(b"pause", "fetcher.command"))
        await bench.clock.advance(2)
        assert not obeying.done()
        assert bench.store.paused_since == {}
        await bench.clock.advance(2)
        assert obeying.done()
        assert bench.store.paused_since == {"che168": NIGHT}


async def test_an_order_that_comes_while_the_next_slot_is_looked_up_keeps_a_second_job_from_starting() -> None:
    async with Bench(SHOP) as bench:
        bench.store.outages = 10_000
        await bench.clock.advance(HOUR + 60)  # the first sync is over, the next is due, and nobody can say so
        bench.jobs.takes_s = HOUR
        assert await bench.order("shop-sync") == [
            *("shop-sync.started bot_igor", "shop-sync.done bot_igor"),
            *("shop-sync.accepted bot_igor", "shop-sync.started bot_igor"),
        ]
        bench.store.outages = 0
        await bench.clock.advance(HOUR / 2)
        assert (len(bench.jobs.started), bench.jobs.most_at_once) == (2, 1)


async def test_a_pause_that_comes_while_the_next_slot_is_looked_up_lets_nothing_start() -> None:
    async with Bench(SHOP) as bench:
        bench.store.outages = 10_000
        await bench.clock.advance(HOUR + 60.5)
        pausing = asyncio.create_task(bench.service.obey(b"pause", "fetcher.command"))
        await bench.clock.advance(0.1)
        bench.store.outages = 1  # for the look-up, which comes first; then the pause is saved
        await bench.clock.advance(HOUR)
        assert pausing.done()
        assert len(bench.jobs.started) == 1


@pytest.mark.parametrize(
    ("orders", "said"),
    [
        ([], "idle, daily-update at 2026-11-20 23:00:00 UTC"),
        (["pause"], "idle, paused since 2026-11-20 22:00:00 UTC"),
        (["initial-load"], "initial-load since 2026-11-20 22:00:00 UTC"),
    ],
)
async def test_the_status_says_what_is_going_on(orders: list[str], said: str) -> None:
    async with Bench(CHE168) as bench:
        for order in orders:
            await bench.order(order)
        assert await bench.order("status") == ["status.done che168"]
        assert bench.notices.last[0].text == said


async def test_stopping_lets_the_job_end_and_cuts_off_one_that_does_not() -> None:
    async with Bench(CHE168, SHOP, takes_s=HOUR) as bench:
        bench.jobs.is_deaf = True
        await bench.order("daily-update")
        stopping = asyncio.create_task(bench.service.stop())
        await bench.clock.advance(7)
        assert not stopping.done()
        await bench.clock.advance(1)
        assert stopping.done()
        assert bench.jobs.running == 0
        assert bench.store.paused_since == {}


async def test_a_job_that_waits_for_a_server_stops_at_once() -> None:
    async with Bench(CHE168) as bench:
        bench.jobs.ends += [UnavailableError("broker away")] * 100
        await bench.order("daily-update")
        stopping = asyncio.create_task(bench.service.stop())
        await bench.clock.advance(1)
        assert stopping.done()
        assert bench.notices.keys() == ["daily-update.stopped che168"]


async def test_findings_are_said_when_they_are_new_and_then_every_hour(caplog: pytest.LogCaptureFixture) -> None:
    since = datetime(2026, 11, 19, tzinfo=UTC)
    store = FakeServiceStore(found=[Finding("che168", "no_added", since, "nothing was added")])
    store.found.append(Finding("encar", "no_run", since, "nobody asks it any more"))
    async with Bench(CHE168, ENCAR, SHOP, store=store) as bench:
        await bench.clock.advance(1800)
        assert caplog.text.count("watchdog: no_added platform=che168 since=2026-11-19T00:00:00Z") == 1
        store.found.append(Finding("che168", "old_gap", since, "a page is missing"))
        await bench.order("shop-sync")
        await bench.clock.advance(60)
        assert (caplog.text.count("no_added"), caplog.text.count("old_gap")) == (1, 1)
        await bench.clock.advance(1800)
        assert (caplog.text.count("no_added"), caplog.text.count("old_gap")) == (2, 2)
        assert "encar" not in caplog.text
        assert store.looked < 20
