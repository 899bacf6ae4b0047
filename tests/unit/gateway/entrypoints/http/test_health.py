"""What is open to everybody costs the database no more than one question at a time."""

import asyncio

import pytest
from tests.contract.gateway.fakes import FakeStatus, a_client, some_parts

from gateway.core.metrics import FeedNumbers

pytestmark = pytest.mark.unit


class CountingStatus(FakeStatus):
    """A database that takes a while, and counts who asks."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0

    async def feed_numbers(self) -> FeedNumbers:
        """Return the numbers, a little later."""
        await self._take_a_while()
        return await super().feed_numbers()

    async def schema_revision(self) -> str | None:
        """Return the revision, a little later."""
        await self._take_a_while()
        return await super().schema_revision()

    async def _take_a_while(self) -> None:
        self.asked += 1
        for _ in range(50):
            await asyncio.sleep(0)  # noqa: TID251 - lets all the others come, takes no time


@pytest.mark.parametrize("path", ["/metrics", "/health/ready"])
async def test_many_without_a_token_who_ask_at_once_ask_the_database_once(path: str) -> None:
    status = CountingStatus()
    async with a_client(await some_parts(status=status), token=None) as client:
        answers = await asyncio.gather(*(client.get(path) for _ in range(20)))
        assert ({answer.status_code for answer in answers}, status.asked) == ({200}, 1)
        await client.get(path)
    assert status.asked == 2
