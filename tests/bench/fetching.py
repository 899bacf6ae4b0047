"""Fetching: what a page costs above the upstream's own time, what several in flight bring, memory over a long load.

Run by `make bench`. No normalizer takes part, so the queue is emptied now and then. The upstream's own time is that of
a bare loop over one connection, measured right before.
"""

import argparse
import asyncio
import http.client
import itertools
import json
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import urlencode, urlsplit

from tests.bench.chain import a_road, peak_mb
from tests.e2e.road import Road, Service

from common import topology
from sandbox.stack import Stack
from sandbox.upstream.server import UpstreamProcess

MOMENTS: Final = "SELECT extract(epoch FROM fetched_at)::float8 FROM feed_pages WHERE kind = 'page' ORDER BY position"
CHANGES: Final = "SELECT duration, counts->>'records' FROM operations_log WHERE details LIKE 'daily update%'"
DELAYS_MS: Final = (0, 20, 200)
MOST_ABOVE_MS, LEAST_SPEED_UP, MOST_MB, MOST_UPDATE_S = 3.0, 7.0, 80.0, 10.0
PAGE: Final = 20
POLL_S: Final = 0.05


def now_s() -> float:
    """Return the machine's seconds."""
    return time.perf_counter()


def own_time_ms(upstream: UpstreamProcess, pages: int) -> float:
    """Return the median time of a page for a client that does nothing else."""
    where = urlsplit(upstream.base_url)
    connection = http.client.HTTPConnection(str(where.hostname), where.port)
    took = []
    for page in range(1, pages + 1):
        began = now_s()
        connection.request("GET", f"{where.path}/offers?{urlencode({'page': page, 'api_key': upstream.api_key})}")
        connection.getresponse().read()
        took.append(now_s() - began)
    connection.close()
    return 1000 * statistics.median(took)


def asked(upstream: UpstreamProcess, method: str, path: str) -> dict[str, object]:
    """Ask the stand-in about itself."""
    where = urlsplit(f"{upstream.admin}/{path}")
    connection = http.client.HTTPConnection(str(where.hostname), where.port)
    connection.request(method, where.path)
    answer: dict[str, object] = json.loads(connection.getresponse().read())
    connection.close()
    return answer


@contextmanager
def emptied(stack: Stack, road: Road) -> Iterator[None]:
    """Empty the queue every second: nobody lands what is published."""
    over = threading.Event()
    management = stack.broker.management()

    def empty() -> None:
        while not over.wait(1.0):
            management.ask("DELETE", "queues", road.vhost.name, topology.RAW_QUEUE, "contents")

    thread = threading.Thread(target=empty)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def finished(service: Service) -> list[float]:
    """Wait for a command; return its peak memory in MB, sampled every 50 ms.

    Raises:
        SystemExit: It failed.
    """
    sizes = []
    while service.process.poll() is None:
        sizes.append(peak_mb(service))
        time.sleep(POLL_S)  # noqa: TID251 - watches a real process
    if service.process.returncode:
        raise SystemExit(service.said())
    return sizes


async def page_times_ms(road: Road) -> list[float]:
    """Return the time from each page to the next, in order of pages."""
    async with road.connection() as connection:
        moments = [row[0] for row in await connection.fetch(MOMENTS)]
    return [1000 * (after - before) for before, after in itertools.pairwise(moments)]


def above_the_upstream(stack: Stack, folder: Path, pages: int) -> Iterator[str]:
    """Measure what a page costs above the upstream's own time."""
    for delay_ms in DELAYS_MS:
        options = ("--offers", str(pages * PAGE), "--seed", "1", "--quirks", "off", "--delay-ms", str(delay_ms))
        with (
            UpstreamProcess(*options, "--cache-pages", str(pages)) as upstream,
            a_road(stack, upstream, folder, f"bench_page_{delay_ms}") as road,
        ):
            own_time_ms(upstream, pages)  # fills its cache
            own = own_time_ms(upstream, pages)
            asked(upstream, "DELETE", "stats")
            finished(road.start("fetcher", "initial-load", "--max-pages", str(pages)))
            median = statistics.median(asyncio.run(page_times_ms(road)))
            most = asked(upstream, "GET", "stats")["max_in_flight"]
        yield (
            f"upstream of {delay_ms} ms: its own time {own:.1f} ms a page, the fetcher's {median:.1f} ms:"
            f" {median - own:.1f} ms above (at most {MOST_ABOVE_MS:.0f}); most requests in flight: {most}"
        )


def in_flight(stack: Stack, folder: Path, pages: int) -> str:
    """Measure what eight pages in flight bring at 100 ms a page."""
    options = ("--offers", str(pages * PAGE), "--seed", "1", "--quirks", "off", "--delay-ms", "100")
    took = {}
    with UpstreamProcess(*options, "--cache-pages", str(pages)) as upstream:
        for number in (1, 8):
            with a_road(stack, upstream, folder, f"bench_flight_{number}") as road:
                extra = {"FEEDMILL__PLATFORMS__CHE168__PAGES_IN_FLIGHT": str(number)}
                finished(road.start("fetcher", "initial-load", "--max-pages", str(pages), **extra))
                took[number] = sum(asyncio.run(page_times_ms(road)))
    ratio = took[1] / took[8]
    return (
        f"{pages} pages at 100 ms: {took[1] / 1000:.1f} s one by one, {took[8] / 1000:.1f} s with 8 in flight:"
        f" {ratio:.1f} x (at least {LEAST_SPEED_UP:.0f})"
    )


def memory(stack: Stack, folder: Path, pages: int) -> str:
    """Measure the fetcher's memory over a long load."""
    with (
        UpstreamProcess("--offers", str(pages * PAGE), "--seed", "1") as upstream,
        a_road(stack, upstream, folder, "bench_memory") as road,
        emptied(stack, road),
    ):
        began = now_s()
        sizes = finished(road.start("fetcher", "initial-load"))
    return (
        f"{pages:,} pages in {now_s() - began:.0f} s: peak memory {sizes[len(sizes) // 10]:.0f} MB after a tenth,"
        f" {sizes[-1]:.0f} MB at the end (at most {MOST_MB:.0f})"
    )


def update(stack: Stack, folder: Path, changes: int) -> str:
    """Measure a daily update of many changes against an upstream that answers at once."""
    options = ("--offers", "2000", "--seed", "1", "--quirks", "off", "--changes-per-day", str(changes))
    with UpstreamProcess(*options) as upstream, a_road(stack, upstream, folder, "bench_update") as road:
        road_settings = {"FEEDMILL__FETCHER__LOOKUP_BUDGET": "0"}
        finished(road.start("fetcher", "initial-load"))
        finished(road.start("fetcher", "daily-update", **road_settings))

        async def read() -> tuple[float, int]:
            async with road.connection() as connection:
                row = await connection.fetchrow(CHANGES)
            assert row is not None
            return float(row[0]), int(row[1])

        seconds, records = asyncio.run(read())
    per_15_000 = seconds * 15_000 / records
    return (
        f"daily update: {records:,} changes in {seconds:.1f} s, {per_15_000:.1f} s for 15,000"
        f" (at most {MOST_UPDATE_S:.0f})"
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pages", type=int, default=300, help="pages of the short loads")
    parser.add_argument("--long", type=int, default=12_500, help="pages of the long load; 0: none")
    parser.add_argument("--changes", type=int, default=15_000, help="changes a day")
    parser.add_argument("--stack", type=Path, help="state folder of a stack that runs already; default: an own one")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="feedmill-bench-") as folder:
        own = None if args.stack else Stack(Path(folder) / "stack", preferred_ports={})
        stack = own or Stack(args.stack)
        stack.up()
        try:
            for line in above_the_upstream(stack, Path(folder), args.pages):
                print(line, flush=True)
            print(in_flight(stack, Path(folder), args.pages), flush=True)
            print(update(stack, Path(folder), args.changes), flush=True)
            if args.long:
                print(memory(stack, Path(folder), args.long), flush=True)
        finally:
            if own is not None:
                own.delete_data()


if __name__ == "__main__":
    main()
