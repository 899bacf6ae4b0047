"""Bring a database to the newest revision; safe to start twice at once."""

import logging
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

import asyncpg
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from common.clock import Clock, SystemClock
from common.db import aside, rights, waiting
from common.db.engine import create_engine
from common.errors import ConfigurationError, UnavailableError
from common.settings import DatabaseSettings

MIGRATION_LOCK: Final = 0x6665_6564_0001
"""Advisory lock held while revisions run; a second start waits for the first and then finds nothing to do."""

PATIENCE_S: Final = 3600.0
"""Seconds that a revision, or the wait for another migration, may take."""

_log = logging.getLogger(__name__)


def alembic_config() -> Config:
    """Return Alembic's configuration without a file."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    return config


def head() -> str:
    """Return the newest revision; there is exactly one."""
    revision = ScriptDirectory.from_config(alembic_config()).get_current_head()
    assert revision is not None  # noqa: S101 - the folder holds at least the first revision
    return revision


def known() -> frozenset[str]:
    """Return every revision that this version knows."""
    return frozenset(one.revision for one in ScriptDirectory.from_config(alembic_config()).walk_revisions())


async def upgrade(
    settings: DatabaseSettings,
    *,
    passwords: Mapping[str, str] = MappingProxyType({}),
    clock: Clock = SystemClock(),  # noqa: B008 - has no state
) -> str:
    """Run what is missing, grant the services what they need, and return the revision reached.

    Whoever is waited for, such as a transaction that somebody has left open, is named in a WARNING.

    Args:
        settings: Of the owner.
        passwords: Service → password that its role is to have; made where it is missing and that may be done.
        clock: For the pauses between two looks at whom it waits for.

    Raises:
        UnavailableError: The database does not answer or refuses this user or a statement; the text names host, port
            and name.
        ConfigurationError: The database is at a revision that this version of feedmill does not know, or a role is
            missing.
    """
    where = f"{settings.host}:{settings.port}/{settings.name}"
    patient = settings.model_copy(update={"statement_timeout_s": PATIENCE_S, "lock_timeout_s": PATIENCE_S})
    engine = create_engine(patient, application="migrate")
    try:
        async with engine.connect() as connection:
            driver = (await connection.get_raw_connection()).driver_connection
            assert driver is not None  # noqa: S101 - it is connected
            async with waiting.told(settings, driver.get_server_pid(), clock=clock):
                await connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": MIGRATION_LOCK})
                await connection.commit()
                if await aside.put_back(driver):
                    _log.warning("a restore that was cut off has been undone")
                await connection.run_sync(_run)
                await connection.commit()
                await rights.apply(driver, passwords)
    except (OSError, DBAPIError, asyncpg.PostgresError) as error:
        raise UnavailableError(f"database {where}: {_in_one_line(error)}") from error
    except CommandError as error:
        raise ConfigurationError(f"database {where}: {error}; is it from a newer feedmill?") from error
    finally:
        await engine.dispose()
    return head()


def _in_one_line(error: Exception) -> str:
    """Return what the server said, without SQLAlchemy's copy of the statement."""
    said = error.orig if isinstance(error, DBAPIError) and error.orig else error
    lines = str(said).strip().splitlines()
    return lines[0] if lines else type(said).__name__


def _run(connection: Connection) -> None:
    config = alembic_config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
