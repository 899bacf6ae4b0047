"""`/collect-data`: what it adds to its slowest source, and how long it takes when sources fail at random."""

import re
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from statistics import median
from typing import Final

import asyncpg
from tests.bench.gateways import UNLIMITED, Caller, Gateways, Served, now, pause
from tests.bench.lines import Line, at_most

SLOW_S: Final = 0.05
CALLERS: Final = 20
WARMING: Final = 2 * CALLERS
"""Requests before the clock starts, which open the connections to the database."""
ANSWERED: Final = r"route=/collect-data status=200 ms=([0-9.]+)"
SETTLED_WITHIN_S: Final = 10.0
ROOM: Final = {"FEEDMILL__SOURCES__POOL_SIZE": "20"}
"""As many connections to each source as there are callers, so that faults are those that were planted."""

PLANT: Final = """
    CREATE FUNCTION fault() RETURNS integer LANGUAGE plpgsql VOLATILE AS $$
    DECLARE
      chance double precision := random();
    BEGIN
      IF chance < 0.1 THEN RAISE EXCEPTION 'planted';
      ELSIF chance < 0.15 THEN PERFORM pg_sleep(60);
      ELSIF chance < 0.2 THEN PERFORM pg_sleep(1.5 + random());
      ELSIF chance < 0.5 THEN PERFORM pg_sleep(random() / 5);
      END IF;
      RETURN 0;
    END $$;
"""
REPLACE: Final = """
    ALTER TABLE source_{0} RENAME TO kept_{0};
    CREATE VIEW source_{0} AS SELECT id, name FROM kept_{0} WHERE (SELECT {1});
"""
RESTORE: Final = "DROP VIEW source_{0}; ALTER TABLE kept_{0} RENAME TO source_{0}"


async def overhead(
    gateways: Gateways, connection: "asyncpg.Connection[asyncpg.Record]", *, token: str, times: int
) -> Line:
    """Ask the slowest source itself and all three by the gateway, in turn."""
    await connection.execute(REPLACE.format(2, f"pg_sleep({SLOW_S}) IS NOT NULL"))
    served = gateways.start("gateway", "run", extra=UNLIMITED)
    caller = Caller(served.port, token)
    caller.ms("/collect-data")
    alone, together = [], []
    for _ in range(times):
        started = now()
        await connection.fetch("SELECT id, name FROM source_2")
        alone.append((now() - started) * 1000)
        together.append(caller.ms("/collect-data"))
    caller.close()
    gateways.stop(served)
    await connection.execute(RESTORE.format(2))
    more = f" ({median(together):.1f} to {median(alone):.1f} ms)"
    added_ms = median(together) - median(alone)
    return at_most("/collect-data adds to its slowest source", added_ms, 5, unit=" ms", more=more)


async def faults(
    gateways: Gateways, connection: "asyncpg.Connection[asyncpg.Record]", *, token: str, requests: int
) -> Sequence[Line]:
    """Let every source fail, hang and be slow at random, and ask many times."""
    await connection.execute(PLANT)
    for source in (1, 2, 3):
        await connection.execute(REPLACE.format(source, "fault() = 0"))
    served = gateways.start("tests.bench.watched", extra=UNLIMITED | ROOM)
    _asked(served, token, WARMING)
    before = _settled(served, 0)
    took, outcomes = _asked(served, token, requests)
    left = _settled(served, before) - before
    gateways.stop(served)
    for source in (1, 2, 3):
        await connection.execute(RESTORE.format(source))
    took.sort()
    said = ", ".join(f"{number} {name}" for name, number in sorted(outcomes.items()))
    own_ms = max(float(ms) for ms in re.findall(ANSWERED, served.said())[WARMING:])
    more = f" (by its own log {own_ms / 1000:.3f}, p99 {took[len(took) * 99 // 100] / 1000:.3f} s; {said})"
    return [
        at_most(f"{requests:,} /collect-data with faults, slowest", took[-1] / 1000, 2.05, unit=" s", more=more),
        at_most("tasks left behind by them", left, 0),
    ]


def _asked(served: Served, token: str, requests: int) -> tuple[list[float], Counter[str]]:
    """Return the times in ms, and how often the sources were there, in error or late."""
    callers: SimpleQueue[Caller] = SimpleQueue()
    for _ in range(CALLERS):
        callers.put(Caller(served.port, token))

    def ask(_number: int) -> tuple[float, str]:
        caller = callers.get()
        caller.ms("/collect-data")
        found = caller.elapsed_ms, caller.sources
        callers.put(caller)
        return found

    with ThreadPoolExecutor(CALLERS) as threads:
        answers = list(threads.map(ask, range(requests)))
    while not callers.empty():
        callers.get().close()
    words = (word for _, said in answers for word in said.split(", "))
    return [ms for ms, _ in answers], Counter(word.rpartition("=")[2].rpartition(";")[2] for word in words)


def _settled(served: Served, wanted: int) -> int:
    """Return how many tasks there are when they are as few as wanted, or at last."""
    end = now() + SETTLED_WITHIN_S
    found = served.tasks()
    while found > wanted and now() < end:
        pause(0.5)
        found = served.tasks()
    return found
