"""Real servers for the tests: one private stack per run; a fresh database and virtual host for each who asks.

`TEST_STACK_DIR` names the state folder of a stack that runs already (`sandbox stack up --state DIR`): it is used and
left running, which saves its start.
"""

import asyncio
import logging
import os
import secrets
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest
from hypothesis import HealthCheck, settings
from pydantic import SecretStr
from tests.kinds import pytest_collection_modifyitems, pytest_terminal_summary
from tests.lent import connected

from common import log
from common.db import migrate
from common.settings import DatabaseSettings
from sandbox.stack import Stack, Vhost
from sandbox.stack.ports import HOST
from sandbox.stack.programs import find_postgres
from sandbox.stack.state import DATABASE_ADMINISTRATOR

EMPTY: Final = """
DO $$
DECLARE one text; filled text[] := '{}'; is_filled boolean;
BEGIN
  FOR one IN
    SELECT quote_ident(tablename) FROM pg_tables
    WHERE schemaname = 'public' AND tablename !~ '^(alembic_version|source_[0-9])$'
  LOOP
    EXECUTE format('SELECT EXISTS (SELECT FROM %s)', one) INTO is_filled;
    IF is_filled THEN filled := filled || one; END IF;
  END LOOP;
  IF filled <> '{}' THEN
    EXECUTE format('TRUNCATE %s RESTART IDENTITY CASCADE', array_to_string(filled, ', '));
  END IF;
END $$
"""
"""What a migration has filled stays."""

__all__ = ["pytest_collection_modifyitems", "pytest_terminal_summary"]
"""Hooks: pytest looks for them here."""


def pytest_configure() -> None:
    """Let no property fail because the machine stood still for a moment."""
    settings.register_profile("feedmill", deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.load_profile("feedmill")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add what the long forms of tests take."""
    parser.addoption("--crawl-offers", type=int, default=2_500, help="offers of the crawl (make crawl: 50,000)")
    parser.addoption("--alarms", action="store_true", help="let a real Prometheus raise alerts (make alarms)")
    parser.addoption("--kills", type=int, default=10, help="how often the chaos test kills (make chaos: 200)")
    parser.addoption("--broker-kills", type=int, default=1, help="kills of a cluster's nodes (make chaos: 12)")
    parser.addoption("--hot-batches", type=int, default=24, help="batches on the same rows (make chaos: 1,000)")
    parser.addoption("--api-examples", type=int, default=3, help="examples of each operation (make fuzz: 200)")
    parser.addoption("--merge-examples", type=int, default=300, help="examples of each law (make chaos: 10,000)")


@pytest.fixture(autouse=True)
def _own_surroundings() -> Iterator[None]:
    """Undo what a test changes for all: the environment, such as by reading an `.env`, and the level of the log."""
    before, root = dict(os.environ), logging.getLogger()
    level = root.level
    yield
    root.setLevel(level)
    if os.environ != before:
        os.environ.clear()
        os.environ.update(before)


@pytest.fixture(autouse=True)
def _forgotten_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a test's secrets be words again in the next one."""
    monkeypatch.setattr(log, "hidden", log.HiddenSecrets())


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A running RabbitMQ and PostgreSQL. Who stops a server of it brings it back before the test ends."""
    running = os.environ.get("TEST_STACK_DIR")
    if running:
        reused = Stack(Path(running))
        reused.up()
        yield reused
        return
    own = Stack(tmp_path_factory.mktemp("stack"), preferred_ports={})
    try:
        own.up()
        _forget_power_cuts(own)
        yield own
    finally:
        own.delete_data()


def _forget_power_cuts(stack: Stack) -> None:
    """Let the database keep what the death of processes leaves, as we kill them, but not wait for the disk."""
    environment = {"PGPASSWORD": stack.state.passwords[DATABASE_ADMINISTRATOR], "PATH": os.environ["PATH"]}
    address = f"host={HOST} port={stack.database.port} user={DATABASE_ADMINISTRATOR} dbname=postgres"
    words = [str(find_postgres().psql), "-X", "-c", "ALTER SYSTEM SET fsync = off", "-c", "SELECT pg_reload_conf()"]
    subprocess.run([*words, address], env=environment, check=True, capture_output=True)  # noqa: S603 - PostgreSQL's own


def settings_of(stack: Stack, name: str) -> DatabaseSettings:
    """Return the settings that lead to the database `name` of a stack."""
    env = stack.env()
    return DatabaseSettings(
        host=env["DB_HOST"],
        port=int(env["DB_PORT"]),
        user=env["DB_USER"],
        password=SecretStr(env["DB_PASSWORD"]),
        name=name,
    )


@pytest.fixture(scope="session")
async def migrated_template(stack: Stack) -> AsyncIterator[str]:
    """The name of a database with all migrations and without rows; each test's own is a copy of it."""
    name = f"test_template_{secrets.token_hex(4)}"
    await asyncio.to_thread(stack.create_database, name)
    await migrate.upgrade(settings_of(stack, name))
    yield name
    await asyncio.to_thread(stack.drop_database, name)


@pytest.fixture
def database(stack: Stack, migrated_template: str) -> Iterator[DatabaseSettings]:
    """A fresh migrated database for one test."""
    with _copied(stack, migrated_template) as settings:
        yield settings


@pytest.fixture(scope="module")
def module_database(stack: Stack, migrated_template: str) -> Iterator[DatabaseSettings]:
    """A fresh migrated database for the tests of one file."""
    with _copied(stack, migrated_template) as settings:
        yield settings


@pytest.fixture
async def emptied_database(module_database: DatabaseSettings) -> DatabaseSettings:
    """The file's database without what the test before has left: for tests that change rows and nothing else."""
    async with connected(module_database) as connection:
        await connection.execute(EMPTY)
    return module_database


@pytest.fixture
def vhost(stack: Stack) -> Iterator[Vhost]:
    """A fresh virtual host with the whole topology, and each service's URL for it."""
    name = f"test_{secrets.token_hex(4)}"
    yield stack.create_vhost(name)
    stack.delete_vhost(name)


@contextmanager
def _copied(stack: Stack, template: str) -> Iterator[DatabaseSettings]:
    name = f"test_{secrets.token_hex(4)}"
    stack.create_database(name, template=template)
    yield settings_of(stack, name)
    stack.drop_database(name)
