"""A gateway that reads from a real replica, which is stopped, lags, is promoted and comes back.

Each answer is compared with what the primary holds, or, while the replica may be read, with what that holds.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from tests.conftest import settings_of
from tests.contract.gateway.fakes import TOKEN
from tests.integration.gateway.conftest import opened
from tests.integration.gateway.live import SECRET, Live, live

from common.clock import SystemClock
from common.db import migrate
from common.doctor.replica import look
from common.errors import UnavailableError
from common.settings import DatabaseSettings
from common.testing.clock import VirtualClock
from gateway.adapters.database import Database
from gateway.adapters.quota import PostgresQuota
from gateway.adapters.reads import Reads, ServerStates
from gateway.adapters.tokens import PostgresTokens
from gateway.core.errors import QueryTimeoutError
from gateway.core.rate_limit import Quota
from gateway.core.reads import ReadRoute, Reason, ReplicaWatch
from gateway.core.tokens import digest
from sandbox.stack import Stack

pytestmark = pytest.mark.integration

LAG_S: Final = 3.0
SOON_S: Final = 40.0
ADD: Final = """
    WITH added AS (
        INSERT INTO processed_data (platform, inner_id, mark, normalized_data, active_status, is_complete, max_seq)
        SELECT 'che168', ($1::int + n)::text, 'BMW', '{}', 0, true, 1 FROM generate_series(1, $2::int) AS n
        RETURNING platform, inner_id
    )
    INSERT INTO catalog_changes (platform, inner_id, change_type, diff)
    SELECT platform, inner_id, 'added', '{}' FROM added ORDER BY inner_id::int
"""
"""Offers with the change that tells of each."""
RUN: Final = """
    INSERT INTO fetch_runs (run_id, platform, kind, status, started_at, finished_at)
    VALUES ($1, 'che168', 'daily_update', 'done', $1::text::timestamptz, now())
"""
IDS: Final = "SELECT inner_id FROM processed_data ORDER BY id DESC LIMIT 100"


@dataclass
class Scene:
    """A gateway that reads from a replica, and the two databases as a test sees them."""

    stack: Stack
    gateway: Live
    client: httpx.AsyncClient
    primary: Database
    offers: int = 0

    async def add(self, number: int) -> None:
        """Put offers into the primary."""
        await self.primary.fetch(ADD, self.offers, number)
        self.offers += number

    async def shown(self) -> list[str]:
        """Return the ids of the newest offers as the gateway shows them."""
        answer = await self.client.get("/offers?limit=100")
        assert answer.status_code == 200, answer.text
        return [offer["inner_id"] for offer in answer.json()["items"]]

    async def truth(self) -> list[str]:
        """Return them as the primary has them."""
        return [row["inner_id"] for row in await self.primary.fetch(IDS)]

    async def reads(self) -> dict[str, Any]:
        """Return what `/status` says of reads."""
        found: dict[str, Any] = (await self.client.get("/status")).json()["reads"]
        return found

    async def until(self, database: str, why: str) -> dict[str, Any]:
        """Wait until `/status` says that a database answers, and why."""
        deadline = SystemClock().monotonic() + SOON_S
        while SystemClock().monotonic() < deadline:
            reads = await self.reads()
            if reads["database"] == database and reads["why"].startswith(why):
                return reads
            await SystemClock().sleep(0.05)
        pytest.fail(f"reads are {await self.reads()}:\n{self.gateway.said()}")

    async def until_shown(self) -> None:
        """Wait until the replica has all that the primary has, as the gateway shows it."""
        await self.until("replica", "")
        async with asyncio.timeout(SOON_S):
            while await self.shown() != await self.truth():
                await SystemClock().sleep(0.05)

    async def examined(self) -> str:
        """Return what the doctor says of the replica."""
        settings = settings_of(self.stack, "feedmill")
        line = await look(settings, settings.model_copy(update={"port": self.stack.replica.port}))
        return f"{line.level}: {line.seen}"

    async def do(self, work: Callable[[], object]) -> None:
        """Do something to the servers, without holding up the loop."""
        await asyncio.to_thread(work)


@pytest.fixture(scope="module")
async def primary(replicated: Stack) -> DatabaseSettings:
    """The primary's database, migrated, with a token."""
    settings = settings_of(replicated, "feedmill")
    await migrate.upgrade(settings)
    async with opened(settings) as pool, PostgresTokens(pool).transaction() as tokens:
        await tokens.add([digest(TOKEN, SECRET.encode())], description=None, expires_at=None)
    return settings


@pytest.fixture(scope="module")
async def running(
    replicated: Stack, primary: DatabaseSettings, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Scene]:
    """The scene that all tests of this file share."""
    place = {"read_host": "127.0.0.1", "read_port": str(replicated.replica.port), "read_lag_s": str(LAG_S)}
    quota = {"rate_limit_per_minute": "1000000", "rate_limit_burst": "100000"}
    headers = {"Authorization": f"Bearer {TOKEN}"}
    folder: Path = tmp_path_factory.mktemp("gateway")
    async with (
        opened(primary) as pool,
        live(primary, folder, **place, **quota) as gateway,
        httpx.AsyncClient(base_url=gateway.url, headers=headers, timeout=10) as client,
    ):
        scene = Scene(replicated, gateway, client, pool)
        await scene.add(50)
        yield scene


@pytest.fixture
async def scene(running: Scene) -> Scene:
    """The scene with a replica that is read and has everything."""
    await running.until_shown()
    return running


@asynccontextmanager
async def asking(scene: Scene) -> AsyncIterator[list[list[str]]]:
    """Ask for the newest offers over and over until the block ends; a list of the answers grows meanwhile."""
    answers: list[list[str]] = []
    stopped = asyncio.Event()

    async def ask() -> None:
        while not stopped.is_set():
            answers.append(await scene.shown())
            await SystemClock().sleep(0.005)

    asker = asyncio.create_task(ask())
    try:
        yield answers
    finally:
        stopped.set()
        await asker


class Followers:
    """Two who follow the changes from now on, page by page and live, until they have so many."""

    def __init__(self, scene: Scene, start: int, *, wanted: int) -> None:
        self._client = scene.client
        self._start = start
        self._wanted = wanted
        self.polled: list[int] = []
        self.streamed: list[int] = []

    async def follow(self) -> None:
        """Follow in both ways."""
        await asyncio.gather(self._poll(), self._stream())

    async def _poll(self) -> None:
        following = self._start
        while len(self.polled) < self._wanted:
            page = (await self._client.get(f"/changes?change_id={following}&limit=2")).json()
            self.polled.extend(change["change_id"] for change in page["items"])
            assert page["next_change_id"] >= following
            following = page["next_change_id"]
            await SystemClock().sleep(0.01)

    async def _stream(self) -> None:
        last = {"Last-Event-ID": str(self._start - 1)}
        async with self._client.stream("GET", "/offers/stream", headers=last) as events:
            async for line in events.aiter_lines():
                if line.startswith("id: "):
                    self.streamed.append(int(line.removeprefix("id: ")))
                if len(self.streamed) == self._wanted:
                    return


async def test_a_replica_that_lags_is_read_up_to_the_bound_and_then_the_primary_is(scene: Scene) -> None:
    before = await scene.truth()
    start = (await scene.client.get("/change_id?date=2100-01-01")).json()["change_id"]
    followers = Followers(scene, start, wanted=15)
    following = asyncio.create_task(followers.follow())
    await scene.do(scene.stack.replica.pause)
    await scene.primary.fetch(RUN, "2026-11-20 05:00")
    await scene.add(5)
    for _ in range(3):  # the moment of the data is asked for anew meanwhile
        old, polled = await scene.client.get("/offers?limit=100"), [*followers.polled, *followers.streamed]
        if (await scene.reads())["database"] == "replica":
            assert [offer["inner_id"] for offer in old.json()["items"]] == before
            assert "X-Data-As-Of" not in old.headers
            assert polled == []
            await SystemClock().sleep(0.6)
    reads = await scene.until("primary", "lagging ")
    assert reads["why"].endswith(f"> {LAG_S:g} s")
    assert reads["lag_s"] > LAG_S
    assert reads["lag_bytes"] > 0
    new = await scene.client.get("/offers?limit=100")
    assert [offer["inner_id"] for offer in new.json()["items"]] == await scene.truth()
    assert new.headers["X-Data-As-Of"] == "2026-11-20T05:00:00Z"
    await scene.add(5)
    await scene.do(scene.stack.replica.resume)
    assert (await scene.until("replica", f"the replica is within {LAG_S:g} s"))["since"] > reads["since"]
    await scene.add(5)
    await asyncio.wait_for(following, SOON_S)
    ids = [row["change_id"] for row in await scene.primary.fetch("SELECT change_id FROM catalog_changes ORDER BY 1")]
    assert followers.polled == followers.streamed == ids[-15:]
    assert await scene.shown() == await scene.truth()


async def test_a_replica_that_is_killed_costs_no_answer(scene: Scene) -> None:
    async with asking(scene) as answers:
        await scene.do(lambda: scene.stack.replica.stop("immediate"))
        reads = await scene.until("primary", "replica stopped: ")
        assert (reads["lag_s"], reads["lag_bytes"]) == (None, None)
        await scene.add(3)
        assert await scene.shown() == await scene.truth()
        await scene.do(scene.stack.replica.start)
        await scene.until("replica", "")
    assert len(answers) > 3
    metrics = (await scene.client.get("/metrics")).text
    assert "feedmill_reads_from_replica 1.0" in metrics
    assert 'feedmill_replica_fallbacks_total{reason="away"}' in metrics


async def test_a_replica_that_was_promoted_is_not_read_until_it_follows_again(scene: Scene) -> None:
    replica = scene.stack.replica
    assert (await scene.examined()).startswith(f"ok: 127.0.0.1:{replica.port} has replayed all but ")
    async with asking(scene) as answers:
        await scene.do(replica.promote)
        await scene.until("primary", "promoted: ")
        assert await scene.examined() == f"error: 127.0.0.1:{replica.port} was promoted, or never followed anybody"
        settings = settings_of(scene.stack, "feedmill").model_copy(update={"port": replica.port})
        async with opened(settings) as strayed:
            await strayed.fetch(ADD, 10**6, 1)
        await scene.add(2)
        assert await scene.shown() == await scene.truth()
        await scene.do(lambda: restarted(scene.stack, as_standby=True))
        await scene.until("primary", "the replica is timeline 2 of cluster ")
        assert "follows another database, or an older life of ours" in await scene.examined()
        await scene.do(lambda: restarted(scene.stack, as_standby=False))
        await scene.until("replica", "")
        assert await scene.shown() == await scene.truth()
    assert not [answer for answer in answers if str(10**6 + 1) in answer]


def restarted(stack: Stack, *, as_standby: bool) -> None:
    """Start what was promoted again: as a standby, which cannot follow any more, or made anew from the primary."""
    folder = stack.state.database_folder
    assert folder is not None
    stack.replica.stop()
    signal = folder / "replica" / "data" / "standby.signal"
    (signal.touch if as_standby else signal.unlink)()
    stack.replica.start()


@dataclass
class Pair:
    """The two databases and a route that has found the replica fresh, without a gateway."""

    primary: Database
    replica: Database
    route: ReadRoute
    reads: Reads


@pytest.fixture
async def pair(scene: Scene, primary: DatabaseSettings) -> AsyncIterator[Pair]:
    """Both, with a second for a statement."""
    ours = primary.model_copy(update={"statement_timeout_s": 1.0})
    theirs = ours.model_copy(update={"port": scene.stack.replica.port})
    async with opened(ours) as first, opened(theirs) as second:
        clock = VirtualClock()
        route = ReadRoute(clock=clock, most_lag_s=10)
        watch = ReplicaWatch(route, primary=ServerStates(first), replica=ServerStates(second), clock=clock)
        async with asyncio.timeout(SOON_S):
            while not route.chooses_replica():  # it may still be replaying what the test before this one wrote
                await watch.look()
        yield Pair(first, second, route, Reads(first, second, route=route))


async def test_a_read_that_the_replay_cancels_is_done_on_the_primary(scene: Scene, pair: Pair) -> None:
    await configured(scene, "hot_standby_feedback = off", "max_standby_streaming_delay = 0")
    slow = "SELECT count(*) AS number, pg_is_in_recovery() AS on_replica, pg_sleep(0.6) FROM processed_data"
    await scene.primary.fetch("CREATE TABLE IF NOT EXISTS seldom AS SELECT 1 AS a FROM generate_series(1, 1000)")
    await scene.until_shown()
    reading = asyncio.create_task(pair.reads.fetch(slow))
    await SystemClock().sleep(0.2)
    await scene.primary.fetch("DELETE FROM seldom")
    await scene.primary.fetch("VACUUM seldom")
    (row,) = await reading
    assert (row["number"], row["on_replica"]) == (scene.offers, False)
    assert pair.route.fallbacks[Reason.CONFLICT] == 1
    assert pair.route.chooses_replica()
    await configured(scene, "hot_standby_feedback = on", "max_standby_streaming_delay = '30s'")


async def test_where_a_segment_of_the_log_ends_nothing_is_missing(scene: Scene, pair: Pair) -> None:
    await scene.do(lambda: scene.stack.database._do("SELECT pg_switch_wal()"))  # noqa: SLF001 - as its administrator
    ours, theirs = ServerStates(pair.primary), ServerStates(pair.replica)
    async with asyncio.timeout(SOON_S):
        while (await theirs.state()).position != (await ours.state()).position:
            await SystemClock().sleep(0.02)


async def test_a_read_that_is_too_slow_is_not_done_twice(pair: Pair) -> None:
    with pytest.raises(QueryTimeoutError):
        await pair.reads.fetch("SELECT pg_sleep(3)")
    assert sum(pair.route.fallbacks.values()) == 0


async def test_a_gateway_on_a_standby_keeps_limits_alone_and_no_uses(pair: Pair) -> None:
    with pytest.raises(UnavailableError):
        await PostgresQuota(pair.replica).take(1, Quota(1, 1.0), give_back=0, wanted=1)
    with pytest.raises(UnavailableError):
        await PostgresTokens(pair.replica).mark_used({1: SystemClock().now()})


async def test_what_the_replica_does_not_know_yet_the_primary_answers(scene: Scene, pair: Pair) -> None:
    await scene.do(scene.stack.replica.pause)
    await scene.primary.fetch("CREATE TABLE new_table (a int)")
    await scene.primary.fetch("ALTER TABLE processed_data ADD COLUMN new_column int")
    assert await pair.reads.fetch("SELECT new_column FROM processed_data WHERE false") == []
    assert pair.route.fallbacks[Reason.REFUSED] == 1
    assert await pair.reads.fetch("SELECT a FROM new_table") == []
    await scene.do(scene.stack.replica.resume)


async def configured(scene: Scene, *settings: str) -> None:
    """Change settings of the replica and let it read them, as its administrator."""
    for statement in (*(f"ALTER SYSTEM SET {setting}" for setting in settings), "SELECT pg_reload_conf()"):
        await asyncio.to_thread(scene.stack.replica._do, statement)  # noqa: SLF001 - nobody else needs that
