"""TokenLookup and TokenRegistry: the same suite on the fake and on PostgreSQL."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta

import pytest
from tests.contract.gateway.fakes import FakeTokens

from common.clock import SystemClock
from common.settings import DatabaseSettings
from gateway.adapters.database import Database
from gateway.adapters.tokens import PostgresTokens

pytestmark = pytest.mark.contract

Store = FakeTokens | PostgresTokens


@pytest.fixture
async def real_store(database: DatabaseSettings) -> AsyncIterator[PostgresTokens]:
    """An empty PostgreSQL store."""
    opened = Database(database, application="test")
    await opened.open()
    yield PostgresTokens(opened)
    await opened.close()


@pytest.fixture(params=["fake", "postgres"])
def store(request: pytest.FixtureRequest) -> Store:
    """An empty store: the fake and the real one in turn."""
    if request.param == "fake":
        return FakeTokens(SystemClock())
    real: PostgresTokens = request.getfixturevalue("real_store")
    return real


def moment(**ahead: float) -> datetime:
    """Return the time in this distance from now."""
    return SystemClock().now() + timedelta(**ahead)


async def fill(store: Store, *digests: str, expires_at: datetime | None = None) -> None:
    """Add tokens with these digests."""
    async with store.transaction() as transaction:
        await transaction.add(digests, description="front end", expires_at=expires_at)


async def test_a_token_is_found_by_its_digest_while_it_is_valid(store: Store) -> None:
    later = moment(days=1)
    await fill(store, "a" * 64, expires_at=later)
    await fill(store, "b" * 64, expires_at=moment(seconds=-1))
    found = await store.find("a" * 64)
    assert found is not None
    assert (found.id, found.expires_at) == (1, later)
    assert await store.find("b" * 64) is None
    assert await store.find("c" * 64) is None


async def test_a_revoked_token_is_not_found_and_still_listed(store: Store) -> None:
    await fill(store, "a" * 64, "b" * 64)
    assert await store.revoke(2)
    assert await store.revoke(2)
    assert not await store.revoke(3)
    assert await store.find("b" * 64) is None
    assert [(row.id, row.description, row.active) for row in await store.all_tokens()] == [
        (1, "front end", True),
        (2, "front end", False),
    ]


async def test_revoking_never_prolongs_a_token(store: Store) -> None:
    past = moment(days=-3)
    await fill(store, "a" * 64, expires_at=past)
    await store.revoke(1)
    assert [row.expires_at for row in await store.all_tokens()] == [past]


async def test_an_older_use_never_replaces_a_newer_one(store: Store) -> None:
    await fill(store, "a" * 64, "b" * 64)
    first, second = moment(seconds=1), moment(seconds=2)
    await store.mark_used({2: second, 1: first})
    await store.mark_used({2: first, 99: first})
    assert [row.last_used_at for row in await store.all_tokens()] == [first, second]


async def test_a_transaction_that_fails_leaves_no_token(store: Store) -> None:
    async def add_and_fail() -> None:
        async with store.transaction() as transaction:
            await transaction.add(["a" * 64], description=None, expires_at=None)
            assert await transaction.any_exist()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await add_and_fail()
    assert await store.all_tokens() == []
    assert await store.find("a" * 64) is None
