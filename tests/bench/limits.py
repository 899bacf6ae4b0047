"""The limit over four gateways, how soon a revoked token is refused, and how seldom last uses are written."""

import asyncio
import json
import random
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

import asyncpg
from tests.bench import wrk
from tests.bench.gateways import UNLIMITED, Caller, Gateways, Served, now, pause
from tests.bench.lines import Line, at_most
from tests.bench.many_offers import connect

from gateway.core.access import FLUSH_INTERVAL_S
from gateway.settings import GatewaySection

PROCESSES: Final = 4
ASKED: Final = "/change_id?date=2026-01-01"
QUOTA: Final = GatewaySection().quota
"""What is set unless an operator says otherwise."""
TOKENS: Final = 20
REVOKED: Final = "SELECT extract(epoch FROM now() - expires_at)::float8 FROM api_tokens WHERE id = $1"
WRITES: Final = "SELECT n_tup_upd FROM pg_stat_user_tables WHERE relname = 'api_tokens'"
SETTLE_S: Final = 2.0
"""Until the statistics of the database are there."""
ROTATING: Final = """
local tokens, place = {%s}, 0
request = function()
  place = place %% #tokens + 1
  return wrk.format("GET", "%s", {["Authorization"] = "Bearer " .. tokens[place]})
end
done = function(summary, latency)
  io.write(string.format('\\n{"requests":%%d,"us":%%d,"p50_us":0,"p99_us":0,"errors":%%d}\\n',
           summary.requests, summary.duration, summary.errors.status))
end
"""


def shared_limit(gateways: Gateways, tokens: Sequence[str], *, seconds: float) -> Sequence[Line]:
    """Ask four gateways with one token at three times its quota, with a second one just below it, in bursts as well."""
    several = {"FEEDMILL__GATEWAY__PROCESSES": str(PROCESSES)}
    servers = [gateways.start("gateway", "run", extra=several) for _ in range(PROCESSES)]
    per_s = 1 / QUOTA.interval_s
    started = now()
    with ThreadPoolExecutor() as threads:
        greedy = [threads.submit(_paced, [s], tokens[0], 3 * per_s / PROCESSES, seconds) for s in servers]
        modest = threads.submit(_paced, servers, tokens[1], 0.95 * per_s, seconds)
        bursts = threads.submit(_in_bursts, servers, tokens[2], seconds)
        answers = [answer for work in greedy for answer in work.result()]
        elapsed_s = now() - started
        below, in_bursts = modest.result(), bursts.result()
    for served in servers:
        gateways.stop(served)
    allowed = answers.count(HTTPStatus.OK)
    most = QUOTA.burst + elapsed_s * per_s
    more = f" (of {len(answers):,} asked in {elapsed_s:.1f} s)"
    refused = sum(answer != HTTPStatus.OK for answer in (*below, *in_bursts))
    return [
        at_most(f"allowed at three times the quota, {PROCESSES} processes", allowed, int(most), more=more),
        at_most("refused of clients below it", refused, 0, more=f" (of {len(below) + len(in_bursts):,})"),
    ]


def _paced(servers: Sequence[Served], token: str, per_s: float, seconds: float) -> Sequence[int]:
    callers = [Caller(served.port, token) for served in servers]
    chance = random.Random(1)  # noqa: S311 - which gateway is asked next
    started, answers = now(), list[int]()
    while len(answers) < seconds * per_s:
        pause(max(0.0, started + len(answers) / per_s - now()))
        answers.append(chance.choice(callers).get(ASKED)[0])
    return answers


def _in_bursts(servers: Sequence[Served], token: str, seconds: float) -> Sequence[int]:
    """Ask half the burst at once, then wait until it is earned back."""
    callers = [Caller(served.port, token) for served in servers]
    started, answers = now(), list[int]()
    while now() - started < seconds:
        begun = now()
        answers += [callers[number % len(callers)].get(ASKED)[0] for number in range(QUOTA.burst // 2)]
        pause(max(0.0, begun + QUOTA.window_s / 2 - now()))
    return answers


async def revocation(gateways: Gateways, tokens: Sequence[str]) -> Line:
    """Ask two gateways all the time and revoke the token meanwhile; `tokens` are all there are, by id."""
    servers = [gateways.start("gateway", "run", extra=UNLIMITED) for _ in range(2)]
    connection = await connect(gateways.database)
    latest_s = 0.0
    for place in (3, 4, 5):
        callers = [Caller(served.port, tokens[place]) for served in servers]
        for caller in callers:
            caller.ms(ASKED)
        await asyncio.to_thread(gateways.revoke, place + 1)
        for caller in callers:
            while caller.get(ASKED)[0] == HTTPStatus.OK:
                pause(0.02)
        latest_s = max(latest_s, await connection.fetchval(REVOKED, place + 1))
    await connection.close()
    for served in servers:
        gateways.stop(served)
    return at_most("a revoked token is refused after", latest_s, 5, unit=" s")


async def token_writes(gateways: Gateways, tokens: Sequence[str], folder: Path, *, requests: int) -> Line:
    """Ask with 20 tokens in turn until there were enough requests, and count the rows written."""
    connection = await connect(gateways.database)
    before = await _writes(connection)
    served = gateways.start("gateway", "run", extra=UNLIMITED)
    script = folder / "tokens.lua"
    script.write_text(ROTATING % (", ".join(map(json.dumps, tokens[-TOKENS:])), ASKED), encoding="ascii")
    started, asked = now(), 0.0
    while asked < requests:
        load = await asyncio.to_thread(wrk.load, served.port, script, seconds=2, connections=8, token=tokens[-1])
        if load.errors:
            raise SystemExit(f"{load.errors} errors: {served.said()[-2000:]}")
        asked += load.per_s * 2
    flushes = int((now() - started) / FLUSH_INTERVAL_S) + 1  # and one when it stops
    gateways.stop(served)
    await asyncio.to_thread(pause, SETTLE_S)
    written = await _writes(connection) - before
    await connection.close()
    more = f" ({written} for {asked:,.0f} requests with {TOKENS} tokens)"
    return at_most("token rows written in a flush", written / flushes, TOKENS, more=more)


async def _writes(connection: "asyncpg.Connection[Any]") -> int:
    await connection.execute("SELECT pg_stat_clear_snapshot()")
    found: int = await connection.fetchval(WRITES)
    return found


def measure(gateways: Gateways, folder: Path, tokens: Sequence[str], *, seconds: float) -> Sequence[Line]:
    """Return all lines; of `tokens` there are at least 26, by id."""
    return [
        *shared_limit(gateways, tokens, seconds=seconds),
        asyncio.run(revocation(gateways, tokens)),
        asyncio.run(token_writes(gateways, tokens, folder, requests=30_000)),
    ]
