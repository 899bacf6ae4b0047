"""How far a load is, as people read it."""

from collections import deque
from dataclasses import dataclass
from typing import Final

SPEED_WINDOW_S: Final = 60.0
_ALMOST: Final = 99.9


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a load is.

    Attributes:
        records: Records loaded by this run so far.
        expected: What the whole load is expected to bring, an estimate; None where nobody knows.
        per_minute: Records a minute, lately.
        is_complete: The upstream has named its last page.
    """

    records: int
    expected: int | None = None
    per_minute: float = 0.0
    is_complete: bool = False

    @property
    def percent(self) -> float | None:
        """Percent done; None where it cannot be said. 100 only at the end."""
        if self.is_complete:
            return 100.0
        if not self.expected or self.records > self.expected:
            return None  # the upstream grew past the estimate: any figure would be invented
        return min(_ALMOST, 100 * self.records / self.expected)

    @property
    def line(self) -> str:
        """`Progress: 45.2% (112,500 / 250,000 records) | Speed: 500 records/min`."""
        speed = f"Speed: {self.per_minute:,.0f} records/min"
        percent = self.percent
        if percent is None:
            return f"Progress: {self.records:,} records | {speed}"
        total = self.records if self.is_complete else self.expected
        return f"Progress: {percent:.1f}% ({self.records:,} / {total:,} records) | {speed}"


class Speedometer:
    """Records a minute over the last minute, or since the start where that is shorter."""

    def __init__(self, start_s: float) -> None:
        self._marks: deque[tuple[float, int]] = deque([(start_s, 0)])

    def mark(self, records: int, now_s: float) -> None:
        """Note that `records` have been loaded since the start, at `now_s` monotonic seconds."""
        self._marks.append((now_s, records))
        while self._marks[1][0] <= now_s - SPEED_WINDOW_S:
            self._marks.popleft()

    def per_minute(self, now_s: float) -> float:
        """Return records a minute up to `now_s`."""
        start_s, before = self._marks[0]
        return 60 * (self._marks[-1][1] - before) / (now_s - start_s) if now_s > start_s else 0.0
