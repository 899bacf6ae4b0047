"""What the running service needs from the outside, by role, and the values that it exchanges."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

from common.clock import Clock
from fetcher.core.orders import CommandName
from fetcher.core.schedule import Schedule


class Happening(StrEnum):
    """What became of a command; last word of the routing key of a notice."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    STARTED = "started"
    STOPPED = "stopped"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """What the service tells of one command.

    Attributes:
        command: Its name; `command` where it could not be read.
        happening: What became of it.
        platform: For whom; None: for nobody in particular.
        at: When, UTC.
        text: One sentence for people.
        counts: Numbers by name.
    """

    command: str
    happening: Happening
    platform: str | None
    at: datetime
    text: str
    counts: Mapping[str, int] = field(default_factory=dict)


class Notices(Protocol):
    """Where notices go."""

    def tell(self, notice: Notice) -> None:
        """Take a notice; it is on its way when this returns, and lost only where the broker stays away."""
        ...


@dataclass(frozen=True, slots=True)
class JobResult:
    """How a job ended: `DONE`, `FAILED`, or `REFUSED` where another process works on the platform."""

    happening: Happening
    text: str
    counts: Mapping[str, int] = field(default_factory=dict)


class Perform(Protocol):
    """Does a job."""

    async def __call__(
        self, command: CommandName, name: str, options: Mapping[str, Any], stop: asyncio.Event
    ) -> JobResult:
        """Do a job to its end, or, once `stop` is set, to the end of the page in hand.

        Raises:
            UnavailableError: A server of ours is away and nothing was begun; call it again.
        """
        ...


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is wrong with a feed although its answers look well.

    Attributes:
        platform: Whose feed.
        finding: `no_added`, `stalled_cursor`, `removed_share`, `old_gap`, `not_landed` or `no_run`.
        since: From when on.
        detail: One sentence for people.
    """

    platform: str
    finding: str
    since: datetime
    detail: str


class ServiceStore(Protocol):
    """What the service remembers. Every method raises UnavailableError while the database is away."""

    async def paused(self) -> Mapping[str, datetime]:
        """Return since when platforms are paused, by name."""
        ...

    async def pause(self, name: str, at: datetime) -> None:
        """Note that a platform is paused; an earlier pause keeps its time."""
        ...

    async def resume(self, name: str) -> None:
        """Note that a platform is not paused."""
        ...

    async def last_done(self, name: str) -> datetime | None:
        """Return when the scheduled job of a platform was done last; None: never."""
        ...

    async def findings(self, moment: datetime) -> Sequence[Finding]:
        """Return what is wrong with the feeds as of `moment`."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A platform or shop.

    Attributes:
        name: As configured.
        jobs: What can be ordered for it.
        scheduled: What is done on schedule.
        schedule: When; None: it is disabled, and done only when ordered by name.
    """

    name: str
    jobs: frozenset[CommandName]
    scheduled: CommandName
    schedule: Schedule | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ServicePorts:
    """What the service talks to."""

    perform: Perform
    store: ServiceStore
    notices: Notices
    clock: Clock
    pause_s: float = 1.0
    """Seconds between two calls of a server that is away."""
    stop_grace_s: float = 6.0
    """Seconds that a job takes for the page in hand once it is stopped."""
