"""Normalizers killed at exact points and at random moments: the rows are those of an oracle, nothing happened twice.

The short form is part of `make test`; `make chaos` runs the long one.
"""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any

import aio_pika
import asyncpg
import pytest
from tests import forking
from tests.e2e.failing_normalizer import POINTS
from tests.e2e.history import History, made_up
from tests.e2e.road import until
from tests.forking import Forked
from tests.integration.normalizer.road import consuming
from tests.lent import connected

from common import topology
from common.settings import DatabaseSettings
from normalizer.core.batch import Limits
from sandbox.stack import Stack, Vhost

SEED = 20261121
BATCH = 40
BATCHES = 3
"""Of a history for one failpoint: the first, the second and the last."""
PLACES = {"first": 1, "second": 2, "last": BATCHES}


class Field:
    """A database, a virtual host and the normalizers on them."""

    def __init__(self, database: DatabaseSettings, vhost: Vhost, folder: Path) -> None:
        self._database = database
        self._vhost = vhost
        self._folder = folder
        self.running: list[Forked] = []

    def start(self, module: str, *arguments: str, at: str = "") -> Forked:
        """Start a normalizer in a session of its own; `at` is where it finds a broker."""
        environment = {
            **{name: os.environ[name] for name in ("PATH", "HOME", "LANG", "PYTHONPATH") if name in os.environ},
            "DB_HOST": self._database.host,
            "DB_PORT": str(self._database.port),
            "DB_USER": self._database.user,
            "DB_PASSWORD": self._database.password.get_secret_value(),
            "DB_NAME": self._database.name,
            "RABBITMQ_URL": at or self._vhost.urls["normalizer"],
            "FEEDMILL_CONFIG": str(self._configuration()),
        }
        with (self._folder / "normalizers.log").open("ab") as log:
            root = Path(__file__).parents[2]
            process = forking.start(module, *arguments, env=environment, cwd=root, output=log.fileno())
        self.running.append(process)
        return process

    def _configuration(self) -> Path:
        path = self._folder / "config.yaml"
        path.write_text(f"normalizer:\n  batch_records: {BATCH}\n  linger_s: 0.2\n", encoding="utf-8")
        return path

    def kill(self, process: Forked) -> None:
        """End a normalizer as a power cut would."""
        process.kill()
        process.wait()
        self.running.remove(process)

    def stop(self) -> None:
        """End all of them."""
        for process in list(self.running):
            self.kill(process)

    async def publish(self, history: History) -> None:
        """Publish a history as the fetcher does, confirmed."""
        async with await aio_pika.connect(self._vhost.urls["fetcher"]) as connection:
            channel = await connection.channel(on_return_raises=True)
            exchange = await channel.get_exchange(topology.RAW_EXCHANGE, ensure=False)
            for message in history.messages:
                body = aio_pika.Message(message.body, message_id=message.message_id, delivery_mode=2)
                await exchange.publish(body, message.key)

    @asynccontextmanager
    async def connection(self) -> "AsyncIterator[asyncpg.Connection[Any]]":
        """Lend a connection."""
        async with connected(self._database) as connection:
            yield connection

    async def end_backends(self) -> None:
        """End a normalizer's sessions of the database."""
        async with self.connection() as connection:
            await connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND application_name LIKE 'normalizer@%'"
            )

    async def landed_records(self, run: str = "") -> int:
        """Return how many records of a run the ledger says have landed."""
        async with self.connection() as connection:
            query = "SELECT coalesce(sum(landed + quarantined), 0) FROM feed_pages WHERE run_id LIKE $1"
            return int(await connection.fetchval(query, f"run-{run}%"))

    async def landed_messages(self) -> set[str]:
        """Return the ids of the messages that the ledger says have landed."""
        async with self.connection() as connection:
            rows = await connection.fetch("SELECT message_id FROM feed_pages WHERE status = 'landed'")
            return {row[0] for row in rows}

    async def is_drained(self) -> bool:
        """Return whether the queue has nothing, neither ready nor with a consumer."""
        async with await aio_pika.connect(self._vhost.urls["operator"]) as connection:
            channel = await connection.channel()
            queue = await channel.declare_queue(topology.RAW_QUEUE, passive=True)
            return not queue.declaration_result.message_count

    async def assert_equals(self, rows: dict[str, dict[str, Any]]) -> None:
        """Compare every table with what must be left, and print how much is not as it must be."""
        async with self.connection() as connection:
            lost, doubled = await _lost(connection, rows), await _doubled(connection)
            print(f"{len(rows):,} offers: lost {len(lost)}, effects doubled {len(doubled)}")  # noqa: T201 - shown by -s
            assert lost == []
            assert doubled == []
            assert await connection.fetchval("SELECT count(*) FROM quarantine") == 0
            assert await connection.fetchval("SELECT count(*) FROM feed_pages WHERE status <> 'landed'") == 0


async def _lost(connection: "asyncpg.Connection[Any]", rows: dict[str, dict[str, Any]]) -> list[str]:
    """Return what each offer is and should be, raw and typed, where that is not the same."""
    raw = await connection.fetch(
        "SELECT inner_id, data::text, active_status, base_seq IS NOT NULL AS is_complete, max_seq, change_type,"
        " is_processed FROM raw_data"
    )
    found = {row["inner_id"]: {**row, "data": json.loads(row["data"])} for row in raw}
    expected = {inner_id: {"inner_id": inner_id, "is_processed": True, **row} for inner_id, row in rows.items()}
    columns = ("mark", "model", "year", "price", "km_age")
    catalogue = await connection.fetch("SELECT * FROM processed_data")
    typed = {
        row["inner_id"]: (row["active_status"], row["is_complete"], *(row[name] for name in columns))
        for row in catalogue
    }
    meant = {
        inner_id: (row["active_status"], row["is_complete"], *(row["data"].get(name) for name in columns))
        for inner_id, row in rows.items()
    }
    return [
        f"{inner_id}: {is_now.get(inner_id)}, not {must_be.get(inner_id)}"
        for is_now, must_be in ((found, expected), (typed, meant))
        for inner_id in sorted({*is_now, *must_be})
        if is_now.get(inner_id) != must_be.get(inner_id)
    ]


async def _doubled(connection: "asyncpg.Connection[Any]") -> list[str]:
    """Replay the downstream feed and return what is wrong with it.

    Each change starts from what the one before left, and the last one is the row: nothing was told twice or not at all.
    """
    wrong = []
    told: dict[str, dict[str, Any]] = {}
    seen: dict[str, str] = {}
    for change in await connection.fetch("SELECT * FROM catalog_changes ORDER BY change_id"):
        inner_id, kind = change["inner_id"], change["change_type"]
        was_there = seen.get(inner_id, "removed") != "removed"
        if was_there != (kind != "added"):
            wrong.append(f"{inner_id}: {kind} after {seen.get(inner_id)}")
        seen[inner_id] = kind
        if kind == "added":
            told[inner_id] = {}
        for name, (old, new) in json.loads(change["diff"]).items():
            if told.setdefault(inner_id, {}).get(name, old) != old:
                wrong.append(f"{inner_id}.{name}: from {old}, which it was not")
            told[inner_id][name] = new
    listed = await connection.fetch(
        "SELECT inner_id, normalized_data::text FROM processed_data WHERE active_status = 0 AND is_complete"
    )
    there = {inner_id for inner_id, kind in seen.items() if kind != "removed"}
    wrong += [f"{inner_id}: told and listed differ" for inner_id in there ^ {row["inner_id"] for row in listed}]
    for row in listed:
        inner_id, document = row["inner_id"], json.loads(row["normalized_data"])
        last = told.get(inner_id, {})
        if last != {name: document.get(name) for name in last}:
            wrong.append(f"{inner_id}: not what was told last")
    return wrong


@pytest.fixture
def field(database: DatabaseSettings, vhost: Vhost, tmp_path: Path) -> Iterator[Field]:
    """A database and a virtual host of the test's own."""
    one = Field(database, vhost, tmp_path)
    yield one
    one.stop()


async def test_killed_at_each_step_of_a_batch_nothing_is_lost_and_nothing_happens_twice(
    field: Field, vhost: Vhost, database: DatabaseSettings
) -> None:
    random = Random(SEED)  # noqa: S311 - a made-up history
    rows: dict[str, dict[str, Any]] = {}
    for point in POINTS:
        for place, number in PLACES.items():
            run = f"{point}{place}-".replace("_", "")
            history = made_up(random, offers=60, changes=60, run=run)
            rows |= history.rows
            await field.publish(history)
            failing = field.start("tests.e2e.failing_normalizer", point, str(number))
            await until(lambda: failing.poll() is not None, within_s=60, what=f"death {point} of the {place} batch")  # noqa: B023 - awaited at once
            assert failing.returncode == -9, f"{point} of the {place} batch"
            field.running.remove(failing)
            async with consuming(vhost, database, limits=Limits(weight=BATCH, linger_s=0.05)):
                await _land_all(field, history, run)
    await field.assert_equals(rows)


async def _land_all(field: Field, history: History, run: str, *, within_s: float = 60) -> None:
    async def all_landed() -> bool:
        return await field.landed_records(run) == history.records and await field.is_drained()

    await until(all_landed, within_s=within_s, what=f"{history.records} records of {run} landed")


@pytest.mark.timeout(3600)
async def test_three_normalizers_killed_at_random_with_backends_and_the_broker(
    field: Field, stack: Stack, request: pytest.FixtureRequest
) -> None:
    kills = request.config.getoption("--kills")
    random = Random(SEED)  # noqa: S311 - moments of a test
    history = made_up(random, offers=800, changes=kills * 600, run="c")
    await field.publish(history)
    for _ in range(3):
        field.start("normalizer", "run")
    broker_deaths = set(random.sample(range(kills), max(1, kills // 40)))
    for number in range(kills):
        await asyncio.sleep(random.uniform(0.2, 0.9))  # noqa: TID251 - any moment
        if number in broker_deaths:
            await asyncio.to_thread(stack.broker.kill)
            await asyncio.to_thread(stack.broker.start)
        elif number % 5 == 0:
            await field.end_backends()
        field.kill(random.choice(field.running))
        field.start("normalizer", "run")
    landed = await field.landed_records("c")
    print(  # noqa: T201 - shown by -s
        f"\n{kills} kills, {len(broker_deaths)} of them of the broker too:"
        f" {landed:,} of {history.records:,} records had landed when they were over"
    )
    await _land_all(field, history, "c", within_s=60 + kills * 3)
    await field.assert_equals(history.rows)
