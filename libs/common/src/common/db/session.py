"""What every database session sets, whoever opens it. Free of SQLAlchemy, which a lean process need not load."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from types import TracebackType
from typing import Any, Final, Literal

import asyncpg
from asyncpg.transaction import Transaction

from common.errors import UnavailableError
from common.settings import DatabaseSettings

AWAY: Final = (
    OSError,  # no connection, or none in time
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # a call at the very moment in which the server says goodbye
    asyncpg.PostgresConnectionError,  # 08: the connection broke
    asyncpg.OperatorInterventionError,  # 57: shutting down, starting up
    asyncpg.InsufficientResourcesError,  # 53: too many connections, disk full
)
"""What a call of the database raises while the database is away."""
_NO_MORE_WRITES: Final = frozenset({"GetNewTransactionId", "GetNewMultiXactId"})
COMMAND_MARGIN_S: Final = 1.0
"""How much longer than the server's own limit we wait for an answer, before the server is taken for gone."""
CLOSE_WITHIN_S: Final = 0.5
"""Seconds in which the connections of a pool say goodbye; those of a server that says nothing are dropped."""


def takes_no_writes(error: asyncpg.PostgresError) -> bool:
    """Say whether the server writes nothing more before it was vacuumed (transaction ids run out).

    Its SQLSTATE, 54000, is the one of a value that is too large, and its text is in the server's language.
    """
    return error.server_source_function in _NO_MORE_WRITES


def server_settings(settings: DatabaseSettings, *, application: str) -> dict[str, str]:
    """Return what every session sets: its name, UTC, and bounds on statements, locks and idle transactions."""
    return {
        "application_name": application,
        "timezone": "UTC",
        "statement_timeout": str(round(settings.statement_timeout_s * 1000)),
        "lock_timeout": str(round(settings.lock_timeout_s * 1000)),
        "idle_in_transaction_session_timeout": "60000",
        "jit": "off",
    }


def address(settings: DatabaseSettings) -> dict[str, Any]:
    """Return what `asyncpg.connect` takes to reach the database as this user, in time."""
    return {
        "host": settings.host,
        "port": settings.port,
        "user": settings.user,
        "password": settings.password.get_secret_value() or None,
        "database": settings.name,
        "timeout": settings.connect_timeout_s,
    }


async def connect(settings: DatabaseSettings, *, application: str) -> "asyncpg.Connection[Any]":
    """Return a connection of its own, with what every session sets.

    Raises:
        asyncpg.PostgresError: The database refuses this user.
        OSError: It does not answer, or not in time; as any of `AWAY`.
    """
    return await asyncpg.connect(
        **address(settings), server_settings=server_settings(settings, application=application)
    )


@asynccontextmanager
async def connect_patiently(
    settings: DatabaseSettings, *, application: str
) -> "AsyncIterator[asyncpg.Connection[Any]]":
    """Lend one connection whose statements and transactions take as long as they need.

    Raises:
        UnavailableError: The database is away or refuses this user or a statement, before or meanwhile.
    """
    unbounded = dict.fromkeys(("statement_timeout", "idle_in_transaction_session_timeout"), "0")
    try:
        connection = await asyncpg.connect(
            **address(settings), server_settings=server_settings(settings, application=application) | unbounded
        )
        try:
            yield connection
        finally:
            await connection.close(timeout=settings.connect_timeout_s)
    except (*AWAY, asyncpg.PostgresError) as error:
        said = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise UnavailableError(f"database {settings.host}:{settings.port}/{settings.name}: {said}") from error


async def exchange_json_as_bytes(driver: "asyncpg.Connection[Any]") -> None:
    """Hand JSON over as bytes in both directions, so that no number or key is decoded and written anew."""
    await driver.set_type_codec("jsonb", schema="pg_catalog", encoder=_jsonb, decoder=_unjsonb, format="binary")
    await driver.set_type_codec("json", schema="pg_catalog", encoder=_bytes, decoder=bytes, format="binary")


@asynccontextmanager
async def create_pool(
    settings: DatabaseSettings,
    *,
    application: str,
    prepare: Callable[["asyncpg.Connection[Any]"], Awaitable[None]] = exchange_json_as_bytes,
) -> "AsyncIterator[asyncpg.Pool[Any]]":
    """Lend a pool of bare asyncpg connections; it connects on first use and is closed within `CLOSE_WITHIN_S`.

    Args:
        settings: Where, and the bounds in seconds.
        application: What `pg_stat_activity` shows: `normalizer@host`.
        prepare: Called once for each new connection.
    """

    async def prepared(connection: "asyncpg.Connection[Any]") -> None:
        with _dropped_unanswered(connection):
            await prepare(connection)

    pool = await asyncpg.create_pool(
        host=settings.host,
        port=settings.port,
        user=settings.user,
        password=settings.password.get_secret_value() or None,
        database=settings.name,
        min_size=0,
        max_size=settings.pool_size,
        timeout=settings.connect_timeout_s,
        command_timeout=settings.statement_timeout_s + COMMAND_MARGIN_S,
        server_settings=server_settings(settings, application=application),
        init=prepared,
        connection_class=_Connection,
    )
    try:
        yield pool
    finally:
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_WITHIN_S):
                await pool.close()


_UNANSWERED: Final = (asyncio.CancelledError, TimeoutError)


@contextmanager
def _dropped_unanswered(connection: "asyncpg.Connection[Any]") -> Iterator[None]:
    """Drop a connection on which an answer is not waited for any longer: any farewell would wait for another one."""
    try:
        yield
    except _UNANSWERED:
        connection.terminate()
        raise


class _Transaction(Transaction):  # type: ignore[misc] # asyncpg has no types
    """Ended by dropping its connection where nobody waits for an answer any more, and not by a rollback."""

    async def __aenter__(self) -> None:
        with _dropped_unanswered(self._connection):
            await super().__aenter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with _dropped_unanswered(self._connection):
            if isinstance(error, _UNANSWERED) or (error is not None and self._connection.is_closed()):
                raise error  # a rollback on a connection that broke would only say that it did, and not why
            await super().__aexit__(kind, error, trace)


class _Connection(asyncpg.Connection):  # type: ignore[misc] # as above
    def transaction(
        self,
        *,
        isolation: Literal["read_committed", "read_uncommitted", "serializable", "repeatable_read"] | None = None,
        readonly: bool = False,
        deferrable: bool = False,
    ) -> Transaction:
        """Return a transaction that needs no answer to end by a cancellation."""
        return _Transaction(self, isolation, readonly, deferrable)


def _bytes(value: str | bytes) -> bytes:
    return value if isinstance(value, bytes) else value.encode()


def _jsonb(value: str | bytes) -> bytes:
    return b"\x01" + _bytes(value)


def _unjsonb(value: bytes) -> bytes:
    return bytes(value[1:])
