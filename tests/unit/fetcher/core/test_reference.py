"""The reference: fetched when it is old enough, and never worth a failure."""

from datetime import timedelta

import pytest
from tests.unit.fetcher.core.sweep_bench import ONCE, PLATFORM, SweepBench, a_bench

from common.errors import UnavailableError
from fetcher.core.errors import SchemaError
from fetcher.core.reference import Reference

pytestmark = pytest.mark.unit

WEEK = timedelta(days=7)


def reference_of(bench: SweepBench) -> Reference:
    """Return what keeps the reference of the bench's market."""
    return Reference(bench.frame(), bench.market.filters, bench.lists().reader, bench.sweeps, ONCE)


async def test_it_is_fetched_again_once_it_is_old_enough() -> None:
    bench = a_bench()
    reference = reference_of(bench)
    assert await reference.keep(older_than=WEEK)
    bench.market.reference = b'{"mark":{"BMW":{}}}'
    assert not await reference.keep(older_than=WEEK)
    await bench.clock.sleep(WEEK.total_seconds())
    assert await reference.keep(older_than=WEEK)
    assert bench.sweeps.filters[PLATFORM] == (b'{"mark":{"BMW":{}}}', bench.clock.now())


@pytest.mark.parametrize("failures", [[SchemaError("no valid text")], [UnavailableError("away")] * 3], ids=str)
async def test_what_the_database_refuses_is_a_warning_and_what_is_away_is_waited_for(
    failures: list[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = a_bench()
    save = bench.sweeps.save_filters

    async def failing(*values: object) -> None:
        if failures:
            raise failures.pop(0)
        await save(*values)  # type: ignore[arg-type]  # as they came

    monkeypatch.setattr(bench.sweeps, "save_filters", failing)
    is_away = isinstance(failures[0], UnavailableError)
    assert await reference_of(bench).keep() == is_away
    assert (PLATFORM in bench.sweeps.filters) == is_away
