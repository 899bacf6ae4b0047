"""`/collect-data` in real time, as a table: what each source does, what comes, and when."""

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Final

import asyncpg
from tests.bench.gateways import UNLIMITED, Caller, Gateways
from tests.bench.lines import Line

MARGIN_S: Final = 0.05
SOURCES: Final = (1, 2, 3)
UP: Final = "up"
BEHAVIOURS: Final[Mapping[str, tuple[str, str, str, float]]] = {
    UP: ("name", "true", "ok", 0.0),
    "failing": ("name", "1 / (random() * 0)::int = 0", "missing;reason=error", 0.0),
    "wrong shape": ("nullif(name, name)", "true", "missing;reason=error", 0.0),
    "slow by 1.9 s": ("name", "pg_sleep(1.9) IS NOT NULL", "ok", 1.9),
    "slow by 2.1 s": ("name", "pg_sleep(2.1) IS NOT NULL", "missing;reason=timeout", 2.0),
    "slow by 60 s": ("name", "pg_sleep(60) IS NOT NULL", "missing;reason=timeout", 2.0),
}
"""The column and the condition that make a source behave so, what is said of it then, and when the answer comes."""
TABLE: Final = (
    *product([UP, "failing"], repeat=3),
    *(
        tuple(odd if source == own else UP for source in SOURCES)
        for odd, own in product(["wrong shape", "slow by 1.9 s", "slow by 2.1 s", "slow by 60 s"], SOURCES)
    ),
    ("slow by 1.9 s", "slow by 2.1 s", "slow by 60 s"),
)
TAKE: Final = "ALTER TABLE source_{0} RENAME TO kept_{0}"
BEHAVE: Final = "CREATE OR REPLACE VIEW source_{0} AS SELECT id, {1} AS name FROM kept_{0} WHERE (SELECT {2})"
RESTORE: Final = "DROP VIEW source_{0}; ALTER TABLE kept_{0} RENAME TO source_{0}"


async def measure(
    gateways: Gateways, connection: "asyncpg.Connection[asyncpg.Record]", *, token: str
) -> Sequence[Line]:
    """Let the sources behave in every way and ask."""
    served = gateways.start("gateway", "run", extra=UNLIMITED)
    caller = Caller(served.port, token)
    for source in SOURCES:
        await connection.execute(TAKE.format(source))
    lines = []
    for row in TABLE:
        await _behave(connection, (UP, UP, UP))
        caller.ms("/collect-data")
        await _behave(connection, row)
        lines.append(_asked(caller, row))
    for source in SOURCES:
        await connection.execute(RESTORE.format(source))
    caller.close()
    gateways.stop(served)
    return lines


async def _behave(connection: "asyncpg.Connection[asyncpg.Record]", row: Sequence[str]) -> None:
    for source, behaviour in zip(SOURCES, row, strict=True):
        await connection.execute(BEHAVE.format(source, *BEHAVIOURS[behaviour][:2]))


def _asked(caller: Caller, row: Sequence[str]) -> Line:
    took_s = caller.ms("/collect-data") / 1000
    expected = [BEHAVIOURS[behaviour] for behaviour in row]
    said = ", ".join(f"{source};{word}" for source, (*_, word, _s) in zip(SOURCES, expected, strict=True))
    moment_s = max(seconds for *_, seconds in expected)
    holds = caller.sources == said and moment_s <= took_s <= moment_s + MARGIN_S
    wanted = f"{moment_s:.1f} to {moment_s + MARGIN_S:.2f} s"
    return Line(" | ".join(row), f"{took_s:.3f} s  {caller.sources}", wanted, holds)
