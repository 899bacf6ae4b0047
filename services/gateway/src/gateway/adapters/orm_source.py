"""The first reference source, read through SQLAlchemy's ORM."""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import select
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession
from sqlalchemy.orm import DeclarativeBase, Mapped

from common.db.tables import metadata as schema
from common.db.tables import source_1
from common.errors import UnavailableError
from gateway.adapters.database import TOO_LONG
from gateway.core.errors import QueryTimeoutError
from gateway.core.reference import ReferenceRecord, read_rows


class _Base(DeclarativeBase):
    metadata = schema


class FirstSourceRow(_Base):
    """A row of `source_1`."""

    __table__ = source_1

    id: Mapped[int]
    name: Mapped[str]


ALL: Final = select(FirstSourceRow)
QUERY_CANCELED: Final = "57014"
"""SQLSTATE of a statement that the server has ended."""


class OrmSource:
    """RecordSource on `source_1`."""

    name = "1"

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def records(self) -> Sequence[ReferenceRecord]:
        """Return all records.

        Raises:
            UnavailableError: The database does not answer or has no such table.
            QueryTimeoutError: It took longer than it may.
            WrongShapeError: The table holds something else.
        """
        try:
            async with AsyncSession(self._engine) as session:
                rows = (await session.scalars(ALL)).all()
        except (OSError, SQLAlchemyError) as error:
            if isinstance(error, DBAPIError) and getattr(error.orig, "sqlstate", None) == QUERY_CANCELED:
                raise QueryTimeoutError(TOO_LONG) from error
            raise UnavailableError(f"the database does not answer ({type(error).__name__})") from error
        return read_rows((row.id, row.name) for row in rows)
