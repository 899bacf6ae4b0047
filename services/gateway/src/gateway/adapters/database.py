"""The gateway's connections to PostgreSQL: bare asyncpg, and every failure said in our own words.

asyncpg's own pool lends a connection 2 to 4 times as fast as an engine with a ping before each loan; a connection
that broke is noticed when it is lent or by the statement that fails on it.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, Protocol, TypeVar

import asyncpg

from common.db.session import AWAY, COMMAND_MARGIN_S, server_settings
from common.errors import UnavailableError
from common.settings import DatabaseSettings
from gateway.core.errors import QueryTimeoutError

IDLE_CONNECTION_S: Final = 300.0

_NOT_USABLE: Final = (
    *AWAY,
    asyncpg.InvalidAuthorizationSpecificationError,  # 28: the role is refused
    asyncpg.InvalidCatalogNameError,  # 3D: the database does not exist
    asyncpg.UndefinedTableError,  # 42P01: not migrated yet
    asyncpg.InsufficientPrivilegeError,  # 42501: nor its rights granted
    asyncpg.ReadOnlySQLTransactionError,  # 25006: it follows another server now, and takes no writes
)
_LATE: Final = object()
"""What a turn is that did not come in time."""
_CONFLICT: Final = "conflict with recovery"
TOO_LONG: Final = "the query took longer than it may; narrow it with a filter"


T = TypeVar("T")


class RecoveryConflictError(UnavailableError):
    """The statement gave way to others: what it read was locked or, on a replica, removed as on its primary."""


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
        self._free = settings.pool_size
        """How many more connections may be lent; above 0 nobody waits."""
        self._waiting: deque[asyncio.Future[Any]] = deque()
        """Who waits, in order: the pool itself gives a free connection to whoever comes at that moment."""
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
            RecoveryConflictError: Others have locked what it reads, or it is one of a replica, which cannot go on.
            UnavailableError: As above; also when no connection became free in time.
            QueryTimeoutError: As above.
        """
        lent = await self._lent()
        is_fit = False
        try:
            yield lent
            is_fit = True
        except (asyncpg.TransactionRollbackError, asyncpg.LockNotAvailableError) as error:
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

    async def _lent(self) -> Any:
        deadline = asyncio.get_running_loop().time() + self._wait_s
        try:
            handed_on = await self._turn(deadline)
            return await self._pooled(deadline) if handed_on is None else handed_on
        except TimeoutError as error:
            raise UnavailableError("the database gives no connection in time") from error
        except (*_NOT_USABLE, asyncpg.PostgresError) as error:  # whoever is not let in, it is none of our statements
            raise UnavailableError(_said(error)) from error

    async def _turn(self, deadline: float) -> Any:
        """Wait until one may borrow; return the connection of whoever has done with one, None where the pool has it."""
        if self._free:
            self._free -= 1
            return None
        loop = asyncio.get_running_loop()
        turn = loop.create_future()
        self._waiting.append(turn)
        late = loop.call_at(deadline, _give_up, turn)  # `asyncio.timeout` costs a twentieth of a whole answer
        try:
            given = await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.result() is not _LATE:
                await self._take_back(turn.result(), is_fit=True)
            raise
        finally:
            late.cancel()
        if given is _LATE:
            raise TimeoutError
        return given

    async def _pooled(self, deadline: float) -> Any:
        try:
            async with asyncio.timeout_at(deadline):  # the pool's own limit costs a task for each loan
                return await self._pool.acquire()
        except BaseException:
            self._end_turn()
            raise

    async def _take_back(self, lent: Any, *, is_fit: bool) -> None:
        """End a loan: who waits gets the connection as it is, which the pool would take 40 us to take back and lend."""
        if is_fit and self._handed_on(lent):
            return
        try:
            if lent is not None:
                await self._pool.release(lent)
        finally:
            self._end_turn()

    def _end_turn(self) -> None:
        if not self._handed_on(None):
            self._free += 1

    def _handed_on(self, lent: Any) -> bool:
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(lent)
                return True
        return False


def _give_up(turn: "asyncio.Future[Any]") -> None:
    if not turn.done():
        turn.set_result(_LATE)


async def _nothing_to_reset(_connection: Any) -> None:
    """Leave the session as it is: our statements set nothing in it, and asyncpg ends an open transaction itself."""


def _said(error: BaseException) -> str:
    if isinstance(error, asyncpg.UndefinedTableError):
        return "the database has no schema, or an old one: run `feedmill migrate`"
    if isinstance(error, asyncpg.InsufficientPrivilegeError):
        return "the database refuses a right that is needed: run `feedmill migrate`"
    return f"the database does not answer ({type(error).__name__})"
