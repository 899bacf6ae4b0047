"""A replica beside the private database: it is there only when asked for, and comes back with what it has missed."""

import asyncio
import os
import stat
import subprocess
import sys
from pathlib import Path

import asyncpg
import pytest

from common.clock import SystemClock
from sandbox.stack import Stack

pytestmark = pytest.mark.integration


async def answer(stack: Stack, port: int, query: str) -> object:
    """Ask the database, or the replica, as the services' role."""
    state = stack.state
    connection = await asyncpg.connect(
        host="127.0.0.1", port=port, user="feedmill", password=state.passwords["feedmill"], database="feedmill"
    )
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


async def until(stack: Stack, query: str, expected: object) -> None:
    """Wait until the replica gives an answer."""
    async with asyncio.timeout(10):
        while await answer(stack, stack.replica.port, query) != expected:
            await SystemClock().sleep(0.02)


async def test_it_follows_and_takes_no_writes(replicated: Stack) -> None:
    await answer(replicated, replicated.database.port, "CREATE TABLE followed AS SELECT 1 AS a")
    await until(replicated, "SELECT count(*) FROM pg_tables WHERE tablename = 'followed'", 1)
    with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
        await answer(replicated, replicated.replica.port, "DROP TABLE followed")


async def test_it_comes_back_with_what_it_has_missed_and_on_its_port(replicated: Stack) -> None:
    port = replicated.replica.port
    assert set(replicated.down()) == {"database", "replica"}
    replicated.up()
    replicated.replica.stop()
    await answer(replicated, replicated.database.port, "CREATE TABLE missed AS SELECT 1 AS a")
    replicated.up()
    assert replicated.replica.port == port
    await until(replicated, "SELECT count(*) FROM pg_tables WHERE tablename = 'missed'", 1)


def test_up_names_it_and_says_that_its_usual_port_was_taken(replicated: Stack) -> None:
    again = Stack(replicated.folder, preferred_ports={"replica": 1}, servers=("database", "replica"))
    usual, moved = replicated.database, replicated.replica
    assert again.up() == [
        f"PostgreSQL on 127.0.0.1:{usual.port}, pid {usual.pid}",
        f"PostgreSQL replica on 127.0.0.1:{moved.port} (1 was taken), pid {moved.pid}",
    ]


def test_its_folder_and_its_password_are_closed_to_others(replicated: Stack) -> None:
    assert replicated.state.database_folder is not None
    data = replicated.state.database_folder / "replica" / "data"
    assert stat.S_IMODE(data.stat().st_mode) == 0o700
    assert stat.S_IMODE((data / "postgresql.conf").stat().st_mode) & 0o077 == 0
    command = Path(f"/proc/{replicated.replica.pid}/cmdline").read_text(encoding="utf-8")
    assert replicated.state.passwords["feedmill_replica"] not in command
    assert not (data.parent / "password").exists()


def test_a_stack_without_one_knows_nothing_of_it(tmp_path: Path) -> None:
    alone = Stack(tmp_path / "stack", preferred_ports={}, servers=())
    alone.up()
    assert "replica" not in alone.state.ports
    assert "DB_READ_HOST" not in alone.env()


def test_the_command_names_it_in_the_environment(replicated: Stack) -> None:
    command = [sys.executable, "-m", "sandbox", "stack", "env", "--state", str(replicated.folder)]
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": os.environ.get("PYTHONPATH", "")}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)  # noqa: S603 - our own
    assert f"export DB_READ_PORT={replicated.replica.port}\n" in done.stdout + done.stderr
