"""Reads of the catalogue from a replica while that is fresh, and from the primary otherwise."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import asyncpg

from common.db.replication import STATE
from common.errors import UnavailableError
from gateway.adapters.database import TOO_LONG, Database, Readable, RecoveryConflictError
from gateway.core.as_of import AsOf
from gateway.core.errors import QueryTimeoutError
from gateway.core.reads import ReadRoute, Reason, ServerState

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ReadFrom:
    """What the catalogue is read from: the database or, with `route`, a replica and the database."""

    catalogue: Readable
    exports: Readable
    as_of: AsOf
    route: ReadRoute | None = None


class ServerStates:
    """StateReader on a server."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def state(self) -> ServerState:
        """Return what the server says."""
        try:
            (row,) = await self._database.fetch(STATE)
        except asyncpg.PostgresError as error:
            raise UnavailableError(f"its state cannot be asked: {error}") from error
        return ServerState(row["in_recovery"], row["system"], row["timeline"], row["position"])


class Reads:
    """Readable on two databases: what the replica cannot answer, the primary is asked once, in the time left.

    A statement that takes longer than it may is not asked again: it would take as long there.
    """

    def __init__(self, primary: Database, replica: Database, *, route: ReadRoute) -> None:
        self._primary = primary
        self._replica = replica
        self._route = route

    async def fetch(self, sql: str, *values: object) -> Sequence[asyncpg.Record]:
        """Run one statement and return its rows."""
        return await self.attempt(lambda database: database.fetch(sql, *values))

    async def fetch_planned(self, sql: str, *values: object) -> Sequence[asyncpg.Record]:
        """Do so with a plan made for these values."""
        return await self.attempt(lambda database: database.fetch_planned(sql, *values))

    async def attempt(self, ask: Callable[[Database], Awaitable[T]]) -> T:
        """Return what `ask` returns of the replica or, where that fails or is too old, of the primary.

        Raises:
            UnavailableError: The primary does not answer.
            QueryTimeoutError: It took longer than it may.
        """
        if not self._route.chooses_replica():
            return await ask(self._primary)
        deadline = asyncio.get_running_loop().time() + self._primary.longest_s
        try:
            return await ask(self._replica)
        except (UnavailableError, QueryTimeoutError, asyncpg.PostgresError) as error:
            self._route.fell_back(_reason(error), str(error))
        try:
            async with asyncio.timeout_at(deadline):
                return await ask(self._primary)
        except TimeoutError as error:
            raise QueryTimeoutError(TOO_LONG) from error


class ReplicaOnly:
    """What the replica says, and nobody in its place."""

    def __init__(self, replica: Database) -> None:
        self._replica = replica

    async def fetch(self, sql: str, *values: object) -> Sequence[asyncpg.Record]:
        """Run one statement and return its rows.

        Raises:
            UnavailableError: It does not answer, or not this statement.
            QueryTimeoutError: It took longer than it may.
        """
        try:
            return await self._replica.fetch(sql, *values)
        except asyncpg.PostgresError as error:
            raise UnavailableError(f"the replica refuses: {error}") from error


def _reason(error: Exception) -> Reason:
    """Return why the primary is to be asked; a timeout that the server itself has kept is raised on."""
    match error:
        case RecoveryConflictError():
            return Reason.CONFLICT
        case UnavailableError():
            return Reason.AWAY
        case QueryTimeoutError() if not isinstance(error.__cause__, TimeoutError):
            raise error
        case QueryTimeoutError():
            return Reason.AWAY
        case _:
            return Reason.REFUSED
