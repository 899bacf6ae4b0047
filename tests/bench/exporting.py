"""`GET /offers/export`: rows/s of the whole catalogue, and that memory stays as it was."""

from collections.abc import Sequence
from http import HTTPStatus
from statistics import median

from tests.bench.gateways import UNLIMITED, Caller, Gateways, now
from tests.bench.lines import Line, at_least, at_most

GROWTH_MB = 10.0
"""How much more than before a file of any length may need: a few parts on their way."""


def measure(gateways: Gateways, *, token: str, times: int) -> Sequence[Line]:
    """Write the file several times and return the lines."""
    served = gateways.start("gateway", "run", extra=UNLIMITED)
    caller = Caller(served.port, token)
    _exported(caller, "/offers/export?format=ndjson&mark=mark+7")
    before_mb = served.resident_mb(peak=True)
    speeds = []
    for _ in range(times):
        started = now()
        rows, size_mb = _exported(caller, "/offers/export?format=ndjson")
        speeds.append(rows / (now() - started))
    grown_mb = served.resident_mb(peak=True) - before_mb
    caller.close()
    gateways.stop(served)
    return [
        at_least(f"export of {rows:,} offers as NDJSON", median(speeds), 20_000, unit=" rows/s"),
        at_most("its memory, more than a small one's", grown_mb, GROWTH_MB, unit=" MB", more=f" (file {size_mb:.0f})"),
    ]


def _exported(caller: Caller, path: str) -> tuple[int, float]:
    answer = caller.opened(path)
    if answer.status != HTTPStatus.OK:
        raise SystemExit(f"{path}: {answer.status} {answer.read()[:300]!r}")
    lines = size = 0
    while part := answer.read1(1 << 18):
        lines += part.count(b"\n")
        size += len(part)
    return lines, size / 2**20
