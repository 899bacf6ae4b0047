"""A consumer on a real queue counts its batches, their ends and its dead letters."""

from functools import partial

import pytest
from prometheus_client import CollectorRegistry
from tests.integration.normalizer.road import FailingLanding, Queue, Rows, a_lander, consuming, opened_store, until
from tests.integration.normalizer.test_consuming import holds, is_empty, pages

from common import topology
from common.settings import DatabaseSettings
from normalizer.core.errors import TransientError
from sandbox.stack import Vhost

pytestmark = pytest.mark.integration


def sample(registry: CollectorRegistry, name: str, **labels: str) -> float:
    """Return the value of a sample that must be there."""
    value = registry.get_sample_value(name, labels)
    assert value is not None, name
    return value


async def test_what_lands_and_what_is_no_event_is_counted(
    vhost: Vhost, database: DatabaseSettings, queue: Queue, rows: Rows
) -> None:
    await queue.publish(*pages(3))
    await queue.publish_body(b"nonsense")
    async with consuming(vhost, database) as running:
        await until(partial(rows.are, 60))
        await until(partial(holds, queue, 1, topology.DEAD_QUEUE))
        await until(partial(is_empty, queue))
    registry = running.registry
    assert sample(registry, "feedmill_records_total", outcome="inserted") == 60
    assert sample(registry, "feedmill_batch_records_sum") == 60
    landed = sample(registry, "feedmill_batches_total", end="landed")
    assert sample(registry, "feedmill_batch_seconds_count") == landed > 0
    assert sample(registry, "feedmill_dead_letters_total", reason="not_json") == 1


@pytest.mark.parametrize(
    ("error", "end", "times", "tries"),
    [(TransientError("full"), "held", 1, 2), (RuntimeError("defect"), "failed", 2, 0)],
    ids=["full", "defect"],
)
async def test_a_batch_that_does_not_land_at_once_is_counted_by_its_end(
    vhost: Vhost,
    database: DatabaseSettings,
    queue: Queue,
    rows: Rows,
    error: Exception,
    end: str,
    times: int,
    tries: int,
) -> None:
    await queue.publish(*pages(1))
    async with opened_store(database) as store:
        landing = FailingLanding(a_lander(store), error=error, times=2)
        async with consuming(vhost, database, landing=landing, give_back_after_s=0.01) as running:
            await until(partial(rows.are, 20))
    ends = {name: sample(running.registry, "feedmill_batches_total", end=name) for name in ("landed", end)}
    assert ends == {"landed": 1, end: times}
    assert sample(running.registry, "feedmill_batch_retries_total") == tries
