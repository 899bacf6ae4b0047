"""Exports from PostgreSQL: one read-only snapshot, read through a portal batch by batch."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from typing import Any, Final

from gateway.adapters.database import Database, Readable
from gateway.adapters.export_sql import csv_header, exported
from gateway.adapters.parquet import ParquetFile
from gateway.core.export import ExportFormat, ExportQuery

BATCH: Final = 500
"""Lines of one part; some 400 KB."""
ROW_GROUP: Final = 5_000
"""Offers of one part in Parquet, which packs columns the better the longer they are."""


class PostgresExports:
    """OfferExporter on `processed_data`, with connections of its own, so that no request waits for an export.

    The first part is read when an export is opened: until then another database can take over, afterwards none can.
    """

    def __init__(self, database: Readable) -> None:
        self._database = database

    @asynccontextmanager
    async def opened(self, query: ExportQuery) -> AsyncIterator[AsyncIterator[bytes]]:
        """Open the parts of the file.

        Raises:
            FormatMissingError: Parquet is wanted and pyarrow is not installed.
            UnavailableError: The database does not answer.
            QueryTimeoutError: A batch took longer than it may.
        """
        async with AsyncExitStack() as stack:
            yield await self._database.attempt(lambda database: _begun(database, query, stack))


async def _begun(database: Database, query: ExportQuery, stack: AsyncExitStack) -> AsyncIterator[bytes]:
    """Return the parts; what has to be closed is left to `stack` when the first of them is there."""
    file = ParquetFile(query.fields) if query.format is ExportFormat.PARQUET else None
    async with AsyncExitStack() as own:
        connection = await own.enter_async_context(database.connection())
        await own.enter_async_context(connection.transaction(isolation="repeatable_read", readonly=True))
        made = _parts(connection, query) if file is None else _columns(connection, query, file)
        parts = await own.enter_async_context(aclosing(made))
        whole = await own.enter_async_context(aclosing(_together(await anext(parts, b""), parts)))
        stack.push_async_exit(own.pop_all())
    return whole


async def _together(first: bytes, parts: AsyncIterator[bytes]) -> AsyncGenerator[bytes]:
    if first:
        yield first
    async for part in parts:
        yield part


async def _parts(connection: Any, query: ExportQuery) -> AsyncGenerator[bytes]:
    head = csv_header(query.fields) if query.format is ExportFormat.CSV else b""
    async for rows in _batches(connection, query, BATCH):  # a head alone would be a first part before there is a row
        yield b"".join([head, *(row[0] for row in rows)])
        head = b""
    if head:
        yield head


async def _columns(connection: Any, query: ExportQuery, file: ParquetFile) -> AsyncGenerator[bytes]:
    async for rows in _batches(connection, query, ROW_GROUP):
        yield await file.part(rows)
    yield await file.end()


async def _batches(connection: Any, query: ExportQuery, size: int) -> AsyncIterator[Any]:
    statement = exported(query)
    prepared = await connection.prepare(statement.sql)
    portal = await prepared.cursor(*statement.values)
    while rows := await portal.fetch(size):
        yield rows
