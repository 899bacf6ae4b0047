"""The third reference source, streamed by COPY: no rows and types but bytes, JSON line by line (NDJSON)."""

import json
from collections.abc import Sequence
from typing import Any, Final

from gateway.adapters.database import Database
from gateway.core.errors import WrongShapeError
from gateway.core.reference import ReferenceRecord, read_rows

ALL: Final = "SELECT json_build_array(id, name) FROM source_3"
"""The whole table, in any order, a pair in JSON for each row."""
_FORMAT: Final = {"format": "csv", "delimiter": "\x01", "quote": "\x02"}
"""One column, and neither delimiter nor quote occurs in JSON: each line is the JSON as it was made."""


class CopySource:
    """RecordSource on `source_3`."""

    name = "3"

    def __init__(self, database: Database) -> None:
        self._database = database

    async def records(self) -> Sequence[ReferenceRecord]:
        """Return all records.

        Raises:
            UnavailableError: The database does not answer or has no such table.
            QueryTimeoutError: It took longer than it may.
            WrongShapeError: The table holds something else.
        """
        received = bytearray()

        async def receive(data: bytes) -> None:
            received.extend(data)

        async with self._database.connection() as connection:
            await connection.copy_from_query(ALL, output=receive, **_FORMAT)
        return read_rows(_pair(line) for line in received.splitlines())


def _pair(line: bytearray) -> tuple[Any, Any]:
    try:
        number, name = json.loads(line)
    except (ValueError, TypeError) as error:
        raise WrongShapeError("a line is no pair in JSON") from error
    return number, name
