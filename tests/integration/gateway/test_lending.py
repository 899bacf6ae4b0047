"""Connections are lent in turn: who waits is not overtaken by those who come at the moment one becomes free."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import count
from typing import Any

import pytest

from common.errors import UnavailableError
from common.settings import DatabaseSettings
from gateway.adapters.database import Database
from gateway.core.errors import QueryTimeoutError

pytestmark = pytest.mark.integration

CLIENTS, ROUNDS, CONNECTIONS = 20, 20, 2


@asynccontextmanager
async def opened(settings: DatabaseSettings, connections: int) -> AsyncIterator[Database]:
    """Open a lender of so many connections, all of which are made: that takes longer than a turn."""
    lender = Database(settings.model_copy(update={"pool_size": connections}), application="lending")
    await lender.open()
    try:
        async with AsyncExitStack() as stack:
            for _ in range(connections):
                await stack.enter_async_context(lender.connection())
        yield lender
    finally:
        await lender.close()


async def test_nobody_is_overtaken(database: DatabaseSettings) -> None:
    tickets, served = count(), list[int]()

    async def client(lender: Database) -> None:
        for _ in range(ROUNDS):
            ticket = next(tickets)
            async with lender.connection() as connection:
                served.append(ticket)
                await connection.execute("SELECT 1")

    async with opened(database, CONNECTIONS) as lender:
        await asyncio.gather(*(client(lender) for _ in range(CLIENTS)))
    overtaken = [sum(before > ticket for before in served[:place]) for place, ticket in enumerate(served)]
    assert len(served) == CLIENTS * ROUNDS
    assert max(overtaken) <= CONNECTIONS


async def test_who_waits_gets_the_connection_that_served_well(database: DatabaseSettings) -> None:
    async with opened(database, 1) as lender:
        async with lender.connection() as first:
            waiting = await begun(_lent(lender))
        assert await waiting is first


async def test_a_statement_that_lasts_too_long_is_ended_by_the_server_and_costs_no_connection(
    database: DatabaseSettings,
) -> None:
    async with opened(database.model_copy(update={"statement_timeout_s": 0.1}), 1) as lender:
        pid = (await lender.fetch("SELECT pg_backend_pid()"))[0][0]
        await lender.fetch("SET statement_timeout = 300")  # so late is the word of one that has much to do
        with pytest.raises(QueryTimeoutError):
            await lender.fetch("SELECT pg_sleep(20)")
        assert (await lender.fetch("SELECT pg_backend_pid()"))[0][0] == pid


async def test_nobody_gets_the_connection_that_failed_as_it_is(database: DatabaseSettings) -> None:
    async with opened(database, 1) as lender:
        failing = lender.connection()
        stuck = await failing.__aenter__()
        waiting = await begun(_lent(lender))
        assert await failing.__aexit__(KeyError, KeyError("what the borrower did"), None) is False
        assert await waiting is not stuck


@pytest.mark.parametrize("others", [0, 1])
async def test_a_connection_for_somebody_who_gave_up_goes_to_the_next(database: DatabaseSettings, others: int) -> None:
    async with opened(database, 1) as lender:
        async with lender.connection() as handed_on:
            waiting = await begun(_lent(lender))
            next_ones = [await begun(_lent(lender)) for _ in range(others)]
        waiting.cancel()
        await asyncio.wait([waiting])
        assert waiting.cancelled()
        assert [await next_one for next_one in next_ones] == [handed_on] * others
        await _lent(lender)


async def test_who_waited_too_long_is_told_and_takes_nobody_s_turn(database: DatabaseSettings) -> None:
    async with opened(database, 1) as lender:
        async with lender.connection():
            lender._wait_s = 0  # noqa: SLF001 - a real one would be waited for
            with pytest.raises(UnavailableError, match="no connection in time"):
                await _lent(lender)
            waiting = await begun(_lent(lender))
            lender._wait_s = 30  # noqa: SLF001 - as above
            next_one = await begun(_lent(lender))
            with pytest.raises(UnavailableError):
                await waiting
        await next_one
        await _lent(lender)


async def begun(work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
    """Start a task and let it come to where it waits."""
    task = asyncio.create_task(work)
    await asyncio.sleep(0)  # noqa: TID251 - lets it begin, takes no time
    return task


async def _lent(lender: Database) -> Any:
    async with lender.connection() as connection:
        await connection.execute("SELECT 1")
        return connection
