"""Runs, page ledger and diary in PostgreSQL, over one session that also holds the platform's lock.

Lock and writes share the session on purpose: while a statement can be made, the lock is held. SQLAlchemy would cost
a third of this process's memory for eleven statements; asyncpg takes them as they are.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Self, TypeVar

import asyncpg

from common.errors import UnavailableError
from common.events import ChangeId
from common.log import scrub
from fetcher.adapters import sql
from fetcher.core.errors import AlreadyRunningError, RunTakenOverError, SchemaError
from fetcher.core.ports import FailedPage, Operation, Run, RunStatus, SavedPage

T = TypeVar("T")
Connection = Any
"""asyncpg.Connection, which has no types of its own."""

LOCK_SPACE: Final = 0x6665_6564
"""First half of the advisory lock's key; the second is the hash of `fetcher:{platform}`."""

_KEEPALIVE: Final = {"tcp_keepalives_idle": "30", "tcp_keepalives_interval": "10", "tcp_keepalives_count": "3"}
"""The server lets go of the lock within a minute where our machine vanishes from the network."""

_AWAY: Final = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # a call at the very moment in which the server says goodbye
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.TransactionRollbackError,
    asyncpg.ObjectNotInPrerequisiteStateError,
    asyncpg.PostgresSystemError,
    asyncpg.ReadOnlySQLTransactionError,
)
"""What passes by itself: a lost session, a shutdown, a lock or deadlock, a full disk, a standby."""


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


class PostgresStore:
    """`LoadStore` and `OperationsLog` of one platform. Calls at the same time take turns.

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

    async def latest_run(self, platform: str) -> Run | None:
        """Return the platform's newest initial load; None where there was none."""
        row = await self._call(lambda session: session.fetchrow(sql.LATEST_RUN, platform))
        return None if row is None else _run(row)

    async def previous_total(self, platform: str) -> int | None:
        """Return the records of the last load that reached the end; None where there was none."""
        total: int | None = await self._call(lambda session: session.fetchval(sql.PREVIOUS_TOTAL, platform))
        return total

    async def start_run(self, run: Run, started_at: datetime) -> None:
        """Save a new run before its page 1."""
        values = run.run_id, run.platform, run.start_change_id, started_at
        await self._call(lambda session: session.execute(sql.START_RUN, *values))

    async def reopen_run(self, run_id: str) -> None:
        """Mark an unfinished run as running again."""
        await self._call(lambda session: session.execute(sql.REOPEN_RUN, run_id))

    async def save_page(self, run: Run, page: SavedPage) -> None:
        """Save position and ledger rows in one statement.

        Raises:
            RunTakenOverError: The run is no longer at `run.position`.
        """
        values = (
            run.run_id,
            run.position,
            page.position,
            page.next_position,
            page.records,
            list(page.messages),
            list(page.messages.values()),
            page.attempts,
            page.fetched_at,
        )
        moved = await self._call(lambda session: session.fetchval(sql.SAVE_PAGE, *values))
        if not moved:
            raise RunTakenOverError(f"run {run.run_id} is no longer at page {run.position}: another process moved it")

    async def save_failure(self, run: Run, page: FailedPage) -> None:
        """Note a page that waits for its next try, or a gap."""
        values = (
            run.platform,
            page.position,
            run.run_id,
            page.message_id,
            page.attempts,
            page.first_try_at,
            page.next_attempt_at,
            scrub(page.error),
        )
        await self._call(lambda session: session.execute(sql.SAVE_FAILURE, *values))

    async def open_failures(self, run_id: str) -> Sequence[FailedPage]:
        """Return the run's pages that failed and were not fetched since, in order of position."""
        rows = await self._call(lambda session: session.fetch(sql.OPEN_FAILURES, run_id))
        return [
            FailedPage(
                position=row["position"],
                message_id=row["message_id"],
                attempts=row["attempts"],
                first_try_at=row["created_at"],
                next_attempt_at=row["next_attempt_at"],
                error=row["error"] or "",
            )
            for row in rows
        ]

    async def finish_run(self, run: Run) -> None:
        """Mark the run done, and let the platform's changes begin at S0 unless they have begun already."""
        await self._call(lambda session: session.execute(sql.FINISH_RUN, run.run_id))

    async def fail_run(self, run_id: str) -> None:
        """Mark the run failed; it can be resumed."""
        await self._call(lambda session: session.execute(sql.FAIL_RUN, run_id))

    async def record(self, operation: Operation) -> None:
        """Add a row of type `data_fetch` to `operations_log`."""
        values = (
            operation.started_at,
            operation.duration_s,
            "OK" if operation.is_ok else "ERROR",
            scrub(operation.details),
            operation.platform,
            json.dumps(dict(operation.counts)),
        )
        await self._call(lambda session: session.execute(sql.RECORD_OPERATION, *values))

    async def _call(self, statement: Callable[[Connection], Awaitable[T]]) -> T:
        async with self._turn:  # a page may be noted as failed while the one before it is being saved
            session = await self._session()
            try:
                return await statement(session)
            except _AWAY as error:
                await self._drop()
                raise UnavailableError(f"{self._address}: {_said(error)}") from error
            except asyncpg.PostgresError as error:
                raise SchemaError(f"{self._address}: {_said(error)}; is it migrated?") from error

    async def _session(self) -> Connection:
        if self._connection is None or self._connection.is_closed():
            await self._drop()
            try:
                self._connection = await self._connected()
                is_ours = await self._connection.fetchval(sql.TRY_LOCK, LOCK_SPACE, f"fetcher:{self._platform}")
            except (*_AWAY, asyncpg.PostgresError) as error:
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


def _run(row: Any) -> Run:
    return Run(
        run_id=row["run_id"],
        platform=row["platform"],
        start_change_id=ChangeId(row["start_change_id"]),
        position=row["position"],
        next_position=row["next_position"],
        pages=row["pages"],
        records=row["records"],
        status=RunStatus(row["status"]),
        finished_at=row["finished_at"],
    )


def _said(error: BaseException) -> str:
    return f"{type(error).__name__}: {str(error).splitlines()[0]}" if str(error) else type(error).__name__
