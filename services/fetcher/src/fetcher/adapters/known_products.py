"""What earlier snapshots of a shop have brought, in PostgreSQL."""

from collections.abc import Mapping
from typing import Final

from common.events import LISTS_ID
from fetcher.adapters.session import PlatformSession
from fetcher.adapters.shop import read_on_main

NEXT_SEQ: Final = """
SELECT 1 + GREATEST(0, (SELECT max(start_change_id) FROM fetch_runs WHERE platform = $1 AND kind = 'snapshot'),
                       (SELECT max(max_seq) FROM raw_data WHERE platform = $1))
"""
"""A version above that of every snapshot begun and of every row landed; fetch_runs_platform_idx, raw_data's key."""

ACTIVE_PRODUCTS: Final = """
SELECT inner_id, data ->> 'OnMain' AS on_main
  FROM raw_data WHERE platform = $1 AND active_status = 0 AND inner_id <> $2
"""
"""The products of a shop that are on sale; raw_data_platform_inner_id_key."""


class LandedProducts:
    """`KnownProducts` over the shop's session: what has landed in `raw_data`."""

    def __init__(self, session: PlatformSession) -> None:
        self._session = session

    async def next_seq(self, platform: str) -> int:
        """Return a version above that of every snapshot begun and of every row landed."""
        seq: int = await self._session.call(lambda session: session.fetchval(NEXT_SEQ, platform))
        return seq

    async def active(self, platform: str) -> Mapping[str, bool | None]:
        """Return the products that are on sale as far as they have landed → whether they are on the main page."""
        rows = await self._session.call(lambda session: session.fetch(ACTIVE_PRODUCTS, platform, LISTS_ID))
        return {row["inner_id"]: read_on_main(row["on_main"]) for row in rows}
