"""250,000 offers, run and not extrapolated: the whole chain, then every row normalised anew.

Run by `make bench SIZE=large`. One fetcher and one normalizer start together on private servers. Counted is from the
first page fetched to the last commit: seconds, and what every process used of the processor. The upstream has rendered
its pages before the clock starts (see `chain.py`), which takes 1.6 GB of memory for 250,000 offers.
"""

import argparse
import asyncio
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.bench.chain import WITHIN_S, a_road, an_upstream, peak_mb
from tests.bench.processor import Meter
from tests.e2e.road import Road, Service, until

from sandbox.stack import Stack
from sandbox.upstream.server import UpstreamProcess

MOST_S, FOR_OFFERS = 90.0, 250_000
MOST_WALL, MOST_MB, LEAST_REPLAYED_PER_S = 1.35, 110.0, 5_000.0
POLL_S: Final = 0.5
OPEN: Final = "SELECT EXISTS (SELECT 1 FROM feed_pages WHERE status <> 'landed')"
SPAN: Final = """
SELECT extract(epoch FROM min(fetched_at))::float8, extract(epoch FROM max(landed_at))::float8,
       (SELECT count(*) FROM processed_data)
FROM feed_pages
"""
REPLAYED: Final = """
SELECT duration::float8, (counts->>'records')::int, coalesce((counts->>'changed')::int, 0) FROM operations_log
WHERE operation_type = 'normalization' ORDER BY started_at DESC LIMIT 1
"""
SPOILED: Final = """
UPDATE processed_data SET mark = NULL, normalized_data = normalized_data - 'mark' WHERE id % 10 = 0
"""
"""Every tenth offer is as if a mapping had missed a field until now."""


@dataclass(frozen=True)
class Load:
    """One first load.

    Attributes:
        seconds: From the first page fetched to the last commit.
        processor: Seconds of each process and its children in that time.
        peaks: Peak resident set of each service in MB.
    """

    offers: int
    seconds: float
    processor: dict[str, float]
    peaks: dict[str, float]

    @property
    def times_the_least(self) -> float:
        """The seconds as a multiple of what all cores, never idle, would need."""
        return self.seconds / (sum(self.processor.values()) / (os.cpu_count() or 1))


async def load(road: Road, meter: Meter) -> Load:
    """Load everything."""
    normalizer = road.start("normalizer", "run")
    await until(lambda: "Consuming" in normalizer.said(), within_s=30, what="the normalizer consumes")
    fetcher = road.start("fetcher", "initial-load")
    for service in (normalizer, fetcher):
        meter.watch(service.name, service.process.pid)
    peaks = {"fetcher": 0.0}
    while fetcher.process.poll() is None:
        peaks["fetcher"] = max(peaks["fetcher"], peak_mb(fetcher))
        await asyncio.sleep(POLL_S)  # noqa: TID251 - waits for a real process
    if fetcher.process.returncode:
        raise SystemExit(fetcher.said())
    async with road.connection() as connection:
        while await connection.fetchval(OPEN):  # noqa: ASYNC110 - another process lands them
            await asyncio.sleep(POLL_S)  # noqa: TID251 - as above
        began, ended, offers = await connection.fetchrow(SPAN)
    peaks["normalizer"] = peak_mb(normalizer)
    normalizer.stop()
    return Load(offers, ended - began, meter.spent(began, ended), peaks)


async def replay(road: Road) -> tuple[float, int, int, float]:
    """Normalise everything anew; return seconds without the start, rows, how many changed, and the peak in MB."""
    service = road.start("normalizer", "renormalize")
    most = 0.0

    def has_ended() -> bool:
        nonlocal most
        is_over = service.process.poll() is not None
        most = most if is_over else max(most, peak_mb(service))
        return is_over

    await until(has_ended, within_s=WITHIN_S, what="the replay")
    _refuse_failure(service)
    async with road.connection() as connection:
        seconds, rows, changed = await connection.fetchrow(REPLAYED)
    return seconds, rows, changed, most


def _refuse_failure(service: Service) -> None:
    if service.process.returncode:
        raise SystemExit(service.said())


async def spoil(road: Road) -> None:
    """Make the catalogue differ from its mapping in every tenth row."""
    async with road.connection() as connection:
        await connection.execute(SPOILED)


def tell_load(found: Load) -> None:
    """Print a load with what is asked of it."""
    asked = f" (at most {MOST_S:.0f})" if found.offers >= FOR_OFFERS else ""
    print(f"{found.offers:,} offers: {found.seconds:.1f} s{asked}, {found.offers / found.seconds:,.0f} records/s")
    parts = ", ".join(f"{name} {used:.1f}" for name, used in sorted(found.processor.items(), key=lambda one: -one[1]))
    print(
        f"  processor: {parts}: {sum(found.processor.values()):.1f} s on {os.cpu_count()} cores;"
        f" the seconds are {found.times_the_least:.2f} x the least (at most {MOST_WALL})"
    )
    memory = ", ".join(f"{name} {size:.0f} MB" for name, size in found.peaks.items())
    print(f"  peak memory: {memory} (at most {MOST_MB:.0f})", flush=True)


async def measure(road: Road, meter: Meter) -> None:
    """Load, then replay twice, and print each."""
    tell_load(await load(road, meter))
    for what in ("nothing changes", "every tenth row changes"):
        seconds, rows, changed, most = await replay(road)
        asked = f" (at least {LEAST_REPLAYED_PER_S:,.0f})" if not changed else ""
        print(
            f"renormalize, {what}: {rows:,} rows in {seconds:.1f} s, {changed:,} changed:"
            f" {rows / seconds:,.0f} records/s{asked}; peak {most:.0f} MB",
            flush=True,
        )
        await spoil(road)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--offers", type=int, default=FOR_OFFERS)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="feedmill-bench-") as folder:
        stack = Stack(Path(folder) / "stack", preferred_ports={})
        stack.up()
        try:
            with (
                an_upstream(args.offers) as upstream,
                a_road(stack, upstream, Path(folder), "bench_large") as road,
                a_meter(stack, upstream) as meter,
            ):
                asyncio.run(measure(road, meter))
        finally:
            stack.delete_data()


def a_meter(stack: Stack, upstream: UpstreamProcess) -> Meter:
    """Return a meter of what runs already."""
    postgres, broker = stack.database.pid, stack.broker.pid
    assert postgres is not None
    assert broker is not None
    return Meter(postgresql=postgres, rabbitmq=broker, upstream=upstream.pid)


if __name__ == "__main__":
    main()
