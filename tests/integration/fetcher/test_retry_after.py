"""`Retry-After` from the wire to the moment of the next request, in virtual time."""

import random
from datetime import UTC, datetime, timedelta

import pytest
from tests.integration.fetcher.causes import LIMIT, PAGE
from tests.integration.fetcher.raw_server import raw_server, sending, whole

from common.events import ChangeId
from common.testing.clock import VirtualClock
from fetcher.adapters.autoapi import AutoApi
from fetcher.adapters.http_json import BoundedHttp
from fetcher.core.feed import UpstreamPage
from fetcher.core.ports import FailedPage, Run
from fetcher.core.reading import PatientReader, ReadPage
from fetcher.core.retry import RetryPolicy

pytestmark = pytest.mark.integration

NOW = datetime(2026, 11, 21, 7, 28, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
PAGE_NUMBER = 3


def away(status: str, retry_after: str) -> bytes:
    """Return an answer that asks for patience."""
    return whole(status, headers=f"Retry-After: {retry_after}\r\n")


async def test_both_forms_decide_the_exact_moments() -> None:
    answers = [
        away("503 Away", "1800"),
        away("429 Slow", "Sat, 21 Nov 2026 09:00:00 GMT"),
        away("503 Away", "60"),
        away("429 Slow", "Sat, 21 Nov 2026 09:00:00 GMT"),
        whole("200 OK", body=PAGE),
    ]
    clock = VirtualClock(NOW)
    asked: list[datetime] = []
    waiting: list[FailedPage] = []

    async def note(failed: FailedPage) -> None:
        waiting.append(failed)

    reader = PatientReader(
        platform="che168",
        policy=RetryPolicy(),
        min_interval_s=0.2,
        clock=clock,
        chance=random.Random(1),  # noqa: S311 - spreads retries
    )
    async with (
        raw_server(*map(sending, answers)) as server,
        BoundedHttp(server.url, parameters={}, deadline_s=5.0, max_body_bytes=LIMIT, clock=clock) as http,
    ):

        async def ask() -> UpstreamPage:
            asked.append(clock.now())
            return await AutoApi(http, clock=clock).offers(PAGE_NUMBER)

        found = await reader.page(ask, Run("r1", "che168", ChangeId(7), started_at=NOW), PAGE_NUMBER, on_wait=note)
    assert isinstance(found, ReadPage)
    assert [(moment - NOW) / MINUTE for moment in asked] == [0, 30, 92, 104, 116]
    assert [failed.next_attempt_at for failed in waiting] == asked[1:]
    assert {failed.first_try_at for failed in waiting} == {NOW}
