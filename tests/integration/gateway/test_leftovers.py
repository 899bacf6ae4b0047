"""What is left of a busy time: no task, no socket, no busy session. `make soak` does the same for a minute."""

import asyncio
from collections.abc import AsyncIterator
from itertools import cycle, islice
from pathlib import Path

import asyncpg
import pytest
from tests.bench.gateways import Caller, Gateways, Served, now
from tests.bench.many_offers import connect
from tests.bench.soak import HAPPENED, MIXED, State, follow, state

from common.clock import SystemClock
from common.settings import DatabaseSettings
from common.testing.offers import a_processed_offer, store_offers

pytestmark = pytest.mark.integration

FOLLOWERS = 30
WORKERS = 6
BUSY_S = 1.5
SETTLED_WITHIN_S = 15.0
BUSY = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND state <> 'idle'
"""


@pytest.fixture
async def gateways(database: DatabaseSettings, tmp_path: Path) -> AsyncIterator[Gateways]:
    """Starts gateways on a small catalogue."""
    await store_offers(database, [a_processed_offer(inner_id=str(n)) for n in range(50)])
    gateways = Gateways(database, tmp_path)
    yield gateways
    await asyncio.to_thread(gateways.stop_all)


async def busy(served: Served, connection: "asyncpg.Connection[asyncpg.Record]", token: str) -> None:
    """Ask for everything, and follow the changes and hang up, for a while."""
    end = now() + BUSY_S
    followers = [asyncio.create_task(follow(served.port, token, place, end)) for place in range(FOLLOWERS)]
    asking = [asyncio.to_thread(ask, served.port, token, start, end) for start in range(WORKERS)]
    working = asyncio.gather(*asking)
    while now() < end:
        await connection.execute(HAPPENED)
        await SystemClock().sleep(0.1)
    assert sum(await asyncio.gather(*followers)) > 0
    assert min(await working) > 0


def ask(port: int, token: str, start: int, end: float) -> int:
    """Ask for one thing after another and return how many answers came; none may be an error of ours."""
    caller, answers = Caller(port, token), 0
    for path in islice(cycle(MIXED), start * 7, None):
        status, body = caller.get(path)
        assert status < 500, (path, body)
        answers += 1
        if now() > end:
            break
    caller.close()
    return answers


async def settled(served: Served, connection: "asyncpg.Connection[asyncpg.Record]") -> State:
    """Return what is held when nothing has come or gone for half a second; or at last."""
    end, same, found = now() + SETTLED_WITHIN_S, 0, await state(served, connection)
    while same < 5 and now() < end:
        await SystemClock().sleep(0.1)
        before, found = found, await state(served, connection)
        calm = (found.tasks, found.files) == (before.tasks, before.files) and not await connection.fetchval(BUSY)
        same = same + 1 if calm else 0
    return found


def sockets(held: State) -> int:
    """Return how many open files are not sessions of the database, which the pool keeps open."""
    return held.files - held.sessions


async def test_after_a_busy_time_everything_is_as_before(gateways: Gateways) -> None:
    (token,) = await asyncio.to_thread(gateways.tokens, 1)
    served = await asyncio.to_thread(gateways.start, "tests.bench.watched")
    connection = await connect(gateways.database)
    before = await settled(served, connection)
    await busy(served, connection, token)
    after = await settled(served, connection)
    assert (after.tasks, sockets(after)) == (before.tasks, sockets(before))
    assert await connection.fetchval(BUSY) == 0
    await connection.close()
