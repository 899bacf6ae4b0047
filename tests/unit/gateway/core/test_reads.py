"""Who answers reads, on virtual time: a replica only while it is known to be a fresh standby of this primary."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import pytest
from tests.contract.gateway.fakes import FakeChanges

from common.errors import FeedmillError, UnavailableError
from common.testing.clock import VirtualClock
from gateway.core.as_of import AnswererAsOf
from gateway.core.change_feed import ChangeFeed, StoredChange
from gateway.core.reads import MOST_KEPT, ReadRoute, Reason, ReplicaWatch, Server, ServerState, begin_reading

pytestmark = pytest.mark.unit

MOST_LAG_S = 10.0
PRIMARY = ServerState(in_recovery=False, system=1, timeline=1, position=1000)
STANDBY = ServerState(in_recovery=True, system=1, timeline=1, position=1000)


@dataclass
class Asked:
    """A server that says what it is told to."""

    said: ServerState
    failure: FeedmillError | None = None

    async def state(self) -> ServerState:
        """Say it."""
        if self.failure is not None:
            raise self.failure
        return self.said

    def reach(self, position: int) -> None:
        """Say that it is so far."""
        self.said = replace(self.said, position=position)


@dataclass
class Scene:
    """A route that is told of two servers, look by look."""

    primary: Asked = field(default_factory=lambda: Asked(PRIMARY))
    replica: Asked = field(default_factory=lambda: Asked(STANDBY))
    clock: VirtualClock = field(default_factory=lambda: VirtualClock(auto_advance=False))

    def __post_init__(self) -> None:
        self.route = ReadRoute(clock=self.clock, most_lag_s=MOST_LAG_S)
        self.watch = ReplicaWatch(self.route, primary=self.primary, replica=self.replica, clock=self.clock)

    async def look(self, times: int = 1, *, writes: int = 0) -> None:
        """Look after each second, in which the primary writes so many bytes."""
        for _ in range(times):
            await self.clock.advance(1)
            self.primary.said = replace(self.primary.said, position=self.primary.said.position + writes)
            await self.watch.look()

    @property
    def answers(self) -> tuple[str, str]:
        """Return who answers and why; what is said and what is done are the same."""
        now = self.route.standing()
        assert self.route.chooses_replica() == (now.database is Server.REPLICA)
        return now.database.value, now.why


@pytest.fixture
async def scene() -> Scene:
    """A replica that is read."""
    scene = Scene()
    await scene.look(2)
    assert scene.answers == ("replica", "the replica is within 10 s")
    return scene


async def test_a_replica_is_read_when_it_was_seen_twice() -> None:
    scene = Scene()
    assert scene.answers == ("primary", "the replica was not asked yet")
    await scene.look()
    assert scene.answers == ("primary", "the replica was seen once, and has to be seen twice")
    await scene.look()
    assert scene.answers[0] == "replica"
    assert (scene.route.standing().since - scene.clock.now()).total_seconds() == 0


async def test_an_hour_in_which_nothing_is_written_is_no_lag(scene: Scene) -> None:
    await scene.look(3600)
    now = scene.route.standing()
    assert (now.database, now.lag_s, now.lag_bytes) == (Server.REPLICA, 0, 0)


async def test_a_replica_that_follows_a_second_behind_is_a_second_old(scene: Scene) -> None:
    for _ in range(60):
        scene.replica.reach(scene.primary.said.position)
        await scene.look(writes=100)
    now = scene.route.standing()
    assert (now.database, now.lag_s, now.lag_bytes) == (Server.REPLICA, 1, 100)


async def test_one_that_stands_still_is_left_at_the_bound_and_read_again_within_half_of_it(scene: Scene) -> None:
    await scene.look(10, writes=7)
    assert (scene.answers[0], scene.route.standing().lag_s) == ("replica", 10)
    await scene.look(writes=7)
    assert scene.answers == ("primary", "lagging 11 s > 10 s")
    assert scene.route.standing().lag_bytes == 77
    scene.replica.reach(1000 + 5 * 7)
    await scene.look(writes=7)
    assert scene.answers == ("primary", "lagging 7 s, to be read again within 5 s")
    scene.replica.reach(1000 + 8 * 7)
    await scene.look(writes=7)
    assert (scene.answers[0], scene.route.standing().lag_s) == ("replica", 5)


async def test_nothing_older_than_the_bound_is_read_between_two_looks(scene: Scene) -> None:
    await scene.look(9, writes=7)
    await scene.clock.advance(0.9)
    assert scene.answers[0] == "replica"
    await scene.clock.advance(0.2)
    assert scene.answers == ("primary", "the servers did not say in time how far they are")


async def test_one_that_is_away_is_left_at_once_and_comes_back_with_the_next_look(scene: Scene) -> None:
    scene.replica.failure = UnavailableError("no answer")
    await scene.look()
    assert scene.answers == ("primary", "replica stopped: no answer")
    assert scene.route.standing().lag_s is None
    scene.replica.failure = None
    await scene.look()
    assert scene.answers[0] == "replica"


async def test_a_read_that_fails_leaves_it_before_the_next_look(scene: Scene) -> None:
    scene.route.fell_back(Reason.AWAY, "connection refused")
    assert scene.answers == ("primary", "replica stopped: connection refused")
    await scene.look()
    assert scene.answers[0] == "replica"


@pytest.mark.parametrize("reason", [Reason.CONFLICT, Reason.REFUSED])
async def test_a_read_that_is_refused_is_counted_and_the_replica_read_on(scene: Scene, reason: Reason) -> None:
    scene.route.fell_back(reason, "canceling statement due to conflict with recovery")
    assert scene.answers[0] == "replica"
    assert scene.route.fallbacks == {Reason.AWAY: 0, Reason.CONFLICT: 0, Reason.REFUSED: 0, reason: 1}


def promoted(scene: Scene) -> None:
    scene.replica.said = replace(scene.replica.said, in_recovery=False, timeline=2, position=9000)


def back_on_its_own_timeline(scene: Scene) -> None:
    scene.replica.said = replace(scene.replica.said, timeline=2)


def of_another_cluster(scene: Scene) -> None:
    scene.replica.said = replace(scene.replica.said, system=2)


def ahead(scene: Scene) -> None:
    scene.primary.said = replace(scene.primary.said, position=900)


@pytest.mark.parametrize(
    ("happens", "why"),
    [
        (promoted, "promoted: the replica follows nobody and takes writes of its own"),
        (back_on_its_own_timeline, "the replica is timeline 2 of cluster 1, not timeline 1 of cluster 1"),
        (of_another_cluster, "the replica is timeline 1 of cluster 2, not timeline 1 of cluster 1"),
        (ahead, "the replica has what the primary never had"),
    ],
)
async def test_one_that_is_no_standby_of_this_primary_is_not_read(
    scene: Scene, happens: Callable[[Scene], None], why: str
) -> None:
    happens(scene)
    await scene.look()
    assert scene.answers == ("primary", why)
    await scene.look(100)
    assert scene.answers == ("primary", why)


async def test_one_that_was_promoted_is_read_when_it_follows_again(scene: Scene) -> None:
    promoted(scene)
    await scene.look(writes=50)
    scene.replica.said = replace(STANDBY, position=scene.primary.said.position)
    await scene.look()
    assert scene.answers[0] == "primary"
    await scene.look()
    assert scene.answers[0] == "replica"


async def test_after_the_primary_was_set_back_a_replica_that_was_made_anew_is_read(scene: Scene) -> None:
    ahead(scene)
    await scene.look(3)
    scene.replica.said = replace(STANDBY, position=scene.primary.said.position)
    await scene.look(2)
    assert scene.answers[0] == "replica"


async def test_without_its_primary_it_is_read_for_as_long_as_it_may_be_old(scene: Scene) -> None:
    scene.primary.failure = UnavailableError("away")
    await scene.look(10)
    assert scene.answers[0] == "replica"
    await scene.look()
    assert scene.answers == ("primary", "lagging 11 s > 10 s")


async def test_a_primary_that_was_never_seen_vouches_for_nothing() -> None:
    scene = Scene()
    scene.primary.failure = UnavailableError("away")
    await scene.look(3)
    assert scene.answers == ("primary", "the primary has not said yet how far it is")
    scene.primary.failure, scene.primary.said = None, replace(PRIMARY, in_recovery=True)
    await scene.look(3)
    assert scene.answers == ("primary", "the primary has not said yet how far it is")


async def test_after_a_failover_it_is_read_when_it_has_followed_the_new_primary(scene: Scene) -> None:
    scene.primary.said = replace(PRIMARY, timeline=2, position=1200)
    await scene.look(3)
    assert scene.answers[0] == "primary"
    scene.replica.said = replace(STANDBY, timeline=2, position=1200)
    await scene.look()
    assert scene.answers[0] == "primary"
    await scene.look()
    assert scene.answers[0] == "replica"


async def test_one_that_is_behind_from_the_first_look_on_has_a_least_lag() -> None:
    scene = Scene(replica=Asked(replace(STANDBY, position=10)))
    await scene.look(3)
    assert scene.answers == ("primary", "lagging at least 2 s, and nobody knows how long")
    assert scene.route.standing().lag_bytes == 990


async def test_days_of_lag_need_no_more_memory_and_are_never_told_too_short(scene: Scene) -> None:
    await scene.look(5 * MOST_KEPT, writes=1)
    assert scene.route.standing().lag_s == 5 * MOST_KEPT
    scene.replica.reach(scene.primary.said.position - 2000)
    await scene.look(writes=1)
    lag_s = scene.route.standing().lag_s
    assert lag_s is not None
    assert 2001 <= lag_s < 2100
    assert len(scene.route._written) <= MOST_KEPT + 1  # noqa: SLF001 - memory is what is tested


async def test_who_has_heard_the_primary_does_not_go_back_to_a_replica(scene: Scene) -> None:
    async def caller() -> list[bool]:
        begin_reading()
        chosen = [scene.route.chooses_replica()]
        scene.route.fell_back(Reason.CONFLICT, "")
        chosen.append(scene.route.chooses_replica())
        return [*chosen, await asyncio.create_task(inner())]

    async def inner() -> bool:
        return scene.route.chooses_replica()

    assert await asyncio.create_task(caller()) == [True, False, False]
    assert scene.route.chooses_replica()


async def test_who_began_on_the_primary_stays_there_when_the_replica_is_fresh_again() -> None:
    scene = Scene()
    begin_reading()
    assert not scene.route.chooses_replica()
    await scene.look(2)
    assert not scene.route.chooses_replica()
    begin_reading()
    assert scene.route.chooses_replica()


async def test_each_move_is_one_line_in_the_log(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    scene.replica.failure = UnavailableError("away")
    with caplog.at_level(logging.INFO):
        await scene.look(3)
        scene.replica.failure = None
        await scene.look(3)
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("WARNING", 'reads are answered by database=primary why="replica stopped: away"'),
        ("INFO", 'reads are answered by database=replica why="the replica is within 10 s"'),
    ]


async def test_the_watch_looks_every_second() -> None:
    scene = Scene()
    following = asyncio.create_task(scene.watch.follow())
    await scene.clock.advance(1)
    assert scene.answers[0] == "replica"
    scene.replica.failure = UnavailableError("away")
    await scene.clock.advance(1)
    assert scene.answers[0] == "primary"
    following.cancel()


class _Moments:
    def __init__(self, name: str) -> None:
        self.name = name
        self.asked = 0

    async def of(self, _area: str, _platform: str | None = None) -> None:
        """Count."""
        self.asked += 1


async def test_the_moment_of_the_data_is_asked_of_who_answers(scene: Scene) -> None:
    primary, replica = _Moments("primary"), _Moments("replica")
    as_of = AnswererAsOf(scene.route, primary=primary, replica=replica)
    await as_of.of("offers")
    scene.route.fell_back(Reason.AWAY, "")
    await as_of.of("offers")
    await as_of.of("offers")
    assert (replica.asked, primary.asked) == (1, 2)


class _Conflicting(FakeChanges):
    def __init__(self, route: ReadRoute) -> None:
        super().__init__()
        self.route = route
        self.from_replica: list[bool] = []

    async def last_id(self) -> int:
        """Fall back to the primary once."""
        self.from_replica.append(self.route.chooses_replica())
        self.route.fell_back(Reason.CONFLICT, "")
        return await super().last_id()

    async def changes(self, start: int, *, limit: int, platform: str | None) -> list[StoredChange]:
        """Note who is asked."""
        self.from_replica.append(self.route.chooses_replica())
        return list(await super().changes(start, limit=limit, platform=platform))


async def test_each_look_at_the_changes_is_a_reading_of_its_own(scene: Scene) -> None:
    changes = _Conflicting(scene.route)
    feed = ChangeFeed(changes, clock=scene.clock, most_listeners=1)
    following = asyncio.create_task(feed.follow())
    with feed.place():
        await scene.clock.advance(2)
    following.cancel()
    assert changes.from_replica == [True, False, True]
