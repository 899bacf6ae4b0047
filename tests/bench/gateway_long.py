"""The gateway in real time: a limit over four processes, revocation, sources that fail, a minute of everything.

Run by `make soak`, some three minutes; needs `wrk`. Tests hold the same in short or virtual time.
"""

import argparse
import asyncio
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.bench import behaving, limits, soak, wrk
from tests.bench.chain import database_of
from tests.bench.gateways import Gateways
from tests.bench.lines import Line, show
from tests.bench.many_offers import connect, fill

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
        show("/collect-data", asyncio.run(_behaving(gateways, tokens[-1])))
        lines = asyncio.run(soak.measure(gateways, folder, token=tokens[-1], seconds=args.mixed))
        show(f"a minute of everything, {soak.FOLLOWERS} streams coming and going", lines)
    finally:
        gateways.stop_all()


async def _behaving(gateways: Gateways, token: str) -> Sequence[Line]:
    connection = await connect(gateways.database)
    try:
        return await behaving.measure(gateways, connection, token=token)
    finally:
        await connection.close()


if __name__ == "__main__":
    main()
