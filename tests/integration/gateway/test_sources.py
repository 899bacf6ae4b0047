"""The three reference sources on real databases: seeded, moved, locked, slow, gone, of another shape, black-holed.

The deadline is that of a virtual clock, which passes it when the sources that are not late have answered and the late
one is known to hang: what is seen here does not depend on how fast the machine is.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from itertools import product
from typing import Any

import httpx
import pytest
from tests.contract.gateway.fakes import a_client, some_parts
from tests.integration.gateway.conftest import Wire, opened

from common.clock import Clock, SystemClock
from common.settings import DatabaseSettings
from common.testing.clock import VirtualClock
from gateway.app import sources_opened
from gateway.core.aggregate import GRACE_S, FanOut
from gateway.core.ports import RecordSource
from gateway.core.reference import ReferenceRecord
from gateway.settings import GatewaySettings, SourceSettings, SourcesSection

pytestmark = pytest.mark.integration

DEADLINE_S = 2.0
SHORT_S = 0.2
"""The deadline on the machine's clock."""
SERVER_S = 30.0
"""What a statement may take by the settings; what hangs here hangs longer."""
PATIENT_S = 20.0
"""For what comes soon: less than `SERVER_S`, so that no limit of the server is taken for what is tested."""
SLOW = "SELECT id, name FROM kept_{0}, (SELECT pg_sleep(60)) AS slow"
ODD = "SELECT 'x' || n AS id, n AS name FROM generate_series(1, 3) AS n"
HANGING = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = $1 AND state = 'active' AND query LIKE '%source_%' AND wait_event IN ('PgSleep', 'relation')
"""
BACKENDS = """
    SELECT pid FROM pg_stat_activity WHERE datname = $1 AND application_name LIKE 'gateway%' AND pid <> pg_backend_pid()
    ORDER BY pid
"""
ALL = [*range(1, 61)]
IDS = {
    "1": [*range(1, 11), *range(31, 41)],
    "2": [*range(11, 21), *range(41, 51)],
    "3": [*range(21, 31), *range(51, 61)],
}
Answer = tuple[list[int], str]


class Watched:
    """RecordSource that counts its answers."""

    def __init__(self, source: RecordSource, answers: "Counter[str]") -> None:
        self.name = source.name
        self._source = source
        self._answers = answers

    async def records(self) -> Sequence[ReferenceRecord]:
        """Return all records."""
        records = await self._source.records()
        self._answers[self.name] += 1
        return records


class Gateway:
    """A gateway on real sources."""

    def __init__(self, client: httpx.AsyncClient, clock: Clock, answers: "Counter[str]") -> None:
        self._client = client
        self._clock = clock
        self._answers = answers

    async def get(self) -> Answer:
        """Return the ids and what `X-Sources` says."""
        answer = await self._client.get("/collect-data")
        assert answer.status_code == 200
        assert all(record["name"] == f"Test {record['id']}" for record in answer.json())
        return [record["id"] for record in answer.json()], answer.headers["X-Sources"]

    async def get_at_deadline(self, late: Sequence[int], *, hung: Awaitable[None], times: int = 1) -> list[Answer]:
        """Return what `get` returns, asked `times` at once: nothing before the deadline, everything at it.

        The deadline is passed when all sources but `late` have answered and `hung` has been waited for.
        """
        assert isinstance(self._clock, VirtualClock)
        before = self._answers.copy()
        asking = [asyncio.create_task(self.get()) for _ in range(times)]
        others = [name for name in IDS if int(name) not in late]
        await until(lambda: all(self._answers[name] - before[name] == times for name in others))
        await hung
        await self._clock.advance(DEADLINE_S - 0.1)
        assert not any(task.done() for task in asking)
        await self._clock.advance(0.1)
        async with asyncio.timeout(PATIENT_S):
            answers = [await task for task in asking]
        await self._clock.advance(GRACE_S)
        return answers


@pytest.fixture
async def replace(module_database: DatabaseSettings) -> AsyncIterator[Any]:
    """Return what puts a view, or nothing, in the place of a source's table until the test ends."""
    replaced: list[int] = []

    async def made(source: int, view: str | None = None) -> None:
        await run(module_database, f"ALTER TABLE source_{source} RENAME TO kept_{source}")
        replaced.append(source)
        if view is not None:
            await run(module_database, f"CREATE VIEW source_{source} AS {view.format(source)}")

    yield made
    for n in replaced:
        await run(module_database, f"DROP VIEW IF EXISTS source_{n}", f"ALTER TABLE kept_{n} RENAME TO source_{n}")


@pytest.fixture
async def gateway_on(module_database: DatabaseSettings, replace: Any) -> AsyncIterator[Any]:
    """Return what opens a gateway; `moved` are sources with an address of their own. Nothing of it runs on."""
    assert replace, "what a test has replaced is put back after its gateway"
    stack: list[Any] = []

    async def made(
        clock: Clock | None = None,
        *,
        timeout_s: float = DEADLINE_S,
        server_s: float = SERVER_S,
        **moved: SourceSettings,
    ) -> Gateway:
        section = SourcesSection(timeout_s=server_s, **moved)  # type: ignore[arg-type] # names of sources
        settings = GatewaySettings.model_construct(database=module_database, sources=section)
        lent = sources_opened(settings)
        answers: Counter[str] = Counter()
        sources = [Watched(source, answers) for source in await lent.__aenter__()]
        stack.append(lent)
        used = clock or VirtualClock(auto_advance=False)
        parts = await some_parts(sources=sources, fan_out=FanOut(clock=used, timeout_s=timeout_s))
        return Gateway(a_client(parts), used, answers)

    yield made
    await settled()
    for lent in reversed(stack):
        await lent.__aexit__(None, None, None)


@pytest.fixture
async def hanging(module_database: DatabaseSettings) -> AsyncIterator[Any]:
    """Return what waits until that many statements of sources hang on the server."""
    async with opened(module_database) as pool:

        async def waited(count: int) -> None:
            async with asyncio.timeout(PATIENT_S):
                while (await pool.fetch(HANGING, module_database.name))[0]["count"] != count:
                    await SystemClock().sleep(0.01)

        yield waited


async def run(settings: DatabaseSettings, *statements: str) -> None:
    """Run statements."""
    async with opened(settings) as pool, pool.connection() as connection:
        for statement in statements:
            await connection.execute(statement)


@asynccontextmanager
async def locked(settings: DatabaseSettings, tables: str) -> AsyncIterator[None]:
    """Hold a lock on these tables that lets nobody read."""
    async with opened(settings) as pool, pool.connection() as connection, connection.transaction():
        await connection.execute(f"LOCK TABLE {tables} IN ACCESS EXCLUSIVE MODE")
        yield


def said(**missing: str) -> str:
    """Return the header."""
    words = (f"{n};missing;reason={missing[f's{n}']}" if f"s{n}" in missing else f"{n};ok" for n in (1, 2, 3))
    return ", ".join(words)


def present(*names: str) -> list[int]:
    """Return the ids of these sources in order."""
    return sorted(number for name in names for number in IDS[name])


def without(source: int, reason: str) -> Answer:
    """Return the answer in which one source is missing."""
    return present(*(name for name in IDS if name != str(source))), said(**{f"s{source}": reason})


async def until(is_so: Callable[[], bool]) -> None:
    """Wait until it is; fail when it takes very long."""
    async with asyncio.timeout(PATIENT_S):
        while not is_so():
            await SystemClock().sleep(0.01)


async def settled() -> None:
    """Wait until nothing but this test runs."""
    await until(lambda: asyncio.all_tasks() == {asyncio.current_task()})


async def test_a_migrated_database_has_three_filled_sources(gateway_on: Any) -> None:
    assert await (await gateway_on()).get() == (ALL, said())


@pytest.mark.parametrize("up", list(product([True, False], repeat=3)), ids=str)
async def test_any_of_them_may_fail(gateway_on: Any, replace: Any, up: Sequence[bool]) -> None:
    gone = [n for n, good in enumerate(up, start=1) if not good]
    for source in gone:
        await replace(source)
    expected = present(*(str(n) for n in (1, 2, 3) if n not in gone)), said(**{f"s{n}": "error" for n in gone})
    assert await (await gateway_on()).get() == expected


@pytest.mark.parametrize("source", [1, 2, 3])
async def test_a_slow_source_is_missing_at_the_deadline(
    gateway_on: Any, replace: Any, hanging: Any, source: int
) -> None:
    gateway = await gateway_on()
    await gateway.get()
    await replace(source, SLOW)
    assert await gateway.get_at_deadline([source], hung=hanging(1)) == [without(source, "timeout")]


@pytest.mark.parametrize("source", [1, 2, 3])
async def test_a_slow_source_is_waited_for_until_the_deadline(
    gateway_on: Any, module_database: DatabaseSettings, hanging: Any, source: int
) -> None:
    clock = VirtualClock(auto_advance=False)
    gateway = await gateway_on(clock)
    async with locked(module_database, f"source_{source}"):
        asking = asyncio.create_task(gateway.get())
        await hanging(1)
        await clock.advance(DEADLINE_S - 0.1)
        assert not asking.done()
    assert await asking == (ALL, said())


async def test_the_deadline_comes_by_the_clock_of_the_machine(gateway_on: Any, replace: Any) -> None:
    gateway = await gateway_on(SystemClock(), timeout_s=SHORT_S)
    for source in (1, 2, 3):
        await replace(source, SLOW)
    async with asyncio.timeout(PATIENT_S):
        assert await gateway.get() == ([], said(s1="timeout", s2="timeout", s3="timeout"))


async def test_a_locked_table_is_missing_until_it_is_free(
    gateway_on: Any, module_database: DatabaseSettings, hanging: Any
) -> None:
    gateway = await gateway_on()
    async with locked(module_database, "source_1, source_2, source_3"):
        for _ in range(5):
            answers = await gateway.get_at_deadline([1, 2, 3], hung=hanging(3))
            assert answers == [([], said(s1="timeout", s2="timeout", s3="timeout"))]
            await hanging(0)
    await settled()
    assert await gateway.get() == (ALL, said())


@pytest.mark.parametrize("source", [1, 2, 3])
async def test_another_shape_is_an_error(gateway_on: Any, replace: Any, source: int) -> None:
    await replace(source, ODD)
    assert await (await gateway_on()).get() == without(source, "error")


@pytest.mark.parametrize("source", [1, 2, 3])
async def test_a_database_that_takes_connections_and_says_nothing_is_missing_in_time(
    gateway_on: Any, source: int
) -> None:
    taken = 0

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal taken
        taken += 1
        while await reader.read(1024):
            pass
        writer.close()

    server = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    gateway = await gateway_on(**{f"source_{source}": SourceSettings(host="127.0.0.1", port=port)})
    for count in range(1, 5):
        hung = until(lambda count=count: taken == count)  # type: ignore[misc] # mypy infers no lambda with a default
        assert await gateway.get_at_deadline([source], hung=hung) == [without(source, "timeout")]
    server.close()


@pytest.mark.parametrize("source", [1, 2, 3])
async def test_a_line_that_goes_dead_in_mid_air_costs_the_deadline_and_heals(
    gateway_on: Any, wire: Wire, source: int
) -> None:
    gateway = await gateway_on(**{f"source_{source}": SourceSettings(host="127.0.0.1", port=wire.port)})
    assert await gateway.get() == (ALL, said())
    wire.stall()
    for _ in range(4):
        hung = until(lambda: wire.held > 0)
        assert await gateway.get_at_deadline([source], hung=hung) == [without(source, "timeout")]
    await wire.cut()
    await wire.restore()
    async with asyncio.timeout(PATIENT_S):
        while (await gateway.get())[0] != ALL:
            await SystemClock().sleep(0.01)


async def test_each_source_may_have_a_database_of_its_own(
    gateway_on: Any, module_database: DatabaseSettings, stack: Any
) -> None:
    name = f"{module_database.name}_moved"
    stack.create_database(name)
    try:
        moved = module_database.model_copy(update={"name": name})
        await run(moved, "CREATE TABLE source_2 AS SELECT 99 AS id, 'Test 99' AS name")
        gateway = await gateway_on(source_2=SourceSettings(name=name))
        assert await gateway.get() == ([*present("1", "3"), 99], said())
    finally:
        await settled()
        stack.drop_database(name)


async def test_one_that_hangs_takes_nothing_from_the_others(gateway_on: Any, replace: Any, hanging: Any) -> None:
    gateway = await gateway_on()
    await replace(2, SLOW)
    lent = SourcesSection().pool_size
    answers = await gateway.get_at_deadline([2], hung=hanging(lent), times=20)
    assert answers == [without(2, "timeout")] * 20


async def test_a_refused_role_is_an_error_at_once(gateway_on: Any) -> None:
    nobody = SourceSettings(user="nobody_of_this_name")
    gateway = await gateway_on(source_1=nobody, source_2=nobody, source_3=nobody)
    assert await gateway.get() == ([], said(s1="error", s2="error", s3="error"))


async def test_statements_of_a_late_source_end_on_the_server(gateway_on: Any, replace: Any, hanging: Any) -> None:
    gateway = await gateway_on()
    for source in (1, 2, 3):
        await replace(source, SLOW)
    await gateway.get_at_deadline([1, 2, 3], hung=hanging(3))
    await hanging(0)


async def test_a_statement_that_the_server_ends_costs_no_connection(
    gateway_on: Any, replace: Any, module_database: DatabaseSettings
) -> None:
    gateway = await gateway_on(server_s=SHORT_S)
    assert await gateway.get() == (ALL, said())
    async with opened(module_database) as pool:
        before = [row["pid"] for row in await pool.fetch(BACKENDS, module_database.name)]
        for source in (1, 2, 3):
            await replace(source, SLOW)
        assert await gateway.get() == ([], said(s1="timeout", s2="timeout", s3="timeout"))
        assert [row["pid"] for row in await pool.fetch(BACKENDS, module_database.name)] == before
    assert len(before) == 3
