"""The gateway in real time: a limit over four processes, revocation, sources that fail, a minute of everything.

Run by `make soak`, some three minutes; needs `wrk`. Tests hold the same in short or virtual time.
"""

import argparse
import asyncio
from collections.abc import Sequence
from pathlib import Path

from tests.bench import behaving, limits, soak
from tests.bench.gateways import Gateways
from tests.bench.lines import Line, show
from tests.bench.many_offers import among_offers, connect

TOKENS = 30


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--limited", type=float, default=20, help="seconds at three times the quota")
    parser.add_argument("--mixed", type=float, default=60, help="seconds of everything at once")
    args = parser.parse_args()
    with among_offers() as (gateways, folder):
        measure(gateways, folder, args)


def measure(gateways: Gateways, folder: Path, args: argparse.Namespace) -> None:
    """Measure everything on a filled database that has no tokens yet."""
    tokens = gateways.tokens(TOKENS)
    show("limits and tokens", limits.measure(gateways, folder, tokens, seconds=args.limited))
    show("/collect-data", asyncio.run(_behaving(gateways, tokens[-1])))
    lines = asyncio.run(soak.measure(gateways, folder, token=tokens[-1], seconds=args.mixed))
    show(f"a minute of everything, {soak.FOLLOWERS} streams coming and going", lines)


async def _behaving(gateways: Gateways, token: str) -> Sequence[Line]:
    connection = await connect(gateways.database)
    try:
        return await behaving.measure(gateways, connection, token=token)
    finally:
        await connection.close()


if __name__ == "__main__":
    main()
