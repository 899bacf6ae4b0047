"""When a job is due: pure, so that a year of nights is a table in a test."""

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo


class Schedule(Protocol):
    """Says when a job is due."""

    def due(self, last: datetime | None, now: datetime) -> datetime:
        """Return the moment, UTC, at which the job is due; in the past where it has been missed.

        Args:
            last: When it was done last; None: never.
            now: The present.
        """
        ...


@dataclass(frozen=True, slots=True)
class Daily:
    """Once a day at a time of day of a zone.

    A time that the clocks leap over in spring comes when they have leapt; of one that comes twice in autumn the
    first counts.
    """

    at: time
    zone: ZoneInfo

    def due(self, last: datetime | None, now: datetime) -> datetime:
        """Return the first slot after `last`; what was never done waits for the next slot."""
        return self._slot_after(last or now)

    def _slot_after(self, moment: datetime) -> datetime:
        day = moment.astimezone(self.zone).date() - timedelta(days=1)
        while True:
            slot = datetime.combine(day, self.at, self.zone).astimezone(UTC)
            if slot > moment:
                return slot
            day += timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Every:
    """Again and again, so many seconds after the last start."""

    interval_s: float

    def due(self, last: datetime | None, now: datetime) -> datetime:
        """Return `interval_s` after `last`; what was never done is due now."""
        return now if last is None else last + timedelta(seconds=self.interval_s)
