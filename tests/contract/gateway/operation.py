"""The state of an installation in memory: statistics, queues, and up to when the data are complete."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

MOMENT: Final = datetime(2026, 11, 20, tzinfo=UTC)


class FakeStats:
    """StatsReader that counts how often it was asked."""

    def __init__(self) -> None:
        self.asked = 0

    async def stats(self) -> str:
        """Return what was counted: nothing, the so-manyth time."""
        self.asked += 1
        counted_at = MOMENT + timedelta(seconds=self.asked)
        return json.dumps({"counted_at": counted_at.isoformat(), "platforms": [], "operations": [], "days": []})


@dataclass
class FakeQueues:
    """QueueReader."""

    known: dict[str, int] | None

    async def depths(self) -> dict[str, int] | None:
        """Return what is known."""
        return self.known


async def some_moments() -> dict[str, datetime | None]:
    """Return up to when a platform and a shop are complete."""
    return {"che168": MOMENT, "bot_igor": MOMENT - timedelta(days=1)}
