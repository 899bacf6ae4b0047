"""The normalizer alone against the floor of its database: first load and partial changes, from a full queue.

Run by `make bench`. The floor is one connection that writes rows which are ready, 200 in a transaction, into the same
tables by the same statements: nothing is read from a queue, decoded, merged, normalised, logged or entered into the
ledger. The normalizer starts when all its messages are in the queue; its speed counts from its first commit to its
last. Of a first load it lands two batches at once, of changes as many as it does by default. Both are measured in turn,
for the machine's own speed drifts.
"""

import argparse
import asyncio
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx
from tests.bench.chain import WITHIN_S, a_road, cpu_s
from tests.e2e.road import Road, Service, until

from common.db.session import create_pool
from common.events import InnerId, PageFetched, PageKind
from common.settings import DatabaseSettings
from common.testing.pages import FETCHED_AT, a_change, a_page, a_record
from fetcher.adapters.autoapi import read_offers
from fetcher.adapters.rabbit import RabbitPublisher
from normalizer.adapters.postgres import PostgresStore, prepare
from normalizer.core.merge import RawRow, merge
from normalizer.core.offers.normalise import normalise
from normalizer.core.offers.record import PlatformProfile
from normalizer.core.ports import CatalogueRow, StoredRow
from normalizer.core.records import read
from sandbox.stack import Stack
from sandbox.upstream.server import UpstreamProcess

BATCH = 200
PROFILE = PlatformProfile()
FIRST_CHANGE = 10**12
"""Newer than every row of the first load."""
SPEED = """
WITH pages AS (SELECT records, landed_at FROM feed_pages WHERE kind = $1),
     first AS (SELECT min(landed_at) AS at FROM pages)
SELECT (sum(records) FILTER (WHERE landed_at > at) / extract(epoch FROM max(landed_at) - min(at)))::float8
FROM pages, first
"""
"""Records/s from the first commit to the last."""
LANDED = "SELECT coalesce(sum(records), 0) FROM feed_pages WHERE kind = $1 AND status = 'landed'"


@dataclass(frozen=True)
class Speeds:
    """Records/s of a first load and of partial changes; processor seconds that the changes took."""

    load: float
    changes: float
    cpu_s: float = 0.0


def rows_of(upstream: UpstreamProcess) -> list[RawRow]:
    """Return every offer of the list as the row that a first load makes of it."""
    rows: dict[str, RawRow] = {}
    number: int | None = 1
    with httpx.Client(base_url=upstream.base_url, params={"api_key": upstream.api_key}) as client:
        while number is not None:
            body = client.get("/offers", params={"page": number}).raise_for_status().content
            found = read_offers(body, number, fetched_at=FETCHED_AT)
            page = a_page([a_record(row.inner_id, bytes(row.data)) for row in found.rows])
            for _, update in read(page, {"che168": PROFILE}).updates:
                rows.setdefault(update.inner_id, merge(None, update, platform="che168"))
            number = found.next_position
    return list(rows.values())


def changes_to(inner_ids: Sequence[str]) -> list[PageFetched]:
    """Return a change of price for each offer, in pages of 20."""
    records = [
        a_change(inner_id, FIRST_CHANGE + place, new_price=str(50_000 + place))
        for place, inner_id in enumerate(inner_ids)
    ]
    return [
        a_page(records[place : place + 20], position=FIRST_CHANGE + place, kind=PageKind.CHANGE)
        for place in range(0, len(records), 20)
    ]


def changed(rows: Sequence[RawRow]) -> list[RawRow]:
    """Return rows after their changes."""
    of = {row.inner_id: row for row in rows}
    updates = [update for page in changes_to(list(of)) for _, update in read(page, {"che168": PROFILE}).updates]
    return [merge(of[InnerId(update.inner_id)], update, platform="che168") for update in updates]


async def floor(settings: DatabaseSettings, rows: Sequence[RawRow], changes: int) -> Speeds:
    """Write rows that are ready."""
    async with create_pool(settings, application="floor", prepare=prepare) as pool:
        store = PostgresStore(pool, acquire_within_s=10)
        load = await written(store, rows, are_new=True)
        return Speeds(load, await written(store, changed(rows[:changes]), are_new=False))


async def written(store: PostgresStore, rows: Sequence[RawRow], *, are_new: bool) -> float:
    """Return the records/s of writing rows into both tables."""
    batches = []
    for place in range(0, len(rows), BATCH):
        batch = rows[place : place + BATCH]
        offers = [normalise(row.data, PROFILE)[0] for row in batch]
        catalogue = [CatalogueRow(row, offer) for row, offer in zip(batch, offers, strict=True)]
        batches.append(([StoredRow(row, 1) for row in batch], catalogue))
    started = time.monotonic()  # noqa: TID251 - a benchmark reads the real clock
    for raw, catalogue in batches:
        async with store.transaction() as transaction:
            if are_new:
                await transaction.insert_rows(raw, processed=True)
            else:
                await transaction.update_rows(raw, processed=True)
            await transaction.write_catalogue(catalogue)
    return len(rows) / (time.monotonic() - started)  # noqa: TID251 - as above


async def normalizer(road: Road, changes: int) -> Speeds:
    """Fill the queue, let one normalizer empty it, and that again with changes."""
    if await road.load(within_s=WITHIN_S):
        raise SystemExit(road.services[-1].said())
    async with road.connection() as connection:
        offers = await connection.fetchval("SELECT sum(records) FROM feed_pages")
        service = await emptied(road, PageKind.PAGE, offers, FEEDMILL__NORMALIZER__TRANSACTIONS_IN_FLIGHT="2")
        service.stop()
        known = await connection.fetch("SELECT inner_id FROM raw_data ORDER BY id LIMIT $1", changes)
        pages = changes_to([row["inner_id"] for row in known])
        async with RabbitPublisher(
            road.vhost.urls["fetcher"], connection_name="bench", publish_timeout_s=30
        ) as publisher:
            for page in pages:
                await publisher.publish(page)
        service = await emptied(road, PageKind.CHANGE, len(known))
        load, change = [await connection.fetchval(SPEED, kind) for kind in (PageKind.PAGE, PageKind.CHANGE)]
    return Speeds(load, change, cpu_s(service))


async def emptied(road: Road, kind: PageKind, records: int, **extra: str) -> Service:
    """Start a normalizer and return it when so many records have landed."""
    service = road.start("normalizer", "run", **extra)
    async with road.connection() as connection:

        async def is_empty() -> bool:
            return bool(await connection.fetchval(LANDED, kind) >= records)

        await until(is_empty, within_s=WITHIN_S, what=f"{records} records landed")
    return service


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--offers", type=int, default=20_000)
    parser.add_argument("--changes", type=int, default=15_000)
    parser.add_argument("--runs", type=int, default=3)
    args = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="feedmill-bench-") as folder,
        UpstreamProcess("--offers", str(args.offers), "--seed", "1") as upstream,
    ):
        stack = Stack(Path(folder) / "stack", preferred_ports={})
        stack.up()
        try:
            rows = rows_of(upstream)
            for run in range(args.runs):
                with a_road(stack, upstream, Path(folder), f"bench_least_{run}") as road:
                    least = asyncio.run(floor(road.database, rows, args.changes))
                with a_road(stack, upstream, Path(folder), f"bench_floor_{run}") as road:
                    own = asyncio.run(normalizer(road, args.changes))
                tell(least, own, args.changes)
        finally:
            stack.delete_data()


def tell(least: Speeds, own: Speeds, changes: int) -> None:
    """Print both as ratios."""
    for name, floor_per_s, per_s in (
        ("first load", least.load, own.load),
        ("partial changes", least.changes, own.changes),
    ):
        print(f"{name}: floor {floor_per_s:,.0f}, normalizer {per_s:,.0f} records/s: {per_s / floor_per_s:.2f}")
    print(f"{changes:,} changes: {changes / own.changes:.1f} s, {own.cpu_s:.1f} s of processor with the start")


if __name__ == "__main__":
    main()
