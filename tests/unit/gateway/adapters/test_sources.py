"""The three reference sources on mocked database connections: what they ask, read and raise."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, cast
from unittest.mock import AsyncMock

import asyncpg
import pytest
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from common.errors import UnavailableError
from common.testing.clock import VirtualClock
from gateway.adapters import orm_source
from gateway.adapters.copy_source import CopySource
from gateway.adapters.database import Database
from gateway.adapters.orm_source import FirstSourceRow, OrmSource
from gateway.adapters.sql_source import SqlSource
from gateway.core.aggregate import GRACE_S, FanOut
from gateway.core.errors import QueryTimeoutError, WrongShapeError
from gateway.core.ports import RecordSource
from gateway.core.reference import ReferenceRecord

pytestmark = pytest.mark.unit

TWO = [(2, "Test 2"), (1, "Test 1")]


class Ended(Exception):  # noqa: N818 - what PostgreSQL says, in the driver's words
    """The driver's error for a statement that the server has ended."""

    sqlstate = orm_source.QUERY_CANCELED


class MockedPool:
    """What a source uses of `Database`, over a mocked connection."""

    def __init__(self, connection: AsyncMock) -> None:
        self._connection = connection

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[AsyncMock]:
        """Lend the connection."""
        yield self._connection

    async def fetch(self, sql: str) -> Any:
        """Run a statement on it."""
        return await self._connection.fetch(sql)


class Mocks:
    """A mocked connection of each road, and the source on it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.connection = AsyncMock(spec=asyncpg.Connection)
        self.session = AsyncMock(spec=AsyncSession)
        self.session.__aenter__.return_value = self.session
        self.session.__aexit__.return_value = None
        monkeypatch.setattr(orm_source, "AsyncSession", lambda _engine: self.session)

    def source(self, road: str) -> RecordSource:
        """Return the source of a road."""
        pool = cast("Database", MockedPool(self.connection))
        roads: dict[str, RecordSource] = {
            "orm": OrmSource(cast("AsyncEngine", None)),
            "sql": SqlSource(pool),
            "copy": CopySource(pool),
        }
        return roads[road]

    def answer(self, rows: list[tuple[Any, Any]]) -> None:
        """Let every road bring these rows."""
        self.connection.fetch.return_value = [{"id": number, "name": name} for number, name in rows]
        self.session.scalars.return_value.all = lambda: [FirstSourceRow(id=number, name=name) for number, name in rows]
        lines = "".join(f"[{number}, {_json(name)}]\n" for number, name in rows).encode()

        async def copied(_sql: str, *, output: Callable[[bytes], Awaitable[None]], **_format: str) -> None:
            for start in range(0, len(lines), 5):
                await output(lines[start : start + 5])

        self.connection.copy_from_query.side_effect = copied

    def fail(self, effect: Any) -> None:
        """Let every road raise this, or do this."""
        for call in (self.connection.fetch, self.connection.copy_from_query, self.session.scalars):
            call.side_effect = effect


def _json(name: str | None) -> str:
    return "null" if name is None else f'"{name}"'


@pytest.fixture
def mocks(monkeypatch: pytest.MonkeyPatch) -> Mocks:
    """Mocked connections."""
    return Mocks(monkeypatch)


@pytest.mark.parametrize("road", ["orm", "sql", "copy"])
async def test_rows_become_records(mocks: Mocks, road: str) -> None:
    mocks.answer(TWO)
    assert await mocks.source(road).records() == [ReferenceRecord(2, "Test 2"), ReferenceRecord(1, "Test 1")]


@pytest.mark.parametrize("road", ["orm", "sql", "copy"])
async def test_no_rows_are_no_records(mocks: Mocks, road: str) -> None:
    mocks.answer([])
    assert await mocks.source(road).records() == []


@pytest.mark.parametrize("road", ["orm", "sql", "copy"])
async def test_a_wrong_shape_is_refused(mocks: Mocks, road: str) -> None:
    mocks.answer([(1, "Test 1"), (2, None)])
    with pytest.raises(WrongShapeError):
        await mocks.source(road).records()


@pytest.mark.parametrize("line", [b"[1]\n", b"[1,\n", b"7\n", b"\xff\n", b'{"id":1}\n', b"[[1],2]\n"])
async def test_a_stream_of_something_else_is_refused(mocks: Mocks, line: bytes) -> None:
    async def copied(_sql: str, *, output: Callable[[bytes], Awaitable[None]], **_format: str) -> None:
        await output(line)

    mocks.connection.copy_from_query.side_effect = copied
    with pytest.raises(WrongShapeError):
        await mocks.source("copy").records()


@pytest.mark.parametrize("error", [OSError("refused"), OperationalError("SELECT", {}, Exception("gone"))], ids=str)
async def test_the_orm_says_unavailable_in_our_words(mocks: Mocks, error: Exception) -> None:
    mocks.fail(error)
    with pytest.raises(UnavailableError, match="the database does not answer"):
        await mocks.source("orm").records()


async def test_the_orm_says_too_slow_where_the_server_has_ended_the_statement(mocks: Mocks) -> None:
    mocks.fail(OperationalError("SELECT", {}, Ended()))
    with pytest.raises(QueryTimeoutError):
        await mocks.source("orm").records()


async def test_three_mocked_databases_that_hang_cost_two_seconds_in_all(mocks: Mocks) -> None:
    clock = VirtualClock(auto_advance=False)

    async def hang(*_arguments: object, **_named: object) -> None:
        await asyncio.get_running_loop().create_future()

    mocks.fail(hang)
    sources = [mocks.source(road) for road in ("orm", "sql", "copy")]
    answer = asyncio.create_task(FanOut(clock=clock, timeout_s=2).ask({s.name: s.records for s in sources}))
    await clock.advance(1.99)
    assert not answer.done()
    await clock.advance(0.01)
    assert (await answer).summary("123") == ", ".join(f"{name};missing;reason=timeout" for name in "123")
    await clock.advance(GRACE_S)
    assert asyncio.all_tasks() == {asyncio.current_task()}
