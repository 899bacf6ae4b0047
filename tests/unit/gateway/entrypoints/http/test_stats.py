"""`GET /stats`, counted seldom, and the queues in `/status`."""

import pytest
from tests.contract.gateway.fakes import a_client, some_parts
from tests.contract.gateway.operation import FakeQueues, FakeStats

from common.testing.clock import VirtualClock
from gateway.core.reads import ReadRoute, Reason
from gateway.entrypoints.http.models import Status
from gateway.entrypoints.http.stats import Stats

pytestmark = pytest.mark.unit


async def test_statistics_are_counted_every_thirty_seconds_at_most() -> None:
    clock, reader = VirtualClock(), FakeStats()
    async with a_client(await some_parts(clock=clock, stats=reader)) as client:
        answers = [Stats.model_validate_json((await client.get("/stats")).content) for _ in range(5)]
        await clock.sleep(30)
        answers.append(Stats.model_validate_json((await client.get("/stats")).content))
    assert reader.asked == 2
    assert len({answer.counted_at for answer in answers}) == 2


async def test_statistics_take_no_parameters_and_need_a_token() -> None:
    parts = await some_parts()
    async with a_client(parts) as client:
        assert (await client.get("/stats?platform=che168")).status_code == 422
    async with a_client(parts, token=None) as client:
        assert (await client.get("/stats")).status_code == 401


@pytest.mark.parametrize("known", [{"normalizer.raw": 7, "normalizer.raw.dead": 0}, None])
async def test_the_status_tells_how_much_waits_in_the_queues(known: dict[str, int] | None) -> None:
    async with a_client(await some_parts(queues=FakeQueues(known))) as client:
        status = Status.model_validate_json((await client.get("/status")).content)
    assert status.queues == known


async def test_the_status_says_who_answers_reads_and_why() -> None:
    async with a_client(await some_parts()) as client:
        alone = Status.model_validate_json((await client.get("/status")).content)
    clock = VirtualClock(auto_advance=False)
    route = ReadRoute(clock=clock, most_lag_s=10)
    await clock.advance(5)
    route.fell_back(Reason.AWAY, "connection refused")
    async with a_client(await some_parts(reads=route)) as client:
        told = Status.model_validate_json((await client.get("/status")).content).reads
    assert alone.reads is None
    assert told is not None
    assert (told.database, told.why, told.lag_s) == ("primary", "replica stopped: connection refused", None)
    assert told.since == VirtualClock().now()
