"""ChangeReader: the same suite on the fake and on PostgreSQL."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import UTC, datetime

import pytest
from tests.contract.gateway.fakes import FakeChanges

from common.settings import DatabaseSettings
from gateway.adapters.changes import PostgresChanges
from gateway.adapters.database import Database
from gateway.core.change_feed import READING_BYTES
from gateway.core.errors import PositionGoneError
from gateway.core.ports import ChangeReader
from gateway.entrypoints.http.models import Change

pytestmark = pytest.mark.contract

Rows = Sequence[tuple[int, str, datetime]]
Filled = Callable[..., Awaitable[ChangeReader]]
INSERT = """
    INSERT INTO catalog_changes (change_id, platform, inner_id, change_type, changed_at, diff)
    OVERRIDING SYSTEM VALUE VALUES ($1, $2, 'offer ' || $1, 'changed', $3, $4)
"""


@pytest.fixture
async def real_reader(module_database: DatabaseSettings) -> AsyncIterator[Filled]:
    """A PostgreSQL reader of exactly the given changes."""
    opened = Database(module_database, application="test")
    await opened.open()

    async def filled(rows: Rows, *, removed_to: int = 0, letters: int = 0) -> ChangeReader:
        diff = json.dumps({"section": [None, "x" * letters]} if letters else {"price": [1, 2]})
        await opened.fetch("TRUNCATE catalog_changes, retention")
        for row in rows:
            await opened.fetch(INSERT.replace("|| $1,", "|| $1::bigint::text,"), *row, diff)
        if removed_to:
            await opened.fetch(
                """
                WITH gone AS (DELETE FROM catalog_changes WHERE change_id <= $1 RETURNING changed_at)
                INSERT INTO retention SELECT 'catalog_changes', count(*), $1, max(changed_at), now() FROM gone
                """,
                removed_to,
            )
        return PostgresChanges(opened)

    yield filled
    await opened.close()


@pytest.fixture(params=["fake", "postgres"])
def reader_of(request: pytest.FixtureRequest) -> Filled:
    """Makes a reader of the given changes: the fake and the real one in turn."""
    if request.param == "postgres":
        real: Filled = request.getfixturevalue("real_reader")
        return real

    async def filled(rows: Rows, *, removed_to: int = 0, letters: int = 0) -> ChangeReader:
        changes = FakeChanges()
        for number, platform, moment in rows:
            changes.add(number, platform, moment=moment, letters=letters)
        changes.remove_to(removed_to)
        return changes

    return filled


def day(number: int, hour: int = 0) -> datetime:
    """Return a moment of November."""
    return datetime(2026, 11, number, hour, tzinfo=UTC)


ROWS = [(3, "a", day(2, 5)), (4, "b", day(2, 4)), (8, "a", day(2, 6)), (9, "a", day(7)), (2**53, "b", day(7, 1))]


@pytest.mark.parametrize(
    ("start", "limit", "platform", "expected"),
    [
        (0, 9, None, [3, 4, 8, 9, 2**53]),
        (4, 2, None, [4, 8]),
        (5, 9, "b", [2**53]),
        (2**53 + 1, 9, None, []),
        (0, 9, "c", []),
    ],
)
async def test_changes_come_in_order_from_an_id_on(
    reader_of: Filled, start: int, limit: int, platform: str | None, expected: list[int]
) -> None:
    found = await (await reader_of(ROWS)).changes(start, limit=limit, platform=platform)
    assert [change.change_id for change in found] == expected
    for change in found:
        body = Change.model_validate_json(change.body)
        assert (body.change_id, body.platform, body.change_type) == (change.change_id, change.platform, "changed")
        assert json.loads(change.body)["inner_id"] == f"offer {change.change_id}"


@pytest.mark.parametrize(
    ("moment", "platform", "expected"),
    [
        (day(1), None, 3),
        (day(2, 4), None, 3),
        (day(2, 6), None, 8),
        (day(3), None, 9),
        (day(7, 1), None, 2**53),
        (day(8), None, None),
        (day(1), "b", 4),
        (day(1), "c", None),
    ],
)
async def test_a_moment_leads_to_the_least_id_since(
    reader_of: Filled, moment: datetime, platform: str | None, expected: int | None
) -> None:
    assert await (await reader_of(ROWS)).first_id_since(moment, platform) == expected


async def test_the_last_id_is_nought_before_anything_happened(reader_of: Filled) -> None:
    assert await (await reader_of([])).last_id() == 0
    assert await (await reader_of(ROWS)).last_id() == 2**53


@pytest.mark.parametrize(("start", "platform"), [(1, None), (3, None), (4, None), (4, "a"), (1, "c")])
async def test_a_position_before_which_changes_are_gone_is_refused(
    reader_of: Filled, start: int, platform: str | None
) -> None:
    reader = await reader_of(ROWS, removed_to=4)
    with pytest.raises(PositionGoneError, match="kept from 5 on"):
        await reader.changes(start, limit=9, platform=platform)
    with pytest.raises(PositionGoneError, match="kept from 5 on"):
        await reader.ensure_kept(start)


@pytest.mark.parametrize(
    ("start", "platform", "expected"),
    [(0, None, [8, 9, 2**53]), (5, None, [8, 9, 2**53]), (9, "b", [2**53]), (2**53 + 1, None, [])],
)
async def test_a_position_after_that_is_as_good_as_ever(
    reader_of: Filled, start: int, platform: str | None, expected: list[int]
) -> None:
    reader = await reader_of(ROWS, removed_to=4)
    assert [change.change_id for change in await reader.changes(start, limit=9, platform=platform)] == expected
    await reader.ensure_kept(start)


async def test_a_day_that_is_not_kept_whole_is_refused_and_a_later_one_is_not(reader_of: Filled) -> None:
    reader = await reader_of(ROWS, removed_to=4)
    for moment in (day(1), day(2, 5)):
        with pytest.raises(PositionGoneError, match="kept from 5 on"):
            await reader.first_id_since(moment, None)
    assert await reader.first_id_since(day(2, 6), None) == 8


async def test_ids_that_were_given_are_not_forgotten_when_every_change_is_gone(reader_of: Filled) -> None:
    reader = await reader_of(ROWS[:2], removed_to=4)
    assert await reader.last_id() == 4
    assert await reader.changes(5, limit=9, platform=None) == []


@pytest.mark.parametrize("platform", [None, "a"])
@pytest.mark.parametrize(
    ("letters", "expected"),
    [
        pytest.param(READING_BYTES // 4, [1, 2, 3, 4], id="some"),
        pytest.param(2 * READING_BYTES, [1], id="one at least"),
    ],
)
async def test_a_reading_of_long_changes_ends_early(
    reader_of: Filled, platform: str | None, letters: int, expected: list[int]
) -> None:
    reader = await reader_of([(number, "a", day(2)) for number in range(1, 7)], letters=letters)
    found = await reader.changes(1, limit=9, platform=platform)
    assert [change.change_id for change in found] == expected
    following = await reader.changes(expected[-1] + 1, limit=9, platform=platform)
    assert following[0].change_id == expected[-1] + 1
