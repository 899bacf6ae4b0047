"""A minute of everything at once, 100 clients of the change stream coming and going, and what is left of it."""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import asyncpg
from tests.bench import wrk
from tests.bench.gateways import UNLIMITED, Gateways, Served, now
from tests.bench.lines import Line, at_most
from tests.bench.many_offers import connect
from tests.bench.throughput import DETAILS, LISTS

FOLLOWERS: Final = 100
WARM_S: Final = 8.0
SETTLED_WITHIN_S: Final = 30.0
GROWTH_MB: Final = 5.0
MIXED: Final = (
    *LISTS[:10],
    *DETAILS[:10],
    *("/offers?page=300&sort=-price", "/offers?q=edition12&count=exact", "/offers?color=white&count=estimated"),
    *("/offers/facets", "/offers/facets?mark=mark+7", "/collect-data", "/search?q=mark", "/status", "/metrics"),
    *("/changes", "/change_id?date=2026-01-01", "/products", "/categories", "/info", "/info?name=x", "/filters"),
    *("/api/v2/che168/offers?page=3", "/api/v2/che168/changes?change_id=1", "/openapi.json", "/health/ready"),
    *("/nothing", "/offers?mistyped=1", "/offers/none-of-these", "/offers?cursor=forged", "/offers?sort=price;drop"),
)
HAPPENED: Final = """
    INSERT INTO catalog_changes (platform, inner_id, change_type, diff)
    SELECT 'che168', n::text, 'changed', '{"price": [1, 2]}' FROM generate_series(1, 20) AS n
"""
SESSIONS: Final = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"


@dataclass(frozen=True)
class State:
    """What a gateway holds: tasks, open files with sockets, sessions of the database, MB of memory."""

    tasks: int
    files: int
    sessions: int
    resident_mb: float


async def measure(gateways: Gateways, folder: Path, *, token: str, seconds: float) -> Sequence[Line]:
    """Load, and return what is left more than after a short load."""
    connection = await connect(gateways.database)
    served = gateways.start("tests.bench.watched", extra=UNLIMITED)
    script = wrk.script(MIXED, folder / "mixed.lua")
    await _loaded(served, connection, script, token=token, seconds=WARM_S)
    before = await _settled(served, connection, None)
    events, answered = await _loaded(served, connection, script, token=token, seconds=seconds)
    after = await _settled(served, connection, before)
    await connection.close()
    gateways.stop(served)
    more = f" (of {before.tasks} tasks; {answered:,.0f} answers, {events:,} events to streams)"
    grown_mb = after.resident_mb - before.resident_mb
    return [
        at_most(f"tasks left after {seconds:.0f} s of everything", after.tasks - before.tasks, 0, more=more),
        at_most("open files and sockets left", after.files - before.files, 0, more=f" (of {before.files})"),
        at_most("sessions of the database left", after.sessions - before.sessions, 0, more=f" (of {before.sessions})"),
        at_most("memory left", grown_mb, GROWTH_MB, unit=" MB", more=f" ({after.resident_mb:.0f} MB)"),
    ]


async def _loaded(
    served: Served, connection: "asyncpg.Connection[asyncpg.Record]", script: Path, *, token: str, seconds: float
) -> tuple[int, float]:
    """Load for a while; return how many events streams got, and how many answers were given."""
    end = now() + seconds
    followers = [asyncio.create_task(follow(served.port, token, place, end)) for place in range(FOLLOWERS)]
    load = asyncio.create_task(
        asyncio.to_thread(wrk.load, served.port, script, seconds=seconds, connections=8, token=token)
    )
    while now() < end:
        await connection.execute(HAPPENED)
        await asyncio.sleep(0.2)  # noqa: TID251 - real load in real time
    return sum(await asyncio.gather(*followers)), (await load).per_s * seconds


async def follow(port: int, token: str, place: int, end: float) -> int:
    """Follow the stream for a while and hang up without a word, again and again; return how many events came."""
    chance, events = random.Random(place), 0  # noqa: S311 - how long one stays
    request = f"GET /offers/stream HTTP/1.1\r\nHost: gateway\r\nAuthorization: Bearer {token}\r\n\r\n".encode()
    while now() < end:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request)
        try:
            async with asyncio.timeout(min(chance.uniform(0.1, 4), max(0.0, end - now()))):
                while part := await reader.read(65536):
                    events += part.count(b"\nid: ")
        except TimeoutError:
            pass
        writer.transport.abort()
    return events


async def state(served: Served, connection: "asyncpg.Connection[asyncpg.Record]") -> State:
    """Return what a watched gateway holds now."""
    tasks = await asyncio.to_thread(served.tasks)
    return State(tasks, served.open_files(), await connection.fetchval(SESSIONS), served.resident_mb())


async def _settled(served: Served, connection: "asyncpg.Connection[asyncpg.Record]", wanted: State | None) -> State:
    """Return what it holds when it is no more than wanted, or after a while."""
    end = now() + (SETTLED_WITHIN_S if wanted else WARM_S)
    while True:
        await asyncio.sleep(1)  # noqa: TID251 - as above
        found = await state(served, connection)
        calm = wanted is not None and found.tasks <= wanted.tasks and found.files <= wanted.files
        if calm or now() > end:
            return found
