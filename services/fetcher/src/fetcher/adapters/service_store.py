"""What the running service remembers, in PostgreSQL."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from fetcher.adapters.session import PlatformSession
from fetcher.core.service_ports import Finding, Happening, JobResult

PAUSED: Final = "SELECT platform, paused_at FROM sync_state WHERE paused_at IS NOT NULL"
"""What is paused; a table of one row for each platform."""

PAUSE: Final = """
INSERT INTO sync_state (platform, paused_at) VALUES ($1, $2)
ON CONFLICT (platform) DO UPDATE SET paused_at = COALESCE(sync_state.paused_at, EXCLUDED.paused_at)
"""
"""Pause a platform; repeatable, the first moment stays. Primary key."""

RESUME: Final = "UPDATE sync_state SET paused_at = NULL WHERE platform = $1 AND paused_at IS NOT NULL"
"""End a pause; repeatable. Primary key."""

LAST_DONE: Final = """
SELECT GREATEST(
  (SELECT max(started_at) FROM fetch_runs WHERE platform = $1 AND kind = 'snapshot'),
  (SELECT max(finished_at) FROM fetch_runs
    WHERE platform = $1 AND kind IN ('daily_update', 'initial_load') AND status = 'done'))
"""
"""When a shop's last snapshot began, or a platform was read to the head of its changes; fetch_runs_platform_idx."""

FINDINGS: Final = "SELECT platform, finding, since, detail FROM feed_findings($1) ORDER BY platform, finding"
"""What is wrong with feeds that answer well; the function is described in its migration."""

OPERATIONS: Final = """
SELECT status, details, counts FROM operations_log
 WHERE platform = $1 AND operation_type = 'data_fetch' AND started_at >= $2 ORDER BY started_at, id
"""
"""What a command wrote into the diary since it began, a row for each of its parts; operations_log_started_at_idx."""


class PostgresServiceStore:
    """`ServiceStore` over a session of the service's own."""

    def __init__(self, session: PlatformSession) -> None:
        self._session = session

    async def paused(self) -> Mapping[str, datetime]:
        """Return since when platforms are paused, by name."""
        rows = await self._session.call(lambda session: session.fetch(PAUSED))
        return {row["platform"]: row["paused_at"] for row in rows}

    async def pause(self, name: str, at: datetime) -> None:
        """Note that a platform is paused; an earlier pause keeps its time."""
        await self._session.call(lambda session: session.execute(PAUSE, name, at))

    async def resume(self, name: str) -> None:
        """Note that a platform is not paused."""
        await self._session.call(lambda session: session.execute(RESUME, name))

    async def last_done(self, name: str) -> datetime | None:
        """Return when the scheduled job of a platform was done last; None: never."""
        moment: datetime | None = await self._session.call(lambda session: session.fetchval(LAST_DONE, name))
        return moment

    async def findings(self, moment: datetime) -> Sequence[Finding]:
        """Return what is wrong with the feeds as of `moment`."""
        rows = await self._session.call(lambda session: session.fetch(FINDINGS, moment))
        return [Finding(**dict(row)) for row in rows]

    async def result_since(self, name: str, moment: datetime) -> JobResult | None:
        """Return what a job has written into the diary since it began, its parts put together; None: nothing.

        Raises:
            UnavailableError: The database is away.
        """
        rows = await self._session.call(lambda session: session.fetch(OPERATIONS, name, moment))
        if not rows:
            return None
        is_ok = all(row["status"] == "OK" for row in rows)
        counts: Counter[str] = Counter()
        for row in rows:
            counts.update(json.loads(row["counts"]))
        text = "; ".join(row["details"] for row in rows if row["details"])
        return JobResult(Happening.DONE if is_ok else Happening.FAILED, text, dict(counts))
