"""One snapshot of a shop: both lists read and joined, published slice by slice, and then what has gone.

Nothing is resumed: an interrupted snapshot is followed by a new one with a greater `seq`, which says everything again.
What has gone is published last, so a process that dies anywhere removes too little and never too much.
"""

import asyncio
import logging
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial

from common.clock import Clock
from common.events import ChangeId, PageKind
from common.log import fields
from fetcher.core.errors import LoadStoppedError
from fetcher.core.feed import SourceRow, UpstreamPage, events_of, removed_row
from fetcher.core.job import Frame, Report
from fetcher.core.ports import LoadStore, OperationsLog, PagePublisher, Run, RunKind, RunStatus, SavedPage
from fetcher.core.reading import PatientReader
from fetcher.core.shop import (
    KnownProducts,
    ListName,
    Shop,
    ShopList,
    inner_ids,
    joined,
    lists_row,
    product_row,
    refusal,
    slices,
)

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotPlan:
    """What one call shall do.

    Attributes:
        shop: Its name, the platform of its records.
        most_gone: The greatest share of a list's products that may go at once.
        force: Remove what has gone, however much it is.
        lost_after: A slice that was confirmed before this time and has not landed is lost, and said anew by this one.
        stop_grace_s: Seconds to finish the slice in hand once `stop` is set.
        pause_s: Seconds between two calls of a broker or database that is away.
    """

    shop: str
    most_gone: float = 0.5
    force: bool = False
    lost_after: timedelta = timedelta(days=1)
    stop_grace_s: float = 6.0
    pause_s: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotPorts:
    """What a snapshot talks to."""

    shop: Shop
    reader: PatientReader
    publisher: PagePublisher
    store: LoadStore
    known: KnownProducts
    operations: OperationsLog
    clock: Clock
    chance: random.Random


@dataclass(slots=True)
class Outcome:
    """How a call went, so far.

    Attributes:
        run: None: it has not begun.
        errors: What is missing, for people.
        is_whole: It came to its end, errors or not.
        read: List → products that it showed.
        published: Products.
        removed: Products said to be gone.
        kept: Products that neither list shows and that were not removed.
    """

    run: Run | None = None
    errors: list[str] = field(default_factory=list)
    is_whole: bool = False
    read: dict[ListName, int] = field(default_factory=dict)
    published: int = 0
    removed: int = 0
    kept: int = 0


class _StoppedError(Exception):
    """`stop` was set; does not leave this module."""


class Snapshot:
    """One call of `shop-sync` for one shop. `stop` asks it to finish the slice in hand and to return."""

    def __init__(self, plan: SnapshotPlan, ports: SnapshotPorts, *, stop: asyncio.Event) -> None:
        self._plan = plan
        self._ports = ports
        self._frame = Frame(
            platform=plan.shop,
            operations=ports.operations,
            clock=ports.clock,
            stop=stop,
            stop_grace_s=plan.stop_grace_s,
            pause_s=plan.pause_s,
        )
        self._outcome = Outcome()
        self._read_at = ports.clock.now()

    async def run(self) -> Outcome:
        """Take the snapshot.

        Raises:
            RunTakenOverError: Another process writes this run.
            TopologyError: The broker has no place for the messages.
            SchemaError: The database lacks a table or a right.
        """
        await self._frame.carry_out(self._until_stopped(), report=lambda _: self._report(), give_up=self._give_up)
        return self._outcome

    async def _until_stopped(self) -> Outcome:
        try:
            await self._take(await self._started())
        except _StoppedError:
            await self._give_up()
        return self._outcome

    async def _take(self, run: Run) -> None:
        outcome, store = self._outcome, self._ports.store
        lists = await self._read_both()
        outcome.errors += [one.failure for one in lists if one.failure]
        outcome.read = {one.name: len(one.products) for one in lists}
        products = joined(lists)
        facts = next(one.facts for one in lists if one.name.is_main)
        run = await self._publish(run, [lists_row(facts)] * bool(facts) + [product_row(one) for one in products])
        outcome.published = len(products)
        gone = await self._gone({one.name: inner_ids(one.products) for one in lists})
        run = await self._publish(run, [removed_row(inner_id) for inner_id in gone])
        outcome.removed = len(gone)
        if outcome.errors:
            await self._frame.patiently(lambda: store.fail_run(run.run_id))
        else:
            await self._frame.patiently(lambda: store.finish_run(run))
            await self._forget_lost()
        outcome.is_whole = True

    async def _forget_lost(self) -> None:
        """Forget slices of earlier snapshots that were lost on the way: nobody would ask for them again."""
        shop, before = self._plan.shop, self._frame.clock.now() - self._plan.lost_after
        forget = partial(self._ports.store.forget_lost, shop, PageKind.SNAPSHOT, lost_before=before)
        await self._frame.patiently(forget)

    async def _started(self) -> Run:
        shop, store, clock = self._plan.shop, self._ports.store, self._ports.clock
        latest = await self._frame.patiently(lambda: store.latest_run(shop, RunKind.SNAPSHOT))
        if latest is not None and latest.status is RunStatus.RUNNING:
            await self._frame.patiently(lambda: store.fail_run(latest.run_id))
        seq = await self._frame.patiently(lambda: self._ports.known.next_seq(shop))
        run = Run.begun(shop, ChangeId(seq), RunKind.SNAPSHOT, now=clock.now(), chance=self._ports.chance)
        await self._frame.patiently(lambda: store.start_run(run))
        self._outcome.run = run
        _log.info(fields("shop sync begins", shop=shop, run=run.run_id, seq=seq))
        return run

    async def _read_both(self) -> list[ShopList]:
        lists = [await self._read(name) for name in ListName]
        self._read_at = self._ports.clock.now()
        return lists

    async def _read(self, name: ListName) -> ShopList:
        """Read a list page by page, as far as it answers."""
        found = ShopList(name)
        number = pages = 1
        while number <= pages:
            self._heed_stop()
            what = f"{name} page {number}" if number > 1 else str(name)
            try:
                page = await self._ports.reader.value(partial(self._ports.shop.page, name, number), what)
            except LoadStoppedError as error:
                found.failure = str(error)
                break
            found.add(page, number)
            if page.notes:
                _log.warning(fields(f"{what} repaired", shop=self._plan.shop, notes=page.notes))
            number, pages = number + 1, number if found.failure else page.pages
        if found.failure:
            _log.error("%s", found.failure)
        if twice := found.repeated():
            _log.warning(fields(f"{name} shows products twice", shop=self._plan.shop, ids=",".join(twice[:3])))
        return found

    async def _publish(self, run: Run, rows: Sequence[SourceRow]) -> Run:
        """Publish and save rows, slice by slice; return the run as it is saved."""
        for part in slices(rows):
            self._heed_stop()
            run = await self._publish_slice(run, part)
        return run

    async def _publish_slice(self, run: Run, rows: Sequence[SourceRow]) -> Run:
        ports = self._ports
        page = UpstreamPage((run.position or 0) + 1, None, rows, self._read_at)
        kind, seq = run.kind.page_kind, run.start_change_id
        events = events_of(page, platform=run.platform, run_id=run.run_id, kind=kind, seq=lambda _: seq)
        for event in events:
            await self._frame.patiently(partial(ports.publisher.publish, event))
        messages = {event.message_id: len(event.records) for event in events}
        saved = SavedPage(page.position, None, messages, attempts=1, fetched_at=page.fetched_at)
        await self._frame.patiently(lambda: ports.store.save_pages(run, [saved]))
        self._outcome.run = run = run.after(saved)
        return run

    async def _gone(self, shown: Mapping[ListName, set[str]]) -> list[str]:
        """Return the products that shall be removed: known, in neither list, and believed."""
        outcome, plan = self._outcome, self._plan
        known = await self._frame.patiently(lambda: self._ports.known.active(plan.shop))
        gone = known.keys() - set().union(*shown.values())
        if not gone:
            return []
        refused = refusal(known, shown, most_gone=plan.most_gone)
        if refused and not outcome.errors:
            self._say_refused(refused)
        if not outcome.errors:
            gone -= await self._shown_again()
        if outcome.errors:
            outcome.kept = len(gone)
            return []
        return sorted(gone)

    def _say_refused(self, refused: str) -> None:
        if self._plan.force:
            _log.warning("%s: %s; removing them, as --force (FORCE=1) says", self._plan.shop, refused)
            return
        error = f"{self._plan.shop}: {refused}: nothing is removed; --force (FORCE=1) removes them"
        _log.error("%s", error)
        self._outcome.errors.append(error)

    async def _shown_again(self) -> set[str]:
        """Read both lists once more: a product that moved between them, or between their pages, has not gone."""
        lists = await self._read_both()
        self._outcome.errors += [one.failure for one in lists if one.failure]
        return inner_ids(product for one in lists for product in one.products)

    def _heed_stop(self) -> None:
        if self._frame.stop.is_set():
            raise _StoppedError

    async def _give_up(self) -> None:
        run = self._outcome.run
        if run is not None:
            await self._frame.patiently(lambda: self._ports.store.fail_run(run.run_id))

    def _report(self) -> Report:
        outcome = self._outcome
        return Report(
            _said(self._plan.shop, outcome),
            is_ok=not outcome.errors,
            counts={
                "records": outcome.run.records if outcome.run else 0,
                "products": outcome.published,
                "on_main": outcome.read.get(ListName.MAIN, 0),
                "others": outcome.read.get(ListName.OTHERS, 0),
                "removed": outcome.removed,
                "kept": outcome.kept,
                "messages": outcome.run.pages if outcome.run else 0,
                "retries": self._ports.reader.counts.retries,
            },
        )


def _said(shop: str, outcome: Outcome) -> str:
    if not outcome.is_whole:
        return f"shop sync of {shop} interrupted; the next one begins anew"
    if not outcome.errors:
        return f"shop sync of {shop} finished: {outcome.published:,} products, {outcome.removed:,} removed"
    done = f"{outcome.published:,} products published, nothing removed, {outcome.kept:,} would have gone"
    return f"shop sync of {shop} finished with errors: {done}; {'; '.join(outcome.errors)}"
