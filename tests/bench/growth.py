"""What a record costs when the tables are large: 500,000 rows beside 20,000.

Run by `make bench SIZE=large`. Two databases get the same offers. One of them is then filled to its size by SQL: its
own rows again and again under other ids, in every table that grows with the offers, all indexes kept. PostgreSQL is
started anew, which ends what the filling left to do. Then in turn, part by part, both land the same number of new
offers and of changes to offers chosen at random. Counted is the processor time of the normalizer and of all of
PostgreSQL, whatever it does meanwhile, from the first message to the last commit. The first part is not counted: what
a server that has just started pays once, to read its pages and to log them whole, is no cost of a record.

Autovacuum would tidy up one side while the other is measured. It is off, and what it would do is done once when a side
has landed everything, and told apart: it is no cost of a record, for it comes once a minute however many have landed.
"""

import argparse
import asyncio
import tempfile
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Final

import asyncpg
import httpx
from tests.bench.chain import WITHIN_S, a_road
from tests.bench.processor import family_cpu_s
from tests.e2e.road import Road, until

from common.db import tables
from common.db.session import create_pool
from common.events import FeedRecord, PageFetched, PageKind
from common.testing.pages import FETCHED_AT, a_change, a_page, a_record
from fetcher.adapters.autoapi import read_offers
from fetcher.adapters.rabbit import RabbitPublisher
from normalizer.adapters.postgres import PostgresStore, prepare
from normalizer.core.land import Lander
from normalizer.core.offers.record import PlatformProfile
from sandbox.stack import Stack
from sandbox.upstream.server import UpstreamProcess

SMALL, LARGE = 20_000, 500_000
MOST_RATIO = 1.2
PAGE: Final = 20
ROUNDS: Final = 2
FIRST_CHANGE = 10**12
"""Newer than every row."""
LANDED: Final = "SELECT count(*) FROM feed_pages WHERE run_id = $1 AND status = 'landed'"
GROWING: Final = ("raw_data", "processed_data", "catalog_changes", "feed_pages")
TIDY: Final = f"VACUUM (ANALYZE) {', '.join(GROWING)}"


@dataclass
class Side:
    """One of the two: its road, its number of rows, and the processor seconds of what it landed."""

    road: Road
    rows: int
    ids: list[str]
    records: int = 0
    cpu_s: Counter[str] = field(default_factory=Counter)

    def cost_us(self, name: str) -> float:
        """Return what a record cost."""
        return self.cpu_s[name] / self.records * 1e6

    @property
    def whole_us(self) -> float:
        """What a record cost in all."""
        return sum(map(self.cost_us, self.cpu_s))


def offers(count: int) -> list[FeedRecord]:
    """Return so many different offers as the stand-in's list has them."""
    found: dict[str | None, FeedRecord] = {}
    number: int | None = 1
    with (
        UpstreamProcess("--offers", str(count), "--seed", "1", "--quirks", "off") as upstream,
        httpx.Client(base_url=upstream.base_url, params={"api_key": upstream.api_key}, timeout=WITHIN_S) as client,
    ):
        while number is not None:
            body = client.get("/offers", params={"page": number}).raise_for_status().content
            page = read_offers(body, number, fetched_at=FETCHED_AT)
            found |= {row.inner_id: a_record(row.inner_id, bytes(row.data)) for row in page.rows}
            number = page.next_position
    return list(found.values())


def pages(records: Sequence[FeedRecord], kind: PageKind, run_id: str) -> list[PageFetched]:
    """Return pages of 20."""
    starts = range(0, len(records), PAGE)
    return [a_page(records[at : at + PAGE], position=at, kind=kind, run_id=run_id) for at in starts]


async def land(road: Road, records: Sequence[FeedRecord]) -> None:
    """Land offers in this process."""
    async with create_pool(road.database, application="fill", prepare=prepare) as pool:
        lander = Lander(PostgresStore(pool, acquire_within_s=10), {road.platform: PlatformProfile()})
        batch = pages(records, PageKind.PAGE, "fill")
        for at in range(0, len(batch), 10):
            await lander.land(batch[at : at + 10])


async def fill(connection: "asyncpg.Connection[Any]", times: int) -> None:
    """Add every row `times` times more, under ids of its own."""
    changed = {
        "raw_data": {"inner_id": "inner_id || '-' || copy"},
        "processed_data": {"inner_id": "inner_id || '-' || copy"},
        "catalog_changes": {"inner_id": "inner_id || '-' || copy"},
        "feed_pages": {"message_id": "message_id || '-' || copy", "run_id": "run_id || '-' || copy"},
    }
    for name, expressions in changed.items():
        columns = [
            column.name for column in tables.metadata.tables[name].columns if not (column.identity or column.computed)
        ]
        values = ", ".join(expressions.get(column, column) for column in columns)
        await connection.execute(
            f"INSERT INTO {name} ({', '.join(columns)})"  # noqa: S608 - names of our own schema
            f" SELECT {values} FROM generate_series(1, {times}) AS copy, {name}",
            timeout=WITHIN_S,
        )


async def ready(road: Road, records: Sequence[FeedRecord], rows: int) -> Side:
    """Fill a database to its size and let it settle."""
    await land(road, records)
    async with road.connection() as connection:
        if rows > len(records):
            await fill(connection, rows // len(records) - 1)
        await connection.execute("VACUUM (ANALYZE)", timeout=WITHIN_S)
        for name in GROWING:
            await connection.execute(
                f"ALTER TABLE {name} SET (autovacuum_enabled = false, toast.autovacuum_enabled = false)"
            )
        ids = [row[0] for row in await connection.fetch("SELECT inner_id FROM raw_data ORDER BY id")]
    return Side(road, len(ids), ids)


async def measure(stack: Stack, side: Side, new: Sequence[FeedRecord], number: int) -> Counter[str]:
    """Land new offers and as many changes, and return what they cost, in processor seconds."""
    chosen = Random(number).sample(side.ids, len(new))  # noqa: S311 - only a choice
    first = FIRST_CHANGE + number * len(new)
    changes = [a_change(inner_id, first + at, new_price=str(50_000 + at)) for at, inner_id in enumerate(chosen)]
    run_id = f"round{number}"
    messages = [
        page
        for pair in zip(pages(new, PageKind.PAGE, run_id), pages(changes, PageKind.CHANGE, run_id), strict=True)
        for page in pair
    ]
    service = side.road.start("normalizer", "run")
    await until(lambda: "Consuming" in service.said(), within_s=30, what="the normalizer consumes")
    postgres, own = stack.database.pid or 0, service.process.pid
    async with (
        side.road.connection() as connection,
        RabbitPublisher(side.road.vhost.urls["fetcher"], connection_name="bench", publish_timeout_s=30) as publisher,
    ):
        before = family_cpu_s(postgres, own)
        for page in messages:
            await publisher.publish(page)

        async def all_landed() -> bool:
            return bool(await connection.fetchval(LANDED, run_id) == len(messages))

        await until(all_landed, within_s=WITHIN_S, what=f"{len(messages)} messages landed")
        after = family_cpu_s(postgres, own)
    service.stop()
    return Counter({"normalizer": after[own] - before[own], "PostgreSQL": after[postgres] - before[postgres]})


async def tidied(stack: Stack, side: Side) -> float:
    """Do what autovacuum would do and return the processor seconds that it took."""
    postgres = stack.database.pid or 0
    async with side.road.connection() as connection:
        before = family_cpu_s(postgres)
        await connection.execute(TIDY, timeout=WITHIN_S)
        return family_cpu_s(postgres)[postgres] - before[postgres]


async def compare(stack: Stack, roads: Sequence[Road], args: argparse.Namespace) -> None:
    """Fill both, land in turn, print."""
    new = args.landed // (2 * ROUNDS)
    found = offers(args.small + (ROUNDS + 1) * new)
    sides = []
    for road, rows in zip(roads, (args.small, args.large), strict=True):
        sides.append(await ready(road, found[: args.small], rows))
        print(f"[INFO] {sides[-1].rows:,} rows are there", flush=True)
    await asyncio.to_thread(stack.database.stop)
    await asyncio.to_thread(stack.database.start)
    for number in range(ROUNDS + 1):
        part = found[args.small + number * new : args.small + (number + 1) * new]
        for side in sides:
            cost = await measure(stack, side, part, number)
            if number:
                side.records += 2 * len(part)
                side.cpu_s += cost
    for side in sides:
        parts = " + ".join(f"{side.cost_us(name):.0f} us {name}" for name in side.cpu_s)
        tidy_us = await tidied(stack, side) / side.records * 1e6
        print(
            f"{side.rows:,} rows: {side.records:,} new and changed records, {parts} = {side.whole_us:.0f} us a record;"
            f" {tidy_us:.0f} us more with a vacuum and an analysis after each {side.records:,}"
        )
    ratio = sides[1].whole_us / sides[0].whole_us
    print(f"a record at {sides[1].rows:,} rows costs {ratio:.2f} x that at {sides[0].rows:,} (at most {MOST_RATIO})")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", type=int, default=SMALL)
    parser.add_argument("--large", type=int, default=LARGE)
    parser.add_argument("--landed", type=int, default=20_000, help="records landed on each side, half of them new")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="feedmill-bench-") as folder:
        stack = Stack(Path(folder) / "stack", preferred_ports={})
        stack.up()
        try:
            with ExitStack() as exits:
                upstream = exits.enter_context(UpstreamProcess("--offers", "20"))  # a road leads to one
                roads = [
                    exits.enter_context(a_road(stack, upstream, Path(folder), f"bench_{name}"))
                    for name in ("small", "large")
                ]
                asyncio.run(compare(stack, roads, args))
        finally:
            stack.delete_data()


if __name__ == "__main__":
    main()
