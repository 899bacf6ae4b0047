"""The backlog of each token in PostgreSQL, in an unlogged table: after a crash of the server all quotas are fresh."""

from typing import Final

import asyncpg

from common.errors import UnavailableError
from gateway.adapters.database import Database
from gateway.core.rate_limit import Grant, Quota

TAKE: Final = "SELECT granted, backlog_s FROM take_quota($1, $2, $3, $4, $5)"
"""One decision under the lock of the token's row, by the database's clock; the function is made by a migration."""


class PostgresQuota:
    """QuotaStore on `rate_limits`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def take(self, token_id: int, quota: Quota, *, give_back: int, wanted: int) -> Grant:
        """Give back what was not spent, and take up to `wanted` requests.

        A database that cannot keep limits, such as a standby, is as good as away for them.
        """
        try:
            (row,) = await self._database.fetch(TAKE, token_id, quota.burst, quota.interval_s, give_back, wanted)
        except asyncpg.PostgresError as error:
            raise UnavailableError(f"the database keeps no limits: {error}") from error
        return Grant(row["granted"], row["backlog_s"])
