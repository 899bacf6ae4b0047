"""ChangeReader: the same suite on the fake and on PostgreSQL."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import UTC, datetime

import pytest
from tests.contract.gateway.fakes import FakeChanges

from common.settings import DatabaseSettings
from gateway.adapters.changes import PostgresChanges
from gateway.adapters.database import Database
from gateway.core.ports import ChangeReader
from gateway.entrypoints.http.models import Change

pytestmark = pytest.mark.contract

Rows = Sequence[tuple[int, str, datetime]]
Filled = Callable[[Rows], Awaitable[ChangeReader]]
INSERT = """
    INSERT INTO catalog_changes (change_id, platform, inner_id, change_type, changed_at, diff)
    OVERRIDING SYSTEM VALUE VALUES ($1, $2, 'offer ' || $1, 'changed', $3, '{"price": [1, 2]}')
"""


@pytest.fixture
async def real_reader(module_database: DatabaseSettings) -> AsyncIterator[Filled]:
    """A PostgreSQL reader of exactly the given changes."""
    opened = Database(module_database, application="test")
    await opened.open()

    async def filled(rows: Rows) -> ChangeReader:
        await opened.fetch("TRUNCATE catalog_changes")
        for row in rows:
            await opened.fetch(INSERT.replace("|| $1,", "|| $1::bigint::text,"), *row)
        return PostgresChanges(opened)

    yield filled
    await opened.close()


@pytest.fixture(params=["fake", "postgres"])
def reader_of(request: pytest.FixtureRequest) -> Filled:
    """Makes a reader of the given changes: the fake and the real one in turn."""
    if request.param == "postgres":
        real: Filled = request.getfixturevalue("real_reader")
        return real

    async def filled(rows: Rows) -> ChangeReader:
        changes = FakeChanges()
        for number, platform, moment in rows:
            changes.add(number, platform, moment=moment)
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
