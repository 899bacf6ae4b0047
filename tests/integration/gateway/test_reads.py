"""Reads that a replica does not answer are done on the primary, whatever is wrong and in the time that a read has.

The replica is a way to the same database here; what a real one does is in test_replica.
"""

import json
from collections.abc import AsyncIterator

import pytest
from tests.integration.gateway.conftest import Wire, opened

from common.errors import UnavailableError
from common.settings import DatabaseSettings
from common.testing.clock import VirtualClock
from common.testing.offers import a_processed_offer, store_offers
from gateway.adapters.export import PostgresExports
from gateway.adapters.reads import Reads, ReplicaOnly, ServerStates
from gateway.core.errors import QueryTimeoutError
from gateway.core.export import read_export
from gateway.core.reads import ReadRoute, ServerState

pytestmark = pytest.mark.integration


class AlwaysReplica(ReadRoute):
    """A route that never leaves the replica, so that every read meets it."""

    def __init__(self) -> None:
        super().__init__(clock=VirtualClock(), most_lag_s=10)

    def chooses_replica(self) -> bool:
        """Return that it does."""
        return True


@pytest.fixture
def database(module_database: DatabaseSettings) -> DatabaseSettings:
    """One database for all tests of this file."""
    return module_database


@pytest.fixture
def bounds(database: DatabaseSettings) -> DatabaseSettings:
    """The database with bounds that nothing here comes near."""
    return database.model_copy(update={"statement_timeout_s": 30.0, "connect_timeout_s": 30.0})


@pytest.fixture
def short(bounds: DatabaseSettings) -> DatabaseSettings:
    """The same, given up as soon as a test wants."""
    return bounds.model_copy(update={"statement_timeout_s": 0.3, "connect_timeout_s": 0.5})


@pytest.fixture
async def reads(bounds: DatabaseSettings, wire: Wire) -> AsyncIterator[Reads]:
    """Reads of which those on the replica go through `wire`."""
    theirs = bounds.model_copy(update={"port": wire.port})
    async with opened(bounds) as primary, opened(theirs) as replica:
        yield Reads(primary, replica, route=AlwaysReplica())


def fallbacks(reads: Reads) -> dict[str, int]:
    """Return how often the primary was asked, by reason."""
    return {reason.value: number for reason, number in reads._route.fallbacks.items() if number}  # noqa: SLF001 - told in /metrics


async def test_what_the_replica_answers_is_not_asked_again(reads: Reads) -> None:
    assert (await reads.fetch("SELECT 1 AS one"))[0]["one"] == 1
    assert (await reads.fetch_planned("SELECT $1::int AS one", 1))[0]["one"] == 1
    assert fallbacks(reads) == {}


async def test_a_replica_that_refuses_connections_costs_nothing_but_the_attempt(reads: Reads, wire: Wire) -> None:
    await wire.cut()
    assert (await reads.fetch("SELECT 1 AS one"))[0]["one"] == 1
    assert fallbacks(reads) == {"away": 1}


async def test_a_connection_that_broke_is_noticed_by_the_read_and_nobody_else(reads: Reads, wire: Wire) -> None:
    await reads.fetch("SELECT 1")
    await wire.cut()
    await wire.restore()
    assert (await reads.fetch("SELECT 1 AS one"))[0]["one"] == 1
    await reads.fetch("SELECT 1")
    assert fallbacks(reads) in ({}, {"away": 1})


async def test_a_replica_that_hangs_is_given_up_while_there_is_time_for_the_primary(
    bounds: DatabaseSettings, short: DatabaseSettings, wire: Wire
) -> None:
    theirs = short.model_copy(update={"port": wire.port})
    async with opened(bounds) as primary, opened(theirs) as replica:
        reads = Reads(primary, replica, route=AlwaysReplica())
        await reads.fetch("SELECT 1")
        before = fallbacks(reads).get("away", 0)
        wire.stall()
        assert (await reads.fetch("SELECT 1 AS one"))[0]["one"] == 1
        assert fallbacks(reads) == {"away": before + 1}


async def test_when_the_time_is_used_up_the_primary_gets_no_more(
    bounds: DatabaseSettings, short: DatabaseSettings, wire: Wire
) -> None:
    theirs = short.model_copy(update={"port": wire.port})
    async with opened(bounds) as primary, opened(theirs) as replica:
        primary.longest_s = 0.4
        reads = Reads(primary, replica, route=AlwaysReplica())
        wire.stall()
        with pytest.raises(QueryTimeoutError):
            await reads.fetch("SELECT 1")


@pytest.mark.parametrize("place", [{"port": 1}, {"name": "postgres"}], ids=["away", "without tables"])
async def test_an_export_that_has_not_begun_begins_on_the_primary(
    bounds: DatabaseSettings, place: dict[str, object]
) -> None:
    async with opened(bounds) as primary:
        await primary.fetch("DELETE FROM processed_data")
    await store_offers(bounds, [a_processed_offer(inner_id=str(number)) for number in range(3)])
    async with opened(bounds) as primary, opened(bounds.model_copy(update=place)) as replica:
        reads = Reads(primary, replica, route=AlwaysReplica())
        async with PostgresExports(reads).opened(read_export([])) as parts:
            lines = b"".join([part async for part in parts]).splitlines()
        async with PostgresExports(reads).opened(read_export([("mark", "nobody")])) as parts:
            assert [part async for part in parts] == []
        async with PostgresExports(reads).opened(read_export([("format", "csv"), ("fields", "inner_id")])) as parts:
            assert b"".join([part async for part in parts]) == b'inner_id\r\n"0"\r\n"1"\r\n"2"\r\n'
    assert [json.loads(line)["inner_id"] for line in lines] == ["0", "1", "2"]
    assert fallbacks(reads) == {"away": 3}


async def test_what_only_the_replica_may_say_nobody_says_in_its_place(bounds: DatabaseSettings) -> None:
    async with opened(bounds) as replica:
        with pytest.raises(UnavailableError, match="the replica refuses: column"):
            await ReplicaOnly(replica).fetch("SELECT no_such_column FROM processed_data")


async def test_a_primary_says_how_far_it_is(bounds: DatabaseSettings) -> None:
    async with opened(bounds) as primary:
        before = await ServerStates(primary).state()
        await primary.fetch("INSERT INTO sync_state (platform) VALUES ('che168')")
        after = await ServerStates(primary).state()
    assert after == ServerState(
        in_recovery=False, system=before.system, timeline=before.timeline, position=after.position
    )
    assert after.position > before.position
