"""The gateway in real time: the limit over four processes, revocation, writes of last uses, and a minute of everything.

Run by `make soak`, some three minutes; needs `wrk`. Tests hold the same in short or virtual time.
"""

import argparse
import asyncio
import tempfile
from pathlib import Path

from tests.bench import limits, soak, wrk
from tests.bench.chain import database_of
from tests.bench.gateways import Gateways
from tests.bench.lines import show
from tests.bench.many_offers import fill

from common.settings import DatabaseSettings
from sandbox.stack import Stack

TOKENS = 30


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--limited", type=float, default=20, help="seconds at three times the quota")
    parser.add_argument("--mixed", type=float, default=60, help="seconds of everything at once")
    args = parser.parse_args()
    if not wrk.is_there():
        raise SystemExit(wrk.MISSING)
    with tempfile.TemporaryDirectory(prefix="feedmill-bench-") as name:
        folder = Path(name)
        stack = Stack(folder / "stack", preferred_ports={})
        stack.up()
        try:
            database = database_of(stack, "bench_gateway")
            asyncio.run(fill(database))
            measure(database, folder, args)
        finally:
            stack.delete_data()


def measure(database: DatabaseSettings, folder: Path, args: argparse.Namespace) -> None:
    """Measure everything on a filled database that has no tokens yet."""
    gateways = Gateways(database, folder)
    try:
        tokens = gateways.tokens(TOKENS)
        show("limits and tokens", limits.measure(gateways, folder, tokens, seconds=args.limited))
        lines = asyncio.run(soak.measure(gateways, folder, token=tokens[-1], seconds=args.mixed))
        show(f"a minute of everything, {soak.FOLLOWERS} streams coming and going", lines)
    finally:
        gateways.stop_all()


if __name__ == "__main__":
    main()
