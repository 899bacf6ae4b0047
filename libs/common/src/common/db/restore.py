"""Taking a dump into a database, all of it or nothing: what is there stays until the copy has been found right."""

import asyncio
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import asyncpg

from common.db import aside, manifest, migrate, pg_tools
from common.db.dump import JOBS
from common.db.manifest import DATA, Manifest
from common.db.revision import HEAD
from common.db.session import connect_patiently
from common.db.stock import TABLES, advance_sequences, differences, take_stock
from common.errors import TransferError
from common.settings import DatabaseSettings

SEEDED: Final = frozenset({"alembic_version", "source_1", "source_2", "source_3"})
"""Tables that a migration fills, so that a database with rows in no other one is as good as empty."""

SERVICES: Final = """
SELECT DISTINCT application_name FROM pg_stat_activity
 WHERE datname = current_database() AND pid <> pg_backend_pid()
   AND split_part(application_name, '@', 1) = ANY (ARRAY['fetcher', 'normalizer', 'gateway']) ORDER BY 1
"""
"""Services of ours that are connected to the target."""

EXTENSIONS: Final = "SELECT extname FROM pg_extension WHERE extnamespace = 'public'::regnamespace ORDER BY 1"
"""Extensions that would go with the schema."""

LEAVE_CHANGES_BEHIND: Final = """
SELECT setval(pg_get_serial_sequence('public.catalog_changes', 'change_id'),
              greatest(nextval(pg_get_serial_sequence('public.catalog_changes', 'change_id')),
                       (extract(epoch FROM now()) * 1000000)::bigint))
"""
"""Let the next change have the microseconds since 1970 as its id.

Readers of the changes may be beyond all ids that the dump knows of: they have followed the database that it replaces,
or that was lost. Given again, those ids would be news that they never ask for. No feed gives a million ids a second, so
this one is new to everybody, after any number of restores; numbers of JSON have room for it until 2255.
"""

_OPTIONS: Final = (
    *("--format=directory", f"--jobs={JOBS}", "--schema=public"),
    *("--no-owner", "--no-privileges", "--exit-on-error"),
)
_log = logging.getLogger(__name__)


async def examine(settings: DatabaseSettings, folder: Path, *, force: bool) -> Manifest:
    """Return the manifest of a dump that `restore` would take once nobody uses the target; nothing is changed.

    Args:
        settings: As for `restore`.
        folder: As for `restore`.
        force: As for `restore`.

    Raises:
        TransferError: The dump is not whole or of another revision, or the target is not empty.
        UnavailableError: The database is away.
    """
    wanted = await _whole(settings, folder, force=force)
    async with connect_patiently(settings, application="restore") as connection:
        if not await aside.is_aside(connection):  # otherwise what the target holds is seen after that is undone
            await _check_content(connection, settings.name, force=force)
    return wanted


async def restore(settings: DatabaseSettings, folder: Path, *, force: bool) -> Manifest:
    """Make the database what a dump holds, and return the dump's manifest.

    Args:
        settings: The target: its owner, and a database that exists.
        folder: The dump.
        force: Replace what the target holds; take a dump of an older revision and migrate it.

    Raises:
        TransferError: The dump is not whole or of another revision, the target is not empty or in use, or what was
            restored is not what the dump says. The target is then as it was.
        UnavailableError: The database is away.
    """
    wanted = await _whole(settings, folder, force=force)
    async with connect_patiently(settings, application="restore") as connection:
        if not await connection.fetchval("SELECT pg_try_advisory_lock($1)", migrate.MIGRATION_LOCK):
            raise TransferError(f"database {settings.name}: a migration or another restore is under way")
        if await aside.put_back(connection):
            _log.warning("a restore that was cut off has been undone")
        await _check_unused(connection, settings.name)
        await _check_content(connection, settings.name, force=force)
        await aside.set_aside(connection)
        try:
            await _fill(connection, settings, folder, wanted)
            await aside.forget(connection)
        except BaseException:
            await aside.put_back(connection)
            raise
    await migrate.upgrade(settings)
    async with connect_patiently(settings, application="restore") as connection:
        await connection.execute("VACUUM (ANALYZE)")  # a dump brings no statistics, and without them plans are poor
    return wanted


async def _whole(settings: DatabaseSettings, folder: Path, *, force: bool) -> Manifest:
    wanted = await asyncio.to_thread(manifest.read, folder)
    _check_revision(wanted, force=force)
    await pg_tools.run("pg_restore", "--list", str(folder / DATA), settings=settings)
    return wanted


async def _fill(
    connection: "asyncpg.Connection[Any]", settings: DatabaseSettings, folder: Path, wanted: Manifest
) -> None:
    options = (*_OPTIONS, f"--dbname={settings.name}", str(folder / DATA))
    await pg_tools.run("pg_restore", *options, settings=settings)
    await advance_sequences(connection, wanted.stock.sequences)
    if wrong := differences(wanted.stock, await take_stock(connection)):
        raise TransferError(f"what was restored is not what the dump says: {'; '.join(wrong)}")
    await connection.execute(LEAVE_CHANGES_BEHIND)


def _check_revision(wanted: Manifest, *, force: bool) -> None:
    if wanted.revision == HEAD:
        return
    if wanted.revision not in migrate.known():
        raise TransferError(
            f"the dump is of revision {wanted.revision}, which this feedmill ({HEAD}) does not know: use a newer one"
        )
    if not force:
        raise TransferError(
            f"the dump is of revision {wanted.revision}, this feedmill is at {HEAD}: "
            "with --force (FORCE=1) it is restored and migrated"
        )


async def _check_unused(connection: "asyncpg.Connection[Any]", name: str) -> None:
    if running := await _column(connection, SERVICES):
        raise TransferError(f"database {name}: stop the services first; connected: {', '.join(running)}")


async def _check_content(connection: "asyncpg.Connection[Any]", name: str, *, force: bool) -> None:
    if extensions := await _column(connection, EXTENSIONS):
        raise TransferError(
            f"database {name}: the extension {extensions[0]} is in the schema public, which is replaced: "
            f"ALTER EXTENSION {extensions[0]} SET SCHEMA another"
        )
    if force:
        return
    for table in await _column(connection, TABLES):
        has_rows = await connection.fetchval(f'SELECT EXISTS (SELECT FROM public."{table}")')  # noqa: S608 - a name of the catalog
        if has_rows and table not in SEEDED:
            raise TransferError(
                f"database {name} is not empty ({table} has rows): with --force (FORCE=1) everything in it is replaced"
            )


async def _column(connection: "asyncpg.Connection[Any]", query: str) -> Sequence[str]:
    return [row[0] for row in await connection.fetch(query)]
