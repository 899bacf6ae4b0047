"""Requests/s of the gateway beside its floor, beside itself without the gate, and beside the usual ORM."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median

from tests.bench import wrk
from tests.bench.gateways import UNLIMITED, Gateways, Served
from tests.bench.lines import Line, at_least, at_most, paired
from tests.bench.many_offers import MARKS, MODELS

CONNECTIONS = 32
LISTS = [
    f"/offers?mark=Mark+{model % MARKS}&model=Model+{model}&price_from=100000&price_to=300000&sort=price"
    for model in range(0, MODELS, 7)
]
"""Some 230 offers meet each, a page has 20. By price, the index gives them in order: hardest on what is ours."""
DETAILS = [f"/offers/{n}?platform={'che168' if n % 10 < 8 else 'dongchedi'}" for n in range(1000, 200_000, 997)]
RESIDENT_MB = 110.0

Loads = Mapping[tuple[str, str], Sequence[wrk.Load]]


def measure(gateways: Gateways, folder: Path, *, token: str, rounds: int, seconds: float) -> Sequence[Line]:
    """Load all in turn, round after round, and return the lines."""
    servers = {
        "bare": gateways.start("tests.bench.gateway_floor", "bare", "{port}"),
        "gateway": gateways.start("gateway", "run", extra=UNLIMITED),
        "open": gateways.start("tests.bench.unguarded", extra=UNLIMITED),
        "orm": gateways.start("tests.bench.gateway_floor", "orm", "{port}"),
    }
    scripts = {
        "list": wrk.script(LISTS, folder / "list.lua"),
        "detail": wrk.script(DETAILS, folder / "detail.lua"),
    }
    loads = _loaded(servers, scripts, token=token, rounds=rounds, seconds=seconds)
    resident_mb = servers["gateway"].resident_mb(peak=True)
    for served in servers.values():
        gateways.stop(served)
    return [*_lines(loads), at_most("resident at its peak", resident_mb, RESIDENT_MB, unit=" MB")]


def _loaded(
    servers: Mapping[str, Served], scripts: Mapping[str, Path], *, token: str, rounds: int, seconds: float
) -> Loads:
    loads: dict[tuple[str, str], list[wrk.Load]] = defaultdict(list)
    for served in servers.values():
        for script in scripts.values():
            wrk.load(served.port, script, seconds=1, connections=CONNECTIONS, token=token)
    for _ in range(rounds):
        for kind, script in scripts.items():
            for name, served in servers.items():
                found = wrk.load(served.port, script, seconds=seconds, connections=CONNECTIONS, token=token)
                if found.errors:
                    raise SystemExit(f"{found.errors} errors: {name}, {kind}: {served.said()[-2000:]}")
                loads[name, kind].append(found)
    return loads


def _lines(loads: Loads) -> Sequence[Line]:
    per_s = {key: [load.per_s for load in found] for key, found in loads.items()}

    def against(kind: str, name: str, other: str) -> tuple[float, str]:
        mine, theirs = per_s[name, kind], per_s[other, kind]
        return paired(mine, theirs), f" ({median(mine):,.0f} to {median(theirs):,.0f}/s)"

    floor, floor_text = against("list", "gateway", "bare")
    detail, detail_text = against("detail", "gateway", "bare")
    usual, usual_text = against("list", "gateway", "orm")
    guarded, guarded_text = against("list", "gateway", "open")
    p99_ms = median(load.p99_ms for load in loads["gateway", "list"])
    floor_ms = median(load.p99_ms for load in loads["bare", "list"])
    return [
        at_least("list, of bare Starlette with the same SQL", floor, 0.65, more=floor_text),
        at_least("detail, of bare Starlette with the same SQL", detail, 0.65, more=detail_text),
        at_least("list, times ORM rows and response models", usual, 5, more=usual_text),
        at_most("what tokens and limit cost the list", 1 - guarded, 0.15, more=guarded_text),
        at_most("p99 of the list, 32 connections", p99_ms, 60, unit=" ms", more=f" (bare {floor_ms:.0f} ms)"),
    ]
