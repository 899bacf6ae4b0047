"""The second reference source, read by plain SQL through asyncpg."""

from collections.abc import Sequence
from typing import Final

from gateway.adapters.database import Database
from gateway.core.reference import ReferenceRecord, read_rows

ALL: Final = "SELECT id, name FROM source_2"
"""The whole table, in any order."""


class SqlSource:
    """RecordSource on `source_2`."""

    name = "2"

    def __init__(self, database: Database) -> None:
        self._database = database

    async def records(self) -> Sequence[ReferenceRecord]:
        """Return all records.

        Raises:
            UnavailableError: The database does not answer or has no such table.
            QueryTimeoutError: It took longer than it may.
            WrongShapeError: The table holds something else.
        """
        return read_rows((row["id"], row["name"]) for row in await self._database.fetch(ALL))
