"""Tokens in PostgreSQL: `api_tokens` holds digests only."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, Final

from gateway.adapters.database import Database
from gateway.core.ports import KnownToken, TokenListing

FIND: Final = """
    SELECT id, expires_at FROM api_tokens
    WHERE token = $1 AND (expires_at IS NULL OR expires_at > now())
"""
"""A token that is valid now, by its unique digest."""

MARK_USED: Final = """
    WITH locked AS (
        SELECT t.id, used.used_at
        FROM api_tokens AS t JOIN unnest($1::bigint[], $2::timestamptz[]) AS used (id, used_at) ON used.id = t.id
        ORDER BY t.id FOR NO KEY UPDATE OF t
    )
    UPDATE api_tokens AS t SET last_used_at = locked.used_at FROM locked
    WHERE t.id = locked.id AND (t.last_used_at IS NULL OR t.last_used_at < locked.used_at)
"""
"""Last uses in one statement; rows are locked in the order of their id, so several gateways cannot deadlock."""

LOCK: Final = "LOCK TABLE api_tokens IN SHARE ROW EXCLUSIVE MODE"
"""Keeps two makers of first tokens apart; readers go on."""

ANY_EXIST: Final = "SELECT EXISTS (SELECT FROM api_tokens)"
"""Whether a token was ever made, valid or not."""

ADD: Final = """
    INSERT INTO api_tokens (token, description, expires_at)
    SELECT digest, $2, $3 FROM unnest($1::text[]) WITH ORDINALITY AS made (digest, place) ORDER BY place
"""
"""New tokens; ids grow in the order of the digests."""

ALL: Final = """
    SELECT id, description, created_at, expires_at, last_used_at,
           (expires_at IS NULL OR expires_at > now()) AS active
    FROM api_tokens ORDER BY id
"""
"""Every token, by the primary key: there are few."""

REVOKE: Final = """
    UPDATE api_tokens SET expires_at = least(expires_at, now()) WHERE id = $1 RETURNING id
"""
"""Revocation is an expiry that is now; one that is past already stays."""


class PostgresTokens:
    """TokenLookup and TokenRegistry on `api_tokens`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(self, digest: str) -> KnownToken | None:
        """Return the valid token with this digest."""
        rows = await self._database.fetch(FIND, digest)
        return KnownToken(rows[0]["id"], rows[0]["expires_at"]) if rows else None

    async def mark_used(self, used_at: Mapping[int, datetime]) -> None:
        """Write when each token was last used."""
        await self._database.fetch(MARK_USED, list(used_at), list(used_at.values()))

    @asynccontextmanager
    async def transaction(self) -> "AsyncIterator[_Transaction]":
        """Open a transaction that holds the table against other makers of tokens."""
        async with self._database.connection() as connection, connection.transaction():
            await connection.execute(LOCK)
            yield _Transaction(connection)

    async def all_tokens(self) -> Sequence[TokenListing]:
        """Return every token, by id."""
        return [TokenListing(**dict(row)) for row in await self._database.fetch(ALL)]

    async def revoke(self, token_id: int) -> bool:
        """Let a token expire now."""
        return bool(await self._database.fetch(REVOKE, token_id))


class _Transaction:
    def __init__(self, connection: Any) -> None:
        self._connection = connection

    async def any_exist(self) -> bool:
        """Return whether any token was ever made."""
        return bool(await self._connection.fetchval(ANY_EXIST))

    async def add(self, digests: Sequence[str], *, description: str | None, expires_at: datetime | None) -> None:
        """Add tokens, ids in the order of the digests."""
        await self._connection.execute(ADD, list(digests), description, expires_at)
