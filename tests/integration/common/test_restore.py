"""A dump and what comes of it on a real PostgreSQL: the same rows and positions, or the target as it was."""

import asyncio
import json
import secrets
import shutil
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from alembic import command
from tests.conftest import settings_of
from tests.lent import connected

from common.db import aside, migrate, restore
from common.db.dump import dump
from common.db.engine import create_engine
from common.db.manifest import Manifest, write
from common.db.revision import HEAD
from common.db.stock import take_stock
from common.errors import TransferError
from common.settings import DatabaseSettings
from sandbox.stack import Stack

FILLED = """
INSERT INTO raw_data (platform, inner_id, change_type, data, source, max_seq)
SELECT 'che168', n::text, 'added', jsonb_build_object('price', n), 'initial_load', n FROM generate_series(1, 500) AS n;
INSERT INTO catalog_changes (platform, inner_id, change_type, diff)
SELECT 'che168', n::text, 'added', '{}' FROM generate_series(1, 50) AS n;
DELETE FROM catalog_changes WHERE change_id > 40;
INSERT INTO sync_state (platform, last_successful_date, last_change_id) VALUES ('che168', '2026-11-20', 4711);
INSERT INTO fetch_runs (run_id, platform, kind, status, position) VALUES ('r1', 'che168', 'initial_load', 'running', 7);
INSERT INTO rate_limits (token_id, full_at) VALUES (1, now());
"""
"""Positions, and ids of changes that were given and are gone."""

OTHER = "INSERT INTO sync_state (platform, last_change_id) VALUES ('encar', 5)"
Damage = Callable[[Path], object]


@pytest.fixture(scope="module")
async def dumped(module_database: DatabaseSettings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dump of a filled database."""
    async with connected(module_database) as connection:
        await connection.execute(FILLED)
    folder = tmp_path_factory.mktemp("dumps") / "new" / "one"
    await dump(module_database, folder)
    return folder


@pytest.fixture
def copied(dumped: Path, tmp_path: Path) -> Path:
    """A copy of the dump, to be damaged."""
    return Path(shutil.copytree(dumped, tmp_path / "copy"))


@pytest.fixture(scope="module")
async def spared(stack: Stack, migrated_template: str) -> AsyncIterator[DatabaseSettings]:
    """A database with rows that every restore is refused to."""
    name = f"test_{secrets.token_hex(4)}"
    await asyncio.to_thread(stack.create_database, name, template=migrated_template)
    async with connected(settings_of(stack, name)) as connection:
        await connection.execute(OTHER)
    yield settings_of(stack, name)
    await asyncio.to_thread(stack.drop_database, name)


async def held(settings: DatabaseSettings) -> Any:
    """Return everything that tells a database from another: tables by identity, rows, positions, what is aside."""
    async with connected(settings) as connection:
        tables = await connection.fetch("SELECT oid, relname FROM pg_class WHERE relnamespace = 'public'::regnamespace")
        return {tuple(row) for row in tables}, await take_stock(connection), await aside.is_aside(connection)


async def refused(settings: DatabaseSettings, folder: Path, *, force: bool = False) -> str:
    """Restore in vain; return the one line that says why, the target being as it was."""
    before = await held(settings)
    with pytest.raises(TransferError) as caught:
        await restore.restore(settings, folder, force=force)
    assert await held(settings) == before
    (line,) = str(caught.value).splitlines()
    return line


async def test_rows_positions_and_sequences_arrive_and_ids_go_on(dumped: Path, database: DatabaseSettings) -> None:
    made = await restore.restore(database, dumped, force=False)
    assert made.revision == HEAD
    async with connected(database) as connection:
        taken = await take_stock(connection)
        assert (taken.rows, taken.positions) == (made.stock.rows, made.stock.positions)
        assert await connection.fetchval("SELECT sum((data ->> 'price')::int) FROM raw_data") == 125_250
        assert await connection.fetchval("SELECT last_change_id FROM sync_state") == 4711
        assert await connection.fetchval("SELECT position FROM fetch_runs") == 7
        assert await connection.fetchval("SELECT count(*) FROM rate_limits") == 0
        assert await connection.fetchval("SELECT nextval(pg_get_serial_sequence('raw_data', 'id'))") == 501
        assert await connection.fetchval("SELECT reltuples FROM pg_class WHERE relname = 'raw_data'") == 500
        assert not await aside.is_aside(connection)


def test_people_can_check_a_dump_by_hand_and_nobody_else_reads_it(dumped: Path) -> None:
    words = ["/usr/bin/sha256sum", "--check", "--strict", "SHA256SUMS"]
    assert subprocess.run(words, cwd=dumped, capture_output=True, check=False).returncode == 0  # noqa: S603 - fixed words
    assert dumped.stat().st_mode & 0o077 == 0
    manifest = json.loads((dumped / "manifest.json").read_text())
    assert manifest["revision"] == HEAD
    assert manifest["stock"]["rows"]["raw_data"] == 500
    assert manifest["stock"]["positions"]["sync_state"][0]["last_change_id"] == 4711


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def _largest(folder: Path) -> Path:
    return max((folder / "data").glob("*.dat*"), key=lambda path: path.stat().st_size)


@pytest.mark.parametrize(
    ("damage", "reason"),
    [(lambda folder: _flip(_largest(folder)), "damaged"), (lambda folder: _largest(folder).unlink(), "cut off")],
    ids=["a bit", "a missing file"],
)
async def test_a_damaged_or_cut_dump_is_refused(
    copied: Path, spared: DatabaseSettings, damage: Damage, reason: str
) -> None:
    damage(copied)
    assert reason in await refused(spared, copied, force=True)


def described_anew(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change the manifest of a dump, and its sums with it."""
    content = json.loads((folder / "manifest.json").read_text())
    change(content)
    for name in ("manifest.json", "SHA256SUMS"):
        (folder / name).unlink()
    write(folder, Manifest.model_validate(content))


async def test_a_newer_revision_is_refused_whatever_one_insists_on(copied: Path, spared: DatabaseSettings) -> None:
    described_anew(copied, lambda content: content.update(revision="9999"))
    for force in (False, True):
        assert "9999" in await refused(spared, copied, force=force)


async def test_an_older_revision_is_refused_unless_one_insists(
    database: DatabaseSettings, empty_database: DatabaseSettings, tmp_path: Path
) -> None:
    old = await older(empty_database, tmp_path / "old", revision="0009")
    line = await refused(database, old)
    assert "0009" in line
    assert "FORCE=1" in line
    made = await restore.restore(database, old, force=True)
    assert made.revision == "0009"
    async with connected(database) as connection:
        assert await connection.fetchval("SELECT version_num FROM alembic_version") == HEAD
        assert await connection.fetchval("SELECT last_change_id FROM sync_state") == 5


async def older(settings: DatabaseSettings, folder: Path, *, revision: str) -> Path:
    """Dump a database of an older revision."""
    engine = create_engine(settings, application="test")
    async with engine.connect() as connection:
        await connection.run_sync(lambda driver: _upgrade(driver, revision))
        await connection.commit()
    await engine.dispose()
    async with connected(settings) as connection:
        await connection.execute(OTHER)
    await dump(settings, folder)
    return folder


def _upgrade(connection: Any, revision: str) -> None:
    config = migrate.alembic_config()
    config.attributes["connection"] = connection
    command.upgrade(config, revision)


async def test_a_target_with_rows_is_refused_unless_one_insists(dumped: Path, database: DatabaseSettings) -> None:
    async with connected(database) as connection:
        await connection.execute(OTHER)
    line = await refused(database, dumped)
    assert "sync_state has rows" in line
    assert "FORCE=1" in line
    await restore.restore(database, dumped, force=True)
    async with connected(database) as connection:
        assert await connection.fetchval("SELECT array_agg(platform) FROM sync_state") == ["che168"]


async def test_no_id_of_a_change_is_given_twice_to_those_who_followed_what_the_dump_replaces(
    dumped: Path, database: DatabaseSettings
) -> None:
    async with connected(database) as connection:
        seen = await _changed(connection, times=3_000)
    for _ in range(2):
        await restore.restore(database, dumped, force=True)
        async with connected(database) as connection:
            first = await _changed(connection)
            assert seen < first < 2**53, "a number of JSON"
            assert await connection.fetchval("SELECT count(*) FROM catalog_changes") == 41
            seen = await _changed(connection, times=3_000)
            assert seen == first + 3_000


async def _changed(connection: "asyncpg.Connection[Any]", *, times: int = 1) -> int:
    """Write changes and return the id of the last."""
    new = "INSERT INTO catalog_changes (platform, inner_id, change_type, diff) SELECT 'x', 'y', 'added', '{}'"
    rows = await connection.fetch(f"{new} FROM generate_series(1, $1) RETURNING change_id", times)
    return int(rows[-1][0])


async def test_a_target_in_use_is_refused(dumped: Path, spared: DatabaseSettings) -> None:
    async with connected(spared, server_settings={"application_name": "normalizer@here"}):
        assert "normalizer@here" in await refused(spared, dumped, force=True)


async def test_a_dump_can_be_looked_at_while_the_target_is_in_use(
    dumped: Path, copied: Path, spared: DatabaseSettings
) -> None:
    before = await held(spared)
    _largest(copied).unlink()
    async with connected(spared, server_settings={"application_name": "normalizer@here"}):
        assert (await restore.examine(spared, dumped, force=True)).revision == HEAD
        with pytest.raises(TransferError, match="sync_state has rows"):
            await restore.examine(spared, dumped, force=False)
        with pytest.raises(TransferError, match="cut off"):
            await restore.examine(spared, copied, force=True)
    assert await held(spared) == before


async def test_a_target_that_is_being_migrated_is_refused(dumped: Path, spared: DatabaseSettings) -> None:
    async with connected(spared) as connection:
        await connection.execute("SELECT pg_advisory_lock($1)", migrate.MIGRATION_LOCK)
        assert "under way" in await refused(spared, dumped, force=True)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda stock: stock["rows"].update(raw_data=501), "raw_data has 500 rows instead of 501"),
        (lambda stock: stock["rows"].update(lost=3), "lost has no table rows"),
        (lambda stock: stock["positions"]["sync_state"][0].update(last_change_id=4712), "sync_state differs"),
    ],
    ids=["rows", "table", "position"],
)
async def test_what_is_not_as_the_dump_says_is_taken_back(
    copied: Path, spared: DatabaseSettings, change: Callable[[dict[str, Any]], object], reason: str
) -> None:
    described_anew(copied, lambda content: change(content["stock"]))
    assert reason in await refused(spared, copied, force=True)


async def test_a_restore_that_fails_half_way_is_taken_back(copied: Path, spared: DatabaseSettings) -> None:
    _largest(copied).write_bytes(b"no data at all")
    described_anew(copied, lambda _content: None)
    assert "pg_restore" in await refused(spared, copied, force=True)


async def test_a_restore_that_was_killed_is_undone_by_the_next_one_and_by_a_migration(
    spared: DatabaseSettings, dumped: Path
) -> None:
    for undo in (restore.restore(spared, dumped, force=False), migrate.upgrade(spared)):
        before = await held(spared)
        async with connected(spared) as connection:
            await aside.set_aside(connection)
            await connection.execute("CREATE TABLE sync_state (half int)")
        with suppress(TransferError):  # not empty
            await undo
        assert await held(spared) == before


async def test_an_empty_database_is_restored_into_as_well(dumped: Path, empty_database: DatabaseSettings) -> None:
    made = await restore.restore(empty_database, dumped, force=False)
    async with connected(empty_database) as connection:
        taken = await take_stock(connection)
    assert (taken.rows, taken.positions) == (made.stock.rows, made.stock.positions)


async def test_without_a_schema_there_is_nothing_to_dump(empty_database: DatabaseSettings, tmp_path: Path) -> None:
    with pytest.raises(TransferError, match="nothing to dump"):
        await dump(empty_database, tmp_path / "none")
    assert not await asyncio.to_thread(lambda: list(tmp_path.iterdir()))


async def test_a_folder_that_is_there_is_not_written_to(database: DatabaseSettings, tmp_path: Path) -> None:
    with pytest.raises(TransferError, match="exists already"):
        await dump(database, tmp_path)


@pytest.fixture
async def writer(module_database: DatabaseSettings, dumped: Path) -> AsyncIterator[list[int]]:
    """Somebody who adds rows all the time; the fixture's value is how many."""
    del dumped  # which must not see them
    written: list[int] = []
    begun = asyncio.Event()

    async def write_on() -> None:
        async with connected(module_database) as connection:
            while True:
                await connection.execute("INSERT INTO drift VALUES ('p', $1, 'r', 'w', 1)", str(len(written)))
                written.append(1)
                begun.set()

    task = asyncio.create_task(write_on())
    await begun.wait()
    yield written
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_rows_and_data_are_of_one_moment_while_others_write(
    module_database: DatabaseSettings, database: DatabaseSettings, tmp_path: Path, writer: list[int]
) -> None:
    made = await dump(module_database, tmp_path / "busy")
    assert 0 < made.stock.rows["drift"] < len(writer)
    await restore.restore(database, tmp_path / "busy", force=False)  # compares the rows


@pytest.fixture
def no_tools(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine without PostgreSQL's programs."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("common.db.pg_tools.find.__defaults__", (tmp_path,))


@pytest.mark.usefixtures("no_tools")
async def test_a_missing_program_is_named(database: DatabaseSettings, tmp_path: Path) -> None:
    with pytest.raises(TransferError, match="pg_dump is not installed"):
        await dump(database, tmp_path / "none")
