"""One snapshot of a shop: what is published, in which order, and what is removed."""

import asyncio
import logging
import random
from dataclasses import dataclass, field, replace
from datetime import timedelta

import msgspec
import pytest
from tests.contract.fetcher.fakes import FakePublisher, FakeStore, LedgerRow
from tests.contract.fetcher.shop_fakes import FakeKnown, FakeShop

from common.clock import Clock
from common.errors import UnavailableError
from common.events import LISTS_ID, PageFetched, PageKind
from common.testing.clock import VirtualClock
from fetcher.core.errors import KEY_REFUSED, Cause, TopologyError, UpstreamError
from fetcher.core.ports import Run, RunStatus
from fetcher.core.reading import PatientReader
from fetcher.core.retry import RetryPolicy
from fetcher.core.shop import ListName
from fetcher.core.snapshot import Outcome, Snapshot, SnapshotPlan, SnapshotPorts

pytestmark = pytest.mark.unit

MAIN, OTHERS = ListName.MAIN, ListName.OTHERS
POLICY = RetryPolicy(quick_retries=1, max_retries=1, interval_s=720, window_s=720)
REFUSED = UpstreamError(Cause.FORBIDDEN, "status 403")
NOT_OK = UpstreamError(Cause.NOT_OK, "status error: locked")


@dataclass
class Bench:
    """A shop and all that a snapshot of it talks to."""

    shop: FakeShop = field(default_factory=lambda: FakeShop(["1", "2"], ["3", "4", "5"]))
    known: FakeKnown = field(default_factory=FakeKnown)
    store: FakeStore = field(default_factory=FakeStore)
    publisher: FakePublisher = field(default_factory=FakePublisher)
    clock: Clock = field(default_factory=VirtualClock)
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    chance: random.Random = field(default_factory=random.Random)

    async def sync(self, *, force: bool = False, most_gone: float = 0.5) -> Outcome:
        """Take a snapshot."""
        self.store.journal = self.publisher.journal
        ports = SnapshotPorts(
            shop=self.shop,
            reader=PatientReader(
                platform="bot_igor", policy=POLICY, min_interval_s=0, clock=self.clock, chance=self.chance
            ),
            publisher=self.publisher,
            store=self.store,
            known=self.known,
            operations=self.store,
            clock=self.clock,
            chance=self.chance,
        )
        plan = SnapshotPlan(shop="bot_igor", most_gone=most_gone, force=force)
        return await Snapshot(plan, ports, stop=self.stop).run()

    @property
    def run(self) -> Run:
        """The newest run."""
        return list(self.store.runs.values())[-1]

    def said_of(self, *change_types: str) -> list[str | None]:
        """Return whose records of these types were published, in order."""
        records = (record for message in self.publisher.messages for record in message.records)
        return [record.inner_id for record in records if record.change_type in change_types]

    @property
    def removed(self) -> list[str | None]:
        """Whom the records said to be gone."""
        return self.said_of("removed")


async def test_both_lists_are_published_with_the_shops_own_lists_first() -> None:
    bench = Bench()
    outcome = await bench.sync()
    assert bench.said_of("added") == [LISTS_ID, "1", "2", "3", "4", "5"]
    assert bench.removed == []
    assert (bench.run.status, bench.run.records, outcome.errors) == (RunStatus.DONE, 6, [])
    assert {(message.platform, message.kind) for message in bench.publisher.messages} == {
        ("bot_igor", PageKind.SNAPSHOT)
    }
    (operation,) = bench.store.operations
    assert (operation.is_ok, operation.details) == (True, "shop sync of bot_igor finished: 5 products, 0 removed")
    assert operation.counts == {
        "records": 6,
        "products": 5,
        "on_main": 2,
        "others": 3,
        "removed": 0,
        "kept": 0,
        "messages": 1,
        "retries": 0,
    }


async def test_every_snapshot_has_a_greater_version() -> None:
    bench = Bench()
    for _ in range(3):
        await bench.sync()
    seqs = [{record.seq for record in message.records} for message in bench.publisher.messages]
    assert seqs == [{1}, {2}, {3}]
    assert [run.start_change_id for run in bench.store.runs.values()] == [1, 2, 3]


async def test_slices_are_confirmed_and_saved_one_after_another_and_removals_come_last() -> None:
    bench = Bench(shop=FakeShop([str(number) for number in range(50)]))
    bench.known.products = {"gone": False, **dict.fromkeys(map(str, range(50)), True)}
    await bench.sync(most_gone=1.0)
    steps = [step for number in range(1, 5) for step in (f"confirmed {number}", f"saved {number}")]
    assert bench.publisher.journal == ["started 1", *steps]
    assert [len(message.records) for message in bench.publisher.messages] == [20, 20, 11, 1]
    assert bench.removed == ["gone"]
    assert len({message.message_id for message in bench.publisher.messages}) == 4


async def test_a_slice_above_the_bound_of_a_message_becomes_several() -> None:
    bench = Bench(shop=FakeShop(["1"], facts={"categories": msgspec_text(200_000)}))
    bench.shop.facts["product_marks"] = msgspec_text(100_000)
    await bench.sync()
    assert [(message.position, message.part) for message in bench.publisher.messages] == [(1, 0), (1, 1)]


async def test_what_neither_list_shows_is_removed_after_a_second_look() -> None:
    bench = Bench()
    bench.known.products = {"1": True, "3": False, "4": False, "9": False}
    outcome = await bench.sync()
    assert bench.removed == ["9"]
    assert bench.shop.asked == [(MAIN, 1), (OTHERS, 1), (MAIN, 1), (OTHERS, 1)]
    assert outcome.removed == 1


async def test_what_moved_between_the_lists_has_not_gone() -> None:
    bench = Bench()
    bench.known.products = {"1": False, "2": False, "3": True, "4": True, "5": True}
    assert (await bench.sync()).errors == []
    assert bench.removed == []
    assert len(bench.shop.asked) == 2


async def test_what_moves_while_the_lists_are_read_has_not_gone() -> None:
    bench = Bench()
    bench.known.products = {"7": False, "3": False}
    bench.shop.later[MAIN] = ["1", "2", "7"]
    assert (await bench.sync()).errors == []
    assert bench.removed == []


@pytest.mark.parametrize("name", list(ListName))
@pytest.mark.parametrize("error", [REFUSED, NOT_OK], ids=["403", "status: error under 200"])
async def test_a_list_that_fails_removes_nothing_and_the_other_one_is_published(
    name: ListName, error: UpstreamError
) -> None:
    bench = Bench()
    bench.known.products = {"1": True, "3": False, "8": True, "9": False}
    bench.shop.failures[name] = [error] * 9
    outcome = await bench.sync()
    assert bench.said_of("added") == (["3", "4", "5"] if name.is_main else [LISTS_ID, "1", "2"])
    assert bench.removed == []
    assert bench.run.status is RunStatus.FAILED
    assert outcome.errors[0].startswith(f"bot_igor: {name}: {error}")
    assert (bench.store.operations[-1].is_ok, outcome.kept) == (False, 3)


async def test_force_does_not_make_a_failed_list_a_whole_one() -> None:
    bench = Bench()
    bench.known.products = {"3": False, "9": False}
    bench.shop.failures[MAIN] = [REFUSED]
    assert (await bench.sync(force=True)).errors
    assert bench.removed == []


async def test_a_list_that_recovers_within_its_window_is_a_whole_one() -> None:
    bench = Bench()
    bench.known.products = {"9": False, "3": False, "4": False}
    bench.shop.failures[OTHERS] = [NOT_OK]
    outcome = await bench.sync()
    assert outcome.errors == []
    assert bench.removed == ["9"]
    assert bench.clock.monotonic() >= 720


async def test_both_lists_failing_publish_nothing() -> None:
    bench = Bench()
    bench.known.products = {"3": False}
    bench.shop.failures = {name: [REFUSED] for name in ListName}
    outcome = await bench.sync()
    assert len(outcome.errors) == 2
    assert bench.publisher.messages == []
    assert bench.run.status is RunStatus.FAILED


async def test_a_second_look_that_fails_removes_nothing() -> None:
    bench = Bench()
    bench.known.products = {"9": False, "3": False, "4": False}
    page = bench.shop.page

    async def failing_later(name: ListName, number: int) -> object:
        if len(bench.shop.asked) >= 2:
            raise REFUSED
        return await page(name, number)

    bench.shop.page = failing_later  # type: ignore[assignment,method-assign]  # a shop that goes away in between
    assert (await bench.sync()).errors
    assert bench.removed == []
    assert bench.run.status is RunStatus.FAILED
    (operation,) = bench.store.operations
    assert (operation.is_ok, operation.counts["kept"]) == (False, 1)
    assert operation.details.startswith(
        "shop sync of bot_igor finished with errors: 5 products published, nothing removed, 1 would have gone; "
    )


async def test_an_empty_list_is_refused_and_its_products_stay(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench(shop=FakeShop(["1", "2", "new"], []))
    bench.known.products = {"1": True, "2": True, "3": False, "4": False, "5": False}
    outcome = await bench.sync()
    assert "new" in bench.said_of("added")
    assert bench.removed == []
    assert outcome.kept == 3
    assert not bench.store.operations[-1].is_ok
    errors = [record.message for record in caplog.records if record.levelno == logging.ERROR]
    refused = "3 of the 3 products of on_main=false would go, more than 50%"
    assert errors == [f"bot_igor: {refused}: nothing is removed; --force (FORCE=1) removes them"]


async def test_force_overrides_the_guard() -> None:
    bench = Bench(shop=FakeShop(["1", "2"], []))
    bench.known.products = {"1": True, "2": True, "3": False, "4": False, "5": False}
    outcome = await bench.sync(force=True)
    assert bench.removed == ["3", "4", "5"]
    assert (outcome.errors, bench.run.status) == ([], RunStatus.DONE)


async def test_a_list_with_pages_is_read_to_its_end() -> None:
    bench = Bench(shop=FakeShop(["1"], ["3", "4", "5", "6", "7"], page_size=2))
    await bench.sync()
    assert bench.shop.asked == [(MAIN, 1), (OTHERS, 1), (OTHERS, 2), (OTHERS, 3)]
    assert bench.said_of("added") == [LISTS_ID, "1", "3", "4", "5", "6", "7"]


async def test_a_list_that_has_failed_is_not_read_on() -> None:
    bench = Bench(shop=FakeShop([], ["3", "4", "5", "6", "7"], page_size=2))
    bench.known.products = {"9": False}
    page = bench.shop.page
    bench.shop.page = lambda name, _: page(name, 1)  # type: ignore[assignment,method-assign]  # it ignores the number
    outcome = await bench.sync()
    assert outcome.errors == ["on_main=false: page 2 of 3 shows nothing that was not there before"]
    assert len(bench.shop.asked) == 3
    assert bench.removed == []


async def test_a_page_that_fails_costs_only_what_follows_and_nothing_is_removed() -> None:
    bench = Bench(shop=FakeShop([], ["3", "4", "5", "6", "7"], page_size=2))
    bench.known.products = {"3": False, "6": False, "9": False}
    page = bench.shop.page

    async def failing_second(name: ListName, number: int) -> object:
        if number == 2:
            raise REFUSED
        return await page(name, number)

    bench.shop.page = failing_second  # type: ignore[assignment,method-assign]  # one page is forbidden
    outcome = await bench.sync()
    assert outcome.errors == [f"bot_igor: on_main=false page 2: http_403: status 403; {KEY_REFUSED}"]
    assert bench.said_of("added") == [LISTS_ID, "3", "4"]
    assert bench.removed == []


async def test_a_run_that_a_killed_process_left_behind_is_failed_and_a_new_one_begins() -> None:
    bench = Bench()
    bench.publisher.errors = [TopologyError("no queue")]
    with pytest.raises(TopologyError):
        await bench.sync()
    left = bench.run
    assert left.status is RunStatus.FAILED
    bench.store.runs[left.run_id] = replace(left, status=RunStatus.RUNNING)
    await bench.sync()
    assert [(run.start_change_id, run.status) for run in bench.store.runs.values()] == [
        (1, RunStatus.FAILED),
        (2, RunStatus.DONE),
    ]


@pytest.mark.parametrize(("failure", "left"), [(None, []), (NOT_OK, ["fetched"])], ids=["whole", "a list fails"])
async def test_a_slice_that_was_lost_a_day_ago_is_forgotten_once_a_whole_snapshot_has_said_it_anew(
    failure: UpstreamError | None, left: list[str]
) -> None:
    bench = Bench()
    await bench.sync()
    now = bench.clock.now()
    old = [now - timedelta(days=2), now - timedelta(hours=2)]
    for number, fetched_at in enumerate(old):
        row = LedgerRow(bench.run.run_id, 100 + number, "fetched", 1, fetched_at=fetched_at)
        bench.store.ledger[f"bot_igor:snapshot:{row.position}:r"] = row
    bench.store.ledger["bot_igor:snapshot:99:r"] = LedgerRow(bench.run.run_id, 99, "landed", 1, fetched_at=now)
    bench.shop.failures[OTHERS] = [failure] * 3 if failure else []
    await bench.sync()
    assert (bench.store.status_of(100), bench.store.status_of(101)) == (left, ["fetched"])


async def test_a_broker_or_database_that_is_away_is_waited_for() -> None:
    bench = Bench()
    bench.publisher.errors = [UnavailableError("broker away")] * 3
    bench.store.outages = 2
    assert (await bench.sync()).errors == []
    assert bench.run.status is RunStatus.DONE


async def test_stop_ends_before_the_next_slice_and_removes_nothing() -> None:
    bench = Bench(shop=FakeShop([str(number) for number in range(50)]))
    bench.known.products = {"gone": True}
    publish = bench.publisher.publish

    async def stopping(page: PageFetched) -> None:
        bench.stop.set()
        await publish(page)

    bench.publisher.publish = stopping  # type: ignore[method-assign]  # a signal while the first slice is published
    outcome = await bench.sync(most_gone=1.0)
    assert [message.position for message in bench.publisher.messages] == [1]
    assert bench.store.status_of(1) == ["fetched"]
    assert (outcome.is_whole, outcome.errors, bench.removed) == (False, [], [])
    assert bench.run.status is RunStatus.FAILED
    (operation,) = bench.store.operations
    assert operation.details == "shop sync of bot_igor interrupted; the next one begins anew"
    assert (operation.counts["products"], operation.counts["removed"]) == (0, 0)


async def test_stop_during_a_long_wait_ends_within_the_grace() -> None:
    bench = Bench(clock=VirtualClock(auto_advance=False))
    bench.shop.failures[MAIN] = [NOT_OK] * 9
    task = asyncio.create_task(bench.sync())
    assert isinstance(bench.clock, VirtualClock)
    await bench.clock.advance(100)
    bench.stop.set()
    await bench.clock.advance(6)
    outcome = await asyncio.wait_for(task, 60)
    assert not outcome.is_whole
    assert bench.publisher.messages == []


def msgspec_text(length: int) -> "msgspec.Raw":
    """Return a JSON string of so many characters."""
    return msgspec.Raw(b'"' + b"x" * length + b'"')
