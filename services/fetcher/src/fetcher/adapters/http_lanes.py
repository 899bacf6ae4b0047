"""Several connections to one upstream, for as many requests at once; each is bounded, and fails, on its own."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Self

from fetcher.adapters.http_json import BoundedHttp


class HttpLanes:
    """Gives each request a connection that no other one uses; the one used last comes first, as it is warm."""

    def __init__(self, lanes: Sequence[BoundedHttp]) -> None:
        self._lanes = lanes
        self._free = list(lanes)
        self._places = asyncio.Semaphore(len(lanes))
        self._exits = AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Return itself; a connection opens with its first request."""
        for lane in self._lanes:
            await self._exits.enter_async_context(lane)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close every connection."""
        await self._exits.aclose()

    async def get(self, path: str, parameters: Mapping[str, str]) -> bytes:
        """Return the body of a 200 answer; waits while every connection is in use.

        Raises:
            UpstreamError: Any other answer, or none in time; the text holds neither URL nor key.
        """
        async with self._places:
            lane = self._free.pop()
            try:
                return await lane.get(path, parameters)
            finally:
                self._free.append(lane)
