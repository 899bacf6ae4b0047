"""Where an offer comes from, read from the pipeline's own tables."""

from collections.abc import Sequence
from typing import Final

from gateway.adapters.database import Readable
from gateway.adapters.offer_sql import EACH_PLATFORM
from gateway.core.ports import StoredItem

CHANGES: Final = 100
"""How many changes are shown."""

PROVENANCE: Final = f"""{EACH_PLATFORM}
    SELECT raw.platform, row_to_json(item)::text AS body
    FROM platforms
    JOIN raw_data AS raw ON raw.platform = platforms.platform AND raw.inner_id = $1
    LEFT JOIN processed_data AS shown ON shown.platform = raw.platform AND shown.inner_id = raw.inner_id
    LEFT JOIN feed_pages AS page ON page.id = raw.page_id
    LEFT JOIN fetch_runs AS run ON run.run_id = page.run_id
    CROSS JOIN LATERAL (
        SELECT coalesce(json_agg(change ORDER BY change_id DESC), '[]') AS found, max(changed_at) AS last FROM (
            SELECT change_id, change_type, changed_at FROM catalog_changes
            WHERE inner_id = raw.inner_id AND platform = raw.platform ORDER BY change_id DESC LIMIT {CHANGES}
        ) AS change
    ) AS changes
    CROSS JOIN LATERAL (
        SELECT left(encode(sha256(convert_to(
            concat_ws(':', page.platform, page.kind, page.position, page.run_id), 'UTF8')), 'hex'), 32) AS id
    ) AS trace
    CROSS JOIN LATERAL (
        SELECT raw.platform, raw.inner_id, raw.source, raw.source_id, raw.created_at AS source_created_at,
            raw.change_type, raw.max_seq AS version,
            page.fetched_at, raw.first_loaded_at AS first_landed_at, raw.last_updated_at AS landed_at,
            CASE WHEN raw.is_processed THEN shown.updated_at END AS normalised_at, changes.last AS changed_at,
            NOT raw.is_processed AS waiting, raw.last_error AS error,
            CASE WHEN page.id IS NOT NULL THEN json_build_object(
                'kind', page.kind, 'position', page.position, 'message_id', page.message_id, 'status', page.status,
                'records', page.records, 'landed', page.landed, 'quarantined', page.quarantined,
                'attempts', page.attempts, 'run_id', page.run_id, 'fetched_at', page.fetched_at,
                'landed_at', page.landed_at,
                'trace_id', CASE WHEN right(trace.id, 16) COLLATE "C" < $3::text THEN trace.id END) END AS page,
            CASE WHEN run.run_id IS NOT NULL THEN json_build_object(
                'run_id', run.run_id, 'kind', run.kind, 'status', run.status, 'pages', run.pages,
                'records', run.records, 'started_at', run.started_at, 'finished_at', run.finished_at) END AS run,
            changes.found AS changes
    ) AS item
    WHERE $2::text IS NULL OR raw.platform = $2
    ORDER BY raw.platform
"""  # noqa: S608 - made of the constants above
"""One id on one platform or on all, with the page that changed its row last, the run of that page and its changes.

The id of the page's trace is `common.tracing.trace_id_of`; it is shown below $3 (`common.tracing.sampled_below`).
Each is found by a unique index, the changes by catalog_changes_inner_id_idx.
"""


class PostgresProvenance:
    """ProvenanceReader on `raw_data`, the page ledger, the runs and the change feed.

    Args:
        database: Where they are.
        traces_below: A text above the last 16 digits of the ids of traces that there are; None: there are none.
    """

    def __init__(self, database: Readable, *, traces_below: str | None = None) -> None:
        self._database = database
        self._traces_below = traces_below

    async def provenance(self, inner_id: str, platform: str | None) -> Sequence[StoredItem]:
        """Return where the offers with this id come from."""
        rows = await self._database.fetch(PROVENANCE, inner_id, platform, self._traces_below)
        return [StoredItem(row["platform"], row["body"]) for row in rows]
