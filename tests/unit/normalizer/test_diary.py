"""One row for each busy period."""

import asyncio
import gc
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from common.events import PageFetched
from common.testing.clock import VirtualClock
from common.testing.pages import a_page, a_record
from normalizer.core.diary import IDLE_S, Diary, Normalization, NotedLanding, kept
from normalizer.core.errors import TransientError

pytestmark = pytest.mark.unit


@dataclass
class FakeOperations:
    """Keeps rows, after `outages` failures."""

    outages: int = 0
    rows: list[Normalization] = field(default_factory=list)

    async def record(self, operation: Normalization) -> None:
        """Keep a row."""
        if self.outages:
            self.outages -= 1
            raise TransientError("database away")
        self.rows.append(operation)


async def quiet(clock: VirtualClock, looks: int) -> None:
    """Let the diary look so often while nothing happens."""
    for _ in range(looks):
        await clock.advance(IDLE_S)


async def test_batches_without_a_pause_are_one_row_and_a_pause_ends_it() -> None:
    clock, operations = VirtualClock(auto_advance=False), FakeOperations()
    diary = Diary(operations, clock=clock)
    start = clock.now()
    keeping = asyncio.create_task(diary.keep())
    await clock.advance(0)
    for _ in range(30):
        diary.note(Counter(records=200, inserted=199, unchanged=1, updated=0), platforms={"che168"}, took_s=0.0)
        await clock.advance(1.0)
    assert operations.rows == []
    counts = {"inserted": 5970, "records": 6000, "unchanged": 30}
    await quiet(clock, 2)
    assert operations.rows == [
        Normalization(start, 29.0, is_ok=True, details="normalised 6,000 records", platform="che168", counts=counts)
    ]
    await quiet(clock, 5)
    assert len(operations.rows) == 1
    diary.note(Counter(records=3, errors=1, quarantined=1), platforms={"che168", "encar"}, took_s=0.5)
    await quiet(clock, 2)
    second = operations.rows[1]
    assert (second.is_ok, second.platform, second.duration_s) == (False, None, 0.5)
    assert second.details == "normalised 3 records, 1 could not be normalised, 1 in quarantine"
    keeping.cancel()


async def test_a_database_that_is_away_loses_no_count() -> None:
    clock, operations = VirtualClock(auto_advance=False), FakeOperations(outages=2)
    diary = Diary(operations, clock=clock)
    keeping = asyncio.create_task(diary.keep())
    await clock.advance(0)
    diary.note(Counter(records=1), platforms={"che168"}, took_s=0.1)
    await quiet(clock, 2)
    diary.note(Counter(records=2), platforms={"che168"}, took_s=0.1)
    await quiet(clock, 3)
    assert [row.counts for row in operations.rows] == [{"records": 3}]
    keeping.cancel()


class SlowOperations(FakeOperations):
    """Takes its time before it answers."""

    def __init__(self, outages: int) -> None:
        super().__init__(outages)
        self.answers = asyncio.Event()

    async def record(self, operation: Normalization) -> None:
        """Keep a row when it is time."""
        await self.answers.wait()
        await super().record(operation)


async def test_what_is_noted_while_a_row_is_written_in_vain_stands_in_the_same_row() -> None:
    clock, operations = VirtualClock(auto_advance=False), SlowOperations(outages=1)
    diary = Diary(operations, clock=clock)
    diary.note(Counter(records=1), platforms={"che168"}, took_s=0.5)
    began = clock.now() - timedelta(seconds=0.5)
    writing = asyncio.ensure_future(diary.write())
    await clock.advance(5)
    diary.note(Counter(records=2), platforms={"encar"}, took_s=0.5)
    operations.answers.set()
    with pytest.raises(TransientError):
        await writing
    await diary.write()
    assert operations.rows == [
        Normalization(began, 5.5, is_ok=True, details="normalised 3 records", platform=None, counts={"records": 3})
    ]


class Landing:
    """Takes 3 seconds for a batch."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock

    async def land(self, pages: Sequence[PageFetched], /) -> Counter[str]:
        """Land pages."""
        await self._clock.sleep(3.0)
        return Counter(records=sum(len(page.records) for page in pages))


async def test_a_landing_is_noted_with_its_platforms_and_from_its_begin() -> None:
    clock, operations = VirtualClock(), FakeOperations()
    await clock.sleep(100)
    diary, began = Diary(operations, clock=clock), clock.now()
    counts = await NotedLanding(Landing(clock), diary, clock=clock).land(
        [a_page([a_record("1")]), a_page([a_record("2")], platform="encar")]
    )
    assert counts == Counter(records=2)
    await diary.write()
    assert operations.rows == [
        Normalization(began, 3.0, is_ok=True, details="normalised 2 records", platform=None, counts={"records": 2})
    ]


@pytest.mark.parametrize(("outages", "rows"), [(0, 1), (1, 0)], ids=["the database is there", "it is away"])
async def test_what_is_open_is_written_at_the_end_or_given_up_at_once(
    outages: int, rows: int, caplog: pytest.LogCaptureFixture
) -> None:
    clock, operations = VirtualClock(auto_advance=False), FakeOperations(outages=outages)
    diary, others = Diary(operations, clock=clock), asyncio.all_tasks()

    async def work() -> None:
        await clock.advance(0)
        diary.note(Counter(records=1), platforms={"che168"}, took_s=0.1)

    await kept(diary, asyncio.ensure_future(work()), last_word_s=1.0)
    await clock.advance(0)
    assert len(operations.rows) == rows
    assert len(caplog.messages) == outages
    assert asyncio.all_tasks() == others, "nobody keeps the diary any more"


async def test_a_diary_in_which_nothing_was_noted_has_no_row() -> None:
    operations = FakeOperations()
    await Diary(operations, clock=VirtualClock()).write()
    assert operations.rows == []


class SilentOperations:
    """A database that answers nothing until it is told to, not even that it has heard of a cancellation."""

    def __init__(self) -> None:
        self.answers = asyncio.Event()

    async def record(self, operation: Normalization) -> None:
        """Say nothing for long."""
        try:
            await self.answers.wait()
        except asyncio.CancelledError:
            await self.answers.wait()
            raise TransientError(operation.details) from None


async def test_a_database_that_says_nothing_is_not_waited_for_at_the_end(caplog: pytest.LogCaptureFixture) -> None:
    operations = SilentOperations()
    diary = Diary(operations, clock=VirtualClock(auto_advance=False))
    diary.note(Counter(records=1), platforms={"che168"}, took_s=0.1)
    async with asyncio.timeout(60):
        await kept(diary, asyncio.ensure_future(asyncio.sleep(0)), last_word_s=0.01)  # noqa: TID251 - takes no time
    (line,) = caplog.messages
    assert line.startswith("Last row of the operations log not written")
    assert "not within 0.01 s" in line
    operations.answers.set()
    await VirtualClock(auto_advance=False).advance(0)
    gc.collect()
    assert caplog.messages == [line], "the answer that came too late is heard"
