"""Stand-ins in this process, asked through ASGI."""

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime

import httpx
import pytest

from common.testing.clock import VirtualClock
from sandbox.upstream.app import API_KEY, UpstreamApp, UpstreamOptions, create_app

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
Upstream = Callable[..., httpx.AsyncClient]


def client_of(app: UpstreamApp) -> httpx.AsyncClient:
    """Return a client with the right key whose URLs are relative to the che168 API."""
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app),
        base_url="http://upstream/api/v2/che168",
        headers={"x-api-key": API_KEY},
    )


@pytest.fixture(name="clock")
def _clock() -> VirtualClock:
    return VirtualClock(NOW)


@pytest.fixture(name="upstream")
async def _upstream(clock: VirtualClock) -> AsyncIterator[Upstream]:
    opened: list[httpx.AsyncClient] = []

    def start(**options: object) -> httpx.AsyncClient:
        settings = replace(UpstreamOptions(offers=100), **options)  # type: ignore[arg-type]  # options of several types
        opened.append(client_of(create_app(settings, clock=clock)))
        return opened[-1]

    yield start
    for client in opened:
        await client.aclose()
