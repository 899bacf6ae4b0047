"""A list that has no end: it is noticed after a few pages, and what is real goes on."""

from dataclasses import dataclass, field, replace

import pytest
from tests.contract.fetcher.fakes import FakeUpstream, a_row
from tests.unit.fetcher.core.load_bench import LoadBench

from fetcher.core.errors import LoadStoppedError
from fetcher.core.feed import UpstreamPage
from fetcher.core.ports import RunStatus
from fetcher.core.walk import Ending

pytestmark = pytest.mark.unit


@dataclass
class OddUpstream(FakeUpstream):
    """Shows on some pages what another one has; page 0 has nothing."""

    shows: dict[int, int] = field(default_factory=dict)

    async def offers(self, page: int) -> UpstreamPage:
        """Return the page."""
        shown = self.shows.get(page, page)
        rows = [a_row(f"{shown}-{number}") for number in (1, 2)] if shown else []
        return replace(await super().offers(page), rows=rows)


def a_bench(shows: dict[int, int], *, pages: int = 9) -> LoadBench:
    bench = LoadBench()
    bench.upstream = OddUpstream(bench.clock, pages=pages, shows=shows)
    return bench


@pytest.mark.parametrize(
    ("shown", "last", "why"), [(0, 5, "are empty"), (2, 5, "show the same as the one before")], ids=["empty", "again"]
)
async def test_it_stops_the_run_with_a_clear_line(shown: int, last: int, why: str) -> None:
    bench = a_bench(dict.fromkeys(range(3, 90), shown), pages=90)
    with pytest.raises(
        LoadStoppedError, match=f"3 pages in a row {why}, and each names a next one, the last one {last}"
    ):
        await bench.load()
    assert max(bench.upstream.asked) <= last + 1
    assert (bench.run.status, bench.run.position) == (RunStatus.FAILED, last)
    assert bench.store.operations[0].is_ok is False


async def test_the_next_start_goes_on_behind_when_the_source_is_well_again() -> None:
    bench = a_bench(dict.fromkeys((4, 5, 6), 0))
    with pytest.raises(LoadStoppedError):
        await bench.load()
    outcome = await bench.load()
    assert (outcome.ending, bench.run.records) == (Ending.DONE, 12)


@pytest.mark.parametrize(
    "shows",
    [{2: 0, 3: 0, 5: 0, 6: 0}, {2: 1, 3: 1, 5: 4, 6: 4}, {7: 0, 8: 0, 9: 0}, {7: 6, 8: 6, 9: 6}],
    ids=["empty", "again", "empty-end", "again-end"],
)
async def test_two_such_pages_or_an_end_are_no_reason(shows: dict[int, int]) -> None:
    outcome = await a_bench(shows).load()
    assert outcome.ending is Ending.DONE
