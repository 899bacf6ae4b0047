"""The three reference sources on real databases: seeded, moved, locked, slow, gone, of another shape, black-holed."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from itertools import product
from typing import Any

import httpx
import pytest
from tests.contract.gateway.fakes import a_client, some_parts
from tests.integration.gateway.conftest import Wire, opened

from common.clock import SystemClock
from common.settings import DatabaseSettings
from gateway.app import sources_opened
from gateway.core.aggregate import FanOut
from gateway.settings import GatewaySettings, SourceSettings, SourcesSection

pytestmark = pytest.mark.integration

DEADLINE_S = 0.5
MARGIN_S = 0.25
PATIENT_S = 30.0
"""The deadline where it is not what is tested: a busy machine opens a connection late."""
SLOW = """
    ALTER TABLE source_{0} RENAME TO renamed_{0};
    CREATE VIEW source_{0} AS SELECT id, name FROM renamed_{0}, (SELECT pg_sleep({1})) AS slow;
"""
ODD = """
    DROP TABLE source_{0};
    CREATE TABLE source_{0} AS SELECT 'x' || n AS id, n AS name FROM generate_series(1, 3) AS n;
"""
ALL = [*range(1, 61)]
IDS = {
    "1": [*range(1, 11), *range(31, 41)],
    "2": [*range(11, 21), *range(41, 51)],
    "3": [*range(21, 31), *range(51, 61)],
}


class Gateway:
    """A gateway on real sources: `get` asks once and measures."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client
        self.elapsed_s = 0.0

    async def get(self) -> tuple[list[int], str]:
        """Return the ids and what `X-Sources` says."""
        started = SystemClock().monotonic()
        answer = await self._client.get("/collect-data")
        self.elapsed_s = SystemClock().monotonic() - started
        assert answer.status_code == 200
        assert all(record["name"] == f"Test {record['id']}" for record in answer.json())
        return [record["id"] for record in answer.json()], answer.headers["X-Sources"]


@pytest.fixture
async def gateway_on(database: DatabaseSettings) -> AsyncIterator[Any]:
    """Return what opens a gateway; `moved` are sources with an address of their own."""
    stack: list[Any] = []

    async def made(timeout_s: float = DEADLINE_S, **moved: SourceSettings) -> Gateway:
        section = SourcesSection(timeout_s=timeout_s, **moved)  # type: ignore[arg-type] # names of sources
        settings = GatewaySettings.model_construct(database=database, sources=section)
        lent = sources_opened(settings)
        sources = await lent.__aenter__()
        stack.append(lent)
        parts = await some_parts(sources=sources, fan_out=FanOut(clock=SystemClock(), timeout_s=timeout_s))
        return Gateway(a_client(parts))

    yield made
    for lent in reversed(stack):
        await lent.__aexit__(None, None, None)


async def run(settings: DatabaseSettings, *statements: str) -> None:
    """Run statements."""
    async with opened(settings) as pool, pool.connection() as connection:
        for statement in statements:
            await connection.execute(statement)


def said(**missing: str) -> str:
    """Return the header."""
    words = (f"{n};missing;reason={missing[f's{n}']}" if f"s{n}" in missing else f"{n};ok" for n in (1, 2, 3))
    return ", ".join(words)


def present(*names: str) -> list[int]:
    """Return the ids of these sources in order."""
    return sorted(number for name in names for number in IDS[name])


async def settled() -> None:
    """Wait until nothing but this test runs; fail when it takes long."""
    end = SystemClock().monotonic() + 5
    while asyncio.all_tasks() != {asyncio.current_task()}:
        assert SystemClock().monotonic() < end, asyncio.all_tasks()
        await SystemClock().sleep(0.01)


async def test_a_migrated_database_has_three_filled_sources(gateway_on: Any) -> None:
    gateway = await gateway_on(PATIENT_S)
    assert await gateway.get() == (ALL, "1;ok, 2;ok, 3;ok")


@pytest.mark.parametrize("up", list(product([True, False], repeat=3)), ids=str)
async def test_any_of_them_may_fail(gateway_on: Any, database: DatabaseSettings, up: Sequence[bool]) -> None:
    gone = [n for n, good in enumerate(up, start=1) if not good]
    await run(database, *(f"DROP TABLE source_{n}" for n in gone))
    gateway = await gateway_on(PATIENT_S)
    expected = present(*(str(n) for n in (1, 2, 3) if n not in gone)), said(**{f"s{n}": "error" for n in gone})
    assert await gateway.get() == expected


@pytest.mark.parametrize("source", [1, 2, 3])
@pytest.mark.parametrize(("sleep_s", "is_missing"), [(0.3, False), (0.6, True), (60, True)])
async def test_a_slow_source_is_waited_for_until_the_deadline(
    gateway_on: Any, database: DatabaseSettings, source: int, *, sleep_s: float, is_missing: bool
) -> None:
    gateway = await gateway_on()
    await gateway.get()
    await run(database, SLOW.format(source, sleep_s))
    others = [str(n) for n in (1, 2, 3) if n != source]
    expected = (present(*others), said(**{f"s{source}": "timeout"})) if is_missing else (ALL, said())
    assert await gateway.get() == expected
    assert gateway.elapsed_s < min(sleep_s, DEADLINE_S) + MARGIN_S
    await settled()


async def test_a_locked_table_is_missing_until_it_is_free(gateway_on: Any, database: DatabaseSettings) -> None:
    gateway = await gateway_on()
    async with opened(database) as pool, pool.connection() as connection, connection.transaction():
        await connection.execute("LOCK TABLE source_1, source_2, source_3 IN ACCESS EXCLUSIVE MODE")
        for _ in range(5):
            assert await gateway.get() == ([], said(s1="timeout", s2="timeout", s3="timeout"))
            assert gateway.elapsed_s < DEADLINE_S + MARGIN_S
    await settled()
    assert await gateway.get() == (ALL, said())


@pytest.mark.parametrize("source", [1, 2, 3])
async def test_another_shape_is_an_error(gateway_on: Any, database: DatabaseSettings, source: int) -> None:
    await run(database, ODD.format(source))
    others = [str(n) for n in (1, 2, 3) if n != source]
    assert await (await gateway_on(PATIENT_S)).get() == (present(*others), said(**{f"s{source}": "error"}))


@pytest.mark.parametrize("source", [1, 2, 3])
async def test_a_database_that_takes_connections_and_says_nothing_is_missing_in_time(
    gateway_on: Any, source: int
) -> None:
    server = await asyncio.start_server(_say_nothing, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    gateway = await gateway_on(**{f"source_{source}": SourceSettings(host="127.0.0.1", port=port)})
    others = [str(n) for n in (1, 2, 3) if n != source]
    for _ in range(4):
        assert await gateway.get() == (present(*others), said(**{f"s{source}": "timeout"}))
        assert gateway.elapsed_s < DEADLINE_S + MARGIN_S
    server.close()


async def _say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while await reader.read(1024):
        pass
    writer.close()


@pytest.mark.parametrize("source", [1, 2, 3])
async def test_a_line_that_goes_dead_in_mid_air_costs_the_deadline_and_heals(
    gateway_on: Any, wire: Wire, source: int
) -> None:
    gateway = await gateway_on(**{f"source_{source}": SourceSettings(host="127.0.0.1", port=wire.port)})
    assert await gateway.get() == (ALL, said())
    wire.stall()
    others = [str(n) for n in (1, 2, 3) if n != source]
    for _ in range(4):
        assert await gateway.get() == (present(*others), said(**{f"s{source}": "timeout"}))
        assert gateway.elapsed_s < DEADLINE_S + MARGIN_S
    await wire.cut()
    await wire.restore()
    end = SystemClock().monotonic() + 10
    while (await gateway.get())[0] != ALL:
        assert SystemClock().monotonic() < end


async def test_each_source_may_have_a_database_of_its_own(
    gateway_on: Any, database: DatabaseSettings, stack: Any
) -> None:
    name = f"{database.name}_moved"
    stack.create_database(name)
    try:
        moved = database.model_copy(update={"name": name})
        await run(moved, "CREATE TABLE source_2 AS SELECT 99 AS id, 'Test 99' AS name")
        gateway = await gateway_on(PATIENT_S, source_2=SourceSettings(name=name))
        assert await gateway.get() == ([*present("1", "3"), 99], said())
    finally:
        await settled()
        stack.drop_database(name)


async def test_one_that_hangs_takes_nothing_from_the_others(gateway_on: Any, database: DatabaseSettings) -> None:
    gateway = await gateway_on()
    await run(database, SLOW.format(2, 60))
    answers = await asyncio.gather(*(gateway.get() for _ in range(20)))
    assert all(answer == (present("1", "3"), said(s2="timeout")) for answer in answers)


async def test_a_refused_role_is_an_error_at_once(gateway_on: Any) -> None:
    nobody = SourceSettings(user="nobody_of_this_name")
    gateway = await gateway_on(source_1=nobody, source_2=nobody, source_3=nobody)
    assert await gateway.get() == ([], said(s1="error", s2="error", s3="error"))
    assert gateway.elapsed_s < DEADLINE_S


async def test_statements_of_a_late_source_end_on_the_server(gateway_on: Any, database: DatabaseSettings) -> None:
    gateway = await gateway_on()
    await run(database, *(SLOW.format(n, 60) for n in (1, 2, 3)))
    await gateway.get()
    running = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%source_%' AND state = 'active' AND datname = $1"
    async with opened(database) as pool:
        end = SystemClock().monotonic() + 5
        while (await pool.fetch(f"{running} AND pid <> pg_backend_pid()", database.name))[0]["count"]:
            assert SystemClock().monotonic() < end
