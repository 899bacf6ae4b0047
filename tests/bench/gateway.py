"""The gateway among 250,000 offers: throughput beside its floor, far pages, counts, facets, sources at once, memory.

Run by `make bench`, some three minutes; needs `wrk` (Debian's package of that name). The gateway is started as people
start it, with tokens checked and the limit on. Everything is measured in turn within one run, round after round, and
what is compared is compared within a round: ratios are the claim, for the machine's own speed drifts.
"""

import argparse
import asyncio
from collections.abc import Sequence
from pathlib import Path

from tests.bench import answers, collecting, exporting, throughput
from tests.bench.gateways import UNLIMITED, Caller, Gateways
from tests.bench.lines import Line, show
from tests.bench.many_offers import OFFERS, among_offers, connect


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3, help="of each load in a round")
    parser.add_argument("--faulty", type=int, default=1000, help="requests to sources that fail at random")
    args = parser.parse_args()
    with among_offers() as (gateways, folder):
        measure(gateways, folder, args)


def measure(gateways: Gateways, folder: Path, args: argparse.Namespace) -> None:
    """Measure everything on a filled database."""
    (token,) = gateways.tokens(1)
    loaded = throughput.measure(gateways, folder, token=token, rounds=args.rounds, seconds=args.seconds)
    show(f"gateway, {OFFERS:,} offers, one process", loaded)
    show("single answers", asyncio.run(_single(gateways, token)))
    show("export", exporting.measure(gateways, token=token, times=3))
    show("sources at once", asyncio.run(_collected(gateways, token, args.faulty)))


async def _single(gateways: Gateways, token: str) -> Sequence[Line]:
    connection = await connect(gateways.database)
    far = await answers.cursors(connection)
    await connection.close()
    served = gateways.start("gateway", "run", extra=UNLIMITED)
    caller = Caller(served.port, token)
    lines = answers.measure(caller, far, times=200)
    caller.close()
    gateways.stop(served)
    return lines


async def _collected(gateways: Gateways, token: str, requests: int) -> Sequence[Line]:
    connection = await connect(gateways.database)
    try:
        added = await collecting.overhead(gateways, connection, token=token, times=100)
        return [added, *await collecting.faults(gateways, connection, token=token, requests=requests)]
    finally:
        await connection.close()


if __name__ == "__main__":
    main()
