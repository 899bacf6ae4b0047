"""Exports from PostgreSQL: one read-only snapshot, read through a portal batch by batch."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any, Final

from gateway.adapters.database import Database
from gateway.adapters.export_sql import csv_header, exported
from gateway.adapters.parquet import ParquetFile
from gateway.core.export import ExportFormat, ExportQuery

BATCH: Final = 500
"""Lines of one part; some 400 KB."""
ROW_GROUP: Final = 5_000
"""Offers of one part in Parquet, which packs columns the better the longer they are."""


class PostgresExports:
    """OfferExporter on `processed_data`, with connections of its own, so that no request waits for an export."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @asynccontextmanager
    async def opened(self, query: ExportQuery) -> AsyncIterator[AsyncIterator[bytes]]:
        """Open the parts of the file.

        Raises:
            FormatMissingError: Parquet is wanted and pyarrow is not installed.
            UnavailableError: The database does not answer.
            QueryTimeoutError: A batch took longer than it may.
        """
        file = ParquetFile(query.fields) if query.format is ExportFormat.PARQUET else None
        async with (
            self._database.connection() as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
            aclosing(_parts(connection, query) if file is None else _columns(connection, query, file)) as parts,
        ):
            yield parts


async def _parts(connection: Any, query: ExportQuery) -> AsyncGenerator[bytes]:
    if query.format is ExportFormat.CSV:
        yield csv_header(query.fields)
    async for rows in _batches(connection, query, BATCH):
        yield b"".join([row[0] for row in rows])


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
