"""The whole chain against a page-by-page ORM script: records/s, memory, and what more normalizers bring.

Run by `make bench`. Everything is measured side by side in one run on private servers, the script before and after the
chain; ratios are the claim, for the machine's own speed drifts.

The stand-in upstream shares the two cores with what is measured, and a real one would not. So it keeps its rendered
pages, and all of them are asked for once before the clock starts: an answer then takes it about 0.5 ms. Script and
chain read each page once; the sweep that follows a first load is left out (`Road.environment`).
"""

import argparse
import asyncio
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from pydantic import SecretStr
from tests.e2e.road import Road, Service, until

from common.db import migrate
from common.settings import DatabaseSettings
from sandbox.stack import Stack
from sandbox.upstream.server import UpstreamProcess

BASELINE_PAGES = 50
OFFERS_A_PAGE = 20
WITHIN_S = 1800.0
POLL_S = 0.25
"""Between two looks at the ledger, which the figures should not notice."""
SPAN = "SELECT extract(epoch FROM max(landed_at) - min(fetched_at))::float8 FROM feed_pages"
"""Seconds from the first page fetched to the last commit."""
DRAIN = "SELECT extract(epoch FROM max(landed_at) - min(landed_at))::float8 FROM feed_pages"
ROWS = "SELECT count(*) FROM processed_data"


@dataclass(frozen=True)
class ChainFigures:
    """One load through the whole chain; memory is the peak resident set in MB."""

    rows: int
    per_s: float
    fetcher_mb: float
    normalizer_mb: float
    normalizer_cpu_s: float


def database_of(stack: Stack, name: str) -> DatabaseSettings:
    """Make a migrated database."""
    stack.create_database(name)
    env = stack.env()
    settings = DatabaseSettings(
        host=env["DB_HOST"],
        port=int(env["DB_PORT"]),
        user=env["DB_USER"],
        password=SecretStr(env["DB_PASSWORD"]),
        name=name,
    )
    asyncio.run(migrate.upgrade(settings))
    return settings


def started(module: str, *arguments: str, env: Mapping[str, str], cwd: Path, output: int) -> subprocess.Popen[bytes]:
    """Start a module as a user does: its memory and its time are all its own, shared with no other process."""
    return subprocess.Popen(  # noqa: S603 - our own programs
        [sys.executable, "-m", module, *arguments],
        env=env,
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


@contextmanager
def a_road(stack: Stack, upstream: UpstreamProcess, folder: Path, name: str) -> Iterator[Road]:
    """Lay a road of its own and remove it afterwards."""
    road = Road(database_of(stack, name), stack.create_vhost(name), upstream, folder, starting=started, poll_s=POLL_S)
    try:
        yield road
    finally:
        road.stop()
        stack.delete_vhost(name)
        stack.drop_database(name)


def peak_mb(service: Service) -> float:
    """Return the peak resident set of a running process."""
    status = Path(f"/proc/{service.process.pid}/status").read_text(encoding="ascii")
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    return int(found[1]) / 1024 if found else 0.0


def cpu_s(service: Service) -> float:
    """Return the processor seconds of a running process."""
    fields = Path(f"/proc/{service.process.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def an_upstream(offers: int) -> Iterator[UpstreamProcess]:
    """Serve so many offers from pages that are all rendered."""
    pages = str(offers // OFFERS_A_PAGE * 2)  # shifted and repeated offers make more pages than that
    with UpstreamProcess("--offers", str(offers), "--seed", "1", "--cache-pages", pages) as upstream:
        with httpx.Client(base_url=upstream.base_url, timeout=WITHIN_S) as client:
            page: int | None = 1
            while page is not None:
                answer = client.get("/offers", params={"api_key": upstream.api_key, "page": page})
                page = answer.raise_for_status().json()["meta"]["next_page"]
        yield upstream


def baseline(stack: Stack, upstream: UpstreamProcess, folder: Path) -> float:
    """Return the records/s of the ORM script on the first pages."""
    with a_road(stack, upstream, folder, "bench_orm") as road:
        answer = subprocess.run(  # noqa: S603 - our own program
            [sys.executable, "-m", "tests.bench.orm_script", upstream.base_url, upstream.api_key, str(BASELINE_PAGES)],
            env=road.environment("fetcher") | {"PYTHONWARNINGS": "default"},
            capture_output=True,
            check=True,
        )
    figures = json.loads(answer.stdout)
    return float(figures["records"] / figures["seconds"])


async def chain(road: Road) -> ChainFigures:
    """Load everything with one fetcher and one normalizer, started together."""
    normalizer = road.start("normalizer", "run")
    await until(lambda: "Consuming" in normalizer.said(), within_s=30, what="the normalizer consumes")
    fetcher = road.start("fetcher", "initial-load")
    fetcher_mb = 0.0

    def ended() -> bool:
        nonlocal fetcher_mb
        if fetcher.process.poll() is None:
            fetcher_mb = max(fetcher_mb, peak_mb(fetcher))
        return fetcher.process.poll() is not None

    await until(ended, within_s=WITHIN_S, what="the first load")
    if fetcher.process.returncode:
        raise SystemExit(fetcher.said())
    await road.landed(within_s=WITHIN_S)
    async with road.connection() as connection:
        rows, span = await connection.fetchval(ROWS), await connection.fetchval(SPAN)
    return ChainFigures(rows, rows / span, fetcher_mb, peak_mb(normalizer), cpu_s(normalizer))


async def drained(road: Road, normalizers: int) -> float:
    """Fill the queue first, then let several normalizers empty it; return records/s."""
    if await road.load(within_s=WITHIN_S):
        raise SystemExit(road.services[-1].said())
    for _ in range(normalizers):
        road.start("normalizer", "run")
    await road.landed(within_s=WITHIN_S)
    async with road.connection() as connection:
        return float(await connection.fetchval(ROWS) / await connection.fetchval(DRAIN))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--offers", type=int, default=20_000)
    parser.add_argument("--large", type=int, default=100_000, help="second load, to see whether memory grows; 0: none")
    parser.add_argument("--runs", type=int, default=3)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="feedmill-bench-") as folder:
        stack = Stack(Path(folder) / "stack", preferred_ports={})
        stack.up()
        try:
            measure(stack, Path(folder), args)
        finally:
            stack.delete_data()


def measure(stack: Stack, folder: Path, args: argparse.Namespace) -> None:
    """Run every measurement on a running stack."""
    with an_upstream(args.offers) as upstream:
        for run in range(args.runs):
            before = baseline(stack, upstream, folder)
            with a_road(stack, upstream, folder, f"bench_chain_{run}") as road:
                fast = asyncio.run(chain(road))
            after = baseline(stack, upstream, folder)
            ratio = fast.per_s / ((before + after) / 2)
            print(
                f"run {run + 1}: ORM {before:,.0f} before and {after:,.0f} after,"
                f" chain {fast.per_s:,.0f} records/s: {ratio:.1f} x"
            )
            print(f"  {fast.rows:,} offers: {said(fast)}", flush=True)
        for normalizers in (1, 2, 3):
            with a_road(stack, upstream, folder, f"bench_drain_{normalizers}") as road:
                print(
                    f"{normalizers} normalizer(s), full queue: {asyncio.run(drained(road, normalizers)):,.0f} records/s"
                )
    if args.large:
        with (
            an_upstream(args.large) as upstream,
            a_road(stack, upstream, folder, "bench_large") as road,
        ):
            large = asyncio.run(chain(road))
        print(f"{large.rows:,} offers: {large.per_s:,.0f} records/s, {said(large)}")


def said(figures: ChainFigures) -> str:
    """Return memory and processor time as text."""
    cost = figures.normalizer_cpu_s / figures.rows * 1e6
    return (
        f"peak fetcher {figures.fetcher_mb:.0f} MB, normalizer {figures.normalizer_mb:.0f} MB, "
        f"normalizer {cost:.0f} us of processor a record"
    )


if __name__ == "__main__":
    main()
