"""What was loaded and processed, and how the operations went; counted, so to be kept for a while."""

from typing import Final

from gateway.adapters.database import Readable

_RECORDS: Final = "CASE WHEN jsonb_typeof(counts -> 'records') = 'number' THEN (counts ->> 'records')::bigint END"

STATS: Final = f"""
    SELECT json_build_object(
        'counted_at', now(),
        'platforms', (
            SELECT coalesce(json_agg(p ORDER BY p.platform), '[]') FROM (
                SELECT platform, coalesce(landed.number, 0) AS loaded,
                    coalesce(landed.number, 0) - coalesce(waiting.number, 0) AS processed,
                    coalesce(waiting.number, 0) - coalesce(waiting.failed, 0) AS waiting,
                    coalesce(waiting.failed, 0) AS failed, coalesce(refused.number, 0) AS quarantined,
                    coalesce(listed.number, 0) AS active
                FROM (SELECT platform, count(*) AS number FROM raw_data GROUP BY platform) AS landed
                FULL JOIN (
                    SELECT platform, count(*) AS number, count(*) FILTER (WHERE error_count > 0) AS failed
                    FROM raw_data WHERE NOT is_processed GROUP BY platform
                ) AS waiting USING (platform)
                FULL JOIN (
                    SELECT platform, count(*) AS number FROM quarantine GROUP BY platform
                ) AS refused USING (platform)
                FULL JOIN (
                    SELECT platform, count(*) AS number FROM processed_data
                    WHERE active_status = 0 AND is_complete GROUP BY platform
                    UNION ALL
                    SELECT platform, count(*) FROM products GROUP BY platform
                ) AS listed USING (platform)
            ) AS p),
        'operations', (
            SELECT coalesce(json_agg(o ORDER BY o.operation_type, o.platform NULLS FIRST), '[]') FROM (
                SELECT operation_type, platform, count(*) AS runs, count(*) FILTER (WHERE status = 'ERROR') AS errors,
                    coalesce(sum({_RECORDS}), 0) AS records, round(sum(duration)::numeric, 1) AS duration_s,
                    max(started_at) FILTER (WHERE status = 'OK') AS last_ok_at,
                    max(started_at) FILTER (WHERE status = 'ERROR') AS last_error_at,
                    (array_agg(details ORDER BY started_at DESC) FILTER (WHERE status = 'ERROR'))[1] AS last_error
                FROM operations_log GROUP BY operation_type, platform
            ) AS o),
        'days', (
            SELECT coalesce(json_agg(d ORDER BY d.day DESC, d.operation_type, d.platform NULLS FIRST), '[]') FROM (
                SELECT (started_at AT TIME ZONE 'UTC')::date AS day, operation_type, platform, count(*) AS runs,
                    count(*) FILTER (WHERE status = 'ERROR') AS errors, coalesce(sum({_RECORDS}), 0) AS records
                FROM operations_log WHERE started_at >= date_trunc('day', now() - interval '29 days')
                GROUP BY 1, 2, 3
            ) AS d)
    )::text AS body
"""  # noqa: S608 - made of the constant above
"""Counts by platform, and operations in all and by day, as of one moment.

Landed records are counted from the unique (platform, inner_id) alone, listed ones from `processed_data_listed_idx`,
those that wait from `raw_data_unprocessed_idx`. Days are read by operations_log_started_at_idx.
"""


class PostgresStats:
    """StatsReader on the tables of the pipeline."""

    def __init__(self, database: Readable) -> None:
        self._database = database

    async def stats(self) -> str:
        """Return the statistics as one JSON object."""
        body: str = (await self._database.fetch(STATS))[0]["body"]
        return body
