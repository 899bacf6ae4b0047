"""What every `LoadStore` promises: on the fake, and on PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from tests.contract.fetcher.fakes import FakeStore
from tests.contract.fetcher.stores import opened_store

from common.events import ChangeId, PageKind
from common.settings import DatabaseSettings
from fetcher.adapters.postgres import PostgresStore
from fetcher.core.errors import RunTakenOverError
from fetcher.core.ports import FailedPage, Operation, Run, RunKind, RunStatus, SavedPage

pytestmark = pytest.mark.contract

Store = FakeStore | PostgresStore
NOW = datetime(2026, 11, 21, 7, 28, tzinfo=UTC)
RUN = Run("r1", "che168", ChangeId(1000), started_at=NOW)


@pytest.fixture(params=["fake", "postgresql"])
def place(request: pytest.FixtureRequest) -> DatabaseSettings | None:
    """Where the store keeps things: in memory, or in a database of the test's own."""
    settings: DatabaseSettings | None = None if request.param == "fake" else request.getfixturevalue("emptied_database")
    return settings


@pytest.fixture
async def store(place: DatabaseSettings | None) -> AsyncIterator[Store]:
    """Both implementations, one after the other."""
    if place is None:
        yield FakeStore()
        return
    async with opened_store(place) as opened:
        yield opened


def a_page(position: int, *, records: int = 20, following: int | None = -1, parts: int = 1) -> SavedPage:
    """Return a page; by default its next is the one after it."""
    keys = [f"che168:page:{position}:r1" + (f":{part}" if part else "") for part in range(parts)]
    return SavedPage(position, position + 1 if following == -1 else following, dict.fromkeys(keys, records), 1, NOW)


def a_failure(position: int, *, attempts: int = 1, next_attempt_at: datetime | None = None) -> FailedPage:
    """Return a page that failed."""
    return FailedPage(position, f"che168:page:{position}:r1", attempts, NOW, next_attempt_at, "timeout")


async def begun(store: Store, *pages: SavedPage) -> Run:
    """Save a run with these pages and return it as it is held."""
    await store.start_run(RUN)
    run = RUN
    for page in pages:
        await store.save_pages(run, [page])
        run = run.after(page)
    return run


async def test_there_is_no_run_at_first(store: Store) -> None:
    assert await store.latest_run("che168", RunKind.INITIAL_LOAD) is None
    assert await store.previous_total("che168", RunKind.INITIAL_LOAD) is None


async def test_a_new_run_is_found_again(store: Store) -> None:
    await begun(store)
    assert await store.latest_run("che168", RunKind.INITIAL_LOAD) == RUN
    assert await store.latest_run("encar", RunKind.INITIAL_LOAD) is None


async def test_the_newest_run_is_the_one_that_began_last_though_the_clock_was_put_back(store: Store) -> None:
    await store.start_run(RUN)
    await store.finish_run(RUN)
    kinds = RunKind.INITIAL_LOAD, RunKind.DAILY_UPDATE
    for _ in range(2):  # the second time the answer was lost
        for number, kind in enumerate(kinds):
            run = Run(f"again-{number}", "che168", ChangeId(2000), kind, started_at=NOW - timedelta(hours=number + 1))
            await store.start_run(run)
    runs = [RUN, *[await store.latest_run("che168", kind) for kind in kinds]]
    assert [run.run_id for run in runs if run] == ["r1", "again-0", "again-1"]
    moments = [run.started_at for run in runs if run]
    assert moments == sorted(set(moments))


async def test_a_saved_page_moves_the_run(store: Store) -> None:
    run = await begun(store, a_page(1), a_page(2, records=7))
    assert await store.latest_run("che168", RunKind.INITIAL_LOAD) == run
    assert (run.position, run.next_position, run.pages, run.records) == (2, 3, 2, 27)


async def test_a_page_of_several_messages_counts_once(store: Store) -> None:
    run = await begun(store, a_page(1, parts=3))
    assert await store.latest_run("che168", RunKind.INITIAL_LOAD) == run
    assert (run.pages, run.records) == (1, 60)


async def test_a_page_saved_twice_counts_once(store: Store) -> None:
    run = await begun(store)
    await store.save_pages(run, [a_page(1)])
    await store.save_pages(run, [a_page(1)])
    held = await store.latest_run("che168", RunKind.INITIAL_LOAD)
    assert held == run.after(a_page(1))


async def test_pages_saved_together_are_as_if_saved_one_by_one(store: Store) -> None:
    run = await begun(store, a_page(1))
    together = [a_page(2, records=7, parts=2), a_page(3, records=0, parts=0), a_page(5, following=None)]
    await store.save_failure(run, a_failure(3))
    await store.save_pages(run, together)
    await store.save_pages(run, together)
    held = await store.latest_run("che168", RunKind.INITIAL_LOAD)
    assert held is not None
    assert (held.position, held.next_position, held.pages, held.records) == (5, None, 4, 54)
    assert held == run.after(together[0]).after(together[1]).after(together[2])
    assert await open_positions(store, run) == [1, 2, 2, 5]


async def test_of_pages_saved_together_those_read_again_are_not_counted_again(store: Store) -> None:
    run = await begun(store, a_page(1), a_page(2))
    await store.save_pages(run, [a_page(1), a_page(2), a_page(3, records=7)])
    held = await store.latest_run("che168", RunKind.INITIAL_LOAD)
    assert held is not None
    assert (held.position, held.pages, held.records) == (3, 3, 47)


async def test_a_page_read_again_never_moves_the_run_back(store: Store) -> None:
    run = await begun(store, a_page(1), a_page(2), a_page(3))
    await store.save_pages(run, [a_page(2, records=19)])
    assert await store.latest_run("che168", RunKind.INITIAL_LOAD) == run


async def test_a_page_behind_a_gap_moves_the_run(store: Store) -> None:
    run = await begun(store, a_page(1), a_page(4))
    assert (run.position, run.pages) == (4, 2)
    assert await store.latest_run("che168", RunKind.INITIAL_LOAD) == run


async def test_the_last_page_names_no_next(store: Store) -> None:
    await begun(store, a_page(1, following=None))
    held = await store.latest_run("che168", RunKind.INITIAL_LOAD)
    assert held is not None
    assert (held.position, held.next_position) == (1, None)


async def test_a_run_that_moved_elsewhere_is_not_written(store: Store) -> None:
    await begun(store, a_page(1), a_page(2), a_page(3))
    stale = replace(RUN, position=1, next_position=2, pages=1, records=20)
    with pytest.raises(RunTakenOverError):
        await store.save_pages(stale, [a_page(2)])
    held = await store.latest_run("che168", RunKind.INITIAL_LOAD)
    assert held is not None
    assert (held.position, held.pages) == (3, 3)


async def test_a_finished_run_is_not_written(store: Store) -> None:
    run = await begun(store, a_page(1))
    await store.finish_run(run)
    with pytest.raises(RunTakenOverError):
        await store.save_pages(run, [a_page(2)])


async def test_an_empty_page_moves_the_run(store: Store) -> None:
    run = await begun(store, SavedPage(1, None, {}, 1, NOW))
    assert await store.latest_run("che168", RunKind.INITIAL_LOAD) == run
    assert (run.position, run.records) == (1, 0)


async def test_a_finished_run_is_done_and_counts_as_the_last_total(store: Store) -> None:
    run = await begun(store, a_page(1))
    await store.finish_run(run)
    await store.finish_run(run)
    held = await store.latest_run("che168", RunKind.INITIAL_LOAD)
    assert held is not None
    assert (held.status, held.next_position) == (RunStatus.DONE, None)
    assert await store.previous_total("che168", RunKind.INITIAL_LOAD) == 20


async def test_a_failed_run_can_be_reopened(store: Store) -> None:
    run = await begun(store, a_page(1))
    await store.fail_run(run.run_id)
    failed = await store.latest_run("che168", RunKind.INITIAL_LOAD)
    assert failed is not None
    assert failed.status is RunStatus.FAILED
    await store.reopen_run(run.run_id)
    assert await store.latest_run("che168", RunKind.INITIAL_LOAD) == run


async def test_a_finished_run_does_not_fail(store: Store) -> None:
    run = await begun(store, a_page(1))
    await store.finish_run(run)
    await store.fail_run(run.run_id)
    held = await store.latest_run("che168", RunKind.INITIAL_LOAD)
    assert held is not None
    assert held.status is RunStatus.DONE


async def test_a_finished_run_is_not_reopened(store: Store) -> None:
    run = await begun(store, a_page(1))
    await store.finish_run(run)
    await store.reopen_run(run.run_id)
    held = await store.latest_run("che168", RunKind.INITIAL_LOAD)
    assert held is not None
    assert held.status is RunStatus.DONE


async def test_the_newest_run_is_the_latest(store: Store) -> None:
    await store.finish_run(await begun(store, a_page(1)))
    second = Run("r2", "che168", ChangeId(2000), started_at=NOW + timedelta(hours=1))
    await store.start_run(second)
    assert await store.latest_run("che168", RunKind.INITIAL_LOAD) == second


async def test_failures_are_open_until_the_page_is_saved(store: Store) -> None:
    run = await begun(store, a_page(1))
    waiting = a_failure(2, next_attempt_at=NOW + timedelta(minutes=12))
    await store.save_failure(run, waiting)
    assert await store.open_failures("r1") == [waiting]
    gap = replace(waiting, attempts=21, next_attempt_at=None)
    await store.save_failure(run, gap)
    await store.save_failure(run, a_failure(3))
    assert await store.open_failures("r1") == [gap, a_failure(3)]
    await store.save_pages(run, [a_page(3)])
    assert await store.open_failures("r1") == [gap]
    await store.save_pages(run.after(a_page(3)), [a_page(2)])
    assert await store.open_failures("r1") == []


async def test_a_gap_that_comes_back_empty_is_closed(store: Store) -> None:
    run = await begun(store, a_page(1))
    await store.save_failure(run, a_failure(2))
    await store.save_pages(run, [SavedPage(2, None, {}, 1, NOW)])
    assert await store.open_failures("r1") == []


async def test_a_gap_of_a_finished_run_is_closed_and_counts_once(store: Store) -> None:
    run = await begun(store, a_page(1))
    await store.save_failure(run, a_failure(2))
    run = run.after(a_page(3))
    await store.save_pages(replace(run, position=1), [a_page(3)])
    await store.finish_run(run)
    await store.close_gap(run, a_page(2, records=7, parts=2))
    await store.close_gap(run, a_page(2, records=7, parts=2))
    held = await store.latest_run("che168", RunKind.INITIAL_LOAD)
    assert held is not None
    assert (held.status, held.position, held.pages, held.records) == (RunStatus.DONE, 3, 3, 54)
    assert await store.open_failures("r1") == []


async def test_a_gap_that_its_run_will_come_to_again_is_counted_then_and_not_before(store: Store) -> None:
    run = await begun(store, a_page(1, records=4))
    await store.save_failure(run, a_failure(2))
    await store.close_gap(run, a_page(2, records=7))
    await store.save_pages(run, [a_page(2, records=7)])
    held = await store.latest_run("che168", RunKind.INITIAL_LOAD)
    assert held is not None
    assert (held.position, held.pages, held.records) == (2, 2, 11)


async def test_missing_pages_are_the_gaps_of_every_run(store: Store) -> None:
    run = await begun(store, a_page(1))
    await store.save_failure(run, a_failure(4))
    await store.save_failure(run, a_failure(2))
    await store.finish_run(run)
    second = Run("r2", "che168", ChangeId(2000), started_at=NOW + timedelta(hours=1))
    await store.start_run(second)
    waiting = FailedPage(7, "che168:page:7:r2", 3, NOW, NOW + timedelta(hours=1), "timeout")
    await store.save_failure(second, waiting)
    found = await store.missing_pages("che168", PageKind.PAGE, lost_before=NOW)
    assert [(owner.run_id, owner.start_change_id, page.position) for owner, page in found] == [
        ("r1", 1000, 2),
        ("r1", 1000, 4),
        ("r2", 2000, 7),
    ]
    assert found[2][1] == replace(waiting, next_attempt_at=None)
    assert await store.missing_pages("che168", PageKind.CHANGE, lost_before=NOW) == []
    assert await store.missing_pages("encar", PageKind.PAGE, lost_before=NOW) == []


@pytest.mark.parametrize(
    ("landed_at_h", "before_h", "is_lost"),
    [(5, 4, True), (5, 0, False), (-5, 4, False), (None, 4, False)],
    ids=["long ago, and later ones landed", "not long ago", "only earlier ones landed", "nothing has landed"],
)
async def test_a_page_that_was_passed_by_is_missing_after_a_time(
    store: Store, landed_at_h: int | None, before_h: int, *, is_lost: bool
) -> None:
    run = await begun(store, a_page(1, parts=2))
    if landed_at_h is not None:
        other = replace(a_page(2), fetched_at=NOW + timedelta(hours=landed_at_h))
        await store.save_pages(run, [other])
        await landed(store, *other.messages)
    found = await store.missing_pages("che168", PageKind.PAGE, lost_before=NOW + timedelta(hours=before_h))
    assert [page.position for _, page in found] == ([1] if is_lost else [])
    if found:
        await store.close_gap(run, replace(a_page(1), fetched_at=NOW + timedelta(hours=6)))
        held = await store.latest_run("che168", RunKind.INITIAL_LOAD)
        assert held is not None
        assert held.pages == 2, "a page that was lost has been counted before"
        assert await store.missing_pages("che168", PageKind.PAGE, lost_before=NOW + timedelta(hours=before_h)) == []


async def test_lost_messages_of_a_kind_are_forgotten(store: Store) -> None:
    run = await begun(store, a_page(1), replace(a_page(2), fetched_at=NOW + timedelta(hours=5)))
    await store.forget_lost("che168", PageKind.PAGE, lost_before=NOW + timedelta(hours=4))
    assert await open_positions(store, run) == [1, 2], "nothing fetched later has landed"
    await landed(store, "che168:page:2:r1")
    await store.forget_lost("che168", PageKind.LOOKUP, lost_before=NOW + timedelta(hours=4))
    await store.forget_lost("che168", PageKind.PAGE, lost_before=NOW)
    assert await open_positions(store, run) == [1]
    await store.forget_lost("che168", PageKind.PAGE, lost_before=NOW + timedelta(hours=4))
    assert await open_positions(store, run) == []


async def open_positions(store: Store, run: Run) -> list[int]:
    """Return the pages of a run that have not landed."""
    if isinstance(store, FakeStore):
        return sorted(row.position for row in store.ledger.values() if row.status != "landed")
    query = "SELECT position FROM feed_pages WHERE run_id = $1 AND status <> 'landed' ORDER BY position"
    rows = await store.session.call(lambda session: session.fetch(query, run.run_id))
    return [row["position"] for row in rows]


async def landed(store: Store, *message_ids: str) -> None:
    """Mark messages as the normalizer does."""
    if isinstance(store, FakeStore):
        for message_id in message_ids:
            store.ledger[message_id].status = "landed"
        return
    statement = "UPDATE feed_pages SET status = 'landed' WHERE message_id = ANY ($1::text[])"
    await store.session.call(lambda session: session.execute(statement, list(message_ids)))


async def test_a_failure_of_a_page_that_is_here_is_not_noted(store: Store) -> None:
    run = await begun(store, a_page(1))
    await store.save_failure(run, a_failure(1))
    assert await store.open_failures("r1") == []


async def test_the_diary_takes_a_row(store: Store) -> None:
    await store.record(Operation("che168", NOW, 1.5, is_ok=True, details="done", counts={"pages": 3}))


async def test_calls_at_the_same_time_take_turns(store: Store) -> None:
    run = await begun(store, a_page(1))
    await asyncio.gather(
        store.save_pages(run, [a_page(2)]), store.save_failure(run, a_failure(3)), store.open_failures("r1")
    )
    assert await store.latest_run("che168", RunKind.INITIAL_LOAD) == run.after(a_page(2))
    assert await store.open_failures("r1") == [a_failure(3)]
