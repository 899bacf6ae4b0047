"""The current moment of the generated worlds: what has happened by now, and what is still to come."""

from datetime import UTC, datetime, timedelta

from common.clock import Clock
from sandbox.upstream.errors import BadOptionError

_MS = timedelta(milliseconds=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def to_ms(moment: datetime) -> int:
    """Return an aware moment in whole milliseconds of the epoch."""
    return (moment - _EPOCH) // _MS


class Moment:
    """A moment that only moves forward; every generated platform of a stand-in looks at the same one.

    Args:
        now: where it starts, aware.
        horizon_days: days after `now` in which there are events; None is without end.
        clock: whose time the moment is as soon as that is later; None leaves it where it is put.

    `events_per_request` is how many events each request for a page of the list lets happen, 0 for none.
    """

    def __init__(self, now: datetime, *, horizon_days: int | None = None, clock: Clock | None = None) -> None:
        self._clock = clock
        self._since_ms = self._clock_ms()
        self._ms = max(to_ms(now), self._since_ms)
        self.events_per_request = 0.0
        self._owed = 0.0
        self._horizon_ms = None if horizon_days is None else to_ms(now + timedelta(days=horizon_days))

    @property
    def ms(self) -> int:
        """Return the moment in milliseconds of the epoch."""
        return self._ms + self._clock_ms() - self._since_ms

    @property
    def now(self) -> datetime:
        """Return the moment in UTC."""
        return _EPOCH + self.ms * _MS

    @property
    def last_event_ms(self) -> int:
        """Return the moment up to which events have happened: this one, but never behind the horizon."""
        return self.ms if self._horizon_ms is None else min(self.ms, self._horizon_ms)

    def _clock_ms(self) -> int:
        return 0 if self._clock is None else to_ms(self._clock.now())

    def move_to(self, moment: datetime) -> None:
        """Move forward.

        Raises:
            BadOptionError: the moment has no offset or lies in the past.
        """
        if moment.tzinfo is None:
            raise BadOptionError("the moment needs an offset, such as Z")
        if to_ms(moment) < self.ms:
            raise BadOptionError(f"the moment only moves forward, and it is {self.now.isoformat()} already")
        self.move_on(to_ms(moment))

    def move_on(self, moment_ms: int) -> None:
        """Move to a moment of the epoch in milliseconds, unless it has passed."""
        self._ms, self._since_ms = max(self.ms, moment_ms), self._clock_ms()

    def events_due(self) -> int:
        """Count one request for a page of the list; return how many whole events it lets happen."""
        self._owed += self.events_per_request
        whole = int(self._owed)
        self._owed -= whole
        return whole
