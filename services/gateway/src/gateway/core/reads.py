"""Which database answers reads: a replica while it is known to be fresh enough, otherwise the primary.

How old a replica is cannot be asked of it: the time of its last transaction stands still while the primary has nothing
to say, and grows although nothing is missing. So the primary is asked every second how far its log is, and then the
replica how far it has replayed: it is as fresh as the latest moment whose position it has reached. Nobody has to write
for that, and of a server that has not answered in time, or is no standby of this primary, nothing is read.
"""

import logging
from collections import Counter, deque
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, Protocol

from common.clock import Clock
from common.errors import FeedmillError
from common.log import fields

WATCH_INTERVAL_S: Final = 1.0
MOST_KEPT: Final = 1000
"""Positions that are remembered; of more every other one is forgotten, so a long lag is told coarser."""
_log = logging.getLogger(__name__)


class Server(StrEnum):
    """Who answers reads."""

    PRIMARY = "primary"
    REPLICA = "replica"


class Reason(StrEnum):
    """Why a read of the replica was done again on the primary."""

    AWAY = "away"
    CONFLICT = "conflict"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class ServerState:
    """What a server says of itself.

    Attributes:
        in_recovery: It follows another server; false: it takes writes.
        system: Identity of the cluster, which a copy shares with its original.
        timeline: Grows with each promotion.
        position: Bytes of the log that are written, or, in recovery, replayed.
    """

    in_recovery: bool
    system: int
    timeline: int
    position: int


class StateReader(Protocol):
    """Asks a server for its state."""

    async def state(self) -> ServerState:
        """Return it, within 2 s.

        Raises:
            UnavailableError, QueryTimeoutError: It does not answer.
        """
        ...


@dataclass(frozen=True, slots=True)
class Standing:
    """Who answers reads now, since when and why.

    Attributes:
        lag_s: How old what the replica shows is; at least, where it has never been seen to be up to date. None: it does
            not follow the primary, or nobody knows.
        lag_bytes: How much of the primary's log it has not replayed.
    """

    database: Server
    since: datetime
    why: str
    lag_s: float | None
    lag_bytes: int | None


@dataclass(slots=True)
class _Reading:
    """What one caller reads. It never goes back in time: once the primary has answered, it answers the rest too."""

    primary_only: bool = False


_reading: ContextVar[_Reading | None] = ContextVar("reading", default=None)


def begin_reading() -> None:
    """Let what is read from here on, by this task and those that it starts, be of one caller."""
    _reading.set(_Reading())


class ReadRoute:
    """Decides by what is known of both servers; the watch tells it, and readers tell of failures.

    Args:
        clock: Time.
        most_lag_s: How old what is read may be. A replica that was left is read again when it is within half of that.
    """

    def __init__(self, *, clock: Clock, most_lag_s: float) -> None:
        self._clock = clock
        self._most_lag_s = most_lag_s
        self._fresh_until = float("-inf")
        self._lineage: tuple[int, int] | None = None
        self._written: deque[tuple[float, int]] = deque()
        """When the primary was asked, and how far it was."""
        self._replayed: int | None = None
        self._kind = ""
        self._standing = Standing(Server.PRIMARY, clock.now(), "the replica was not asked yet", None, None)
        self.fallbacks: Counter[Reason] = Counter(dict.fromkeys(Reason, 0))

    def chooses_replica(self) -> bool:
        """Return whether the replica is to be read now, by this caller."""
        reading = _reading.get()
        if reading is None:
            return self._clock.monotonic() <= self._fresh_until
        if not reading.primary_only and self._clock.monotonic() > self._fresh_until:
            reading.primary_only = True
        return not reading.primary_only

    def fell_back(self, reason: Reason, why: str) -> None:
        """Hear that the replica did not answer a read, which the primary does now; one that is away is left."""
        self.fallbacks[reason] += 1
        if reading := _reading.get():
            reading.primary_only = True
        if reason is Reason.AWAY:
            self._leave("away", f"replica stopped: {why}", None, None)

    def standing(self) -> Standing:
        """Return who answers now."""
        now = self._standing
        if now.database is Server.REPLICA and self._clock.monotonic() > self._fresh_until:
            self._leave("unwatched", "the servers did not say in time how far they are", None, now.lag_bytes)
        return self._standing

    def looked(self, asked_at: float, primary: ServerState | str, replica: ServerState | str) -> None:
        """Hear what the servers said, or why not; the primary was asked first, at the monotonic moment `asked_at`."""
        if isinstance(primary, ServerState) and primary.in_recovery:
            primary = "it follows another server"
        if isinstance(primary, ServerState):
            self._remember(asked_at, primary)
        fault, was_seen = self._fault(primary, replica), self._replayed is not None
        if isinstance(replica, ServerState):
            is_ours = replica.in_recovery and (replica.system, replica.timeline) == self._lineage
            self._replayed = replica.position if is_ours else None
        if fault is not None:
            self._leave(*fault, None, None)
        elif isinstance(replica, ServerState):
            self._weigh(replica.position, was_seen=was_seen)

    def _remember(self, asked_at: float, primary: ServerState) -> None:
        lineage = (primary.system, primary.timeline)
        if lineage != self._lineage:
            self._written.clear()
            self._replayed = None
            self._lineage = lineage
        self._written.append((asked_at, primary.position))
        if len(self._written) > MOST_KEPT:
            self._written = deque([one for place, one in enumerate(self._written) if place % 2 == 0])

    def _fault(self, primary: ServerState | str, replica: ServerState | str) -> tuple[str, str] | None:
        """Return the kind of what forbids to read the replica, and what to say of it."""
        if isinstance(replica, str):
            return "away", f"replica stopped: {replica}"
        if not replica.in_recovery:
            return "promoted", "promoted: the replica follows nobody and takes writes of its own"
        if self._lineage is None:
            return "unknown", "the primary has not said yet how far it is"
        if (replica.system, replica.timeline) != self._lineage:
            return "foreign", f"the replica is {_named(replica.system, replica.timeline)}, not {_named(*self._lineage)}"
        if isinstance(primary, ServerState) and (self._replayed or 0) > primary.position:
            return "foreign", "the replica has what the primary never had"  # it said so before the primary was asked
        return None

    def _weigh(self, replayed: int, *, was_seen: bool) -> None:
        """Take the replica, keep it or leave it by how old it is; one that is seen for the first time has to wait."""
        behind = max(0, self._written[-1][1] - replayed)
        while len(self._written) > 1 and self._written[1][1] <= replayed:
            self._written.popleft()
        fresh_at, position = self._written[0]
        lag_s = max(0.0, self._clock.monotonic() - fresh_at)
        most_s, is_read = self._most_lag_s, self._standing.database is Server.REPLICA
        if not was_seen:
            self._leave(self._kind, "the replica was seen once, and has to be seen twice", None, behind)
        elif position <= replayed and lag_s <= (most_s if is_read else most_s / 2):
            self._fresh_until = fresh_at + most_s
            self._stand(Server.REPLICA, "", f"the replica is within {most_s:g} s", lag_s, behind)
        elif position > replayed:
            self._leave("lagging", f"lagging at least {lag_s:.0f} s, and nobody knows how long", lag_s, behind)
        elif lag_s > most_s:
            self._leave("lagging", f"lagging {lag_s:.0f} s > {most_s:g} s", lag_s, behind)
        else:
            self._leave("returning", f"lagging {lag_s:.0f} s, to be read again within {most_s / 2:g} s", lag_s, behind)

    def _leave(self, kind: str, why: str, lag_s: float | None, lag_bytes: int | None) -> None:
        self._fresh_until = float("-inf")
        self._stand(Server.PRIMARY, kind, why, lag_s, lag_bytes)

    def _stand(self, database: Server, kind: str, why: str, lag_s: float | None, lag_bytes: int | None) -> None:
        has_moved = database is not self._standing.database
        if has_moved or kind != self._kind:
            level = logging.INFO if database is Server.REPLICA else logging.WARNING
            _log.log(level, fields("reads are answered by", database=database, why=why))
        self._kind = kind
        since = self._clock.now() if has_moved else self._standing.since
        self._standing = Standing(database, since, why, lag_s, lag_bytes)


class ReplicaWatch:
    """Asks both servers every second and tells the route."""

    def __init__(self, route: ReadRoute, *, primary: StateReader, replica: StateReader, clock: Clock) -> None:
        self._route = route
        self._primary = primary
        self._replica = replica
        self._clock = clock

    async def follow(self) -> None:
        """Look until cancelled."""
        while True:
            await self.look()
            await self._clock.sleep(WATCH_INTERVAL_S)

    async def look(self) -> None:
        """Ask once, the primary first: a position that the replica says afterwards may have reached it."""
        asked_at = self._clock.monotonic()
        primary = await _said_by(self._primary)
        replica = await _said_by(self._replica)
        self._route.looked(asked_at, primary, replica)


def _named(system: int, timeline: int) -> str:
    return f"timeline {timeline} of cluster {system}"


async def _said_by(server: StateReader) -> ServerState | str:
    try:
        return await server.state()
    except FeedmillError as error:
        return str(error)
