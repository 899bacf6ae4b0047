"""Several connections to one upstream: one request on each, and a failure of one leaves the others alone."""

import asyncio
from collections.abc import Mapping
from typing import Self

import pytest

from fetcher.adapters.http_json import BoundedHttp
from fetcher.adapters.http_lanes import HttpLanes
from fetcher.core.errors import Cause, UpstreamError

pytestmark = pytest.mark.unit


class Lane(BoundedHttp):
    """A connection that answers when it is told to."""

    def __init__(self) -> None:
        self.answers: list[asyncio.Future[bytes]] = []
        self.is_open = False

    async def __aenter__(self) -> Self:
        self.is_open = True
        return self

    async def __aexit__(self, *_: object) -> None:
        self.is_open = False

    async def get(self, path: str, parameters: Mapping[str, str]) -> bytes:
        """Wait for the answer."""
        assert path
        assert not parameters
        self.answers.append(asyncio.get_running_loop().create_future())
        return await self.answers[-1]


async def begun(lanes: HttpLanes, requests: int) -> list["asyncio.Task[bytes]"]:
    """Start requests and let each come as far as it can."""
    tasks = [asyncio.create_task(lanes.get("/offers", {})) for _ in range(requests)]
    for _ in range(5):
        await asyncio.sleep(0)  # noqa: TID251 - takes no time
    return tasks


async def test_each_request_has_a_connection_of_its_own_and_the_rest_wait() -> None:
    lanes = [Lane(), Lane()]
    tasks = await begun(HttpLanes(lanes), 3)
    assert [len(lane.answers) for lane in lanes] == [1, 1]
    lanes[1].answers[0].set_result(b"second")
    for _ in range(5):
        await asyncio.sleep(0)  # noqa: TID251 - takes no time
    assert [len(lane.answers) for lane in lanes] == [1, 2]
    lanes[1].answers[1].set_result(b"third")
    lanes[0].answers[0].set_result(b"first")
    assert sorted(await asyncio.gather(*tasks)) == [b"first", b"second", b"third"]


async def test_a_request_that_fails_or_is_dropped_frees_its_connection() -> None:
    lanes = [Lane(), Lane()]
    http = HttpLanes(lanes)
    failing, dropped = await begun(http, 2)
    lanes[1].answers[0].set_exception(UpstreamError(Cause.TIMEOUT))
    dropped.cancel()
    assert isinstance((await asyncio.gather(failing, return_exceptions=True))[0], UpstreamError)
    await asyncio.gather(dropped, return_exceptions=True)
    await begun(http, 2)
    assert [len(lane.answers) for lane in lanes] == [2, 2]


async def test_they_open_and_close_together() -> None:
    lanes = [Lane(), Lane()]
    async with HttpLanes(lanes):
        assert all(lane.is_open for lane in lanes)
    assert not any(lane.is_open for lane in lanes)
