"""One session of PostgreSQL that holds a platform's lock: whoever has it is the platform's only fetcher.

Lock and writes share the session on purpose: while a statement can be made, the lock is held. SQLAlchemy would cost
a third of this process's memory for a handful of statements; asyncpg takes them as they are.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final, Self, TypeVar

import asyncpg

from common.db.session import AWAY, takes_no_writes
from common.errors import UnavailableError
from fetcher.core.errors import AlreadyRunningError, SchemaError

T = TypeVar("T")
Connection = Any
"""asyncpg.Connection, which has no types of its own."""

LOCK_SPACE: Final = 0x6665_6564
"""First half of the advisory lock's key; the second is the hash of `fetcher:{platform}`."""

_KEEPALIVE: Final = {"tcp_keepalives_idle": "30", "tcp_keepalives_interval": "10", "tcp_keepalives_count": "3"}
"""The server lets go of the lock within a minute where our machine vanishes from the network."""

_PASSES: Final = (
    *AWAY,
    asyncpg.TransactionRollbackError,
    asyncpg.ObjectNotInPrerequisiteStateError,
    asyncpg.PostgresSystemError,
    asyncpg.ReadOnlySQLTransactionError,
)
"""What passes by itself: a lost session, a shutdown, a lock or deadlock, a full disk, a standby."""


TRY_LOCK: Final = "SELECT pg_try_advisory_lock($1, hashtext($2))"
"""Take the platform's single-flight lock for the session."""


@dataclass(frozen=True, slots=True)
class SessionAddress:
    """Where the database is and how its sessions are set.

    Attributes:
        host: Name, address, or folder of a Unix socket.
        port: TCP port.
        user: Role.
        password: May be empty.
        database: Name.
        connect_timeout_s: Seconds for connecting.
        statement_timeout_s: Seconds for a statement.
        server_settings: What the session sets.
    """

    host: str
    port: int
    user: str
    password: str = field(repr=False)
    database: str
    connect_timeout_s: float
    statement_timeout_s: float
    server_settings: dict[str, str]

    def __str__(self) -> str:
        return f"database {self.host}:{self.port}/{self.database}"


class PlatformSession:
    """What the stores of one platform share. Calls at the same time take turns.

    After a lost session it makes a new one at the next call and takes the lock again first.
    """

    def __init__(self, address: SessionAddress, platform: str) -> None:
        self._address = address
        self._platform = platform
        self._connection: Connection | None = None
        self._had_lock = False
        self._turn = asyncio.Lock()

    async def __aenter__(self) -> Self:
        """Connect and take the platform's lock.

        Raises:
            AlreadyRunningError: Another fetcher holds it.
            UnavailableError: The database does not answer or refuses this user.
        """
        await self._session()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the session, and with it the lock."""
        await self._drop()

    async def call(self, statement: Callable[[Connection], Awaitable[T]]) -> T:
        """Return what a statement gives.

        Raises:
            UnavailableError: The database is away; whether the statement was done is unknown.
            SchemaError: It lacks a table or a right.
            AlreadyRunningError: Another fetcher has taken the lock.
        """
        async with self._turn:  # a page may be noted as failed while the one before it is being saved
            session = await self._session()
            try:
                return await statement(session)
            except _PASSES as error:
                await self._drop()
                raise UnavailableError(f"{self._address}: {_said(error)}") from error
            except asyncpg.PostgresError as error:
                if takes_no_writes(error):
                    raise UnavailableError(f"{self._address}: {_said(error)}") from error
                raise SchemaError(f"{self._address}: {_said(error)}; is it migrated?") from error

    async def _session(self) -> Connection:
        if self._connection is None or self._connection.is_closed():
            await self._drop()
            try:
                self._connection = await self._connected()
                is_ours = await self._connection.fetchval(TRY_LOCK, LOCK_SPACE, f"fetcher:{self._platform}")
            except (*_PASSES, asyncpg.PostgresError) as error:
                await self._drop()
                raise UnavailableError(f"{self._address}: {_said(error)}") from error
            if not is_ours:
                await self._drop()
                raise self._locked_out()
            self._had_lock = True
        return self._connection

    async def _connected(self) -> Connection:
        address = self._address
        return await asyncpg.connect(
            host=address.host,
            port=address.port,
            user=address.user,
            password=address.password or None,
            database=address.database,
            timeout=address.connect_timeout_s,
            command_timeout=address.statement_timeout_s,
            server_settings={**address.server_settings, **_KEEPALIVE},
        )

    def _locked_out(self) -> Exception:
        if self._had_lock:  # the server has not yet noticed that our old session is gone
            return UnavailableError(f"{self._address}: the lock of {self._platform} is held by another session")
        return AlreadyRunningError(f"a fetcher is already running for {self._platform}")

    async def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(Exception):
                await connection.close(timeout=1.0)
            connection.terminate()


def _said(error: BaseException) -> str:
    return f"{type(error).__name__}: {str(error).splitlines()[0]}" if str(error) else type(error).__name__
