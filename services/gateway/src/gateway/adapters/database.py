"""The gateway's connections to PostgreSQL: bare asyncpg, and every failure said in our own words.

asyncpg's own pool lends a connection 2 to 4 times as fast as an engine with a ping before each loan; a connection
that broke is noticed when it is lent or by the statement that fails on it.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, Protocol, TypeVar

import asyncpg

from common.db.session import AWAY, server_settings
from common.errors import UnavailableError
from common.settings import DatabaseSettings
from gateway.core.errors import QueryTimeoutError

COMMAND_MARGIN_S: Final = 1.0
"""How much longer than the server's own limit we wait for an answer, before the server is taken for gone."""

IDLE_CONNECTION_S: Final = 300.0

_NOT_USABLE: Final = (
    *AWAY,
    asyncpg.InvalidAuthorizationSpecificationError,  # 28: the role is refused
    asyncpg.InvalidCatalogNameError,  # 3D: the database does not exist
    asyncpg.UndefinedTableError,  # 42P01: not migrated yet
)
_CONFLICT: Final = "conflict with recovery"
TOO_LONG: Final = "the query took longer than it may; narrow it with a filter"


T = TypeVar("T")


class RecoveryConflictError(UnavailableError):
    """A replica ended the statement, because what it read was to be removed or locked as on its primary."""


class Fetching(Protocol):
    """What answers statements. Every method raises what those of `Database` do."""

    async def fetch(self, sql: str, *values: object) -> Sequence[asyncpg.Record]:
        """Run one statement and return its rows."""
        ...


class Readable(Fetching, Protocol):
    """What the catalogue is read from: the database, or one of several."""

    async def fetch_planned(self, sql: str, *values: object) -> Sequence[asyncpg.Record]:
        """Do so with a plan made for these values."""
        ...

    async def attempt(self, ask: "Callable[[Database], Awaitable[T]]") -> T:
        """Return what `ask` returns of the database that answers; it is called again where another one has to."""
        ...


class Database:
    """A pool that connects on first use, so a gateway starts while the database is away.

    Args:
        settings: Where, and the bounds in seconds; `statement_timeout_s` is the limit of each read.
        application: What `pg_stat_activity` shows.
    """

    def __init__(self, settings: DatabaseSettings, *, application: str) -> None:
        self._wait_s = settings.connect_timeout_s
        command_timeout_s = settings.statement_timeout_s + COMMAND_MARGIN_S
        self.longest_s = settings.connect_timeout_s + command_timeout_s
        """How long a statement may take in all."""
        self._turns = asyncio.Semaphore(settings.pool_size)
        """Who waits is served in turn; the pool itself gives a free connection to whoever comes at that moment."""
        self._waiting = 0
        self._handed_on: list[Any] = []
        """Connections for those whose turn it is now."""
        self._pool = asyncpg.create_pool(
            host=settings.host,
            port=settings.port,
            user=settings.user,
            password=settings.password.get_secret_value() or None,
            database=settings.name,
            min_size=0,
            max_size=settings.pool_size,
            timeout=settings.connect_timeout_s,
            command_timeout=command_timeout_s,
            max_inactive_connection_lifetime=IDLE_CONNECTION_S,
            server_settings=server_settings(settings, application=application),
            reset=_nothing_to_reset,
        )

    async def open(self) -> None:
        """Prepare the pool; connects to nothing yet."""
        await self._pool

    async def close(self) -> None:
        """End every connection."""
        self._pool.terminate()

    async def fetch(self, sql: str, *values: object) -> Sequence[asyncpg.Record]:
        """Run one statement and return its rows.

        Raises:
            UnavailableError: The database is away, starting, full, or has no schema.
            QueryTimeoutError: The statement took longer than it may.
        """
        async with self.connection() as connection:
            rows: Sequence[asyncpg.Record] = await connection.fetch(sql, *values)
            return rows

    async def fetch_planned(self, sql: str, *values: object) -> Sequence[asyncpg.Record]:
        """Do as `fetch` with a plan made for these values; a statement that is kept has one plan for all values.

        Raises:
            UnavailableError: As above.
            QueryTimeoutError: As above.
        """
        async with self.connection() as connection:
            statement = await connection.prepare(sql)
            rows: Sequence[asyncpg.Record] = await statement.fetch(*values)
            return rows

    async def attempt(self, ask: "Callable[[Database], Awaitable[T]]") -> T:
        """Return what `ask` returns: nobody else is there to be asked."""
        return await ask(self)

    @asynccontextmanager
    async def connection(self) -> "AsyncIterator[Any]":
        """Lend a connection.

        Raises:
            RecoveryConflictError: It is one of a replica, which cannot go on reading.
            UnavailableError: As above; also when no connection became free in time.
            QueryTimeoutError: As above.
        """
        lent = await self._lent()
        is_fit = False
        try:
            yield lent
            is_fit = True
        except asyncpg.TransactionRollbackError as error:
            raise RecoveryConflictError(_said(error)) from error
        except asyncpg.QueryCanceledError as error:
            if _CONFLICT in str(error):
                raise RecoveryConflictError(_said(error)) from error
            raise QueryTimeoutError(TOO_LONG) from error
        except TimeoutError as error:
            lent.terminate()  # the server did not end the statement itself, so it would not hear a cancellation either
            raise QueryTimeoutError(TOO_LONG) from error
        except _NOT_USABLE as error:
            raise UnavailableError(_said(error)) from error
        finally:
            await self._take_back(lent, is_fit=is_fit)

    async def _take_back(self, lent: Any, *, is_fit: bool) -> None:
        """End a loan: who waits gets the connection as it is, which the pool would take 40 us to take back and lend."""
        try:
            if is_fit and self._waiting > len(self._handed_on):
                self._handed_on.append(lent)
            else:
                await self._pool.release(lent)
        finally:
            self._turns.release()

    async def _lent(self) -> Any:
        has_turn = False
        try:
            async with asyncio.timeout(self._wait_s):  # the pool's own limit costs a task for each loan
                has_turn = await self._turn()
                lent, has_turn = await self._free(), False
                return lent
        except TimeoutError as error:
            raise UnavailableError("the database gives no connection in time") from error
        except _NOT_USABLE as error:
            raise UnavailableError(_said(error)) from error
        finally:
            if has_turn:
                self._turns.release()

    async def _turn(self) -> bool:
        self._waiting += 1
        try:
            return await self._turns.acquire()
        finally:
            self._waiting -= 1

    async def _free(self) -> Any:
        while self._handed_on:
            lent = self._handed_on.pop()
            if _is_open(lent):
                return lent
            await self._pool.release(lent)
        return await self._pool.acquire()


async def _nothing_to_reset(_connection: Any) -> None:
    """Leave the session as it is: our statements set nothing in it, and asyncpg ends an open transaction itself."""


def _is_open(lent: Any) -> bool:
    try:
        return not lent.is_closed()
    except asyncpg.InterfaceError:
        return False  # it broke, so the pool has taken it back already


def _said(error: BaseException) -> str:
    if isinstance(error, asyncpg.UndefinedTableError):
        return "the database has no schema, or an old one: run `feedmill migrate`"
    return f"the database does not answer ({type(error).__name__})"
