"""When events happen: so many a day, cut at midnight in Moscow, with a silent day now and then."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from functools import lru_cache

DAY_S = 86_400
_DAY_MS = DAY_S * 1000
MOSCOW = timezone(timedelta(hours=3), "MSK")
_MOSCOW_S = 3 * 3600
_WEEK = 7
_SILENT_DAY = 3
"""Which day of a week of the history has no events (the feed was dead for a day in August 2026)."""


@dataclass(frozen=True, slots=True)
class Timeline:
    """The clock of a history: `per_day` events a day from midnight of `first_day` in Moscow."""

    first_day: date
    per_day: int
    has_silent_days: bool

    @property
    def start_ms(self) -> int:
        """Return the start of the history in milliseconds of the epoch."""
        return midnight_ms(self.first_day)

    def at_ms(self, number: int) -> int:
        """Return when event `number` happens, in milliseconds of the epoch."""
        busy_day, index = divmod(number, self.per_day)
        return self.start_ms + self._day_of(busy_day) * _DAY_MS + (2 * index + 1) * _DAY_MS // (2 * self.per_day)

    def events_before(self, moment_ms: int) -> int:
        """Return how many events happen before a moment."""
        if moment_ms <= self.start_ms or not self.per_day:
            return 0
        day, rest_ms = divmod(moment_ms - self.start_ms, _DAY_MS)
        today = 0 if self._is_silent(day) else ((2 * self.per_day * rest_ms - 1) // _DAY_MS + 1) // 2
        return self._busy_days_before(day) * self.per_day + today

    def events_before_day(self, day: date) -> int:
        """Return how many events happen before midnight of `day` in Moscow."""
        return self.events_before(midnight_ms(day))

    def _is_silent(self, day: int) -> bool:
        return self.has_silent_days and day % _WEEK == _SILENT_DAY

    def _day_of(self, busy_day: int) -> int:
        if not self.has_silent_days:
            return busy_day
        week, index = divmod(busy_day, _WEEK - 1)
        return week * _WEEK + index + (1 if index >= _SILENT_DAY else 0)

    def _busy_days_before(self, day: int) -> int:
        if not self.has_silent_days:
            return day
        week, index = divmod(day, _WEEK)
        return week * (_WEEK - 1) + index - (1 if index > _SILENT_DAY else 0)


def midnight_ms(day: date) -> int:
    """Return the moment at which a day begins in Moscow, in milliseconds of the epoch."""
    return int(datetime(day.year, day.month, day.day, tzinfo=MOSCOW).timestamp()) * 1000


@lru_cache(maxsize=1024)
def day_text(day: int) -> bytes:
    """Return the date (UTC) of a day number since the epoch, as `YYYY-MM-DD`."""
    return datetime.fromtimestamp(day * DAY_S, UTC).date().isoformat().encode()


def utc_text(moment_ms: int) -> bytes:
    """Return `YYYY-MM-DDThh:mm:ss.mmmZ`."""
    return _clock_text(moment_ms) + b"Z"


def moscow_text(moment_ms: int) -> bytes:
    """Return `YYYY-MM-DDThh:mm:ss.mmm+03:00`."""
    return _clock_text(moment_ms + _MOSCOW_S * 1000) + b"+03:00"


def _clock_text(moment_ms: int) -> bytes:
    seconds, millis = divmod(moment_ms, 1000)
    day, second = divmod(seconds, DAY_S)
    hour, rest = divmod(second, 3600)
    return b"%bT%02d:%02d:%02d.%03d" % (day_text(day), hour, rest // 60, rest % 60, millis)
