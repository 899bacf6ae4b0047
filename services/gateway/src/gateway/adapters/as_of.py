"""Up to which moment the catalogue is complete, from the runs and the page ledger."""

from collections.abc import Collection
from typing import Final

from gateway.adapters.database import Fetching
from gateway.core.as_of import Moments

AS_OF: Final = """
    SELECT feed.platform, max(whole.started_at) AS as_of
    FROM unnest($1::text[]) AS feed (platform)
    LEFT JOIN LATERAL (
        SELECT min(page.created_at) AS since FROM feed_pages AS page
        WHERE page.platform = feed.platform AND page.status <> 'landed'
    ) AS open ON true
    CROSS JOIN (VALUES ('initial_load'), ('daily_update'), ('snapshot')) AS known (kind)
    LEFT JOIN LATERAL (
        SELECT run.started_at FROM fetch_runs AS run
        WHERE run.platform = feed.platform AND run.kind = known.kind AND run.status = 'done'
            AND (open.since IS NULL OR run.finished_at < open.since)
        ORDER BY run.started_at DESC LIMIT 1
    ) AS whole ON true
    WHERE (SELECT min(run.kind) FROM fetch_runs AS run WHERE run.platform = feed.platform) IS NOT NULL
    GROUP BY feed.platform
"""
"""Start of the last whole run before which no page is open; feed_pages_open_idx, fetch_runs_platform_idx backwards."""


class PostgresAsOf:
    """Asks for the moments of the platforms and shops that are `followed`."""

    def __init__(self, database: Fetching, *, followed: Collection[str]) -> None:
        self._database = database
        self._followed = list(followed)

    async def moments(self) -> Moments:
        """Return them, of all that were ever asked.

        Raises:
            UnavailableError: The database does not answer.
            QueryTimeoutError: It took longer than it may.
        """
        return {row["platform"]: row["as_of"] for row in await self._database.fetch(AS_OF, self._followed)}
