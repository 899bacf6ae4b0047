"""Connections are lent in turn: who waits is not overtaken by those who come at the moment one becomes free."""

import asyncio
from itertools import count

import pytest

from common.settings import DatabaseSettings
from gateway.adapters.database import Database

pytestmark = pytest.mark.integration

CLIENTS, ROUNDS, CONNECTIONS = 20, 20, 2


async def test_nobody_is_overtaken(database: DatabaseSettings) -> None:
    lender = Database(database.model_copy(update={"pool_size": CONNECTIONS}), application="lending")
    await lender.open()
    tickets, served = count(), list[int]()

    async def client() -> None:
        for _ in range(ROUNDS):
            ticket = next(tickets)
            async with lender.connection() as connection:
                served.append(ticket)
                await connection.execute("SELECT 1")

    try:
        async with lender.connection(), lender.connection():  # both are made: that takes longer than a turn
            pass
        await asyncio.gather(*(client() for _ in range(CLIENTS)))
    finally:
        await lender.close()
    overtaken = [sum(before > ticket for before in served[:place]) for place, ticket in enumerate(served)]
    assert len(served) == CLIENTS * ROUNDS
    assert max(overtaken) <= CONNECTIONS
