"""The whole chain against dlt, which a user would otherwise take: records/s and memory, side by side in one run.

Run by `make bench-peers`. dlt has a virtual environment of its own (`.local/bench-peers`), made here from the pinned
`requirements.txt` of this folder. It reads the same pages from the same upstream into the same PostgreSQL, and does
half of the work: raw rows only, no queue, no typed table, no log of changes.
"""

import argparse
import asyncio
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final

from tests.bench.chain import OFFERS_A_PAGE, ChainFigures, a_road, an_upstream, chain

from sandbox.stack import Stack
from sandbox.upstream.server import UpstreamProcess

ROOT: Final = Path(__file__).parents[3]
REQUIREMENTS: Final = Path(__file__).with_name("requirements.txt")
PROGRAM: Final = Path(__file__).with_name("dlt_load.py")
ENVIRONMENT: Final = ROOT / ".local" / "bench-peers"
LEAST_RATIO: Final = 5.0
DATABASE: Final = "bench_dlt"


@dataclass(frozen=True)
class PeerFigures:
    """One load by dlt; memory is the peak resident set in MB."""

    records: int
    seconds: float
    peak_mb: float

    @property
    def per_s(self) -> float:
        """Records a second."""
        return self.records / self.seconds


def interpreter() -> Path:
    """Return the peers' interpreter; its environment is made when it is not what the requirements say."""
    wanted = hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()
    mark, python = ENVIRONMENT / "made-from", ENVIRONMENT / "bin" / "python"
    if not mark.is_file() or mark.read_text(encoding="ascii") != wanted:
        print(f"[INFO] installing the peers into {ENVIRONMENT.relative_to(ROOT)}", flush=True)
        pip = [str(python), "-m", "pip", "install", "-qq", "--disable-pip-version-check", "--require-hashes"]
        for command in ([sys.executable, "-m", "venv", "--clear", str(ENVIRONMENT)], [*pip, "-r", str(REQUIREMENTS)]):
            subprocess.run(command, check=True)  # noqa: S603 - our own words
        mark.write_text(wanted, encoding="ascii")
    return python


def dlt(python: Path, stack: Stack, upstream: UpstreamProcess, pages: int) -> PeerFigures:
    """Load so many pages into an empty database."""
    stack.create_database(DATABASE)
    env = stack.env()
    where = f"{env['DB_USER']}:{env['DB_PASSWORD']}@{env['DB_HOST']}:{env['DB_PORT']}"
    try:
        answer = subprocess.run(  # noqa: S603 - our own program
            [python, PROGRAM, upstream.base_url, upstream.api_key, str(pages)],
            env={
                "PATH": os.environ["PATH"],
                "PEER_DATABASE": f"postgresql://{where}/{DATABASE}",
                "RUNTIME__DLTHUB_TELEMETRY": "false",
            },
            stdout=subprocess.PIPE,
            check=True,
        )
    finally:
        stack.drop_database(DATABASE)
    return PeerFigures(**json.loads(answer.stdout.splitlines()[-1]))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--offers", type=int, default=20_000)
    parser.add_argument("--runs", type=int, default=3)
    args = parser.parse_args()
    python = interpreter()
    with tempfile.TemporaryDirectory(prefix="feedmill-bench-") as folder:
        stack = Stack(Path(folder) / "stack", preferred_ports={})
        stack.up()
        try:
            with an_upstream(args.offers) as upstream:
                measure(stack, upstream, Path(folder), python, args)
        finally:
            stack.delete_data()


def measure(stack: Stack, upstream: UpstreamProcess, folder: Path, python: Path, args: argparse.Namespace) -> None:
    """Let both load in turn and print each pair, then the median of their ratios."""
    ratios = []
    for run in range(args.runs):
        peer = dlt(python, stack, upstream, args.offers // OFFERS_A_PAGE)
        with a_road(stack, upstream, folder, f"bench_peer_{run}") as road:
            own = asyncio.run(chain(road))
        ratios.append(own.per_s / peer.per_s)
        print(f"run {run + 1}: {said(peer, own)}: {ratios[-1]:.1f} x", flush=True)
    print(f"median: {median(ratios):.1f} x dlt (at least {LEAST_RATIO:.0f})")


def said(peer: PeerFigures, own: ChainFigures) -> str:
    """Return both loads as text."""
    return (
        f"dlt {peer.per_s:,.0f} records/s ({peer.records:,} raw rows, {peer.peak_mb:.0f} MB),"
        f" chain {own.per_s:,.0f} records/s ({own.rows:,} raw and typed rows,"
        f" {own.fetcher_mb:.0f} + {own.normalizer_mb:.0f} MB)"
    )


if __name__ == "__main__":
    main()
