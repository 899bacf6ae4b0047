"""How the installation is doing, in one statement and so as of one moment."""

from collections.abc import Collection
from typing import Final

from gateway.adapters.as_of import AS_OF
from gateway.adapters.database import Database
from gateway.core.metrics import FeedNumbers, SourceNumbers

REVISION: Final = "SELECT version_num FROM alembic_version"
"""The revision of the schema; a table of one row."""

STATUS: Final = f"""
    WITH complete AS ({AS_OF})
    SELECT json_build_object(
        'now', now(),
        'sources', (
            SELECT coalesce(json_agg(s ORDER BY s.platform), '[]') FROM (
                SELECT feed.platform, (
                        SELECT max(last.finished_at)
                        FROM (VALUES ('initial_load'), ('daily_update'), ('snapshot')) AS known (kind)
                        CROSS JOIN LATERAL (
                            SELECT run.finished_at FROM fetch_runs AS run
                            WHERE run.platform = feed.platform AND run.kind = known.kind AND run.status = 'done'
                            ORDER BY run.started_at DESC LIMIT 1
                        ) AS last
                    ) AS last_success_at,
                    complete.as_of AS data_as_of,
                    extract(epoch FROM now() - complete.as_of)::bigint AS lag_s,
                    ledger.pages_open, ledger.gaps_open, state.paused_at
                FROM unnest($1::text[]) AS feed (platform)
                LEFT JOIN complete USING (platform)
                LEFT JOIN sync_state AS state USING (platform)
                CROSS JOIN LATERAL (
                    SELECT count(*) FILTER (WHERE page.status = 'fetched') AS pages_open,
                        count(*) FILTER (WHERE page.status = 'gap') AS gaps_open
                    FROM feed_pages AS page WHERE page.platform = feed.platform AND page.status <> 'landed'
                ) AS ledger
            ) AS s),
        'offers', (
            SELECT coalesce(json_agg(o ORDER BY o.platform), '[]') FROM (
                SELECT total.platform, coalesce(listed.active, 0) AS active, total.total
                FROM (SELECT platform, count(*) AS total FROM processed_data GROUP BY platform) AS total
                LEFT JOIN (
                    SELECT platform, count(*) AS active FROM processed_data
                    WHERE active_status = 0 AND is_complete GROUP BY platform
                ) AS listed USING (platform)
            ) AS o),
        'unprocessed', (SELECT count(*) FROM raw_data WHERE NOT is_processed),
        'quarantined', (SELECT count(*) FROM quarantine),
        'pages_open', (SELECT count(*) FROM feed_pages WHERE status = 'fetched'),
        'gaps_open', (SELECT count(*) FROM feed_pages WHERE status = 'gap'),
        'gaps', (
            SELECT coalesce(json_agg(g ORDER BY g.id), '[]') FROM (
                SELECT id, platform, kind, position, attempts, next_attempt_at, error
                FROM feed_pages WHERE status = 'gap' ORDER BY id LIMIT 20
            ) AS g),
        'sync_state', (
            SELECT coalesce(json_agg(s ORDER BY s.platform), '[]') FROM (
                SELECT platform, last_successful_date, last_change_id, updated_at, paused_at FROM sync_state
            ) AS s),
        'findings', (
            SELECT coalesce(json_agg(f ORDER BY f.platform, f.finding), '[]') FROM (
                SELECT platform, finding, since, detail FROM feed_findings(now()) WHERE platform = ANY ($1::text[])
            ) AS f),
        'days', (
            SELECT coalesce(json_agg(d ORDER BY d.day DESC, d.platform, d.kind), '[]') FROM (
                SELECT platform, day, kind, added, changed, removed FROM feed_days
                WHERE day > current_date - 14
            ) AS d),
        'runs', (
            SELECT coalesce(json_agg(r ORDER BY r.platform, r.kind), '[]') FROM (
                SELECT DISTINCT ON (platform, kind)
                    platform, kind, run_id, status, position, pages, records, started_at, updated_at, finished_at
                FROM fetch_runs ORDER BY platform, kind, started_at DESC
            ) AS r),
        'operations', (
            SELECT coalesce(json_agg(l ORDER BY l.started_at DESC), '[]') FROM (
                SELECT operation_type, platform, started_at, round(duration::numeric, 3) AS duration_s, status, details,
                    counts
                FROM operations_log ORDER BY started_at DESC LIMIT 10
            ) AS l)
    )::text AS body
"""  # noqa: S608 - made of constants
"""Counts, how far each source has come, gaps, positions, the watchdog's findings, the last runs and operations.

Offers are counted from indexes alone: all from the unique (platform, inner_id), active ones from
`processed_data_listed_idx (id) INCLUDE (platform)`; open pages and gaps from `feed_pages_open_idx`; last runs from
`fetch_runs_platform_idx` backwards.
"""

FINDINGS: Final = "SELECT DISTINCT platform, finding FROM feed_findings(now()) WHERE platform = ANY ($1::text[])"
"""What is wrong with the feeds that are followed."""

RECORDS: Final = """
    SELECT platform, kind, sum(added) AS added, sum(changed) AS changed, sum(removed) AS removed
    FROM feed_days GROUP BY platform, kind
"""
"""Records sent since the beginning; a row a day, platform and kind."""

SOURCES: Final = f"""
    WITH complete AS ({AS_OF})
    SELECT feed.platform, ledger.pages_open, ledger.oldest_open_s, ledger.gaps_open,
        extract(epoch FROM now() - complete.as_of)::float8 AS data_age_s,
        state.paused_at IS NOT NULL AS is_paused, waiting.unprocessed
    FROM unnest($1::text[]) AS feed (platform)
    LEFT JOIN complete USING (platform)
    LEFT JOIN sync_state AS state USING (platform)
    CROSS JOIN LATERAL (
        SELECT count(*) FILTER (WHERE page.status = 'fetched') AS pages_open,
            count(*) FILTER (WHERE page.status = 'gap') AS gaps_open,
            coalesce(extract(epoch FROM now() - min(page.created_at) FILTER (WHERE page.status = 'fetched')), 0)::float8
                AS oldest_open_s
        FROM feed_pages AS page WHERE page.platform = feed.platform AND page.status <> 'landed'
    ) AS ledger
    CROSS JOIN LATERAL (
        SELECT count(*) AS unprocessed FROM raw_data AS raw WHERE raw.platform = feed.platform AND NOT raw.is_processed
    ) AS waiting
"""  # noqa: S608 - made of constants
"""How each source is doing; feed_pages_open_idx, raw_data_unprocessed_idx, fetch_runs_platform_idx backwards."""

QUARANTINED: Final = "SELECT platform, reason, count(*) AS number FROM quarantine GROUP BY platform, reason"
"""Refused and repaired records; all of the table, which is kept small by age."""

DRIFT: Final = "SELECT platform, reason, count(*) AS number FROM drift GROUP BY platform, reason"
"""Words that are not known; bounded by field."""


class PostgresStatus:
    """StatusReader on all tables of the schema; `followed` are the platforms and shops that are enabled."""

    def __init__(self, database: Database, *, followed: Collection[str]) -> None:
        self._database = database
        self._followed = list(followed)

    async def status(self) -> str:
        """Return the status as one JSON object."""
        body: str = (await self._database.fetch(STATUS, self._followed))[0]["body"]
        return body

    async def feed_numbers(self) -> FeedNumbers:
        """Return what is wrong with the feeds that are followed, how much they have brought, and what waits."""
        findings = await self._database.fetch(FINDINGS, self._followed)
        records = await self._database.fetch(RECORDS)
        return FeedNumbers(
            findings=[(row["platform"], row["finding"]) for row in findings],
            records={
                (row["platform"], row["kind"], change_type): int(row[change_type])
                for row in records
                for change_type in ("added", "changed", "removed")
            },
            sources=[SourceNumbers(**dict(row)) for row in await self._database.fetch(SOURCES, self._followed)],
            quarantined=await self._by_reason(QUARANTINED),
            drift=await self._by_reason(DRIFT),
        )

    async def _by_reason(self, query: str) -> dict[tuple[str, str], int]:
        rows = await self._database.fetch(query)
        return {(row["platform"], row["reason"]): row["number"] for row in rows}

    async def schema_revision(self) -> str | None:
        """Return the revision of the schema; None: the table of revisions is empty."""
        rows = await self._database.fetch(REVISION)
        return rows[0]["version_num"] if rows else None
